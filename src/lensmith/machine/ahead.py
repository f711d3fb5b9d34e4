"""Work on a stream by threads, ahead of whoever takes the results: in order, and never far ahead."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, TimeoutError
from typing import Generic, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

_WAIT = 0.2
"""Seconds after which whoever waits looks up: neither a Ctrl-C nor the end has to wait for it."""
_LEAVE = 1.0
"""Seconds that the threads get to end what they are at; after that they do not hold the process back."""


def worked_ahead(
    source: Iterator[Given], work: Callable[[Given], Made], *, ahead: int, threads: int
) -> Generator[Made, None, None]:
    """What `work` makes of each of `source`, in that order; at most `ahead` of them wait to be taken.

    `source` is advanced by whichever thread is free, by one at a time: what it does is done in order. An error
    of either is raised when it would have been its turn.
    """
    line: _Line[Given, Made] = _Line(source, work, ahead, threads)
    workers = [threading.Thread(target=line.serve, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield from line.results()
    finally:
        line.close()
        latest = time.monotonic() + _LEAVE
        for worker in workers:
            worker.join(max(0.0, latest - time.monotonic()))


class _Line(Generic[Given, Made]):
    def __init__(
        self, source: Iterator[Given], work: Callable[[Given], Made], ahead: int, threads: int
    ) -> None:
        self._source, self._work, self._threads = source, work, threads
        self._turn = threading.Lock()
        self._room = threading.Semaphore(ahead)
        self._places: deque[Future[Made]] = deque()
        self._changed = threading.Condition()
        self._ended = False

    def serve(self) -> None:
        """What each thread does until nothing is left."""
        while self._has_room():
            place: Future[Made] = Future()
            with self._turn:
                if self._ended:
                    return
                try:
                    given = next(self._source)
                except StopIteration:
                    self.close()
                    return
                except BaseException as error:
                    place.set_exception(error)
                    self._queue(place)
                    self.close()
                    return
                self._queue(place)
            try:
                place.set_result(self._work(given))
            except BaseException as error:
                place.set_exception(error)

    def results(self) -> Iterator[Made]:
        """In the order in which their places were taken."""
        while True:
            with self._changed:
                while not self._places and not self._ended:
                    self._changed.wait(_WAIT)
                if not self._places:
                    return
                place = self._places.popleft()
            yield _made(place)
            self._room.release()

    def close(self) -> None:
        """Nothing more is taken from the source."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._room.release(self._threads)  # so that none waits for it

    def _has_room(self) -> bool:
        self._room.acquire()
        return not self._ended

    def _queue(self, place: Future[Made]) -> None:
        with self._changed:
            self._places.append(place)
            self._changed.notify()


def _made(place: Future[Made]) -> Made:
    while not place.done():
        try:
            place.exception(_WAIT)
        except TimeoutError:
            continue
    return place.result()
