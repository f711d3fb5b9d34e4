"""Several processes of one machine at the trials of one study, each with its share of the threads."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lensmith.errors import LensmithError, UsageError
from lensmith.machine.limits import cores
from lensmith.searching.search import Goal, row_words
from lensmith.searching.study import Study
from lensmith.types import Event

_LOOK, _GRACE = 0.5, 20.0
"""Seconds between two looks at the study, and those that a process gets to end in order."""


@dataclass(frozen=True)
class Team:
    """What the processes have to know. url: of the storage; folder: the sweep's."""

    source: Any
    url: str
    folder: Path
    goal: Goal
    workers: int


def at_work(team: Team, study: Study) -> Generator[Event, None, str]:
    """Let the processes make the trials, telling each that ends; returns why no more were made, "" for none.

    Raises `UsageError` for pictures that no other process can read, and what the processes raise where none is left.
    """
    if not isinstance(team.source, str | Path):
        raise UsageError(
            f"workers={team.workers}: the pictures were given in Python, and other processes cannot read them",
            hint="Give a folder or a table, or workers=1.",
        )
    told = {row.number for row in study.rows() if row.state not in ("running", "lost")}
    with _started(team) as processes:
        while any(process.poll() is None for process in processes):
            time.sleep(_LOOK)
            for row in study.rows():
                if row.number not in told and row.state not in ("running", "lost"):
                    told.add(row.number)
                    yield Event("trial", row_words(row, team.goal.figure))
        said = [_said(process) for process in processes]
    errors = [one["error"] for one in said if "error" in one]
    if len(errors) == len(processes):
        raise LensmithError(errors[0], hint=said[0].get("hint", ""))
    return next((one["words"] for one in said if one.get("words")), "")


@contextlib.contextmanager
def _started(team: Team) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes; whoever leaves early ends them. They end by themselves where this process is gone, since their
    stdin then closes."""
    processes = [_start(team, number) for number in range(1, team.workers + 1)]
    try:
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()


def _start(team: Team, number: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "lensmith.searching.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    orders = {
        "source": str(team.source),
        "url": team.url,  # not among the words of the command: it may hold a password
        "folder": str(team.folder),
        "wanted": team.goal.wanted,
        "table": team.goal.table.as_dict(),
        "threads": max(1, cores() // team.workers),
        "number": number,
    }
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(orders) + "\n")
        process.stdin.flush()
    return process


def _said(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    text = process.stdout.read()
    try:
        found: dict[str, str] = json.loads(text)
        return found
    except ValueError:
        return {
            "error": f"a process of the sweep ended with {process.returncode}, and made no trial after that"
        }
