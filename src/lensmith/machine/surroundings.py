"""What a process runs in: a container, WSL, a notebook; and what in its folders stands in the way of packages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lensmith.machine.source import Source, literally

_SHADOWED = ("torch", "torchvision", "torchaudio", "numpy", "PIL", "tensorboard")
_OF_A_CONTAINER = re.compile(r"(docker|kubepods|containerd|libpod|lxc)")


@dataclass(frozen=True)
class Surroundings:
    """container: `docker`, `podman` and the like, or empty; wsl_version: of the Windows Subsystem for Linux,
    0 where this is none.

    wsl_drivers: a Linux NVIDIA driver inside WSL, which hides Windows' own; shadows: files and folders that an
    import finds in the place of a package; compiler: nvcc's version, or None; nouveau: the kernel's own driver
    for NVIDIA GPUs is loaded, which knows no CUDA.
    """

    container: str = ""
    wsl_version: int = 0
    wsl_drivers: tuple[str, ...] = ()
    shadows: tuple[str, ...] = ()
    compiler: str | None = None
    nouveau: bool = False

    @property
    def wsl(self) -> bool:
        """Whether this is Linux inside Windows."""
        return self.wsl_version > 0


def read_surroundings(source: Source) -> Surroundings:
    """Ask files and variables, and nvcc for its version."""
    wsl = _wsl_version(source)
    return Surroundings(
        container=_container(source),
        wsl_version=wsl,
        wsl_drivers=_drivers_inside(source) if wsl else (),
        shadows=tuple(_shadows(source)),
        compiler=_compiler(source),
        nouveau=bool(source.text("/proc/modules", _nouveau)),
    )


def _wsl_version(source: Source) -> int:
    """WSL 1 has no kernel of its own and says `4.4.0-19041-Microsoft`, WSL 2 `microsoft-standard-WSL2`."""
    told = f"{source.text('/proc/version', _first_words) or ''} {source.system.get('kernel', '')}"
    if re.search(r"\b4\.4\.\d+-\d+-Microsoft", told):
        return 1
    return 2 if "microsoft" in told.lower() or "WSL_DISTRO_NAME" in source.environment else 0


def _first_words(text: str) -> str:
    return " ".join(text.split()[:3])


def _drivers_inside(source: Source) -> tuple[str, ...]:
    """libcuda of a Linux package; WSL's own lies in /usr/lib/wsl/lib, and a link to it may be anywhere."""
    places = (
        "/usr/lib/*-linux-gnu/libcuda.so*",
        "/usr/lib64/libcuda.so*",
        "/var/lib/dpkg/info/nvidia-driver-*.list",
        "/var/lib/dpkg/info/libnvidia-compute-*.list",
    )
    return tuple(name for place in places for name in source.names(place))


def _container(source: Source) -> str:
    if source.names("/.dockerenv"):
        return "docker"
    if source.names("/run/.containerenv"):
        return "podman"
    if "KUBERNETES_SERVICE_HOST" in source.environment:
        return "kubernetes"
    if source.names("/.singularity.d"):
        return "apptainer"
    found = _OF_A_CONTAINER.search(source.text("/proc/1/cgroup", _kinds) or "")
    return found[1] if found else ""


def _kinds(cgroup: str) -> str:
    """The kind of container alone: the lines hold its identity."""
    return "\n".join(dict.fromkeys(_OF_A_CONTAINER.findall(cgroup)))


def _shadows(source: Source) -> list[str]:
    """Modules in the working folder, and in folders of PYTHONPATH that are no place of packages."""
    folders = [".", *filter(None, source.environment.get("PYTHONPATH", "").split(":"))]
    found = []
    for folder in folders:
        if "site-packages" in folder or "dist-packages" in folder:
            continue
        for name in _SHADOWED:
            at = f"{literally(folder.rstrip('/'))}/{name}"
            if not source.names(f"{at}-*.dist-info"):
                found += [*source.names(f"{at}.py"), *source.names(f"{at}/__init__.py")]
    return found


def _nouveau(modules: str) -> str:
    return "\n".join(re.findall(r"^nouveau .*$", modules, re.MULTILINE))


def _compiler(source: Source) -> str | None:
    answer = source.run(("nvcc", "--version"), 3)
    release = re.search(r"release (\d+\.\d+)", answer.text if answer else "")
    return release[1] if release else None
