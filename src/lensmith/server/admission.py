"""Who is taken in: so many pictures, and so many bytes, of all requests together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lensmith.server.limits import Limits


class QueueFullError(Exception):
    """As much is in flight as the limits allow, or nothing is answered any more."""


class Place:
    """What one request holds of the limits. It grows as the request turns out to be larger."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.pictures = 0
        self.bytes = 0

    def take(self, pictures: int = 0, size: int = 0) -> None:
        """Hold more. Raises `QueueFullError`, and holds what it held, where that is too much."""
        self._admission.count(pictures, size)
        self.pictures += pictures
        self.bytes += size


class Admission:
    """Counts what is in flight; by one thread only, that of the event loop.

    A request is admitted before its body is read, so that memory is bounded from the first byte on. Bytes are
    counted as they arrive: a slow sender holds what it has sent, not what it has announced.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.pictures = 0
        self.bytes = 0

    def count(self, pictures: int, size: int) -> None:
        """Add to what is in flight. Raises `QueueFullError` where that would be too much."""
        if (
            self.pictures + pictures > self._limits.in_flight
            or self.bytes + size > self._limits.in_flight_bytes
        ):
            raise QueueFullError
        self.pictures += pictures
        self.bytes += size

    @contextmanager
    def admit(self) -> Iterator[Place]:
        """A place for one picture, until the block ends. Raises `QueueFullError` where none is free."""
        place = Place(self)
        place.take(pictures=1)
        try:
            yield place
        finally:
            self.pictures -= place.pictures
            self.bytes -= place.bytes
