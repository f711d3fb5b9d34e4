"""Where a training stands, told while an epoch takes long."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator

from lensmith.fitting.fit import Step, Training
from lensmith.types import Event, Reached

_EVERY = 1.0
"""Seconds without a word after which there is one."""


class Pulse:
    """Called with each step; speaks about once a second where nothing else does. length: steps of an epoch."""

    def __init__(self, training: Training, length: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._training = training
        self._length = length
        self._clock = clock
        self._spoke = clock()
        self._step, self._epoch = 0, 1

    def step(self, step: Step) -> Iterator[Event]:
        """A word on the step that was just made, if it is time for one."""
        self._step, self._epoch = step.index, step.epoch
        if self._clock() - self._spoke < _EVERY:
            return
        total = self._reached()
        words = f"steps, epoch {total.epoch}/{math.ceil(total.epochs)}, loss {float(step.loss):.4f}"
        yield self.told(Event("train", words, total.step, total.steps))

    def told(self, event: Event) -> Event:
        """An event of the training, with where it stands."""
        self._spoke = self._clock()
        return dataclasses.replace(event, reached=self._reached())

    def _reached(self) -> Reached:
        epochs = self._training.epochs
        return Reached(
            self._epoch, epochs, self._step, max(self._step, math.ceil(round(epochs * self._length, 6)))
        )
