"""The NVIDIA side of the machine: driver and GPUs, from /proc, the PCI list, nvidia-smi and the driver's library."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lensmith.machine.gpus import capability_of
from lensmith.machine.source import Answer, Source, is_count

_FIELDS = ("name", "driver_version", "compute_cap", "memory.total")
_FORMAT = "--format=csv,noheader"
_NVIDIA_VENDOR, _DISPLAY_CLASS = "0x10de", "0x03"
_LISTED = re.compile(r"^[ \t]*(?:GPU (\d+): (.*?)|MIG (\S+)\s+Device\s+\d+:) \(UUID: ([^)]+)\)", re.MULTILINE)
_MODES = ("On", "Off", "N/A", "WDDM", "TCC", "MCDM")
"""What ends the cell of the name: persistence mode, or Windows' driver model."""
SMI_SECONDS = 5.0


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU; capability such as "8.6" and memory in bytes, None where the driver does not tell.

    slices: the names of its MIG slices, by which CUDA_VISIBLE_DEVICES takes them.
    """

    name: str
    capability: str | None = None
    memory: int | None = None
    uuid: str = ""
    slices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Nvidia:
    """Driver and GPUs. `trouble` is what nvidia-smi said instead of an answer.

    hardware: an NVIDIA display device is on the PCI bus, whether or not a driver knows it; cuda: the
    highest CUDA that the driver says it serves ("12.8"); init: what cuInit answered, 0 for well, None
    where it was not asked; library: whether the driver's library, libcuda, can be loaded; devices:
    the /dev/nvidia* there are; module: the version of the kernel's part of the driver; mig: some GPU is in
    MIG mode, asked only where cuInit failed; kernel: lines of the kernel's log on the driver, likewise.
    """

    driver: str | None = None
    gpus: tuple[Gpu, ...] = ()
    trouble: str = ""
    hardware: bool = False
    cuda: str | None = None
    init: int | None = None
    library: bool = True
    devices: tuple[str, ...] = ()
    module: str | None = None
    mig: bool = False
    kernel: tuple[str, ...] = ()


def read_nvidia(source: Source, seconds: float = SMI_SECONDS) -> Nvidia:
    """Ask the machine; a driver that does not answer costs `seconds` and is told as trouble."""
    module = parse_proc(source.text("/proc/driver/nvidia/version") or "")
    told = _ask_smi(source, seconds)
    gpus = told.gpus
    if not gpus:
        # Containers often have the driver without its tools.
        files = source.names("/proc/driver/nvidia/gpus/*/information")
        models = re.findall(
            r"^Model:(.*)$", "\n".join(source.text(file) or "" for file in files), re.MULTILINE
        )
        gpus = tuple(Gpu(name.strip()) for name in models)
    return replace(
        told,
        driver=told.driver or module,
        gpus=tuple(replace(gpu, capability=gpu.capability or capability_of(gpu.name)) for gpu in gpus),
        hardware=bool(gpus) or _on_the_bus(source),
        devices=source.names("/dev/nvidia*"),
        module=module,
    )


def add_library(nvidia: Nvidia, said: Mapping[str, str]) -> Nvidia:
    """What the driver's library said, beside what its tools did."""
    version, init = said.get("cuDriverGetVersion", ""), said.get("cuInit", "")
    cuda = f"{int(version) // 1000}.{int(version) % 1000 // 10}" if is_count(version) else None
    return replace(
        nvidia,
        library=bool(said),
        cuda=cuda if cuda and cuda != "0.0" else nvidia.cuda,
        init=int(init) if is_count(init) else None,
    )


def ask_further(source: Source, nvidia: Nvidia) -> Nvidia:
    """Where cuInit failed: what the kernel's log says of it, and whether MIG is on."""
    if nvidia.init in (None, 0):
        return nvidia
    log = source.run(("dmesg",), 2, _of_the_driver)
    return replace(
        nvidia,
        kernel=tuple(log.text.splitlines()) if log and log.code == 0 else (),
        mig=bool(nvidia.gpus) and parse_mig(_answer(source, math.inf, 2).text),
    )


def parse_mig(table: str) -> bool:
    """Whether nvidia-smi's table says `Enabled` in the column `MIG M.`."""
    return re.search(r"^\|[^|]*\|[^|]*\|\s+Enabled\s*\|", table, re.MULTILINE) is not None


def _of_the_driver(log: str) -> str:
    """The last lines that the driver wrote into the kernel's log."""
    return "\n".join(re.findall(r"^.*(?:nvidia|NVRM|uvm_).*$", log, re.MULTILINE | re.IGNORECASE)[-20:])


def parse_proc(text: str) -> str | None:
    """`/proc/driver/nvidia/version` -> the driver's version."""
    found = re.search(
        r"^NVRM version:.*?Kernel Module\D*?\s(?:for \S+\s+)?([0-9]{1,9}\.[0-9]{1,9}(?:\.[0-9]{1,9})?)",
        text[:400],
        re.MULTILINE,
    )
    return found.group(1) if found else None


