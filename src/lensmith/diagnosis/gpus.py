"""Checks of the GPUs: whether the installed torch can use them, and whether the environment hides them."""

from __future__ import annotations

from collections import Counter

from lensmith.diagnosis.cures import gpu_build, replace_pair
from lensmith.diagnosis.driver import check_driver, check_library, check_version, check_wsl
from lensmith.diagnosis.finding import Finding, Severity
from lensmith.diagnosis.torch_pair import admits
from lensmith.diagnosis.visible import read_visible
from lensmith.machine.builds import Build, builds_for, runs_on
from lensmith.machine.facts import Machine
from lensmith.machine.nvidia import Gpu


def check_cpu_build(machine: Machine) -> Finding | None:
    """A torch without GPU code beside a GPU, and how it got there."""
    torch, nvidia = machine.torch, machine.nvidia
    if torch is None or torch.cuda or not nvidia.gpus:
        return None
    build = gpu_build(machine)
    kind = f"a build for AMD's GPUs (ROCm {torch.hip})" if torch.hip else "a CPU build"
    words = f"torch {torch.version} is {kind}, so {nvidia.gpus[0].name} is not used{_why_cpu(machine)}"
    if build is None:
        with_driver = f" with driver {nvidia.driver}" if nvidia.driver else ""
        cure = f"No GPU build known here fits it{with_driver}; a newer driver may help."
        return Finding("gpu", "warning", words, cure)
    cure = f"Take the build for CUDA {build.cuda}:"
    return Finding("gpu", "warning", words, cure, replace_pair(machine, build))


def _why_cpu(machine: Machine) -> str:
    build, torch = machine.conda_build, machine.torch
    if torch is not None and torch.hip:
        return ""
    if "cpu" in build:
        asked = " as the package cpuonly asks for" if machine.conda_cpuonly else ""
        return f": conda chose its CPU build ({build.removesuffix('.json')}){asked}"
    if torch is not None and "+cpu" in torch.version:
        return ": it came from PyTorch's index of CPU builds"
    if machine.platform.startswith("win"):
        return ": the default package index has CPU builds alone for Windows"
    if machine.platform == "linux_aarch64":
        return ": before torch 2.11 the default package index has CPU builds alone for aarch64"
    return ""


def check_capability(machine: Machine) -> Finding | None:
    """A GPU that the build has no code for: is_available() says True, and the first kernel fails."""
    torch, gpus = machine.torch, machine.nvidia.gpus
    if torch is None or torch.cuda is None:
        return None
    cuda, compiled = torch.cuda, torch.capabilities or _tabled(machine)
    missing = [gpu for gpu in gpus if gpu.capability and not runs_on(gpu.capability, compiled, cuda)]
    if not compiled or not missing:
        return None
    names = " and ".join(dict.fromkeys(f"{gpu.name} ({gpu.capability})" for gpu in missing))
    words = f"torch {torch.version} has no code for {names}; it has {', '.join(map(_dotted, compiled))}"
    severity: Severity = "error" if len(missing) == len(gpus) else "warning"
    build = gpu_build(machine)
    if build is None or not _has_code(build, missing):
        return Finding("gpu", severity, words, _without_code(gpus, missing))
    cure = f"Take the build for CUDA {build.cuda}:"
    return Finding("gpu", severity, words, cure, replace_pair(machine, build))


def _without_code(gpus: tuple[Gpu, ...], missing: list[Gpu]) -> str:
    others = [str(index) for index, gpu in enumerate(gpus) if gpu not in missing]
    if not others:
        return "No build known here has; use the CPU with --device cpu."
    return f"No one build has code for all; leave it to the others: CUDA_VISIBLE_DEVICES={','.join(others)}"


def _has_code(build: Build, gpus: list[Gpu]) -> bool:
    return all(runs_on(str(gpu.capability), build.capabilities, str(build.cuda)) for gpu in gpus)


def _tabled(machine: Machine) -> tuple[str, ...]:
    """What the table says of the installed build, where the library itself could not be read."""
    torch = machine.torch
    for build in builds_for(machine.platform):
        if torch and build.cuda == torch.cuda and admits(build.torch, torch.version):
            return build.capabilities
    return ()


