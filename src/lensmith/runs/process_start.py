"""When a process began, as the system tells it: with its number, what tells it from a later one of that number."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

_ALIVE_BUT_UNTOLD = ""
"""The process is there, and the system says no more of it (it belongs to somebody else)."""


def started(pid: int) -> str | None:
    """When the process began, in words that only ever compare; "" where that is not told; None where it is gone.

    Linux counts from the boot, so that no change of the clock moves it. One that has ended and was not yet waited
    for is gone.
    """
    if pid <= 0:
        return None
    if sys.platform == "win32":
        return _from_windows(pid)
    if Path("/proc/self/stat").exists():
        return _from_proc(pid)
    return _from_ps(pid)


def boot() -> str:
    """What is another after each start of the machine; "" where the system has no such thing."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return _said("sysctl", "-n", "kern.bootsessionuuid") or "" if sys.platform == "darwin" else ""


def numbering() -> str:
    """Which processes the numbers count: a container of Linux has its own. "" elsewhere."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _from_proc(pid: int) -> str | None:
    """https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: fields 3 (state) and 22 (start, in ticks)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _ALIVE_BUT_UNTOLD if _exists(pid) else None
    state, *rest = stat.rpartition(")")[2].split()  # the name in brackets may hold anything
    return None if state in ("Z", "X", "x") else rest[18]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _from_ps(pid: int) -> str | None:
    said = _said("ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid))
    if said is None:
        return _ALIVE_BUT_UNTOLD if _exists(pid) else None
    state, _, began = said.strip().partition(" ")
    return None if not state or state.startswith("Z") else began.strip()


def _said(*command: str) -> str | None:
    """What a program printed, in no language and no time zone; None where there is no such program."""
    try:
        done = subprocess.run(
            command,
            env=os.environ | {"LC_ALL": "C", "TZ": "UTC0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _from_windows(pid: int) -> str | None:
    """https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-getprocesstimes.

    Never `os.kill(pid, 0)`, which there is a Ctrl-C for every process of the console.
    """
    if sys.platform != "win32":
        raise NotImplementedError
    import ctypes
    from ctypes import wintypes

    query, synchronize, refused, still_running = 0x1000, 0x0010_0000, 5, 0x102
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = wintypes.HANDLE
    kernel.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    kernel.GetProcessTimes.argtypes = (wintypes.HANDLE, *[ctypes.POINTER(wintypes.FILETIME)] * 4)
    kernel.WaitForSingleObject.argtypes = (wintypes.HANDLE, wintypes.DWORD)
    kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
    handle = kernel.OpenProcess(query | synchronize, False, pid)
    if not handle:
        return _ALIVE_BUT_UNTOLD if ctypes.get_last_error() == refused else None
    try:
        times = [wintypes.FILETIME() for _ in range(4)]
        if kernel.WaitForSingleObject(handle, 0) != still_running:
            return None
        if not kernel.GetProcessTimes(handle, *map(ctypes.byref, times)):
            return _ALIVE_BUT_UNTOLD
        return str(times[0].dwHighDateTime << 32 | times[0].dwLowDateTime)
    finally:
        kernel.CloseHandle(handle)
