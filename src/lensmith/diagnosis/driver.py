"""Checks of the NVIDIA driver: whether it is there, whether it answers, and whether it serves torch's CUDA."""

from __future__ import annotations

import re
from typing import Any

from packaging.version import Version

from lensmith.diagnosis.cures import gpu_build, replace_pair
from lensmith.diagnosis.finding import Finding
from lensmith.machine.builds import builds_for, min_driver, serves
from lensmith.machine.facts import Machine
from lensmith.machine.tables import load_table

_NO_UVM = {
    "why": "the device file /dev/nvidia-uvm is missing, through which programs compute",
    "mend": "sudo modprobe nvidia-uvm && sudo nvidia-modprobe -c 0 -u",
    "container": "On the host: sudo modprobe nvidia-uvm && sudo nvidia-modprobe -c 0 -u; then restart the container.",
    "source": "https://github.com/pytorch/pytorch/issues/49081",
}


def _table() -> dict[str, Any]:
    return load_table(__package__, "driver_faults")


def _faults() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _table()["faults"]
    return rows


def check_wsl(machine: Machine) -> Finding | None:
    """WSL 1, which has no GPU, and a Linux driver inside WSL 2, which hides Windows' own."""
    around = machine.surroundings
    if not around.wsl or around.container:
        return None
    if around.wsl_drivers:
        words = (
            f"a Linux NVIDIA driver is inside WSL and hides Windows' own: {', '.join(around.wsl_drivers[:3])}"
        )
        cure = (
            "Remove it (sudo apt purge '^nvidia-.*' '^libnvidia-.*'), then run `wsl --shutdown` on Windows."
        )
        return Finding("wsl", "warning", words, cure)
    if around.wsl_version == 1:
        words = "this is WSL 1, which has no GPU"
        return Finding(
            "wsl", "warning", words, "On Windows: wsl --set-version NAME 2 (`wsl -l` shows the names)."
        )
    return None


def check_driver(machine: Machine) -> Finding | None:
    """What keeps an NVIDIA GPU from being seen, by what its driver's tools and library say."""
    nvidia = machine.nvidia
    fault = find_fault(machine)
    if machine.surroundings.wsl_drivers and not machine.surroundings.container:
        return None  # what that brings about
    if fault is not None:
        said = (
            nvidia.trouble.rstrip(".") or f"the NVIDIA driver does not start (cuInit answers {nvidia.init})"
        )
        return Finding("nvidia", "warning", f"{said}: {fault['why']}", _cure(fault, machine))
    if nvidia.trouble:
        if "no answer" in nvidia.trouble:
            cure = "The driver hangs. Reboot the machine; `sudo dmesg | grep -i -e NVRM -e Xid` tells why it did."
        else:
            cure = "Restart the machine; if that does not help, install the NVIDIA driver again."
        return Finding("nvidia", "warning", nvidia.trouble, cure)
    if nvidia.driver or nvidia.cuda:
        return None
    return _no_driver(machine)


def find_fault(machine: Machine) -> dict[str, Any] | None:
    """The row for what nvidia-smi said, else for the kernel's log, else for what cuInit answered."""
    nvidia = machine.nvidia
    for fault in _faults():
        if nvidia.trouble and fault["smi"] and re.search(fault["smi"], nvidia.trouble):
            return fault
    if nvidia.init in (None, 0) or (nvidia.init == 100 and _nothing_to_find(machine)):
        return None
    if nvidia.devices and "/dev/nvidia-uvm" not in nvidia.devices:
        return _NO_UVM
    log = "\n".join(nvidia.kernel)
    by_log = (fault for fault in _faults() if "kernel" in fault and re.search(fault["kernel"], log))
    by_code = (fault for fault in _faults() if nvidia.init in fault["init"])
    return next(by_log, None) or next(by_code, None)


def _nothing_to_find(machine: Machine) -> bool:
    """No GPU was to be found: the environment hides them, they wait for slices, or there is none."""
    nvidia = machine.nvidia
    return machine.visible_devices is not None or nvidia.mig or not (nvidia.gpus or nvidia.hardware)


def _cure(fault: dict[str, Any], machine: Machine) -> str:
    around = machine.surroundings
    place = "container" if around.container else "wsl" if around.wsl else "mend"
    cure: str = fault.get(place, fault["mend"])
    return cure


