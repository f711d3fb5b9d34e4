"""Work on thousands of small pictures by processes: each picture takes so little that threads, which hand the
interpreter over several times for one, lose a third on two cores and gain nothing by more.

A forked process has only the thread that forked it: a lock that another thread held stays locked for ever. So
what runs here must import nothing, should take no lock of Python's, and may be lost: what it did is told through
memory that it shares, and whoever asked does what is missing. A child that dies or stands still costs time only.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from io import FileIO
from itertools import islice
from typing import NoReturn

from lensmith.machine.limits import cores

FEWEST = 4096
"""Below, threads are done before processes have begun."""
_MOST = 8
_WAITING = 256
"""Ranges that wait to be taken: they fit into any pipe."""
_TICKET = struct.Struct("I")
_STILL = 20.0
"""Seconds without any progress after which the children are given up."""


def can_fork() -> bool:
    """Whether processes can be forked here and would gain anything."""
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    return sys.platform == "linux" and cores() > 1 and bool(locked)


def in_processes(work: Callable[[range], None], count: int, chunk: int) -> Iterator[None]:
    """Call `work` in forked processes with ranges that make up `range(count)`; yields as they are done.

    When it ends, any part of the work may be missing. Left early, it ends at once.
    """
    starts = iter(range(0, count, chunk))
    children: list[int] = []
    with contextlib.ExitStack() as ends:
        tickets, tickets_in, told, told_in = (ends.enter_context(end) for end in (*_pipe(), *_pipe()))
        ends.callback(_end, children)
        tickets_in.write(_tickets(starts, _WAITING))

        def serve() -> None:
            tickets_in.close()
            told.close()  # else nobody would notice that the parent is gone
            while ticket := tickets.read(_TICKET.size):
                (start,) = _TICKET.unpack(ticket)
                work(range(start, min(start + chunk, count)))
                told_in.write(b".")

        for _ in range(min(cores(), _MOST)):
            with contextlib.suppress(OSError):  # no room for another
                children.append(_fork(serve))
        told_in.close()
        progress = select.poll()
        progress.register(told, select.POLLIN)
        while progress.poll(_STILL * 1000) and (news := told.read(_WAITING)):
            more = _tickets(starts, len(news))
            if more:
                tickets_in.write(more)
            else:
                tickets_in.close()
            yield


def _pipe() -> tuple[FileIO, FileIO]:
    read, write = os.pipe()
    return FileIO(read, "r"), FileIO(write, "w")


def _tickets(starts: Iterator[int], count: int) -> bytes:
    return b"".join(_TICKET.pack(start) for start in islice(starts, count))


def _fork(serve: Callable[[], None]) -> int:
    """Start a child that serves and ends; returns its number."""
    # Ctrl-C reaches the whole family. The parent ends its children; they must not act on it themselves.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of other threads' locks
            child = os.fork()
        if not child:
            _live(serve)
        return child
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _live(serve: Callable[[], None]) -> NoReturn:
    try:
        gc.disable()  # it would write to pages that are shared
        serve()
    finally:
        os._exit(0)


def _end(children: list[int]) -> None:
    for child in children:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):  # somebody else has waited for it
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