def _dotted(target: str) -> str:
    return f"{target[:-1]}.{target[-1]}"


def check_visible(machine: Machine) -> Finding | None:
    """CUDA_VISIBLE_DEVICES that hides GPUs: empty, -1, an index or a name that is not there."""
    value = machine.visible_devices
    if value is None or not machine.nvidia.gpus:
        return None
    seen = read_visible(value, machine.nvidia.gpus)
    if not seen.fault:
        return None
    there = ", ".join(f"{index} ({gpu.name})" for index, gpu in enumerate(machine.nvidia.gpus))
    hides = "hides every GPU from torch" if not seen.count else f"shows torch {seen.count} of them"
    words = f"CUDA_VISIBLE_DEVICES={value!r} {hides}: {seen.fault}; there are {there}"
    return Finding("gpu", "warning", words, _visible_cure(machine))


def _visible_cure(machine: Machine) -> str:
    if "SLURM_JOB_ID" in machine.variables:
        return "Slurm set it: ask for GPUs with --gres=gpu:1, and leave CUDA_VISIBLE_DEVICES as it is."
    slices = [one for gpu in machine.nvidia.gpus for one in gpu.slices]
    last = len(machine.nvidia.gpus) - 1
    choice = slices[0] if slices else "0" if last == 0 else f"numbers from 0 to {last}"
    unset = (
        "set CUDA_VISIBLE_DEVICES=" if machine.platform.startswith("win") else "unset CUDA_VISIBLE_DEVICES"
    )
    return f"Run `{unset}`, or name what is there: {choice}"


def check_slices(machine: Machine) -> Finding | None:
    """MIG: a process sees one slice, and which one has to be said by its name."""
    slices = [one for gpu in machine.nvidia.gpus for one in gpu.slices]
    value = machine.visible_devices
    if machine.nvidia.mig and not slices:
        words = "MIG mode is on and no slice is made, so no GPU can be used"
        cure = "Make slices (sudo nvidia-smi mig -cgi 19 -C), or turn MIG off (sudo nvidia-smi -mig 0)."
        return Finding("mig", "warning", words, cure)
    if not slices or (value is not None and value.strip() in ("", "-1")):
        return None
    named = [one for one in (value or "").split(",") if one.strip().startswith("MIG-")]
    cure = f"Name one: export CUDA_VISIBLE_DEVICES={slices[0]}"
    if len(named) == 1:
        return None
    if len(named) > 1:
        words = f"CUDA_VISIBLE_DEVICES names {len(named)} MIG slices, and a process can use one"
        return Finding("mig", "warning", words, f"{cure} (one for each process; no training over several)")
    words = f"MIG is on: a process sees one of {len(slices)} slices, torch before 2.1 none that is not named"
    severity: Severity = "info" if len(slices) == 1 and value is None else "warning"
    return Finding("mig", severity, words, "" if severity == "info" else f"{cure} (nvidia-smi -L lists them)")


def check_device(machine: Machine) -> Finding | None:
    """Where torch will run, said only where nothing else was found about it."""
    torch = machine.torch
    others = (
        *(check_wsl, check_driver, check_library, check_version),
        *(check_cpu_build, check_capability, check_visible, check_slices),
    )
    if torch is None or any(found and not found.ok for found in (check(machine) for check in others)):
        return None
    if torch.hip:
        return Finding("device", "info", "a ROCm build; this doctor does not know AMD GPUs")
    if machine.platform == "macosx_arm64":
        return Finding("device", "info", "runs on Apple's GPU (mps)")
    if torch.cuda and machine.nvidia.gpus:
        names = Counter(gpu.name for gpu in machine.nvidia.gpus)
        told = " and ".join(name if count == 1 else f"{count} x {name}" for name, count in names.items())
        return Finding("device", "info", f"runs on {told}")
    where = "runs on the CPU"
    if "SLURM_JOB_ID" in machine.variables and torch.cuda:
        where += "; a Slurm job gets one by --gres=gpu:1"
    elif machine.surroundings.container and torch.cuda:
        where += "; a container gets GPUs by --gpus all"
    return Finding("device", "info", f"no NVIDIA GPU was found: {where}")
