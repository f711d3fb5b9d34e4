"""This machine, asked itself. What could hang is asked by a process of its own, ended when its time is up."""

from __future__ import annotations

import functools
import glob
import mmap
import os
import platform
import re
import stat
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from lensmith.machine.limits import cores, memory
from lensmith.machine.programs import ask_program, find_program
from lensmith.machine.source import Answer, Interpreter, Part, Space, whole

_LONGEST = 4 * 2**20
"""Bytes of a text file that are read; METADATA, RECORD and what the system tells are shorter."""
_WSL = "/usr/lib/wsl/lib"  # where nvidia-smi is in WSL, and not every shell looks
_LIBCUDA = """
import ctypes, sys
names = ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1")
for name in names:
    try:
        driver = ctypes.CDLL(name)
        break
    except OSError as error:
        print("error", str(error).replace(chr(10), " ")[:200])
else:
    raise SystemExit(1)
version = ctypes.c_int(0)
driver.cuDriverGetVersion(ctypes.byref(version))
print("cuDriverGetVersion", version.value, flush=True)
print("cuInit", driver.cuInit(0), flush=True)
"""
_DISK = """
import shutil, sys
for place in sys.argv[1:]:
    try:
        usage = shutil.disk_usage(place)
    except OSError:
        continue
    print(usage.total // 1024, usage.free // 1024, place, flush=True)
"""
_DISK_SECONDS, LIBCUDA_SECONDS = 2.0, 5.0


class ThisMachine:
    """The live source."""

    @functools.cached_property
    def python(self) -> Interpreter:
        """The Python that runs this."""
        try:
            here = str(Path.cwd())
        except OSError:  # the folder is gone
            here = ""
        return Interpreter(
            version=platform.python_version(),
            executable=sys.executable,
            platform=_platform(),
            prefix=sys.prefix,
            base_prefix=sys.base_prefix,
            site=_slashed(sysconfig.get_path("purelib")),
            path=tuple(_slashed(one) for one in dict.fromkeys(one or here for one in sys.path) if one),
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of this process."""
        return os.environ

    @functools.cached_property
    def system(self) -> Mapping[str, str]:
        """Name and kernel of the system, and what this process may use of it."""
        usable = memory()
        told = {"name": _system(), "kernel": platform.release(), "cores": str(cores())}
        if usable is not None:
            told["memory"] = str(usable)
        library, version = platform.libc_ver() if sys.platform == "linux" else ("", "")
        return told | ({"glibc": version} if library == "glibc" else {})

    def text(self, path: str, part: Part = whole) -> str | None:
        """`part` of what a file holds; None where it cannot be read, or is no plain file."""
        file = Path(self._place(path))
        try:
            if not stat.S_ISREG(file.stat().st_mode):
                return None
            with file.open("rb") as opened:
                return part(opened.read(_LONGEST).decode("utf-8", errors="replace"))
        except (OSError, ValueError):
            return None

    def excerpt(self, path: str, start: bytes, pattern: re.Pattern[bytes]) -> str:
        """See `Source.excerpt`."""
        file = Path(self._place(path))
        try:
            if not file.is_file() or file.stat().st_size == 0:
                return ""
            with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return find_excerpt(content, start, pattern)
        except (OSError, ValueError):
            return ""

    def names(self, pattern: str) -> tuple[str, ...]:
        """The files and folders that fit; those with odd names are left out."""
        places = {"{site}": glob.escape(self.python.site), "~/": glob.escape(self._place("~/"))}
        for short, place in places.items():
            pattern = place + pattern[len(short) :] if pattern.startswith(short) else pattern
        found = glob.glob(pattern)  # noqa: PTH207
        return tuple(sorted(_slashed(name) for name in found if name.isprintable()))

    def size(self, path: str) -> int | None:
        """The length of a file in bytes."""
        try:
            return Path(self._place(path)).stat().st_size
        except (OSError, ValueError):
            return None

    def program(self, name: str) -> str | None:
        """Where a program is installed: on PATH, and for the driver's tools where WSL keeps them."""
        return find_program(name) or (find_program(name, _WSL) if name.startswith("nvidia") else None)

    def run(self, command: Sequence[str], seconds: float, part: Part = whole) -> Answer | None:
        """What a program says on stdout and stderr together."""
        where = self.program(command[0])
        if where is None:
            return None
        answer = _ask([where, *command[1:]], seconds)
        return Answer(answer.code, part(answer.text))

    def libcuda(self) -> Mapping[str, str]:
        """Loads the driver's library in a process of its own: `cuInit` may hang, and stays in a process for good."""
        if sys.platform == "darwin":
            return {}
        answer = _ask([sys.executable, "-ISc", _LIBCUDA], LIBCUDA_SECONDS)
        told = dict(line.split(" ", 1) for line in answer.text.splitlines() if " " in line)
        if "cuDriverGetVersion" not in told:
            return {}
        told.pop("error", None)
        return {"cuInit": "hangs", **told} if answer.code is None else told

    def disk(self, places: Sequence[str]) -> Mapping[str, Space]:
        """A network share that is gone answers never: what was told before it is kept."""
        asked = {self._place(place): place for place in places}
        answer = _ask([sys.executable, "-ISc", _DISK, *asked], _DISK_SECONDS)
        told = (line.split(" ", 2) for line in answer.text.splitlines())
        return {
            asked[row[2]]: Space(int(row[0]) * 1024, int(row[1]) * 1024)
            for row in told
            if len(row) == 3 and row[2] in asked
        }

    def _place(self, path: str) -> str:
        if path.startswith("~/"):
            return os.path.expanduser(path)  # noqa: PTH111  (Path.expanduser raises where there is no home)
        return path.replace("{site}", self.python.site)


def _slashed(path: str) -> str:
    return path.replace("\\", "/") if sys.platform == "win32" else path


def find_excerpt(content: mmap.mmap | bytes, start: bytes, pattern: re.Pattern[bytes]) -> str:
    """The first match of `pattern` that begins at most 8 bytes before a `start`, or nothing."""
    # find() first: a regular expression over a whole library takes most of a second.
    place = content.find(start)
    while place >= 0:
        found = pattern.search(content[max(0, place - 8) : place + 400])
        if found:
            return found.group().decode("ascii", errors="replace")
        place = content.find(start, place + 1)
    return ""


def _system() -> str:
    if sys.platform == "linux":
        try:
            return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
        except OSError:
            return "Linux"
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    # platform.platform() would start WMI on Windows, which can take seconds.
    return sysconfig.get_platform() if sys.platform != "win32" else f"Windows {sys.getwindowsversion().build}"


def _platform() -> str:
    if sys.platform == "darwin":
        return f"macosx_{os.uname().machine}"  # get_platform() says "universal2" on either processor
    name = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    # Alpine and its like: torch's wheels do not load there.
    is_musl = "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE") or "")
    return name.replace("linux", "musllinux") if is_musl else name


def _ask(command: Sequence[str], seconds: float) -> Answer:
    """Exit code and output; what was printed before the time was up is kept."""
    try:
        said = ask_program(command, seconds, in_one=True)
    except OSError as error:
        return Answer(error.errno, str(error))
    return Answer(said.code, said.out)
