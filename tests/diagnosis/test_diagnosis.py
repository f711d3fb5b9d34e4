"""Facts in, verdict out: each row is a machine somebody has."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from machines import BARE, CU126, CU128, CUDA12, GIB, PIP, READY, REMOVE, TRAIN, find, lines, nvidia

from lensmith.diagnosis.doctor import diagnose
from lensmith.machine.facts import Machine
from lensmith.machine.nvidia import Nvidia
from lensmith.machine.packages import Torch, Torchvision

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="the commands are compared as POSIX shells take them"
)


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
    pair = diagnose(replace(READY, nvidia=nvidia("580.95.05", "8.9", "8.9")))
    assert "runs on 2 x GPU of 8.9" in [finding.detail for finding in pair]
    assert [finding.detail for finding in found[-2:]] == [
        "runs on GPU of 8.9",
        "nvcc is not installed, and not needed: torch brings its own CUDA",
    ]


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
    found = find(replace(BARE, installer=""), "pip")
    assert lines(found) == ["/env/bin/python -m ensurepip --upgrade"]
    assert [finding.name for finding in diagnose(replace(BARE, installer=""))][:2] == ["python", "pip"]
    assert all(finding.ok for finding in diagnose(replace(READY, installer=""))), (
        "nothing has to be installed"
    )


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
