"""Signals that end a process, held back until the step is made and the training is saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from lensmith.machine.processes import Processes

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, the way in which schedulers and `kill` ask, and a terminal that has gone. Windows has no third."""


class Interruption:
    """While it is open, the first signal is noted (`came`); the second one acts at once, unless torchrun sends it.

    What ignores a signal, as `nohup` lets a program do, goes on ignoring it. Threads cannot take signals, and in one
    nothing is held back.
    """

    def __init__(self) -> None:
        self.came: int | None = None
        # A Ctrl-C reaches those that torchrun started twice, by the terminal and by torchrun, which has patience.
        self._is_repeated = "TORCHELASTIC_RUN_ID" in os.environ
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is not threading.main_thread():
            return self
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is None:
                continue
            before = signal.getsignal(number)
            if before not in (None, signal.SIG_IGN):  # None: set by something that is not Python
                self._before[number] = before
                signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    def agree(self, processes: Processes) -> None:
        """One of several processes that is to end takes the others with it, after the same step."""
        if processes.are_several and processes.heard(int(self.came is not None))[0] and self.came is None:
            self.came = signal.SIGTERM

    def act(self) -> None:
        """Let the signal that came do what it would have done."""
        if self.came is not None:
            self._do(self.came, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.came is not None and not self._is_repeated:
            self._do(number, frame)
        self.came = number

    def _do(self, number: int, frame: FrameType | None) -> None:
        before: Callable[[int, FrameType | None], Any] | Any = self._before.get(number)
        self._give_back()
        if callable(before):
            before(number, frame)
        else:
            os.kill(os.getpid(), number)

    def _give_back(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}
