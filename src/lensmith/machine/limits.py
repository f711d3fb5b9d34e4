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
    """How many threads are worth computing with: one for each whole core, and OMP_NUM_THREADS at most.

    Processes that torchrun started on this host divide them.
    """
    several = processes_here()
    return host_threads() if several == 1 or _asked_threads() else max(1, _whole_cores() // several)


def host_threads() -> int:
    """As `compute_threads`, but of one process that has the host for itself."""
    return min(_whole_cores(), _asked_threads() or sys.maxsize)


def processes_here() -> int:
    """How many processes torchrun started on this host; 1 without it."""
    several = os.environ.get("LOCAL_WORLD_SIZE", "")
    return int(several) if several.isdigit() and int(several) else 1


def _asked_threads() -> int:
    """What OMP_NUM_THREADS says, 0 for nothing. A 1 under torchrun is what torchrun sets where it is unset."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    asked = int(text) if text.isdigit() else 0
    return 0 if asked == 1 and processes_here() > 1 else asked


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
