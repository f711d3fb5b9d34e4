"""Checks of what lies around: other CUDA libraries, the compiler, shared memory, disks."""

from __future__ import annotations

import re

from lensmith.diagnosis.finding import Finding
from lensmith.machine.facts import Machine

_GIB = 2**30
# Measured: torch 2.15 for Linux with the CUDA libraries it brings takes 5.2 GiB.
_TORCH_SIZE = 6 * _GIB
_CUDA_FOLDER = re.compile(r"/(?:cuda|cudatoolkit|CUDA)[-/]v?(\d+\.\d+)|/cuda(?=/|$)", re.IGNORECASE)


def check_libraries(machine: Machine) -> Finding | None:
    """LD_LIBRARY_PATH that puts another CUDA in the place of the libraries that torch brings."""
    torch, value = machine.torch, machine.variables.get("LD_LIBRARY_PATH", "")
    if torch is None or torch.cuda is None:
        return None
    others = [folder for folder in value.split(":") if _is_another(folder, torch.cuda, machine)]
    if not others:
        return None
    words = (
        f"LD_LIBRARY_PATH holds {', '.join(others)}: its libraries are loaded in the place of"
        f" those for CUDA {torch.cuda} that torch brings (undefined symbol: __nvJitLink...)"
    )
    rest = ":".join(folder for folder in value.split(":") if folder and folder not in others)
    cure = f"export LD_LIBRARY_PATH={rest}" if rest else "unset LD_LIBRARY_PATH"
    return Finding("libraries", "warning", words, f"torch needs none of it: {cure}")


def _is_another(folder: str, cuda: str, machine: Machine) -> bool:
    if folder.rstrip("/").endswith(("/stubs", "/compat")):
        return True
    found = _CUDA_FOLDER.search(folder)
    if found is None:
        return False
    # `/usr/local/cuda` is a link; nvcc beside it says what it is.
    version = found[1] or machine.surroundings.compiler
    return version is not None and version != cuda


def check_compiler(machine: Machine) -> Finding | None:
    """nvcc, which only those need who compile CUDA code themselves."""
    torch, compiler = machine.torch, machine.surroundings.compiler
    if torch is None or torch.cuda is None or not machine.nvidia.gpus:
        return None
    if compiler is None:
        return Finding("nvcc", "info", "nvcc is not installed, and not needed: torch brings its own CUDA")
    if compiler == torch.cuda:
        return None
    words = (
        f"nvcc is of CUDA {compiler}, torch of {torch.cuda}: that matters only where CUDA code is compiled"
    )
    return Finding("nvcc", "info", f"{words} (not needed for anything here)")


def check_shared_memory(machine: Machine) -> Finding | None:
    """A container's 64 MiB of /dev/shm, of which workers die."""
    if machine.shared_memory is None or machine.shared_memory >= _GIB // 4:
        return None
    size = f"{machine.shared_memory / 2**20:.0f} MiB"
    words = f"/dev/shm has {size}; a DataLoader with workers dies of a bus error"
    kind = machine.surroundings.container
    if kind == "kubernetes":
        cure = "Mount an emptyDir with `medium: Memory` at /dev/shm in the pod, or use num_workers=0."
    else:
        cure = "Start the container with --shm-size=8g (or --ipc=host), or use num_workers=0."
    if not kind:
        cure += " Without one: sudo mount -o remount,size=8G /dev/shm."
    return Finding("shared memory", "warning", words, cure)


def check_disk(machine: Machine) -> Finding | None:
    """Little room for torch, or for runs."""
    if machine.torch is None and machine.install_free is not None and machine.install_free < _TORCH_SIZE:
        free = f"{machine.install_free / _GIB:.1f} GiB"
        words = f"{free} are free where packages go; torch with CUDA takes 5 to 6"
        return Finding("disk", "warning", words, "Make room before torch is installed.")
    if machine.disk_free is None or machine.disk_free >= _GIB:
        return None
    words = f"{machine.disk_free / 2**20:.0f} MiB are free in this folder, where runs are written"
    return Finding("disk", "warning", words, "Make room, or give another folder with --out.")


def check_unread(machine: Machine) -> Finding | None:
    """Probes that failed."""
    if not machine.unread:
        return None
    return Finding("facts", "warning", f"could not be read: {'; '.join(machine.unread)}", "Please report it.")
