"""Is this machine ready, and what mends it: facts in, findings out. Nothing is imported or changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from lensmith.diagnosis.cures import (
    TRAIN,
    ensure_pip,
    first_install,
    gpu_build,
    install,
    pair_torchvision,
    replace_pair,
)
from lensmith.diagnosis.homes import home_of
from lensmith.diagnosis.quoting import Command, paste
from lensmith.machine.builds import Build, builds_for, min_driver, read_table, runs_on, security_floor, serves
from lensmith.machine.facts import Machine
from lensmith.machine.nvidia import Gpu

GIB = 2**30
# Measured: torch 2.15 for Linux with the CUDA libraries it brings takes 5.2 GiB.
_TORCH_SIZE = 6 * GIB


@dataclass(frozen=True)
class Finding:
    """One verdict. `cure` says in words what to do; `commands` do it, in order, where commands can."""

    name: str
    severity: Literal["info", "warning", "error"]
    detail: str
    cure: str = ""
    commands: tuple[Command, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is nothing to mend."""
        return self.severity == "info"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form; commands as lines that can be pasted."""
        return {
            "name": self.name,
            "ok": self.ok,
            "severity": self.severity,
            "detail": self.detail,
            "cure": self.cure,
            "commands": [paste(command) for command in self.commands],
        }


Check = Callable[[Machine], Finding | None]


def diagnose(machine: Machine) -> list[Finding]:
    """What the checks find, in the order in which it should be mended."""
    found = [check(machine) for check in CHECKS]
    return _in_a_home([finding for finding in found if finding is not None], machine)


def _in_a_home(findings: list[Finding], machine: Machine) -> list[Finding]:
    """Where nothing may be installed into the Python at hand, an environment of one's own is the one cure."""
    home = home_of(machine)
    mended = [finding for finding in findings if finding.commands and not finding.ok]
    if not home.make or not mended:
        return findings
    worst: Literal["warning", "error"] = "error" if any(f.severity == "error" for f in mended) else "warning"
    enter = "; ".join(paste(command) for command in home.enter)
    cure = f"Make an environment for lensmith (to work in it later: {enter}):"
    first = Finding("environment", worst, home.reason, cure, (*home.make, *first_install(machine)))
    # What else needs packages needs them there, and gets them there.
    return [first, *(replace(one, cure="", commands=()) if one in mended else one for one in findings)]


def _python(machine: Machine) -> Finding:
    version = Version(machine.python)
    pythons = [Version(python) for python in read_table()["pythons"]]
    if version < pythons[0]:
        words = f"Python {machine.python} is too old: lensmith and torch need {pythons[0]} or later"
        return Finding(
            "python", "error", words, f"Install Python {pythons[-2]} and make a new environment with it."
        )
    if Version(f"{version.major}.{version.minor}") > pythons[-1] and machine.torch is None:
        words = (
            f"Python {machine.python} is newer than any that torch was built for on {read_table()['date']}"
        )
        return Finding("python", "warning", words, f"If torch cannot be installed, use Python {pythons[-1]}.")
    return Finding("python", "info", f"Python {machine.python}")


def _installer(machine: Machine) -> Finding | None:
    if machine.installer:
        return None
    words = "this Python has neither pip nor uv"
    return Finding("pip", "warning", words, "Install pip:", (ensure_pip(machine),))


def _torch(machine: Machine) -> Finding:
    if machine.torch is None:
        return _torch_missing(machine)
    version, cuda = Version(machine.torch.version), machine.torch.cuda
    if version < security_floor():
        floor = read_table()["floor"]
        words = f"torch {version} is older than {floor['torch']} ({floor['reason']})"
        return Finding("torch", "error", words, "Replace it:", replace_pair(machine, gpu_build(machine)))
    if machine.torch.damaged:
        words = f"torch {version} is not whole: {', '.join(machine.torch.damaged[:3])}"
        cure = "Its installation was cut off. Install it again:"
        return Finding("torch", "error", words, cure, replace_pair(machine, gpu_build(machine)))
    kind = f"CUDA {cuda}" if cuda else f"ROCm {machine.torch.hip}" if machine.torch.hip else "the CPU"
    if machine.platform.startswith("macosx"):
        kind = "macOS"
    return Finding("torch", "info", f"torch {version}, built for {kind}")


