"""What the driver's tools print, in; driver and GPUs, out."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from machines import script

from lensmith.machine.capture import live, parse_capture
from lensmith.machine.nvidia import (
    Gpu,
    Nvidia,
    add_library,
    parse_list,
    parse_proc,
    parse_query,
    parse_table,
    read_nvidia,
)

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
def test_gpus_from_a_query(text: str, driver: str | None, gpus: tuple[Gpu, ...]) -> None:
    assert parse_query(text) == (driver, gpus)


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
    found = read_nvidia(live(), seconds=1)
    assert time.monotonic() - start < 3
    assert found.trouble == "nvidia-smi gave no answer within 1 s"
    assert found.gpus == ()
    assert is_gone(int(child.read_text()))


def test_a_driver_that_is_slow_to_fail_is_not_asked_for_long(tools: Path) -> None:
    script(tools, "nvidia-smi", "import time; time.sleep(0.8); raise SystemExit('No devices were found')")
    start = time.monotonic()
    assert "nvidia-smi" in read_nvidia(live(), seconds=1).trouble
    assert time.monotonic() - start < 3, "three questions, of 0.8 s and the start of a program each"


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
    found = read_nvidia(live())
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
    found = read_nvidia(live())
    assert (found.driver, found.trouble) == ("470.57.02", "")
    assert found.gpus == (Gpu("GeForce GTX 1080 Ti", "6.1", 11178 * MIB),)


def replayed(sections: str) -> Nvidia:
    return read_nvidia(parse_capture("=== python\nversion 3.11.7\n" + sections).source)


def test_a_container_with_the_driver_but_not_its_tools() -> None:
    found = replayed(
        "=== file /proc/driver/nvidia/version\n"
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19\n"
        "=== file /proc/driver/nvidia/gpus/0000:01:00.0/information\n"
        "Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ:   \t\t 116\n"
    )
    assert (found.driver, found.gpus) == ("535.129.03", (Gpu("NVIDIA A100-SXM4-80GB", "8.0"),))


@pytest.mark.parametrize(
    ("vendor", "kind", "hardware"),
    [
        ("0x10de", "0x030000", True),
        ("0x10de", "0x030200", True),
        ("0x10de", "0x040300", False),
        ("0x1002", "0x030000", False),
    ],
)
def test_a_card_without_a_driver_is_seen(vendor: str, kind: str, hardware: bool) -> None:
    device = "=== file /sys/bus/pci/devices/0000:01:00.0/"
    found = replayed(f"{device}vendor\n{vendor}\n{device}class\n{kind}\n")
    assert (found.hardware, found.driver, found.trouble) == (hardware, None, "")


TABLE = """Thu Mar  6 10:00:00 2025
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 550.54.14              Driver Version: 550.54.14      CUDA Version: 12.4     |
|-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
|=========================================+========================+======================|
|   0  NVIDIA GeForce RTX 4090        Off |   00000000:01:00.0  On |                  Off |
| 30%   40C    P8             20W /  450W |     500MiB /  24564MiB |      0%      Default |
+-----------------------------------------+------------------------+----------------------+
|   1  NVIDIA RTX 6000 Ada Gene...    On  |   00000000:02:00.0 Off |                  Off |
| 30%   40C    P8             20W /  300W |       1MiB /  49140MiB |      0%      Default |
+-----------------------------------------+------------------------+----------------------+

+-----------------------------------------------------------------------------------------+
| Processes:                                                                              |
|  GPU   GI   CI        PID   Type   Process name                              GPU Memory |
|    0   N/A  N/A      4242      C   /home/jane/secret/bin/python                  490MiB |
+-----------------------------------------------------------------------------------------+
"""
LISTED = """GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-aaaa)
GPU 1: NVIDIA RTX 6000 Ada Generation (UUID: GPU-bbbb)
"""


def test_the_plain_table_where_a_query_is_not_known() -> None:
    found = parse_table(TABLE)
    assert (found.driver, found.cuda) == ("550.54.14", "12.4")
    assert [gpu.name for gpu in found.gpus] == ["NVIDIA GeForce RTX 4090", "NVIDIA RTX 6000 Ada Gene..."]
    assert [gpu.memory for gpu in found.gpus] == [24564 * MIB, 49140 * MIB]
    found = replayed(f"=== command nvidia-smi\n{TABLE}=== command nvidia-smi -L\n{LISTED}")
    assert (found.driver, found.cuda, found.trouble) == ("550.54.14", "12.4", "")
    assert found.gpus[1] == Gpu("NVIDIA RTX 6000 Ada Generation", "8.9", 49140 * MIB, "GPU-bbbb")
    of_windows = TABLE.replace("      Off |   00000000", "    WDDM  |   00000000").replace(
        "Driver Version", "KMD Version"
    )
    assert parse_table(of_windows.replace("CUDA Version", "CUDA UMD Version")).cuda == "12.4"


def test_slices_of_a_gpu_are_listed() -> None:
    (found,) = parse_list(
        "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5b)\n"
        "  MIG 1g.5gb      Device  0: (UUID: MIG-6d2c)\n"
        "  MIG 3g.20gb     Device  1: (UUID: MIG-GPU-5d5b/2/0)\n"
    )
    assert found == Gpu("NVIDIA A100-SXM4-40GB", uuid="GPU-5d5b", slices=("MIG-6d2c", "MIG-GPU-5d5b/2/0"))


@pytest.mark.parametrize(
    ("said", "cuda", "init", "library"),
    [
        ({"cuDriverGetVersion": "12080", "cuInit": "0"}, "12.8", 0, True),
        ({"cuDriverGetVersion": "13020", "cuInit": "804"}, "13.2", 804, True),
        ({"cuDriverGetVersion": "12040", "cuInit": "hangs"}, "12.4", None, True),
        ({}, None, None, False),
    ],
)
def test_what_the_drivers_library_says(said: dict[str, str], cuda: str, init: int, library: bool) -> None:
    found = add_library(Nvidia("550.54.14"), said)
    assert (found.cuda, found.init, found.library) == (cuda, init, library)
