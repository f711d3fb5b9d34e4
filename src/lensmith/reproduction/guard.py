"""The process between lensmith and foreign code, on Linux and macOS: `python -I guard.py SPEC`, SPEC being JSON.

It starts the command, watches its memory, shuts the network off where it is asked to and can, and ends every process
that came of the command: at its end, on SIGTERM, and when lensmith itself is gone. It imports the standard library
alone and tells lensmith what it did in JSON lines on a pipe that the command does not inherit.

This guards against accidents. It is no wall against malice: the command has the rights of whoever started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

if sys.platform != "win32":  # where nothing runs it, but it may be imported
    import fcntl
    import resource

_PDEATHSIG, _SUBREAPER = 1, 36
"""prctl(2)"""
_NEWUSER, _NEWNET = 0x10000000, 0x40000000
"""unshare(2)"""
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1
"""netdevice(7)"""
_GRACE = 3.0
"""Seconds between the request to end and the end."""
_CAGE = "lensmith-"
"""What a control group is called, before the number of its guard."""
_LINUX = sys.platform == "linux"


class _Asked(BaseException):
    """SIGTERM: lensmith wants the end, or has ended."""


def main(spec: dict[str, Any]) -> None:
    """Run the command of `spec` to its end, or to that which a limit or SIGTERM puts to it."""
    signal.signal(signal.SIGTERM, _asked)
    if _LINUX:
        _prctl(_PDEATHSIG, signal.SIGTERM)
        _prctl(_SUBREAPER, 1)
        if os.getppid() != spec["parent"]:
            return  # lensmith was gone before it could be watched
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cage = make_cage(spec["memory"]) if _LINUX and spec["memory"] else None
    network = "open" if spec["network"] else shut_network()
    _tell(spec, network=network, memory="cgroup" if cage else "watched" if _LINUX else "unlimited")
    code, cut = None, ""
    child = None
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", spec["command"]],
            cwd=spec["folder"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_the_guard if _LINUX else None,
        )
        code, cut, peak = _watch(child, None if cage else spec["memory"])
        if cage and code and was_full(cage):
            cut = "memory"
        _tell(spec, code=code, cut=cut, peak=peak)
    except _Asked:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_all(child, _GRACE if code is None else 0.0)
        if cage:
            remove_cage(cage)


def _asked(number: int, frame: FrameType | None) -> NoReturn:
    raise _Asked


def _tell(spec: dict[str, Any], **facts: Any) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(spec["tell"], json.dumps(facts).encode() + b"\n")


def _watch(child: subprocess.Popen[bytes], memory: int | None) -> tuple[int | None, str, int]:
    """Wait for the command; `(exit code, the limit that was passed, most bytes of memory seen)`."""
    peak, looked = 0, 0.0
    while child.poll() is None:
        time.sleep(0.05)
        if not _LINUX or time.monotonic() - looked < 0.25:
            continue
        looked = time.monotonic()
        family = descendants()
        used = sum(resident(pid) for pid in family)
        if memory and used > memory:
            # Pages that forked processes share are counted once for each above, and once in all here.
            used = sum(proportional(pid) for pid in family)
        peak = max(peak, used)
        if memory and used > memory:
            return None, "memory", peak
    return child.returncode, "", peak


def _end_all(child: subprocess.Popen[bytes] | None, grace: float) -> None:
    """End whatever the command started: asked first, if there is time, and then without asking."""
    if child is None:
        return
    if grace:
        _signal_all(child, signal.SIGTERM)
        until = time.monotonic() + grace
        while _anything_left(child) and time.monotonic() < until:
            time.sleep(0.05)
    until = time.monotonic() + 5
    while _anything_left(child) and time.monotonic() < until:
        _signal_all(child, signal.SIGKILL)
        time.sleep(0.02)


def _signal_all(child: subprocess.Popen[bytes], number: int) -> None:
    for pid in descendants() if _LINUX else ():
        with contextlib.suppress(OSError):
            os.kill(pid, number)
    with contextlib.suppress(OSError):
        os.killpg(child.pid, number)


def _anything_left(child: subprocess.Popen[bytes]) -> bool:
    child.poll()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    if _LINUX:
        return bool(descendants())
    with contextlib.suppress(OSError):
        os.killpg(child.pid, 0)
        return True
    return False


def descendants() -> list[int]:
    """The processes that come from this one. Whoever loses his parent becomes a child of this one (subreaper)."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (
                (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            )
            if fields[0] != "Z":
                parents[int(folder.name)] = int(fields[1])
    found = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return sorted(found - {os.getpid()})


