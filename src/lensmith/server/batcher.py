"""Pictures of many requests through the model together, by one thread, from a bounded queue."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from lensmith.server.limits import Limits
from lensmith.types import Prediction

Predict = Callable[[NDArray[np.uint8]], Sequence[Prediction]]
"""uint8 [N, H, W, 3] -> N predictions."""

_LOG = logging.getLogger(__name__)
_JOIN_SECONDS = 5.0


class QueueFullError(Exception):
    """As many requests are in flight as the limits allow, or the batcher is not running."""


class ModelFailedError(Exception):
    """The model raised on the batch that this picture was in; the log holds the traceback."""


class Batcher:
    """Gathers prepared pictures into batches and answers each by a future.

    A request is admitted before its body is read, so that the queue is bounded from the first byte on,
    and so that the worker knows who is on the way: a picture with nobody behind it waits for nobody.
    """

    def __init__(self, predict: Predict, limits: Limits) -> None:
        self._predict = predict
        self._limits = limits
        self._waiting: deque[tuple[NDArray[np.uint8], Future[Prediction]]] = deque()
        self._in_flight = 0
        self._closed = False
        self._changed = threading.Condition()
        # A daemon: a model that hangs must not keep a stopped server from exiting.
        self._worker = threading.Thread(target=self._work, name="lensmith-batcher", daemon=True)

    def start(self) -> None:
        """Start the worker thread; once."""
        self._worker.start()

    def close(self) -> None:
        """Admit nobody more, answer what is queued, end the worker. Blocks, for at most a few seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._worker.join(_JOIN_SECONDS)

    @property
    def is_running(self) -> bool:
        """Whether pictures that are submitted now will be answered."""
        return self._worker.is_alive() and not self._closed

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Hold one of the `in_flight` places. Raises `QueueFullError` where none is free."""
        with self._changed:
            if not self.is_running or self._in_flight >= self._limits.in_flight:
                raise QueueFullError
            self._in_flight += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def submit(self, picture: NDArray[np.uint8]) -> Future[Prediction]:
        """Queue one prepared picture, uint8 [H, W, 3]. The future may raise `ModelFailedError`."""
        future: Future[Prediction] = Future()
        with self._changed:
            if not self.is_running:
                raise QueueFullError
            self._waiting.append((picture, future))
            self._changed.notify_all()
        return future

    def _work(self) -> None:
        while batch := self._gather():
            # Whoever gave up meanwhile (timed out, went away) costs no computation.
            self._answer([(x, future) for x, future in batch if future.set_running_or_notify_cancel()])

    def _gather(self) -> list[tuple[NDArray[np.uint8], Future[Prediction]]]:
        """The next batch; empty once closed and everything is answered."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(self._is_worth_running, self._limits.gather_seconds)
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._limits.batch))]

    def _is_worth_running(self) -> bool:
        return self._closed or len(self._waiting) >= min(self._limits.batch, self._in_flight)

    def _answer(self, batch: list[tuple[NDArray[np.uint8], Future[Prediction]]]) -> None:
        if not batch:
            return
        try:
            predictions = self._predict(np.stack([picture for picture, _ in batch]))
            answers = list(zip(batch, predictions, strict=True))
        except Exception:
            _LOG.exception("the model failed on a batch of %d", len(batch))
            for _, future in batch:
                future.set_exception(ModelFailedError())
            return
        for (_, future), prediction in answers:
            future.set_result(prediction)
