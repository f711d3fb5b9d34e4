"""How far a run has come, and how it ended: `RUN/progress.json`, written while its events go by."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, TypeVar

from lensmith.errors import LensmithError, exit_code_of
from lensmith.runs.directory import RunDirectory
from lensmith.types import Event, Reached

Result = TypeVar("Result")

RUN = "run"
"""The stage of the event whose words are the run's directory: its plan stands, and its recipe is written."""
_EVERY = 1.0
"""Seconds between two writings, and between two looks for a request to stop."""
_NO_STAGES = ("", "warning", RUN)
_HOW = {130: "interrupted", 143: "terminated", 129: "hung up"}


def recorded(run: RunDirectory, job: Generator[Event, None, Result]) -> Generator[Event, None, Result]:
    """A job of a run that this process holds, with its progress written down, and ended where `RUN/stop` asks for it.

    That file does what SIGTERM does, for those who cannot send one from where they are; in a program that does
    nothing of its own about SIGTERM, what Ctrl-C does.
    """
    asks = signal.SIGTERM if callable(signal.getsignal(signal.SIGTERM)) else signal.SIGINT
    run.stop_file.unlink(missing_ok=True)  # meant for a process before this one
    record = _Record(run)
    with closing(job):
        try:
            while True:
                try:
                    event = next(job)
                except StopIteration as end:
                    result: Result = end.value
                    break
                if record.see(event) and run.stop_file.exists():
                    run.stop_file.unlink(missing_ok=True)
                    _stop(job, asks)
                yield event
        except BaseException as stop:
            record.end(stop)
            raise
    record.end(None)
    return result


def read_progress(run: RunDirectory) -> dict[str, Any]:
    """What was written down; {} where nothing was, or nothing that can be read."""
    try:
        told = json.loads(run.progress_file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _stop(job: Generator[Event, None, Any], number: signal.Signals) -> None:
    """Let the signal do what it does, inside the job, which may save first or hold it back until a step is made."""
    try:
        if threading.current_thread() is not threading.main_thread():
            raise KeyboardInterrupt  # a signal would reach another thread
        signal.raise_signal(number)
    except BaseException as stop:
        job.throw(stop)


class _Record:
    """What is written: times of day are for people; what is compared was measured by a clock that never jumps."""

    def __init__(self, run: RunDirectory) -> None:
        before = read_progress(run).get("seconds")
        self._file = run.progress_file
        self._before = float(before) if isinstance(before, int | float) else 0.0
        self._began = time.monotonic()
        self._written = -_EVERY
        self._first: tuple[int, float] | None = None
        self._told: dict[str, Any] = {
            "stage": "",
            "epoch": 0,
            "epochs": 0,
            "step": 0,
            "steps": 0,
            "started": _now(),
            "updated": _now(),
            "seconds": self._before,
            "left": None,
            "pid": os.getpid(),
            "ended": None,
            "code": None,
            "error": "",
        }
        self._write()

    def see(self, event: Event) -> bool:
        """Take in an event; says whether that was the moment to write."""
        new = event.stage not in (*_NO_STAGES, self._told["stage"])
        if new:
            self._told |= {"stage": event.stage, "left": None}
            self._first = None
        if event.reached is not None:
            self._told |= event.reached.as_dict() | {"left": self._left(event.reached)}
        if not new and time.monotonic() - self._written < _EVERY:
            return False
        self._write()
        return True

    def end(self, stop: BaseException | None) -> None:
        """How it ended: well, or by what."""
        code = 0 if stop is None else exit_code_of(stop)
        how = "finished" if stop is None else _HOW.get(code, "failed")
        self._told |= {"ended": how, "code": code, "left": None}
        if how == "failed":
            words = stop.message if isinstance(stop, LensmithError) else f"{type(stop).__name__}: {stop}"
            self._told["error"] = words
        self._write()

    def _left(self, reached: Reached) -> float | None:
        """Seconds that the steps to come take, if they are like those that this process made."""
        now = time.monotonic()
        if self._first is None:
            self._first = (reached.step, now)
        step, since = self._first
        if reached.step <= step:
            return None
        return round((now - since) / (reached.step - step) * max(0, reached.steps - reached.step), 1)

    def _write(self) -> None:
        """Whole or not at all, and not synced: after a power cut an older one does. No failure of it ends a run."""
        self._written = time.monotonic()
        self._told["updated"] = _now()
        self._told["seconds"] = round(self._before + self._written - self._began, 1)
        beside = self._file.with_name(f".{self._file.name}.part")  # the run is held: nobody else writes it
        try:
            beside.write_text(json.dumps(self._told, indent=2), encoding="utf-8")
            beside.replace(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
