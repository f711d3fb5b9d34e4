"""What the server takes before it says no."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on one request, on all of them together, and on connections.

    body_bytes: the largest body; above it 413.
    pictures: the most of one request.
    pixels: the most of one picture, read from its header before anything is decoded.
    seconds: in which a body must have arrived (408), and then the answer be found (503).
    in_flight: pictures taken in and not yet answered, and in_flight_bytes: of their bodies; one more gets 503.
        The bytes bound the memory, together with what the decoders have open.
    batch: pictures that go through the model together, at most; the model may be better with fewer.
    gather_seconds: how long a picture waits for others that are being decoded.
    connections: open at once; one more gets 503.
    head_bytes, head_seconds: of a request's line and headers.
    idle_seconds: how long a connection is kept for its next request.
    look_seconds: between two looks at whether the model's file was replaced.
    drain_seconds: what open requests get to finish in once the server is told to stop.
    """

    body_bytes: int = 20 * 2**20
    pictures: int = 32
    pixels: int = 50_000_000
    seconds: float = 20.0
    in_flight: int = 64
    in_flight_bytes: int = 256 * 2**20
    batch: int = 64
    gather_seconds: float = 0.004
    connections: int = 256
    head_bytes: int = 16 * 2**10
    head_seconds: float = 10.0
    idle_seconds: int = 5
    look_seconds: float = 2.0
    # Under the 10 s after which `docker stop` kills.
    drain_seconds: int = 8
