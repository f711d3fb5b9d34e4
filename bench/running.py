"""One run of one side: a command in a new process, its figures, its seconds, and the memory of all its processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

BEGAN = "LENSMITH_BENCH_BEGAN"
"""The variable that tells a script when its process was started (time.time())."""
_EVERY = 0.1
_SHARE = 0.02
"""Seconds between two looks at the memory, and the share of a core that looking may take."""
_LAST_WORDS = 800
Run = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """A command, the variables it is started with, and the seconds after which it is ended."""

    command: list[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    limit: float | None = None


def run_side(side: Side) -> Run:
    """Run a command in an empty folder with an empty store, its pictures in the file cache.

    The last line on its stdout that is a JSON object holds its figures. `ended` is "ok", "failed" (with the
    command's last words) or "limit": the figures are then those that it had printed by that time.
    """
    with tempfile.TemporaryDirectory(prefix="lensmith-bench-") as folder:
        place = Path(folder)
        cache = {"LENSMITH_CACHE": str(place / "cache")}
        record: Run = {"load": round(os.getloadavg()[0], 2)}
        _read_pictures(side.command)
        cache[BEGAN] = repr(time.time())
        try:
            record |= _measured(side, place, {**os.environ, **cache, **side.variables})
        except OSError as error:  # no such program
            return {**record, "ended": "failed", "words": str(error), "at": _now()}
        record |= _figures((place / "out").read_text())
        if record["ended"] == "failed":
            record["words"] = (place / "err").read_text()[-_LAST_WORDS:]
        return {**record, "at": _now()}


def _read_pictures(command: list[str]) -> None:
    """Folders that the command names are read once, since the system may have dropped them since the last run."""
    for word in command:
        if Path(word).is_dir():
            for file in Path(word).rglob("*"):
                if file.is_file():
                    file.read_bytes()


def _measured(side: Side, place: Path, environment: dict[str, str]) -> Run:
    """How it ended, wall and CPU seconds, and the most memory that its processes had together."""
    with (place / "out").open("w") as out, (place / "err").open("w") as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            side.command, cwd=place, env=environment, stdout=out, stderr=err, start_new_session=True
        )
        watch = _Watch(process.pid, side.limit)
        try:
            _, status, used = os.wait4(process.pid, 0)  # the resources of it and of its ended children alone
        except BaseException:
            watch.end_all()
            raise
        finally:
            wall = time.perf_counter() - start
            watch.stop()
    return {
        "ended": "limit" if watch.timed_out else "failed" if status else "ok",
        "wall": round(wall, 2),
        "cpu": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(max(watch.peak, used.ru_maxrss * 1024) / 2**20),
        "own_mb": round(watch.own / 2**20),
    }


class _Watch(threading.Thread):
    """Samples the memory of a process and its descendants, and ends them after `limit` seconds."""

    def __init__(self, pid: int, limit: float | None) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.own = 0
        self.timed_out = False
        self._pid = pid
        self._limit = limit
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        began = time.perf_counter()
        wait = _EVERY
        while not self._over.wait(wait):
            before = time.perf_counter()
            parts = [memory(pid) for pid in descendants(self._pid)]
            self.peak = max(self.peak, sum(whole for whole, _ in parts))
            self.own = max(self.own, sum(own for _, own in parts))
            wait = max(_EVERY, (time.perf_counter() - before) / _SHARE)
            if self._limit and time.perf_counter() - began > self._limit and not self.timed_out:
                self.timed_out = True
                self.end_all()

    def stop(self) -> None:
        self._over.set()
        self.join()

    def end_all(self) -> None:
        """The command was given a session of its own, so its group holds nobody else."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for file in Path(f"/proc/{one}/task").glob("*/children"):
                found += [int(word) for word in file.read_text().split()]
    return found


def memory(pid: int) -> tuple[int, int]:
    """Bytes of a process, and those among them that are of no file: the system takes pages of files back when it
    needs them, those of the store too. Of what several processes have in common, its share."""
    sizes = {"Pss": 0, "Pss_File": 0}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, size = line.partition(":")
            if name in sizes:
                sizes[name] = int(size.split()[0]) * 1024
    return sizes["Pss"], sizes["Pss"] - sizes["Pss_File"]


def _figures(output: str) -> Run:
    """`figures` and `parts` of what a side printed: our own object, or that of `lensmith train --json`."""
    facts: Run = {}
    for line in output.splitlines():
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            facts = value if isinstance(value, dict) else facts
    parts = facts.get("seconds", {})
    figures = dict(facts.get("figures", {}))
    if "report" in facts:
        figures["accuracy"] = facts["report"]["accuracy"]["value"]
    elif "accuracy" in facts:
        figures["accuracy"] = facts["accuracy"]
    said = {"said": facts["words"]} if "words" in facts else {}
    return {"figures": figures, "parts": parts if isinstance(parts, dict) else {}, **said}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
