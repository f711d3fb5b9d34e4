"""Where this process computes: device, precision, its place among the processes, threads."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lensmith.errors import MachineError, UsageError
from lensmith.machine.builds import runs_on

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Runtime:
    """One process's share of the work.

    device: `cpu`, `mps`, `cuda:0`; precision: `float32` or `bfloat16`, what the device's hardware
    speaks for (a timing may choose otherwise); rank of world_size: 0 of 1 for a single process;
    threads: torch's, on the CPU; reason: why this device.
    """

    device: str
    precision: str
    rank: int
    world_size: int
    threads: int
    reason: str


def find_runtime(device: str | None) -> Runtime:
    """The asked device, or the best one there is: CUDA, then MPS, then the CPU.

    Under torchrun, RANK, WORLD_SIZE and LOCAL_RANK give this process its place and its GPU.
    Raises MachineError where torch or the asked device is not there, UsageError for no device's name.
    """
    try:
        import torch
    except ImportError as error:
        raise MachineError(
            f"torch cannot be imported ({error})",
            hint="lensmith doctor --fix installs the one that fits here.",
        ) from error
    rank, world_size = place_in_world()
    found, reason = _best() if device is None else (_asked(device), "asked for")
    return Runtime(found, _precision(torch.device(found)), rank, world_size, torch.get_num_threads(), reason)


def place_in_world() -> tuple[int, int]:
    """This process's rank, from 0, and how many there are, as torchrun says. Raises `MachineError` for no place."""
    rank, world_size = _number("RANK", 0), _number("WORLD_SIZE", 1)
    if not 0 <= rank < world_size:
        raise MachineError(
            f"RANK={rank} with WORLD_SIZE={world_size}: no such process", hint="Start with torchrun."
        )
    return rank, world_size


def _best() -> tuple[str, str]:
    trouble = _cuda_trouble(local := _number("LOCAL_RANK", 0))
    if not trouble:
        import torch

        return f"cuda:{local}", torch.cuda.get_device_name(local)
    if not _mps_trouble():
        return "mps", "Apple's GPU"
    return "cpu", trouble


def _asked(device: str) -> str:
    kind, colon, number = device.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and (kind != "cuda" or not number.isdigit())):
        raise UsageError(f"'{device}' is no device", hint="Devices are cpu, cuda, cuda:1 and mps.")
    if kind == "cpu":
        return device
    index = int(number) if number else _number("LOCAL_RANK", 0)
    trouble = _mps_trouble() if kind == "mps" else _cuda_trouble(index)
    if trouble:
        raise MachineError(
            f"device {device} cannot be used: {trouble}",
            hint="lensmith doctor says why; --device cpu runs anywhere.",
        )
    return "mps" if kind == "mps" else f"cuda:{index}"


def _cuda_trouble(index: int) -> str:
    """Why GPU `index` cannot be used; empty where it can."""
    import torch

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if not available:
        if torch.version.cuda is None and torch.version.hip is None:
            return f"torch {torch.__version__} is built without CUDA"
        # torch's own words: "The NVIDIA driver on your system is too old ..."
        return str(said[0].message).split(". ")[0] if said else "no CUDA GPU was found"
    count = torch.cuda.device_count()
    if index >= count:
        return (
            f"there {'is 1 GPU, cuda:0' if count == 1 else f'are {count} GPUs, cuda:0 to cuda:{count - 1}'}"
        )
    if torch.version.cuda is None:
        return ""
    return _missing_code(
        torch.cuda.get_device_capability(index), torch.cuda.get_arch_list(), torch.version.cuda
    )


def _missing_code(capability: tuple[int, int], compiled: list[str], cuda: str) -> str:
    """is_available() is True for a GPU that the build has no code for; the first kernel would fail."""
    major, minor = capability
    native = [one.removeprefix("sm_").rstrip("af") for one in compiled if one.startswith("sm_")]
    portable = [one.removeprefix("compute_") for one in compiled if one.startswith("compute_")]
    if not compiled or runs_on(f"{major}.{minor}", native, cuda):
        return ""
    if any(one.isdigit() and int(one) <= major * 10 + minor for one in portable):
        return ""
    return f"torch has no code for compute capability {major}.{minor} (it has {', '.join(compiled)})"


def _mps_trouble() -> str:
    import torch

    return "" if torch.backends.mps.is_available() else "no Apple GPU was found"


def _precision(device: torch.device) -> str:
    import torch

    if device.type != "cuda":
        return "float32"
    # Older GPUs emulate bfloat16, slowly; is_bf16_supported() counts that as support.
    return "bfloat16" if torch.version.hip or torch.cuda.get_device_capability(device)[0] >= 8 else "float32"


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name) or str(otherwise)
    try:
        return int(text)
    except ValueError:
        raise MachineError(
            f"{name}={text} is not a whole number", hint="Start with torchrun, which sets it."
        ) from None
