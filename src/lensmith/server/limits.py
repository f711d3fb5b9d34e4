"""What the server takes before it says no."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on one request and on all of them together.

    body_bytes: the largest body; above it 413.
    seconds: in which a body must have arrived (408), and then the answer be found (503).
    in_flight: requests taken in and not yet answered; one more gets 503. Memory is bounded by this
        times `body_bytes`.
    batch: pictures that go through the model together, at most.
    gather_seconds: how long a picture waits for the others that are on their way.
    drain_seconds: what open requests get to finish in once the server is told to stop.
    """

    body_bytes: int = 20 * 2**20
    seconds: float = 20.0
    in_flight: int = 64
    batch: int = 32
    gather_seconds: float = 0.004
    # Under the 10 s after which `docker stop` kills.
    drain_seconds: int = 8
