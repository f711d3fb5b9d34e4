"""The facts of this machine, read in well under a second and without torch, numpy or Pillow."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from lensmith.machine.arithmetic import parse_cpuinfo
from lensmith.machine.builds import highest_cuda
from lensmith.machine.capture import live
from lensmith.machine.installed import find_package, find_packages
from lensmith.machine.managers import Managers, read_managers
from lensmith.machine.nvidia import Nvidia, add_library, ask_further, read_nvidia
from lensmith.machine.packages import Extras, Torch, Torchvision, read_extras, read_pair, read_torch
from lensmith.machine.source import Source, Space, is_count, literally
from lensmith.machine.surroundings import Surroundings, read_surroundings
from lensmith.machine.variables import read_variables

_T = TypeVar("_T")
_WORK, _SITE, _SHM = ".", "{site}", "/dev/shm"


@dataclass(frozen=True)
class Copy:
    """One of several installations of a package: its version, where it is, and what wrote it."""

    version: str
    folder: str
    installer: str = ""


@dataclass(frozen=True)
class Machine:
    """What is known of this machine; sizes in bytes, None where a fact could not be read.

    platform: as wheels name it (`linux_x86_64`); installer: what can install packages here, empty
    for nothing; managers: which tool made the environment, and which are here; libc: the version of
    glibc, empty where there is none; cores, memory: what this process may use, a container's limit
    included; processor, instructions: its name, and what torch chooses kernels by; disk_free: where
    runs go; install_free: where packages go; shared_memory: the size of /dev/shm; copies: every
    installed torch, in the order in which an import finds them; conda_build: the file name of conda's
    record of pytorch, which holds its build; conda_cpuonly: conda's package `cpuonly` is there, which
    forbids GPU builds; packages: versions of what the extras name; unmet: each extra's requirements
    that are not met; variables: those of the environment that tell something; unread: probes that
    failed, with the error.
    """

    python: str
    executable: str
    system: str
    platform: str
    environment: Literal["venv", "conda", "none"] = "venv"
    installer: Literal["pip", "uv", ""] = "pip"
    managers: Managers = field(default_factory=Managers)
    prefix: str = ""
    libc: str = ""
    cores: int = 1
    memory: int | None = None
    processor: str = ""
    instructions: tuple[str, ...] = ()
    disk_free: int | None = None
    install_free: int | None = None
    shared_memory: int | None = None
    nvidia: Nvidia = field(default_factory=Nvidia)
    visible_devices: str | None = None
    torch: Torch | None = None
    torchvision: Torchvision | None = None
    torchaudio: Torchvision | None = None
    numpy: str | None = None
    copies: tuple[Copy, ...] = ()
    conda_build: str = ""
    conda_cpuonly: bool = False
    packages: Mapping[str, str | None] = field(default_factory=dict)
    unmet: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    surroundings: Surroundings = field(default_factory=Surroundings)
    variables: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    @property
    def driver_cuda(self) -> str | None:
        """The highest CUDA that the NVIDIA driver serves: as it says itself, else the major by its version."""
        if self.nvidia.cuda:
            return self.nvidia.cuda
        return highest_cuda(self.nvidia.driver, self.platform) if self.nvidia.driver else None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: every field, and `driver_cuda`."""
        return {**dataclasses.asdict(self), "driver_cuda": self.driver_cuda}


