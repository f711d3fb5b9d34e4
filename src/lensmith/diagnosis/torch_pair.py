"""Checks of the installed torch, of what has to pair with it, and of the packages beside it."""

from __future__ import annotations

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from lensmith.diagnosis.cures import (
    first_install,
    gpu_build,
    install_extra,
    pair_torchvision,
    replace_pair,
)
from lensmith.diagnosis.finding import Finding
from lensmith.machine.builds import builds_for, read_table, security_floor
from lensmith.machine.facts import Machine
from lensmith.machine.packages import Torch, Torchvision


def check_torch(machine: Machine) -> Finding:
    """No torch, one that is under the security floor, or one that was cut off."""
    if machine.torch is None:
        return _torch_missing(machine)
    version, cuda = Version(machine.torch.version), machine.torch.cuda
    if version < security_floor():
        floor = read_table()["floor"]
        words = f"torch {version} is older than {floor['torch']} ({floor['reason']})"
        build = gpu_build(machine)
        cure = "Replace it:"
        if machine.nvidia.gpus and machine.nvidia.driver and build is None:
            cure = f"Driver {machine.nvidia.driver} serves no build that lensmith can use. First a newer one, then:"
        return Finding("torch", "error", words, cure, replace_pair(machine, build))
    if machine.torch.damaged:
        words = f"torch {version} is not whole: {', '.join(machine.torch.damaged[:3])}"
        cure = "Its installation was cut off. Install it again:"
        return Finding("torch", "error", words, cure, replace_pair(machine, gpu_build(machine)))
    kind = f"CUDA {cuda}" if cuda else f"ROCm {machine.torch.hip}" if machine.torch.hip else "the CPU"
    if machine.platform.startswith("macosx"):
        kind = "macOS"
    return Finding("torch", "info", f"torch {version}, built for {kind}")


def check_libc(machine: Machine) -> Finding | None:
    """A Linux that is older than any wheel of torch takes."""
    oldest = [
        Version(build.system) for build in builds_for(machine.platform) if build.system and build.is_safe
    ]
    if not machine.libc or not oldest or Version(machine.libc) >= min(oldest):
        return None
    words = (
        f"glibc {machine.libc} is too old: wheels of torch that lensmith can use need {min(oldest)} or later"
    )
    cure = "Use a newer Linux (Ubuntu 20.04, Debian 11, RHEL 8 or later), or a container of one."
    return Finding("system", "error" if machine.torch is None else "warning", words, cure)


def _torch_missing(machine: Machine) -> Finding:
    words, cure = "torch is not installed", "Install it:"
    if not builds_for(machine.platform):
        words += f", and no build of it for {machine.platform} was known on {read_table()['date']}"
        cure = "Try it, or use 64-bit Linux (glibc), 64-bit Windows or a Mac with Apple silicon:"
    elif machine.nvidia.driver and gpu_build(machine) is None:
        words += f"; no build known here serves the GPU with driver {machine.nvidia.driver}"
        cure = "Install a newer NVIDIA driver first, or take the default build and the CPU:"
    return Finding("torch", "error", words, cure, first_install(machine))


def check_torchvision(machine: Machine) -> Finding | None:
    """No torchvision, or one that does not pair."""
    torch, vision = machine.torch, machine.torchvision
    if torch is None:
        return None  # mended by what mends torch
    words = _unpaired("torchvision", vision, torch)
    if Version(torch.version) < security_floor():
        return (
            Finding("torchvision", "error", words, "The commands for torch mend it too.") if words else None
        )
    if vision is None:
        words, cure = (
            "torchvision is not installed",
            f"Install the one that pairs with torch {torch.version}:",
        )
        return Finding("torchvision", "error", words, cure, pair_torchvision(machine, torch.version))
    if words:
        cure = "Pair them, or import fails (operator torchvision::nms does not exist):"
        return Finding("torchvision", "error", words, cure, pair_torchvision(machine, torch.version))
    return Finding("torchvision", "info", f"torchvision {vision.version}, the pair of torch {torch.version}")


def check_torchaudio(machine: Machine) -> Finding | None:
    """A torchaudio that does not pair; lensmith itself needs none."""
    torch, audio = machine.torch, machine.torchaudio
    words = _unpaired("torchaudio", audio, torch) if torch else ""
    if not words or torch is None:
        return None
    version = torch.version.partition("+")[0]
    cure = f"Install torchaudio {version} from where torch came, or uninstall it: lensmith needs none."
    return Finding("torchaudio", "warning", words, cure)


def _unpaired(name: str, pair: Torchvision | None, torch: Torch) -> str:
    """What keeps them from working together, or nothing."""
    if pair is None:
        return ""
    if pair.needs and not admits(pair.needs, torch.version):
        return f"{name} {pair.version} needs torch{pair.needs}, and torch {torch.version} is installed"
    if _majors_differ(pair.built_for, torch.cuda):
        own = f"CUDA {torch.cuda}" if torch.cuda else "the CPU"
        return f"{name} {pair.version} is built for {pair.built_for}, torch {torch.version} for {own}"
    return ""


def admits(specifier: str, version: str) -> bool:
    """Whether `==2.14.0` and its like admit the version."""
    return SpecifierSet(specifier).contains(version, prereleases=True)


def _majors_differ(built_for: str | None, cuda: str | None) -> bool:
    """`cu132` beside "13.0" works, `cu126` or `cpu` does not; unknown is no difference."""
    if built_for is None or not (built_for == "cpu" or built_for.startswith("cu")):
        return False
    if built_for == "cpu" or cuda is None:
        return (built_for == "cpu") != (cuda is None)
    return built_for[2:-1] != cuda.split(".")[0]


def check_numpy(machine: Machine) -> Finding | None:
    """numpy 2 beside a torch that was compiled for numpy 1: "Numpy is not available"."""
    torch, numpy = machine.torch, machine.numpy
    if (
        torch is None
        or numpy is None
        or Version(numpy) < Version("2")
        or Version(torch.version) >= Version("2.3")
    ):
        return None
    words = f"numpy {numpy} is beside torch {torch.version}, which was compiled for numpy 1"
    cure = "Take torch 2.3 or later, as the commands for torch do; or, to keep this torch, numpy<2: "
    cure += f"{machine.executable} -m pip install 'numpy<2'"
    return Finding("numpy", "error", words, cure)


def check_packages(machine: Machine) -> Finding | None:
    """What training needs beside torch."""
    unmet = [one for one in machine.unmet.get("train", ()) if not one.startswith("torch")]
    if not unmet:
        return None
    words = f"packages for training are missing or too old: {', '.join(unmet)}"
    return Finding("packages", "error", words, "Install them:", (install_extra(machine),))
