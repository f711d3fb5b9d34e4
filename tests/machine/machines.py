"""Machines as the doctor sees them, and what their tools print."""

from __future__ import annotations

import sys
from pathlib import Path

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
