"""What CUDA makes of CUDA_VISIBLE_DEVICES."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lensmith.machine.nvidia import Gpu


@dataclass(frozen=True)
class Seen:
    """How many GPUs a process sees, and why they are not all that were asked for."""

    count: int
    fault: str = ""


def read_visible(value: str, gpus: Sequence[Gpu]) -> Seen:
    """Read the list as CUDA does: the first entry that is not there ends it, and none after it is seen.

    Source: CUDA C++ programming guide, "CUDA environment variables".
    """
    if value.strip() in ("", "-1", "NoDevFiles"):
        return Seen(0, "it names none")
    chosen: list[str] = []
    for entry in (one.strip() for one in value.split(",")):
        gpu, fault = _find(entry, gpus)
        if fault:
            return Seen(len(chosen), fault)
        if gpu in chosen:
            return Seen(0, f"{entry} stands there twice")
        chosen.append(gpu)
    return Seen(len(chosen))


def _find(entry: str, gpus: Sequence[Gpu]) -> tuple[str, str]:
    """Which GPU is meant, or why none is."""
    if re.fullmatch(r"\d+", entry):
        index = int(entry)
        return (str(index), "") if index < len(gpus) else ("", f"there is no GPU {index}")
    if entry.startswith("-"):
        return "", f"{entry} ends the list"
    if entry.startswith("MIG-"):
        names = [name for gpu in gpus for name in gpu.slices]
        known = all(gpu.uuid for gpu in gpus)
        return (entry, "") if not known or entry in names else ("", f"there is no MIG slice {entry}")
    if entry.startswith("GPU-"):
        fits = [gpu.uuid for gpu in gpus if gpu.uuid.startswith(entry)]
        if fits or not all(gpu.uuid for gpu in gpus):
            return (fits[0] if fits else entry), ""
        return "", f"no GPU has the UUID {entry}"
    return "", f"{entry!r} is neither a number nor a UUID"