def _torch_missing(machine: Machine) -> Finding:
    words, cure = "torch is not installed", "Install it:"
    if not builds_for(machine.platform):
        words += f", and no build of it for {machine.platform} was known on {read_table()['date']}"
        cure = "Try it, or use 64-bit Linux (glibc), 64-bit Windows or a Mac with Apple silicon:"
    elif machine.nvidia.driver and gpu_build(machine) is None:
        words += f"; no build known here serves the GPU with driver {machine.nvidia.driver}"
        cure = "Install a newer NVIDIA driver first, or take the default build and the CPU:"
    return Finding("torch", "error", words, cure, first_install(machine))


def _torchvision(machine: Machine) -> Finding | None:
    torch, vision = machine.torch, machine.torchvision
    if torch is None or Version(torch.version) < security_floor():
        return None  # mended by what mends torch
    if vision is None:
        cure = f"Install the one that pairs with torch {torch.version}:"
        return Finding(
            "torchvision",
            "error",
            "torchvision is not installed",
            cure,
            pair_torchvision(machine, torch.version),
        )
    if vision.needs and not _admits(vision.needs, torch.version):
        words = (
            f"torchvision {vision.version} needs torch{vision.needs}, and torch {torch.version} is installed"
        )
    elif _majors_differ(vision.built_for, torch.cuda):
        own = f"CUDA {torch.cuda}" if torch.cuda else "the CPU"
        words = (
            f"torchvision {vision.version} is built for {vision.built_for}, torch {torch.version} for {own}"
        )
    else:
        return Finding(
            "torchvision", "info", f"torchvision {vision.version}, the pair of torch {torch.version}"
        )
    return Finding("torchvision", "error", words, "Pair them:", pair_torchvision(machine, torch.version))


def _admits(specifier: str, version: str) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)


def _majors_differ(built_for: str | None, cuda: str | None) -> bool:
    """`cu132` beside "13.0" works, `cu126` or `cpu` does not; unknown is no difference."""
    if built_for is None or not (built_for == "cpu" or built_for.startswith("cu")):
        return False
    if built_for == "cpu" or cuda is None:
        return (built_for == "cpu") != (cuda is None)
    return built_for[2:-1] != cuda.split(".")[0]


def _nvidia(machine: Machine) -> Finding | None:
    """What keeps an NVIDIA GPU from being seen at all."""
    if machine.nvidia.trouble:
        cure = "Restart the machine; if that does not help, install the NVIDIA driver again."
        return Finding("nvidia", "warning", machine.nvidia.trouble, cure)
    if machine.nvidia.driver or not machine.nvidia.hardware:
        return None
    words = "an NVIDIA GPU is in this machine, and no driver for it was found"
    cure = f"Install NVIDIA driver {_newest_needed(machine)} or newer; start a container with --gpus all."
    return Finding("nvidia", "warning", words, cure)


def _driver(machine: Machine) -> Finding | None:
    """A driver that is too old for the CUDA of the installed torch."""
    driver, torch = machine.nvidia.driver, machine.torch
    oldest = min_driver(torch.cuda, machine.platform) if torch and torch.cuda else None
    if driver is None or torch is None or oldest is None or serves(driver, str(torch.cuda), machine.platform):
        return None
    needs = f"CUDA {torch.cuda}, which needs NVIDIA driver {oldest} or newer"
    words = f"torch {torch.version} is built for {needs}; this machine has {driver}"
    build = gpu_build(machine)
    if build is None:
        return Finding("driver", "error", words, f"Install NVIDIA driver {oldest} or newer.")
    cure = f"Install NVIDIA driver {oldest} or newer, or take a build for CUDA {build.cuda}:"
    return Finding("driver", "error", words, cure, replace_pair(machine, build))


def _newest_needed(machine: Machine) -> str:
    default = next((build.cuda for build in builds_for(machine.platform) if build.cuda), None)
    return (min_driver(default, machine.platform) if default else None) or "580"


def _gpu_build(machine: Machine) -> Finding | None:
    torch, nvidia = machine.torch, machine.nvidia
    if torch is None or torch.cuda or torch.hip or not nvidia.gpus or nvidia.driver is None:
        return None
    build = gpu_build(machine)
    words = f"torch {torch.version} is a CPU build, so {nvidia.gpus[0].name} is not used"
    if build is None:
        cure = f"No GPU build known here fits it with driver {nvidia.driver}; a newer driver may help."
        return Finding("gpu", "warning", words, cure)
    cure = f"Take the build for CUDA {build.cuda}:"
    return Finding("gpu", "warning", words, cure, replace_pair(machine, build))