def read_machine(source: Source | None = None) -> Machine:
    """Read all facts, of this machine or of a capture.

    A probe that fails leaves its fact unknown and says so in `unread`. What may be slow is asked at once.
    """
    source = source or live()
    unread: list[str] = []

    def known(name: str, probe: Callable[[], _T], unknown: _T) -> _T:
        try:
            return probe()
        except Exception as error:  # the doctor must speak on the strangest machine
            unread.append(f"{name}: {type(error).__name__}: {error}")
            return unknown

    with ThreadPoolExecutor(4) as slow:
        library = slow.submit(known, "libcuda", source.libcuda, {})
        nvidia = slow.submit(known, "NVIDIA", lambda: read_nvidia(source), Nvidia())
        room = slow.submit(known, "disk", lambda: source.disk((_SHM, _SITE, _WORK)), {})
        around = slow.submit(known, "surroundings", lambda: read_surroundings(source), Surroundings())
        extras = known("packages", lambda: read_extras(source), Extras({}, {}))
        managers = known("managers", lambda: read_managers(source), Managers("", ()))
        machine = Machine(
            **_of_python(source),
            environment=_environment(source, managers),
            installer=_installer(managers),
            managers=managers,
            **known("processor", lambda: _of_processor(source), dict[str, Any]()),
            torch=known("torch", lambda: read_torch(source), None),
            torchvision=known("torchvision", lambda: read_pair(source, "torchvision"), None),
            torchaudio=known("torchaudio", lambda: read_pair(source, "torchaudio"), None),
            numpy=known("numpy", lambda: _version(source, "numpy"), None),
            copies=known("copies", lambda: _copies(source), ()),
            conda_build=known("conda", lambda: _conda_record(source, "pytorch-[0-9]*"), ""),
            conda_cpuonly=known("conda", lambda: bool(_conda_record(source, "cpuonly-*")), False),
            packages=extras.versions,
            unmet=extras.unmet,
            visible_devices=source.environment.get("CUDA_VISIBLE_DEVICES"),
            variables=read_variables(source.environment),
        )
    shared = room.result().get(_SHM)
    return dataclasses.replace(
        machine,
        nvidia=known(
            "driver", lambda: ask_further(source, add_library(nvidia.result(), library.result())), Nvidia()
        ),
        surroundings=around.result(),
        disk_free=_free(room.result(), _WORK),
        install_free=_free(room.result(), _SITE),
        shared_memory=shared.total if shared else None,
        unread=tuple(unread),
    )


def _of_python(source: Source) -> dict[str, Any]:
    python = source.python
    libc = source.system.get("glibc", "")
    return {
        "python": python.version,
        "executable": python.executable,
        "platform": python.platform,
        "prefix": python.prefix,
        "libc": libc if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})+", libc) else "",
        "system": source.system.get("name") or _name(source) or python.platform,
    }


def _name(source: Source) -> str:
    found = re.search(r'^PRETTY_NAME="?(.*?)"?$', source.text("/etc/os-release") or "", re.MULTILINE)
    return found[1] if found else ""


def _of_processor(source: Source) -> dict[str, Any]:
    """Name and instructions by the system's file; how much of it this process may use."""
    text = source.text("/proc/cpuinfo", _processors) or ""
    name, instructions = parse_cpuinfo(text)
    cores, memory = source.system.get("cores", ""), source.system.get("memory", "")
    total = re.search(r"^MemTotal:\s*(\d{1,15}) kB", source.text("/proc/meminfo", _total) or "", re.MULTILINE)
    return {
        "cores": int(cores) if is_count(cores) else max(1, len(re.findall(r"(?m)^processor\s*:", text))),
        "memory": int(memory) if is_count(memory) else int(total[1]) * 1024 if total else None,
        "processor": name,
        "instructions": tuple(instructions),
    }


def _processors(cpuinfo: str) -> str:
    """Each different line of interest once; the lines `processor: 7` all differ."""
    wanted = r"^(?:processor|model name|hardware|cpu part|flags|features)\s*:.*$"
    return "\n".join(dict.fromkeys(re.findall(wanted, cpuinfo, re.MULTILINE | re.IGNORECASE)))


def _total(meminfo: str) -> str:
    return "\n".join(re.findall(r"^MemTotal:.*$", meminfo, re.MULTILINE))


def _environment(source: Source, managers: Managers) -> Literal["venv", "conda", "none"]:
    if source.python.prefix != source.python.base_prefix:
        return "venv"
    return "conda" if managers.made_by in ("conda", "pixi") else "none"


def _installer(managers: Managers) -> Literal["pip", "uv", ""]:
    if "pip" in managers.here:
        return "pip"
    return "uv" if "uv" in managers.here else ""


def _version(source: Source, name: str) -> str | None:
    package = find_package(source, name)
    return package.version if package else None


def _copies(source: Source) -> tuple[Copy, ...]:
    return tuple(Copy(one.version, one.folder, one.installer) for one in find_packages(source, "torch"))


def _conda_record(source: Source, pattern: str) -> str:
    """`pytorch-2.1.0-py3.11_cpu_0.json`, or nothing."""
    found = source.names(f"{literally(source.python.prefix)}/conda-meta/{pattern}.json")
    return found[0].rpartition("/")[2] if found else ""


def _free(room: Mapping[str, Space], place: str) -> int | None:
    return room[place].free if place in room else None
