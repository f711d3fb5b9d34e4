"""The facts of this machine, read in well under a second and without torch, numpy or Pillow."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar

from lensmith.machine.builds import highest_cuda
from lensmith.machine.limits import cores, memory
from lensmith.machine.managers import Managers
from lensmith.machine.nvidia import Nvidia, read_nvidia
from lensmith.machine.packages import Extras, Torch, Torchvision, read_extras, read_torch, read_torchvision

_T = TypeVar("_T")


@dataclass(frozen=True)
class Machine:
    """What is known of this machine; sizes in bytes, None where a fact could not be read.

    platform: as wheels name it (`linux_x86_64`); installer: what can install packages here, empty
    for nothing; cores, memory: what this process may use, a container's limit included; disk_free:
    where runs go; install_free: where packages go; shared_memory: the size of /dev/shm; packages:
    versions of what the extras name; unmet: each extra's requirements that are not met; unread:
    probes that failed, with the error.
    """

    python: str
    executable: str
    system: str
    platform: str
    environment: Literal["venv", "conda", "none"] = "venv"
    installer: Literal["pip", "uv", ""] = "pip"
    managers: Managers = field(default_factory=Managers)
    prefix: str = ""
    conda_build: str = ""
    cores: int = 1
    memory: int | None = None
    disk_free: int | None = None
    install_free: int | None = None
    shared_memory: int | None = None
    nvidia: Nvidia = field(default_factory=Nvidia)
    visible_devices: str | None = None
    torch: Torch | None = None
    torchvision: Torchvision | None = None
    packages: Mapping[str, str | None] = field(default_factory=dict)
    unmet: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    @property
    def driver_cuda(self) -> str | None:
        """The highest CUDA major that the NVIDIA driver serves."""
        return highest_cuda(self.nvidia.driver, self.platform) if self.nvidia.driver else None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: every field, and `driver_cuda`."""
        return {**dataclasses.asdict(self), "driver_cuda": self.driver_cuda}


def read_machine() -> Machine:
    """Read all facts. A probe that fails leaves its fact unknown and says so in `unread`."""
    unread: list[str] = []

    def known(name: str, probe: Callable[[], _T], unknown: _T) -> _T:
        try:
            return probe()
        except Exception as error:  # the doctor must speak on the strangest machine
            unread.append(f"{name}: {type(error).__name__}: {error}")
            return unknown

    extras = known("packages", read_extras, Extras({}, {}))
    return Machine(
        python=platform.python_version(),
        executable=sys.executable,
        system=known("system", _system, sys.platform),
        platform=known("platform", _platform, sys.platform),
        environment=_environment(),
        installer=known("installer", _installer, "pip"),
        cores=known("cores", cores, 1),
        memory=known("memory", memory, None),
        disk_free=known("disk", lambda: shutil.disk_usage(Path.cwd()).free, None),
        install_free=known("disk", lambda: shutil.disk_usage(sysconfig.get_path("purelib")).free, None),
        shared_memory=known("shared memory", _shared_memory, None),
        nvidia=known("NVIDIA", read_nvidia, Nvidia()),
        visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
        torch=known("torch", read_torch, None),
        torchvision=known("torchvision", read_torchvision, None),
        packages=extras.versions,
        unmet=extras.unmet,
        unread=tuple(unread),
    )


def _system() -> str:
    if sys.platform == "linux":
        name = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
        kernel = os.uname().release
        return f"{name} in WSL" if "microsoft" in kernel.lower() else name
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


def _environment() -> Literal["venv", "conda", "none"]:
    if sys.prefix != sys.base_prefix:
        return "venv"
    return "conda" if (Path(sys.prefix) / "conda-meta").is_dir() else "none"


def _installer() -> Literal["pip", "uv", ""]:
    if find_spec("pip") is not None:
        return "pip"
    return "uv" if shutil.which("uv") else ""


def _shared_memory() -> int | None:
    return shutil.disk_usage("/dev/shm").total if Path("/dev/shm").is_dir() else None