def _capability(machine: Machine) -> Finding | None:
    """A GPU that the build has no code for: is_available() says True, and the first kernel fails."""
    torch, gpus = machine.torch, machine.nvidia.gpus
    if torch is None or torch.cuda is None:
        return None
    cuda, compiled = torch.cuda, torch.capabilities or _tabled(machine)
    missing = [gpu for gpu in gpus if gpu.capability and not runs_on(gpu.capability, compiled, cuda)]
    if not compiled or not missing:
        return None
    names = " and ".join(f"{gpu.name} ({gpu.capability})" for gpu in missing)
    words = f"torch {torch.version} has no code for {names}; it has {', '.join(map(_dotted, compiled))}"
    severity: Literal["warning", "error"] = "error" if len(missing) == len(gpus) else "warning"
    build = gpu_build(machine)
    if build is None or not _has_code(build, missing):
        return Finding("gpu", severity, words, "No build known here has; use the CPU with --device cpu.")
    cure = f"Take the build for CUDA {build.cuda}:"
    return Finding("gpu", severity, words, cure, replace_pair(machine, build))


def _has_code(build: Build, gpus: list[Gpu]) -> bool:
    return all(runs_on(str(gpu.capability), build.capabilities, str(build.cuda)) for gpu in gpus)


def _tabled(machine: Machine) -> tuple[str, ...]:
    """What the table says of the installed build, where the library itself could not be read."""
    torch = machine.torch
    for build in builds_for(machine.platform):
        if torch and build.cuda == torch.cuda and _admits(build.torch, torch.version):
            return build.capabilities
    return ()


def _dotted(target: str) -> str:
    return f"{target[:-1]}.{target[-1]}"


def _visible(machine: Machine) -> Finding | None:
    hidden = machine.visible_devices is not None and machine.visible_devices.strip() in ("", "-1")
    if not hidden or not machine.nvidia.gpus:
        return None
    words = f"CUDA_VISIBLE_DEVICES={machine.visible_devices!r} hides every GPU from torch"
    return Finding("gpu", "warning", words, "Unset CUDA_VISIBLE_DEVICES.")


def _device(machine: Machine) -> Finding | None:
    """Where torch will run, said only where nothing else was found about it."""
    torch = machine.torch
    if torch is None or any(
        check(machine) for check in (_nvidia, _driver, _gpu_build, _capability, _visible)
    ):
        return None
    if torch.hip:
        return Finding("device", "info", "a ROCm build; this doctor does not know AMD GPUs")
    if machine.platform == "macosx_arm64":
        return Finding("device", "info", "runs on Apple's GPU (mps)")
    if torch.cuda and machine.nvidia.gpus:
        return Finding("device", "info", f"runs on {' and '.join(gpu.name for gpu in machine.nvidia.gpus)}")
    return Finding("device", "info", "no NVIDIA GPU was found: runs on the CPU")


def _train_packages(machine: Machine) -> Finding | None:
    unmet = [one for one in machine.unmet.get("train", ()) if not one.startswith("torch")]
    if not unmet:
        return None
    words = f"packages for training are missing or too old: {', '.join(unmet)}"
    return Finding("packages", "error", words, "Install them:", (install(machine, TRAIN),))


def _shared_memory(machine: Machine) -> Finding | None:
    if machine.shared_memory is None or machine.shared_memory >= GIB // 4:
        return None
    words = (
        f"/dev/shm has {machine.shared_memory / 2**20:.0f} MiB; a DataLoader with workers dies of a bus error"
    )
    return Finding(
        "shared memory", "warning", words, "Start the container with --shm-size=2g, or use num_workers=0."
    )


def _disk(machine: Machine) -> Finding | None:
    if machine.torch is None and machine.install_free is not None and machine.install_free < _TORCH_SIZE:
        words = (
            f"{machine.install_free / GIB:.1f} GiB are free where packages go; torch with CUDA takes 5 to 6"
        )
        return Finding("disk", "warning", words, "Make room before torch is installed.")
    if machine.disk_free is None or machine.disk_free >= GIB:
        return None
    words = f"{machine.disk_free / 2**20:.0f} MiB are free in this folder, where runs are written"
    return Finding("disk", "warning", words, "Make room, or give another folder with --out.")


def _unread(machine: Machine) -> Finding | None:
    if not machine.unread:
        return None
    return Finding("facts", "warning", f"could not be read: {'; '.join(machine.unread)}", "Please report it.")


CHECKS: tuple[Check, ...] = (
    _python,
    _installer,
    _torch,
    _torchvision,
    _nvidia,
    _driver,
    _gpu_build,
    _capability,
    _visible,
    _device,
    _train_packages,
    _shared_memory,
    _disk,
    _unread,
)
