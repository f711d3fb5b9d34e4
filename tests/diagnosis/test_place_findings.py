"""What lies around torch: other libraries, other copies, files that hide it, packages that do not pair."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from machines import BARE, READY, find, nvidia

from lensmith.diagnosis.doctor import diagnose
from lensmith.machine.facts import Copy, Machine
from lensmith.machine.packages import Torch, Torchvision
from lensmith.machine.surroundings import Surroundings

GPU = replace(READY, nvidia=nvidia("580.95.05", "8.9"))
SITE = "/env/lib/python3.11/site-packages"


def told(machine: Machine) -> set[str]:
    return {one.name for one in diagnose(machine) if not one.ok}


@pytest.mark.parametrize(
    ("path", "compiler", "cure"),
    [
        ("", None, None),
        ("/usr/lib/x86_64-linux-gnu:/opt/mkl/lib", "11.8", None),
        ("/usr/local/cuda-13.2/lib64", None, None),
        ("/usr/local/cuda/lib64", None, None),  # what it links to is not known
        ("/usr/local/cuda/lib64", "13.2", None),
        ("/usr/local/cuda/lib64", "12.1", "unset LD_LIBRARY_PATH"),
        ("/opt/mkl/lib:/usr/local/cuda-12.1/lib64", None, "export LD_LIBRARY_PATH=/opt/mkl/lib"),
        ("/opt/mkl/lib:/usr/local/cuda/lib64/stubs/", None, "export LD_LIBRARY_PATH=/opt/mkl/lib"),
        ("/usr/local/cuda/compat", None, "unset LD_LIBRARY_PATH"),
        ("/sw/barracuda/lib", "12.1", None),
    ],
)
def test_libraries_of_another_cuda(path: str, compiler: str | None, cure: str | None) -> None:
    around = Surroundings(compiler=compiler)
    machine = replace(GPU, variables={"LD_LIBRARY_PATH": path}, surroundings=around)
    if cure is None:
        assert told(machine) == set()
    else:
        assert find(machine, "libraries").cure.endswith(cure)
    cpu = replace(machine, torch=Torch("2.15.0"), torchvision=None, nvidia=READY.nvidia)
    assert "libraries" not in told(cpu)


@pytest.mark.parametrize("compiler", [None, "11.8", "13.2"])
def test_nvcc_is_never_needed(compiler: str | None) -> None:
    machine = replace(GPU, surroundings=Surroundings(compiler=compiler))
    assert told(machine) == set()
    details = [one.detail for one in diagnose(machine) if one.name == "nvcc"]
    assert len(details) == (compiler != "13.2")
    assert all("not needed" in detail for detail in details)


def test_files_that_hide_a_package() -> None:
    shadows = ("./torch.py", "/work/code/numpy/__init__.py")
    found = find(replace(READY, surroundings=Surroundings(shadows=shadows)), "shadow")
    assert "./torch.py" in found.detail
    assert "import numpy" in found.detail or "import torch" in found.detail


@pytest.mark.parametrize(
    ("copies", "conda", "words"),
    [
        ([Copy("2.15.0", SITE, "pip")], "", None),
        ([Copy("2.15.0", SITE, "conda")], "pytorch-2.15.0-py3.11_cuda13_0.json", None),
        (
            [
                Copy("2.0.1", "/home/x/.local/lib/python3.11/site-packages", "pip"),
                Copy("2.15.0", SITE, "pip"),
            ],
            "",
            "PYTHONNOUSERSITE=1",
        ),
        ([Copy("2.15.0", SITE, "pip"), Copy("2.14.0", SITE, "pip")], "", "Remove both"),
        ([Copy("2.15.0", SITE, "pip")], "pytorch-2.5.1-py3.11_cuda12.4_0.json", "conda remove pytorch"),
    ],
)
def test_torch_twice(copies: list[Copy], conda: str, words: str | None) -> None:
    machine = replace(READY, copies=tuple(copies), conda_build=conda)
    if words is None:
        assert told(machine) == set()
    else:
        assert words in find(machine, "copies").cure


@pytest.mark.parametrize(
    ("torch", "numpy", "told_of"),
    [("2.2.2", "2.1.0", True), ("2.2.2", "1.26.4", False), ("2.3.0", "2.1.0", False), ("2.2.2", None, False)],
)
def test_numpy_2_beside_a_torch_for_numpy_1(torch: str, numpy: str | None, told_of: bool) -> None:
    machine = replace(READY, torch=Torch(torch, "12.1"), numpy=numpy)
    assert ("numpy" in told(machine)) is told_of


@pytest.mark.parametrize(
    ("audio", "told_of"),
    [
        (None, False),
        (Torchvision("2.15.0", "cu132", "==2.15.0"), False),
        (Torchvision("2.14.0", "cu130", "==2.14.0"), True),
        (Torchvision("2.15.0", "cpu", ""), True),
    ],
)
def test_torchaudio_that_does_not_pair(audio: Torchvision | None, told_of: bool) -> None:
    assert ("torchaudio" in told(replace(READY, torchaudio=audio))) is told_of


def test_an_old_torch_beside_a_torchvision_of_another() -> None:
    machine = replace(
        READY, torch=Torch("2.4.1", "12.1"), torchvision=Torchvision("0.20.1", "cu124", "==2.5.1")
    )
    assert "needs torch==2.5.1" in find(machine, "torchvision").detail


@pytest.mark.parametrize(
    ("build", "cpuonly", "platform", "version", "why"),
    [
        ("pytorch-2.12.0-py3.11_cpu_0.json", False, "linux_x86_64", "2.12.0", "conda chose its CPU build"),
        ("pytorch-2.12.0-py3.11_cpu_0.json", True, "linux_x86_64", "2.12.0", "cpuonly"),
        ("", False, "linux_x86_64", "2.12.0+cpu", "index of CPU builds"),
        ("", False, "win_amd64", "2.15.0", "CPU builds alone for Windows"),
        ("", False, "linux_aarch64", "2.10.0", "before torch 2.11"),
    ],
)
def test_how_a_cpu_build_came(build: str, cpuonly: bool, platform: str, version: str, why: str) -> None:
    machine = replace(
        GPU,
        torch=Torch(version),
        torchvision=None,
        platform=platform,
        conda_build=build,
        conda_cpuonly=cpuonly,
    )
    assert why in find(machine, "gpu").detail


def test_a_python_that_is_too_old_gets_no_commands_for_another() -> None:
    machine = replace(READY, python="3.8.13", torch=Torch("1.12.1", "11.3"))
    assert not any(one.commands for one in diagnose(machine))
    assert {"python", "torch"} <= told(machine)


def test_a_linux_that_is_too_old() -> None:
    assert find(replace(BARE, libc="2.17"), "system").severity == "error"
    assert find(replace(READY, libc="2.17"), "system").severity == "warning"
    assert told(replace(READY, libc="2.28")) == set()


@pytest.mark.parametrize(
    ("container", "cure"),
    [("docker", "--shm-size=8g"), ("kubernetes", "medium: Memory"), ("", "remount,size=8G")],
)
def test_shared_memory(container: str, cure: str) -> None:
    machine = replace(READY, shared_memory=64 * 2**20, surroundings=Surroundings(container))
    assert cure in find(machine, "shared memory").cure


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell's words")
def test_slices() -> None:
    gpu = replace(GPU.nvidia.gpus[0], uuid="GPU-1", slices=("MIG-a", "MIG-b"))
    machine = replace(GPU, nvidia=replace(GPU.nvidia, gpus=(gpu,)))
    assert "export CUDA_VISIBLE_DEVICES=MIG-a" in find(machine, "mig").cure
    assert "can use one" in find(replace(machine, visible_devices="MIG-a,MIG-b"), "mig").detail
    assert told(replace(machine, visible_devices="MIG-b")) == set()
    two = replace(machine, nvidia=replace(machine.nvidia, gpus=(*GPU.nvidia.gpus, gpu)))
    assert told(replace(two, visible_devices="1")) == {"mig"}, "a number names no slice"
    assert told(replace(machine, visible_devices="")) == {"gpu"}, "hidden is what is wrong, not sliced"
    one = replace(machine, nvidia=replace(machine.nvidia, gpus=(replace(gpu, slices=("MIG-a",)),)))
    assert told(one) == set()
    none = replace(GPU, nvidia=replace(GPU.nvidia, mig=True, init=100))
    assert told(none) == {"mig"}
