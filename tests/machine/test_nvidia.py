"""What the driver's tools print, in; driver and GPUs, out."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from machines import script

from lensmith.machine.nvidia import Gpu, parse_proc, parse_smi, read_nvidia

MIB = 2**20


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023\n"
            "GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)\n",
            "535.129.03",
        ),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs@builder)"
            "  Thu Jan 23 03:40:23 UTC 2025\nGCC version:  gcc version 13.3.0\n",
            "570.86.15",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  Release Build\n", "580.95.05"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57  Tue Jul 13\n", "470.57"),
        ("GCC version:  gcc version 12.3.0\n", None),
        ("", None),
    ],
)
def test_driver_from_proc(text: str, driver: str | None) -> None:
    assert parse_proc(text) == driver


@pytest.mark.parametrize(
    ("text", "driver", "gpus"),
    [
        (
            "NVIDIA GeForce RTX 4090, 550.54.14, 8.9, 24564 MiB\n",
            "550.54.14",
            (Gpu("NVIDIA GeForce RTX 4090", "8.9", 24564 * MIB),),
        ),
        (
            "NVIDIA H100 80GB HBM3, 580.95.05, 9.0, 81559 MiB\nTesla P40, 580.95.05, 6.1, 24576 MiB\n",
            "580.95.05",
            (Gpu("NVIDIA H100 80GB HBM3", "9.0", 81559 * MIB), Gpu("Tesla P40", "6.1", 24576 * MIB)),
        ),
        # Memory shared with the processor; a name with a comma; a field that the driver does not know.
        ("NVIDIA GB10, 580.82.09, 12.1, [N/A]\n", "580.82.09", (Gpu("NVIDIA GB10", "12.1", None),)),
        (
            "Odd, Name, 535.54.03, [Unknown Error], 8192 MiB\n",
            "535.54.03",
            (Gpu("Odd, Name", None, 8192 * MIB),),
        ),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", None, ()),
        ('Field "compute_cap" is not a valid field to query.\n\n', None, ()),
        ("No devices were found\n", None, ()),
        ("", None, ()),
    ],
)
def test_gpus_from_smi(text: str, driver: str | None, gpus: tuple[Gpu, ...]) -> None:
    assert parse_smi(text) == (driver, gpus)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty PATH."""
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_a_hanging_smi_is_cut_off_with_its_children(tools: Path, tmp_path: Path) -> None:
    child = tmp_path / "child"
    script(
        tools,
        "nvidia-smi",
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-ISc', 'import time; time.sleep(600)'])\n"
        f"open({str(child)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)",
    )
    start = time.monotonic()
    found = read_nvidia(seconds=1, proc=tmp_path, pci=tmp_path)
    assert time.monotonic() - start < 3
    assert found.trouble == "nvidia-smi gave no answer within 1 s"
    assert found.gpus == ()
    assert is_gone(int(child.read_text()))


def is_gone(pid: int) -> bool:
    """Whether the process ends within a second; one that is dead and not yet collected counts."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False


def test_what_a_failing_smi_says_is_kept(tools: Path, tmp_path: Path) -> None:
    script(
        tools,
        "nvidia-smi",
        "print('Failed to initialize NVML: Driver/library version mismatch\\nNVML library version: 580.95')\n"
        "raise SystemExit(18)",
    )
    found = read_nvidia(proc=tmp_path, pci=tmp_path)
    assert found.trouble == (
        "nvidia-smi: Failed to initialize NVML: Driver/library version mismatch NVML library version: 580.95"
    )


def test_an_old_driver_is_asked_without_the_field_it_does_not_know(tools: Path, tmp_path: Path) -> None:
    script(
        tools,
        "nvidia-smi",
        "import sys\n"
        "if 'compute_cap' in sys.argv[1]:\n"
        "    raise SystemExit('Field \"compute_cap\" is not a valid field to query.')\n"
        "print('GeForce GTX 1080 Ti, 470.57.02, GPU-1c6, 11178 MiB')",
    )
    found = read_nvidia(proc=tmp_path, pci=tmp_path)
    assert (found.driver, found.trouble) == ("470.57.02", "")
    assert found.gpus == (Gpu("GeForce GTX 1080 Ti", None, 11178 * MIB),)


def test_a_container_with_the_driver_but_not_its_tools(tools: Path, tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    (proc / "gpus" / "0000:01:00.0").mkdir(parents=True)
    (proc / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19\n")
    information = "Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ:   \t\t 116\n"
    (proc / "gpus" / "0000:01:00.0" / "information").write_text(information)
    found = read_nvidia(proc=proc, pci=tmp_path)
    assert (found.driver, found.gpus) == ("535.129.03", (Gpu("NVIDIA A100-SXM4-80GB"),))


@pytest.mark.parametrize(
    ("vendor", "kind", "hardware"),
    [
        ("0x10de", "0x030000", True),
        ("0x10de", "0x030200", True),
        ("0x10de", "0x040300", False),
        ("0x1002", "0x030000", False),
    ],
)
def test_a_card_without_a_driver_is_seen(
    tools: Path, tmp_path: Path, vendor: str, kind: str, hardware: bool
) -> None:
    device = tmp_path / "pci" / "0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text(f"{kind}\n")
    found = read_nvidia(proc=tmp_path, pci=tmp_path / "pci")
    assert (found.hardware, found.driver, found.trouble) == (hardware, None, "")
