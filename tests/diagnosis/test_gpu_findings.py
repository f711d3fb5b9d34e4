"""GPUs, drivers and the torch that is to use them: facts in, verdict out."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from machines import CU13, CU126, CU128, CUDA12, PIP, READY, REMOVE, find, lines, nvidia

from lensmith.diagnosis.doctor import diagnose
from lensmith.machine.facts import Machine
from lensmith.machine.nvidia import Gpu, Nvidia
from lensmith.machine.packages import Torch, Torchvision
from lensmith.machine.surroundings import Surroundings

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="the commands are compared as POSIX shells take them"
)


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


def test_a_rocm_build_beside_an_nvidia_gpu() -> None:
    machine = replace(READY, torch=Torch("2.15.0", None, "7.1"), torchvision=Torchvision("0.29.2", "rocm7.1"))
    assert find(machine, "device").detail == "a ROCm build; this doctor does not know AMD GPUs"
    found = find(replace(machine, nvidia=nvidia("580.95.05", "8.9")), "gpu")
    assert "a build for AMD's GPUs (ROCm 7.1)" in found.detail
    assert lines(found) == [REMOVE, f"{PIP} install torch==2.15.0 torchvision==0.29.2"]


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
    assert found.severity == "warning"
    assert found.detail.startswith(trouble)
    assert "Reboot" in found.cure


def test_a_hanging_driver_does_not_hide_that_it_is_too_old() -> None:
    machine = replace(READY, nvidia=Nvidia("550.54.14", (), "nvidia-smi gave no answer within 5 s"))
    assert find(machine, "nvidia").severity == "warning"
    assert find(machine, "driver").severity == "error"


def test_a_gpu_without_a_driver() -> None:
    found = find(replace(READY, nvidia=Nvidia(hardware=True)), "nvidia")
    assert found.severity == "warning"
    assert "580" in found.cure
    assert "--gpus" not in found.cure
    docker = replace(READY, nvidia=Nvidia(hardware=True), surroundings=Surroundings("docker"))
    assert "--gpus all" in find(docker, "nvidia").cure


@pytest.mark.parametrize(("visible", "hidden"), [("", True), ("-1", True), ("0", False), (None, False)])
def test_gpus_that_the_environment_hides(visible: str | None, hidden: bool) -> None:
    machine = replace(READY, nvidia=nvidia("580.95.05", "8.9"), visible_devices=visible)
    names = [finding.name for finding in diagnose(machine)]
    assert ("gpu" in names) is hidden
    assert ("device" in names) is not hidden
