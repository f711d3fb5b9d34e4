"""Pictures of many requests through the model together, by a few threads, from one queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lensmith.server.admission import QueueFullError
from lensmith.server.limits import Limits
from lensmith.server.priority import step_back
from lensmith.types import Prediction

_JOIN_SECONDS = 5.0


class ModelFailedError(Exception):
    """The model raised on the batch that this picture was in; `__cause__` is what it raised."""


class Model(Protocol):
    """What a batcher needs of a bundle."""

    @property
    def at_once(self) -> int:
        """How many pictures it computes best together."""

    def predict_prepared(self, images: NDArray[np.uint8], /) -> Sequence[Prediction]:
        """uint8 [N, H, W, 3] -> N predictions."""


@dataclass(frozen=True)
class _Asked:
    """A prepared picture that waits for its answer by a certain model."""

    model: Model
    picture: NDArray[np.uint8]
    answer: Future[Prediction]


class Batcher:
    """Gathers prepared pictures into batches and answers each by a future.

    Each picture names its model, and a batch holds pictures of one: a model that is replaced answers those that
    came to it, and goes with the last. `workers` threads call models at the same time.
    """

    def __init__(
        self, limits: Limits, workers: int = 1, on_batch: Callable[[int], None] | None = None
    ) -> None:
        self._limits = limits
        self._on_batch = on_batch
        self._waiting: deque[_Asked] = deque()
        self._coming = 0
        self._closed = False
        self._changed = threading.Condition()
        # Daemons: a model that hangs must not keep a stopped server from exiting.
        self._workers = [
            threading.Thread(target=self._work, name=f"lensmith-batcher-{n}", daemon=True)
            for n in range(workers)
        ]

    def start(self) -> None:
        """Start the worker threads; once."""
        for worker in self._workers:
            worker.start()

    def close(self) -> None:
        """Take nothing more, answer what is queued, end the workers. Blocks, for at most a few seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        until = time.monotonic() + _JOIN_SECONDS
        for worker in self._workers:
            worker.join(max(0.0, until - time.monotonic()))

    @property
    def is_running(self) -> bool:
        """Whether pictures that are submitted now will be answered."""
        return not self._closed and all(worker.is_alive() for worker in self._workers)

    @property
    def waiting(self) -> int:
        """Pictures in the queue."""
        return len(self._waiting)

    @contextmanager
    def coming(self) -> Iterator[None]:
        """While a picture is being decoded: those that are ready wait a moment for it."""
        with self._changed:
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1
                if self._waiting and not self._coming:
                    self._changed.notify_all()

    def submit(self, model: Model, picture: NDArray[np.uint8]) -> Future[Prediction]:
        """Queue one prepared picture, uint8 [H, W, 3]. The future may raise `ModelFailedError`."""
        asked = _Asked(model, picture, Future())
        with self._changed:
            if not self.is_running:
                raise QueueFullError
            self._waiting.append(asked)
            self._changed.notify_all()
        return asked.answer

    def _work(self) -> None:
        step_back()
        while batch := self._gather():
            # Whoever gave up meanwhile (timed out) costs no computation.
            self._answer([asked for asked in batch if asked.answer.set_running_or_notify_cancel()])
            del batch  # pictures, and a model that was replaced, are not kept until the next ones come

    def _gather(self) -> list[_Asked]:
        """The next batch; empty once closed and everything is answered."""
        with self._changed:
            while self._waiting or not self._closed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._changed.wait_for(self._is_worth_running, self._limits.gather_seconds)
                if self._waiting:  # else another worker took them
                    return self._take()
        return []

    def _is_worth_running(self) -> bool:
        return not (self._waiting and self._coming) or self._closed or len(self._waiting) >= self._most()

    def _most(self) -> int:
        return max(1, min(self._limits.batch, self._waiting[0].model.at_once))

    def _take(self) -> list[_Asked]:
        most, model = self._most(), self._waiting[0].model
        batch: list[_Asked] = []
        while self._waiting and len(batch) < most and self._waiting[0].model is model:
            batch.append(self._waiting.popleft())
        return batch

    def _answer(self, batch: list[_Asked]) -> None:
        if not batch:
            return
        if self._on_batch is not None:
            self._on_batch(len(batch))
        try:
            predictions = batch[0].model.predict_prepared(np.stack([asked.picture for asked in batch]))
            answers = list(zip(batch, predictions, strict=True))
        except Exception as error:
            for asked in batch:
                failure = ModelFailedError(f"the model failed on a batch of {len(batch)}")
                failure.__cause__ = error
                asked.answer.set_exception(failure)
            return
        for asked, prediction in answers:
            asked.answer.set_result(prediction)
