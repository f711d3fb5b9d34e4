"""Machines as the doctor sees them, what their tools print, and the commands that mend them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from lensmith.diagnosis.doctor import Finding, diagnose
from lensmith.diagnosis.quoting import paste
from lensmith.machine.facts import Machine
from lensmith.machine.nvidia import Gpu, Nvidia
from lensmith.machine.packages import Torch, Torchvision

GIB = 2**30
CU128 = ("70", "75", "80", "86", "90", "100", "120")
CU13 = ("75", "80", "86", "90", "100", "120")
READY = Machine(
    python="3.11.7",
    executable="/env/bin/python",
    system="Debian GNU/Linux 12 (bookworm)",
    platform="linux_x86_64",
    cores=8,
    memory=16 * GIB,
    disk_free=100 * GIB,
    install_free=100 * GIB,
    shared_memory=8 * GIB,
    torch=Torch("2.15.0", "13.2", None, CU13),
    torchvision=Torchvision("0.29.2", "cu132", ">=2.14.0"),
)

PIP = "/env/bin/python -m pip"
REMOVE = f"{PIP} uninstall -y torch torchvision"
BARE = replace(READY, torch=None, torchvision=None)
CUDA12 = f"{PIP} install torch==2.10.0 torchvision==0.25.0"
CU126 = (
    f"{PIP} install 'torch>=2.10,<2.15' 'torchvision>=0.25,<0.30'"
    " --index-url https://download.pytorch.org/whl/cu126"
)
TRAIN = f"{PIP} install 'lensmith[train]'"


def nvidia(driver: str, *capabilities: str) -> Nvidia:
    """A driver and a GPU for each compute capability."""
    return Nvidia(driver, tuple(Gpu(f"GPU of {one}", one, 8 * GIB) for one in capabilities), "", True)


def script(folder: Path, name: str, text: str) -> Path:
    """An executable of that name; the tests put `folder` on PATH."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!{sys.executable} -IS\n{text}\n")
    file.chmod(0o755)
    return file


def find(machine: Machine, name: str) -> Finding:
    """The one finding of that name."""
    (found,) = [finding for finding in diagnose(machine) if finding.name == name]
    return found


def lines(finding: Finding) -> list[str]:
    return [paste(command) for command in finding.commands]
