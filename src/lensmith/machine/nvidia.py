"""The NVIDIA side of the machine: driver and GPUs, from /proc, the PCI list and nvidia-smi."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

_FIELDS = ("name", "driver_version", "compute_cap", "memory.total")
# WSL keeps nvidia-smi where not every shell looks.
_WSL_SMI = Path("/usr/lib/wsl/lib/nvidia-smi")
_NVIDIA_VENDOR, _DISPLAY_CLASS = "0x10de", "0x03"


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU; capability such as "8.6" and memory in bytes, None where the driver does not tell."""

    name: str
    capability: str | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Nvidia:
    """Driver and GPUs. `trouble` is what nvidia-smi said instead of an answer.

    hardware: an NVIDIA display device is on the PCI bus, whether or not a driver knows it.
    """

    driver: str | None = None
    gpus: tuple[Gpu, ...] = ()
    trouble: str = ""
    hardware: bool = False


def read_nvidia(
    seconds: float = 5.0, proc: Path = Path("/proc/driver/nvidia"), pci: Path = Path("/sys/bus/pci/devices")
) -> Nvidia:
    """Ask the machine; a driver that does not answer costs `seconds` and is told as trouble."""
    driver = parse_proc(_text(proc / "version"))
    smi_driver, gpus, trouble = _ask_smi(seconds)
    if not gpus:
        # Containers often have the driver without its tools.
        gpus = tuple(
            Gpu(name.strip())
            for file in sorted(proc.glob("gpus/*/information"))
            for name in re.findall(r"^Model:(.*)$", _text(file), re.MULTILINE)
        )
    return Nvidia(smi_driver or driver, gpus, trouble, bool(gpus) or _on_the_bus(pci))


def parse_proc(text: str) -> str | None:
    """`/proc/driver/nvidia/version` -> the driver's version."""
    found = re.search(
        r"^NVRM version:.*?Kernel Module\D*?\s(?:for \S+\s+)?(\d+\.\d+(?:\.\d+)?)", text, re.MULTILINE
    )
    return found.group(1) if found else None


def parse_smi(text: str) -> tuple[str | None, tuple[Gpu, ...]]:
    """nvidia-smi's lines of name, driver, compute capability and memory -> driver and GPUs.

    Fields that a driver cannot fill read `[N/A]`, `[Unknown Error]` and the like.
    """
    driver, gpus = None, []
    for line in text.splitlines():
        fields = [field.strip() for field in line.rsplit(",", len(_FIELDS) - 1)]
        if len(fields) != len(_FIELDS) or not re.fullmatch(r"\d+(\.\d+)+", fields[1]):
            continue
        driver = fields[1]
        capability = fields[2] if re.fullmatch(r"\d+\.\d+", fields[2]) else None
        memory = re.fullmatch(r"(\d+) MiB", fields[3])
        gpus.append(Gpu(fields[0], capability, int(memory.group(1)) * 2**20 if memory else None))
    return driver, tuple(gpus)


def _ask_smi(seconds: float) -> tuple[str | None, tuple[Gpu, ...], str]:
    """Driver, GPUs, and what went wrong."""
    smi = shutil.which("nvidia-smi") or (str(_WSL_SMI) if _WSL_SMI.exists() else None)
    if smi is None:
        return None, (), ""
    query = [smi, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader"]
    code, text = _ask(query, seconds)
    if "compute_cap" in text and code != 0:
        # Drivers before 510 do not know the field.
        query[1] = "--query-gpu=name,driver_version,uuid,memory.total"
        code, text = _ask(query, seconds)
    driver, gpus = parse_smi(text)
    if gpus:
        return driver, gpus, ""
    if code is None:
        return None, (), f"nvidia-smi gave no answer within {seconds:g} s"
    said = " ".join(text.split())[:300]
    return (
        None,
        (),
        f"nvidia-smi: {said}" if said else f"nvidia-smi ended with exit code {code} and said nothing",
    )


def _ask(command: list[str], seconds: float) -> tuple[int | None, str]:
    """Exit code and output; the code is None where no answer came in time."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return error.errno, str(error)
    try:
        text, _ = process.communicate(timeout=seconds)
        return process.returncode, text
    except subprocess.TimeoutExpired:
        return None, ""
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the process and its children, and wait no longer than a second.

    A process stuck inside a driver call cannot be killed; waiting for it would hang as it does.
    """
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    if process.stdout is not None:
        process.stdout.close()


def _on_the_bus(pci: Path) -> bool:
    return any(
        _text(device / "vendor").strip() == _NVIDIA_VENDOR
        and _text(device / "class").startswith(_DISPLAY_CLASS)
        for device in pci.glob("*")
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
