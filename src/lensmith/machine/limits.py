"""What this process may use of the machine, a container's limits included. Knows no torch."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_CPUS = Path("/sys/devices/system/cpu")


def cores() -> int:
    """How many cores this process may use; two threads of one core count as two."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _limit("cpu.max").partition(" ")
    return min(cores, math.ceil(int(quota) / int(period))) if quota.isdigit() else cores


def compute_threads() -> int:
    """How many threads are worth computing with: one for each whole core, and OMP_NUM_THREADS at most."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(_whole_cores(), int(asked) if asked.isdigit() and int(asked) else sys.maxsize)


def memory() -> int | None:
    """Bytes of memory; None where that cannot be asked."""
    if sys.platform == "win32":
        return None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [_limit("memory.max"), _limit("memory/memory.limit_in_bytes")]
    return min([memory, *(int(limit) for limit in limits if limit.isdigit())])


def _whole_cores() -> int:
    """As `cores`, but the threads that share a core count as one, where the system tells."""
    siblings = set()
    if hasattr(os, "sched_getaffinity"):
        for cpu in os.sched_getaffinity(0):
            with contextlib.suppress(OSError):
                siblings.add((_CPUS / f"cpu{cpu}/topology/thread_siblings_list").read_text(encoding="ascii"))
    return min(len(siblings) or sys.maxsize, cores())


def _limit(name: str) -> str:
    """A container's limit, empty where there is none."""
    try:
        return (_CGROUP / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""
