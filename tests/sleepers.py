"""Programs that sleep for a number of seconds that no other one sleeps, so that they can be found again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def marked() -> Iterator[str]:
    """A number of seconds that no other process sleeps; whoever still does at the end is ended."""
    mark = f"{uuid.uuid4().int % 10**6 + 10**6}"
    yield mark
    for pid in sleeping(mark):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def sleeping(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if words[:2] == [b"sleep", mark.encode()] and state != "Z":
                found.append(int(folder.name))
    return found


def wait_until_gone(mark: str) -> bool:
    until = time.monotonic() + 20
    while sleeping(mark) and time.monotonic() < until:
        time.sleep(0.05)
    return not sleeping(mark)
