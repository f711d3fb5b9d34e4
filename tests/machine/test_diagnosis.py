"""Facts in, verdict out: each row is a machine somebody has."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from machines import CU13, CU128, GIB, READY, nvidia

from lensmith.machine.cures import paste
from lensmith.machine.doctor import Finding, diagnose
from lensmith.machine.facts import Machine
from lensmith.machine.nvidia import Gpu, Nvidia
from lensmith.machine.packages import Torch, Torchvision

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="the commands are compared as POSIX shells take them"
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


def find(machine: Machine, name: str) -> Finding:
    """The one finding of that name."""
    (found,) = [finding for finding in diagnose(machine) if finding.name == name]
    return found


def lines(finding: Finding) -> list[str]:
    return [paste(command) for command in finding.commands]


def test_a_ready_machine() -> None:
    found = diagnose(READY)
    assert [(finding.name, finding.severity) for finding in found] == [
        ("python", "info"),
        ("torch", "info"),
        ("torchvision", "info"),
        ("device", "info"),
    ]
    assert found[-1].detail == "no NVIDIA GPU was found: runs on the CPU"
    assert all(finding.ok and not finding.commands and not finding.cure for finding in found)


def test_a_ready_machine_with_a_gpu() -> None:
    found = diagnose(replace(READY, nvidia=nvidia("580.95.05", "8.9")))
    assert all(finding.ok for finding in found)
    assert found[-1].detail == "runs on GPU of 8.9"


@pytest.mark.parametrize(
    ("machine", "commands"),
    [
        (BARE, [TRAIN]),
        (replace(BARE, nvidia=nvidia("580.95.05", "8.9")), [TRAIN]),
        # The default build is for CUDA 13, this driver for CUDA 12.
        (replace(BARE, nvidia=nvidia("550.54.14", "8.9")), [CUDA12, TRAIN]),
        # The default build has no code for Pascal any more.
        (replace(BARE, nvidia=nvidia("580.95.05", "6.1")), [CU126, TRAIN]),
        # Nothing serves this driver: the default build, on the CPU.
        (replace(BARE, nvidia=nvidia("470.57.02", "8.6")), [TRAIN]),
        # A GPU without a driver.
        (replace(BARE, nvidia=Nvidia(hardware=True)), [TRAIN]),
        (
            replace(BARE, platform="win_amd64", nvidia=nvidia("581.42", "8.9")),
            [
                f"{PIP} install 'torch>=2.12' 'torchvision>=0.27' --index-url https://download.pytorch.org/whl/cu132",
                TRAIN,
            ],
        ),
        (replace(BARE, platform="macosx_arm64"), [TRAIN]),
        (replace(BARE, installer="uv"), ["uv pip install --python /env/bin/python 'lensmith[train]'"]),
        (
            replace(BARE, executable="/my env/bin/python"),
            [TRAIN.replace("/env/bin/python", "'/my env/bin/python'")],
        ),
    ],
)
def test_torch_is_missing(machine: Machine, commands: list[str]) -> None:
    found = find(machine, "torch")
    assert found.severity == "error"
    assert found.detail.startswith("torch is not installed")
    assert lines(found) == commands


def test_torch_is_missing_where_there_is_none() -> None:
    found = find(replace(BARE, platform="musllinux_x86_64"), "torch")
    assert "no build of it for musllinux_x86_64 was known on 20" in found.detail
    found = find(replace(BARE, nvidia=nvidia("470.57.02", "8.6")), "torch")
    assert "470.57.02" in found.detail
    assert "newer NVIDIA driver" in found.cure


def test_torch_under_the_security_floor() -> None:
    old = replace(
        READY,
        torch=Torch("2.9.1", "12.8", None, CU128),
        torchvision=Torchvision("0.24.1", "cu128", "==2.9.1"),
    )
    found = find(old, "torch")
    assert found.severity == "error"
    assert "CVE-2026-24747" in found.detail
    assert lines(found) == [REMOVE, f"{PIP} install torch==2.15.0 torchvision==0.29.2"]
    assert "torchvision" not in {finding.name for finding in diagnose(old)}, "the same commands mend both"
    found = find(replace(old, nvidia=nvidia("550.54.14", "8.9")), "torch")
    assert lines(found) == [REMOVE, CUDA12]


def test_torch_that_was_cut_off() -> None:
    machine = replace(
        READY, torch=replace(READY.torch, damaged=("torch/lib/libtorch_cpu.so (10 of 99 bytes)",))
    )
    found = find(machine, "torch")
    assert found.severity == "error"
    assert "libtorch_cpu.so (10 of 99 bytes)" in found.detail
    assert lines(found)[0] == REMOVE


@pytest.mark.parametrize(
    ("torch", "vision", "detail", "commands"),
    [
        ("2.15.0", None, "is not installed", [f"{PIP} install torch==2.15.0 'torchvision~=0.29.2'"]),
        (
            "2.14.1+cu126",
            None,
            "is not installed",
            [
                f"{PIP} install torch==2.14.1+cu126 'torchvision==0.29.*'"
                " --index-url https://download.pytorch.org/whl/cu126"
            ],
        ),
        (
            "2.12.1",
            Torchvision("0.29.2", "cu132", ">=2.14.0"),
            "torchvision 0.29.2 needs torch>=2.14.0, and torch 2.12.1 is installed",
            [f"{PIP} uninstall -y torchvision", f"{PIP} install torch==2.12.1 'torchvision==0.27.*'"],
        ),
        (
            "2.15.0",
            Torchvision("0.29.2", "cpu", ">=2.14.0"),
            "torchvision 0.29.2 is built for cpu, torch 2.15.0 for CUDA 13.2",
            [f"{PIP} uninstall -y torchvision", f"{PIP} install torch==2.15.0 'torchvision~=0.29.2'"],
        ),
        (
            "2.14.1",
            Torchvision("0.29.1", "cu126", ">=2.14.0"),
            "is built for cu126",
            [f"{PIP} uninstall -y torchvision", f"{PIP} install torch==2.14.1 'torchvision==0.29.*'"],
        ),
    ],
)
def test_torchvision_that_does_not_fit(
    torch: str, vision: Torchvision | None, detail: str, commands: list[str]
) -> None:
    found = find(replace(READY, torch=replace(READY.torch, version=torch), torchvision=vision), "torchvision")
    assert found.severity == "error"
    assert detail in found.detail
    assert lines(found) == commands


@pytest.mark.parametrize(
    ("torch", "vision"),
    [
        (Torch("2.14.1", "13.0"), Torchvision("0.29.2", "cu132", ">=2.14.0")),  # another minor of one major
        (Torch("2.10.0+cu128", "12.8"), Torchvision("0.25.0", "cu128", "==2.10.0")),
        (Torch("2.15.0", None), Torchvision("0.29.2", "cpu", ">=2.14.0")),
        (Torch("2.15.0", "13.2"), Torchvision("0.29.2", None, ">=2.14.0")),  # conda names no build
        (Torch("2.15.0", None, "7.1"), Torchvision("0.29.2", "rocm7.1", ">=2.14.0")),
    ],
)
def test_pairs_that_fit(torch: Torch, vision: Torchvision) -> None:
    assert find(replace(READY, torch=torch, torchvision=vision), "torchvision").ok


@pytest.mark.parametrize(
    ("driver", "torch", "oldest", "commands"),
    [
        ("550.54.14", "13.2", "580", [REMOVE, CUDA12]),
        ("579.99", "13.0", "580", [REMOVE, CUDA12]),
        ("470.57.02", "13.2", "580", []),
        ("470.57.02", "12.8", "525.60.13", []),
    ],
)
def test_a_driver_too_old_for_torch(driver: str, torch: str, oldest: str, commands: list[str]) -> None:
    machine = replace(READY, nvidia=nvidia(driver, "8.9"), torch=Torch("2.15.0", torch, None, CU128))
    found = find(machine, "driver")
    assert found.severity == "error"
    assert f"needs NVIDIA driver {oldest} or newer; this machine has {driver}" in found.detail
    assert f"Install NVIDIA driver {oldest} or newer" in found.cure
    assert lines(found) == commands
    assert "device" not in {finding.name for finding in diagnose(machine)}


def test_a_driver_is_enough_for_every_minor_of_its_cuda() -> None:
    machine = replace(READY, nvidia=nvidia("580.65.06", "9.0"))
    assert all(finding.ok for finding in diagnose(machine))


@pytest.mark.parametrize(
    ("machine", "commands"),
    [
        (
            replace(READY, platform="win_amd64", nvidia=nvidia("581.42", "8.9")),
            [
                REMOVE,
                f"{PIP} install 'torch>=2.12' 'torchvision>=0.27' --index-url https://download.pytorch.org/whl/cu132",
            ],
        ),
        (
            replace(READY, nvidia=nvidia("580.95.05", "8.9")),
            [REMOVE, f"{PIP} install torch==2.15.0 torchvision==0.29.2"],
        ),
        (replace(READY, nvidia=nvidia("470.57.02", "8.9")), []),
    ],
)
def test_a_cpu_build_beside_a_gpu(machine: Machine, commands: list[str]) -> None:
    cpu = replace(machine, torch=Torch("2.15.0"), torchvision=Torchvision("0.29.2", "cpu", ">=2.14.0"))
    found = find(cpu, "gpu")
    assert found.severity == "warning"
    assert "CPU build" in found.detail
    assert "GPU of 8.9" in found.detail
    assert lines(found) == commands


def test_a_rocm_build_is_no_cpu_build() -> None:
    machine = replace(READY, torch=Torch("2.15.0", None, "7.1"), torchvision=Torchvision("0.29.2", "rocm7.1"))
    assert [finding.name for finding in diagnose(replace(machine, nvidia=nvidia("580.95.05", "8.9")))] == [
        "python",
        "torch",
        "torchvision",
        "device",
    ]


@pytest.mark.parametrize(
    ("capabilities", "compiled", "severity", "commands"),
    [
        (["6.1"], CU13, "error", [REMOVE, CU126]),
        (["7.0"], CU13, "error", [REMOVE, CUDA12]),
        (["8.9", "6.1"], CU13, "warning", [REMOVE, CU126]),
        (["3.5"], CU13, "error", []),
        (["8.9", "3.5"], CU13, "warning", []),
        (["6.1"], (), "error", [REMOVE, CU126]),  # the library could not be read: the table knows this build
    ],
)
def test_a_gpu_that_torch_has_no_code_for(
    capabilities: list[str], compiled: tuple[str, ...], severity: str, commands: list[str]
) -> None:
    machine = replace(
        READY, nvidia=nvidia("580.95.05", *capabilities), torch=Torch("2.15.0", "13.2", None, compiled)
    )
    found = find(machine, "gpu")
    assert found.severity == severity
    assert f"no code for GPU of {capabilities[-1]} ({capabilities[-1]})" in found.detail
    assert lines(found) == commands


@pytest.mark.parametrize("torch", [Torch("2.16.0a0", "14.0"), Torch("2.15.0", "13.2", None, CU13)])
def test_what_is_not_known_is_not_accused(torch: Torch) -> None:
    """A build that the table does not know, a GPU whose capability the driver does not tell."""
    machine = replace(READY, torch=torch, torchvision=Torchvision("0.30", None))
    found = diagnose(replace(machine, nvidia=Nvidia("999.1", (Gpu("NVIDIA New", None, None),))))
    assert all(finding.ok for finding in found)


def test_a_driver_that_does_not_answer() -> None:
    trouble = "nvidia-smi: Failed to initialize NVML: Driver/library version mismatch"
    found = find(replace(READY, nvidia=Nvidia(None, (), trouble, True)), "nvidia")
    assert (found.severity, found.detail) == ("warning", trouble)
    assert "Restart" in found.cure


def test_a_hanging_driver_does_not_hide_that_it_is_too_old() -> None:
    machine = replace(READY, nvidia=Nvidia("550.54.14", (), "nvidia-smi gave no answer within 5 s"))
    assert find(machine, "nvidia").severity == "warning"
    assert find(machine, "driver").severity == "error"


def test_a_gpu_without_a_driver() -> None:
    found = find(replace(READY, nvidia=Nvidia(hardware=True)), "nvidia")
    assert found.severity == "warning"
    assert "580" in found.cure
    assert "--gpus all" in found.cure


@pytest.mark.parametrize(("visible", "hidden"), [("", True), ("-1", True), ("0", False), (None, False)])
def test_gpus_that_the_environment_hides(visible: str | None, hidden: bool) -> None:
    machine = replace(READY, nvidia=nvidia("580.95.05", "8.9"), visible_devices=visible)
    names = [finding.name for finding in diagnose(machine)]
    assert ("gpu" in names) is hidden
    assert ("device" in names) is not hidden


@pytest.mark.parametrize(
    ("version", "torch", "severity"),
    [
        ("3.10.14", None, "error"),
        ("3.11.0", None, "info"),
        ("3.14.2", None, "info"),
        ("3.15.0", None, "warning"),
        ("3.15.0rc1", None, "warning"),
        ("3.15.0", READY.torch, "info"),
    ],
)
def test_pythons(version: str, torch: Torch | None, severity: str) -> None:
    assert find(replace(READY, python=version, torch=torch), "python").severity == severity


def test_missing_packages_are_named() -> None:
    unmet = {"train": ("torch>=2.10", "safetensors>=0.5", "onnx>=1.18"), "serve": ("fastapi>=0.115",)}
    found = find(replace(READY, unmet=unmet), "packages")
    assert found.severity == "error"
    assert found.detail.endswith("safetensors>=0.5, onnx>=1.18")
    assert lines(found) == [TRAIN]
    assert all(
        finding.ok for finding in diagnose(replace(READY, unmet={"train": (), "serve": ("fastapi>=1",)}))
    )


def test_no_installer() -> None:
    found = find(replace(READY, installer=""), "pip")
    assert lines(found) == ["/env/bin/python -m ensurepip --upgrade"]


@pytest.mark.parametrize(
    ("change", "name", "detail"),
    [
        ({"shared_memory": 64 * 2**20}, "shared memory", "/dev/shm has 64 MiB"),
        ({"disk_free": 300 * 2**20}, "disk", "300 MiB are free in this folder"),
        ({"torch": None, "install_free": 3 * GIB}, "disk", "3.0 GiB are free where packages go"),
        ({"unread": ("memory: OSError: no",)}, "facts", "memory: OSError: no"),
    ],
)
def test_little_room(change: dict[str, object], name: str, detail: str) -> None:
    found = find(replace(READY, **change), name)  # type: ignore[arg-type]
    assert found.severity == "warning"
    assert detail in found.detail
    assert found.cure


def test_what_cannot_be_read_is_not_accused() -> None:
    unknown = replace(READY, memory=None, disk_free=None, install_free=None, shared_memory=None)
    assert all(finding.ok for finding in diagnose(unknown))