def resident(pid: int) -> int:
    """Bytes of memory that a process holds, those that it shares included."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * resource.getpagesize()
    return 0


def proportional(pid: int) -> int:
    """Bytes of memory that a process holds, of those that it shares its part."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return resident(pid)


def make_cage(limit: int) -> Path | None:
    """A control group with a limit on memory, with this process in it; None where none may be made."""
    for folder in own_groups():
        cage = folder / f"{_CAGE}{os.getpid()}"
        with contextlib.suppress(OSError):
            cage.mkdir()
            try:
                name = "memory.limit_in_bytes" if _is_old(folder) else "memory.max"
                (cage / name).write_text(str(limit), encoding="ascii")
                with contextlib.suppress(OSError):
                    (cage / "memory.swap.max").write_text("0", encoding="ascii")
                (cage / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
                return cage
            except OSError:
                cage.rmdir()
    return None


def was_full(cage: Path) -> bool:
    """Whether the system ended a process there for want of memory."""
    name = "memory.oom_control" if _is_old(cage) else "memory.events"
    with contextlib.suppress(OSError):
        lines = (cage / name).read_text(encoding="ascii").splitlines()
        return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in lines)
    return False


def remove_cage(cage: Path) -> None:
    """Leave a control group and remove it."""
    with contextlib.suppress(OSError):
        (cage.parent / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    for _ in range(20):
        with contextlib.suppress(OSError):
            cage.rmdir()
            return
        time.sleep(0.02)


def clear_cage(guard: int) -> list[int]:
    """The processes still in the control group of a guard that is gone; once there is none, the group is removed."""
    left: list[int] = []
    for folder in own_groups() if _LINUX else ():
        cage = folder / f"{_CAGE}{guard}"
        with contextlib.suppress(OSError, ValueError):
            left += [int(pid) for pid in (cage / "cgroup.procs").read_text(encoding="ascii").split()]
            if not left:
                cage.rmdir()
    return left


def own_groups() -> list[Path]:
    """Where a control group might be made: in this process's own, or beside it."""
    found, root = [], Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                own = root / controllers / path.lstrip("/")
                found += [own, own.parent] if own != root else [own]
    return [folder for folder in found if folder.is_relative_to(root) and folder.is_dir()]


def _is_old(folder: Path) -> bool:
    return folder.is_relative_to("/sys/fs/cgroup/memory")


def shut_network() -> str:
    """Leave the network for one that holds this machine's own address alone; "off", or why it stays open."""
    if not _LINUX:
        return "open: this system offers no way to shut it off for one program"
    trial = os.fork()
    if not trial:  # halfway in there is no way back, so a child goes first
        os._exit(_leave_network())
    _, status = os.waitpid(trial, 0)
    if status:
        return "open: this system does not let it be shut off by this account"
    _leave_network()
    _raise_loopback()
    return "off"


def _leave_network() -> int:
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEWNET) == 0:
        return 0
    if libc.unshare(_NEWUSER | _NEWNET) != 0:
        return 1
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    except OSError:
        return 1
    return 0


def _raise_loopback() -> None:
    """Processes of one training talk to each other over 127.0.0.1."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _GET_FLAGS, asked))[1]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _die_with_the_guard() -> None:
    _prctl(_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