def parse_query(text: str) -> tuple[str | None, tuple[Gpu, ...]]:
    """nvidia-smi's lines of name, driver, compute capability and memory -> driver and GPUs.

    Fields that a driver cannot fill read `[N/A]`, `[Unknown Error]` and the like.
    """
    driver, gpus = None, []
    for line in text.splitlines():
        fields = [field.strip() for field in line.rsplit(",", len(_FIELDS) - 1)]
        if len(fields) != len(_FIELDS) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})+", fields[1]):
            continue
        driver = fields[1]
        capability = fields[2] if re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,9}", fields[2]) else None
        gpus.append(Gpu(fields[0], capability, _mebibytes(fields[3])))
    return driver, tuple(gpus)


def parse_table(text: str) -> Nvidia:
    """What nvidia-smi prints when it is asked nothing -> driver, CUDA and GPUs; long names are cut there."""
    driver = re.search(r"(?:Driver|KMD) Version: {0,9}([0-9]{1,9}(?:\.[0-9]{1,9})+)", text)
    cuda = re.search(r"CUDA (?:UMD )?Version: {0,9}([0-9]{1,9}\.[0-9]{1,9})", text)
    gpus: list[Gpu] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3 and re.match(r"[0-9A-Fa-f]{4,8}:", cells[2]):
            words = cells[1].split()
            gpus.append(Gpu(" ".join(words[1 : -1 if words[-1:] and words[-1] in _MODES else None])))
        elif len(cells) > 3 and gpus and gpus[-1].memory is None:
            size = re.fullmatch(r"[^/]*/ {0,9}([0-9]{1,9}MiB)", cells[2])
            gpus[-1] = replace(gpus[-1], memory=_mebibytes(size[1]) if size else None)
    return Nvidia(driver and driver[1], tuple(gpus), cuda=cuda and cuda[1])


def parse_list(text: str) -> tuple[Gpu, ...]:
    """`nvidia-smi -L` -> names, UUIDs and MIG slices."""
    gpus: list[Gpu] = []
    for _, name, mig, uuid in _LISTED.findall(text):
        if not mig:
            gpus.append(Gpu(name, uuid=uuid))
        elif gpus:
            gpus[-1] = replace(gpus[-1], slices=(*gpus[-1].slices, uuid))
    return tuple(gpus)


def _mebibytes(text: str) -> int | None:
    size = re.fullmatch(r"(\d{1,9}) ?MiB", text)
    return int(size.group(1)) * 2**20 if size else None


def _ask_smi(source: Source, seconds: float) -> Nvidia:
    """Driver, GPUs and what went wrong, by the first way that nvidia-smi knows."""
    if source.program("nvidia-smi") is None:
        return Nvidia()
    latest = time.monotonic() + 1.6 * seconds  # a broken driver may be slow to say so each time
    answer = _answer(source, latest, seconds, f"--query-gpu={','.join(_FIELDS)}", _FORMAT)
    if answer.code not in (0, None):
        # Drivers before 510 do not know the field.
        fields = "--query-gpu=name,driver_version,uuid,memory.total"
        known = _answer(source, latest, seconds, fields, _FORMAT)
        answer = known if known.code == 0 else answer
    driver, gpus = parse_query(answer.text)
    told = Nvidia(driver, gpus)
    if not gpus and answer.code is not None:
        answer = _answer(source, latest, seconds)
        told = parse_table(answer.text)
    if answer.code is None:
        return Nvidia(trouble=f"nvidia-smi gave no answer within {seconds:g} s")
    if answer.code == 0:
        listed = parse_list(_answer(source, latest, seconds, "-L").text)
        return replace(told, gpus=_named(told.gpus, listed))
    said = " ".join(answer.text.split())[:300]
    words = said or f"it ended with exit code {answer.code} and said nothing"
    return replace(told, trouble=f"nvidia-smi: {words}")


def _answer(source: Source, latest: float, seconds: float, *words: str) -> Answer:
    left = max(0.1, min(seconds, latest - time.monotonic()))
    return source.run(("nvidia-smi", *words), left, _without_processes) or Answer(127, "")


def _without_processes(text: str) -> str:
    """The table without what runs on the GPUs: that is its owner's."""
    return re.split(r"\n\+-*\+\s*\n\|\s*Processes:", text)[0]


def _named(told: tuple[Gpu, ...], listed: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """What the list adds to GPUs that are known: whole names, UUIDs, slices."""
    if not told:
        return listed
    if len(told) != len(listed):
        return told
    return tuple(
        replace(one, name=other.name, uuid=other.uuid, slices=other.slices)
        for one, other in zip(told, listed, strict=True)
    )


def _on_the_bus(source: Source) -> bool:
    for vendor in source.names("/sys/bus/pci/devices/*/vendor"):
        if (source.text(vendor) or "").strip() != _NVIDIA_VENDOR:
            continue
        if (source.text(f"{vendor.removesuffix('vendor')}class") or "").startswith(_DISPLAY_CLASS):
            return True
    return False