def _no_driver(machine: Machine) -> Finding | None:
    around, variables = machine.surroundings, machine.variables
    asked = variables.get("NVIDIA_VISIBLE_DEVICES", "void") not in ("", "void", "none")
    newest = _newest_needed(machine)
    if around.container and (machine.nvidia.hardware or asked):
        words = f"this container ({around.container}) was given no GPU: no NVIDIA driver is in it"
        cure = (
            "Start it with --gpus all; on the host that needs nvidia-container-toolkit and"
            f" NVIDIA driver {newest} or newer."
        )
        return Finding("nvidia", "warning", words, cure)
    if not machine.nvidia.hardware:
        return None
    words = "an NVIDIA GPU is in this machine, and no driver for it was found"
    if around.nouveau:
        words += "; nouveau, the kernel's own, has it, and that knows no CUDA"
    cure = f"Install NVIDIA driver {newest} or newer (on Ubuntu: sudo ubuntu-drivers install), then reboot."
    return Finding("nvidia", "warning", words, cure)


def _newest_needed(machine: Machine) -> str:
    default = next((build.cuda for build in builds_for(machine.platform) if build.cuda), None)
    return (min_driver(default, machine.platform) if default else None) or "580"


def check_library(machine: Machine) -> Finding | None:
    """A driver whose tools are there, and the library that programs compute through is not."""
    nvidia = machine.nvidia
    if nvidia.library or not nvidia.driver or nvidia.trouble:
        return None
    words = f"NVIDIA driver {nvidia.driver} is here, and its library libcuda cannot be loaded"
    around = machine.surroundings
    if around.container and not nvidia.devices:
        # /proc is the host's, so the driver is seen from a container that may not use it.
        words = f"this container ({around.container}) was given no GPU; the host has driver {nvidia.driver}"
        cure = "Start it with --gpus all; on the host that needs nvidia-container-toolkit."
    elif around.container:
        cure = "Start the container with -e NVIDIA_DRIVER_CAPABILITIES=compute,utility --gpus all."
    elif around.wsl:
        cure = (
            "Add WSL's folder: echo /usr/lib/wsl/lib | sudo tee /etc/ld.so.conf.d/wsl.conf && sudo ldconfig"
        )
    else:
        cure = "Install the driver's compute library (libnvidia-compute or libcuda1 of the same version)."
    return Finding("nvidia", "warning", words, cure)


def check_version(machine: Machine) -> Finding | None:
    """A driver that is too old for the CUDA of the installed torch."""
    nvidia, torch = machine.nvidia, machine.torch
    oldest = min_driver(torch.cuda, machine.platform) if torch and torch.cuda else None
    if torch is None or torch.cuda is None or oldest is None or _is_served(machine, torch.cuda):
        return None
    serves_up_to = f"one that serves CUDA {nvidia.cuda}" if nvidia.cuda else "none"
    needs = f"CUDA {torch.cuda}, which needs NVIDIA driver {oldest} or newer"
    words = f"torch {torch.version} is built for {needs}; this machine has {nvidia.driver or serves_up_to}"
    build = gpu_build(machine)
    if build is None:
        return Finding("driver", "error", words, _newer(machine, oldest))
    cure = f"Install NVIDIA driver {oldest} or newer, or take a build for CUDA {build.cuda}:"
    return Finding("driver", "error", words, cure, replace_pair(machine, build))


def _newer(machine: Machine, oldest: str) -> str:
    """A newer driver, where there is one for these GPUs."""
    capabilities = [Version(gpu.capability) for gpu in machine.nvidia.gpus if gpu.capability]
    for row in _table()["last_drivers"]:
        if (
            capabilities
            and max(capabilities) < Version(row["below"])
            and Version(row["driver"]) < Version(oldest)
        ):
            name = machine.nvidia.gpus[0].name
            return f"{row['driver']} is the last driver for {name}, so no build known here runs on it: use the CPU."
    return f"Install NVIDIA driver {oldest} or newer."


def _is_served(machine: Machine, cuda: str) -> bool:
    """By what the driver says itself, where it says it; unknown is no fault."""
    nvidia = machine.nvidia
    if nvidia.cuda and nvidia.init in (None, 0):
        return int(nvidia.cuda.split(".")[0]) >= int(cuda.split(".")[0])
    return nvidia.driver is None or serves(nvidia.driver, cuda, machine.platform)
