"""A driver that does not start, is not there, or is another one: facts in, verdict out."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from importlib import resources

import pytest
from machines import CUDA12, READY, REMOVE, find, lines, nvidia

from lensmith.diagnosis.doctor import diagnose
from lensmith.machine.nvidia import Gpu, Nvidia
from lensmith.machine.surroundings import Surroundings

WELL = nvidia("580.95.05", "8.9")
DOCKER, WSL = Surroundings("docker"), Surroundings(wsl_version=2)
TABLE = json.loads(resources.files("lensmith.diagnosis").joinpath("driver_faults.json").read_text())


@pytest.mark.parametrize("fault", TABLE["faults"], ids=lambda fault: fault["name"])
def test_rows_say_where_they_come_from_and_can_be_met(fault: dict[str, object]) -> None:
    assert {"name", "smi", "init", "why", "mend", "source"} <= fault.keys()
    assert re.search(r"https://|release notes", str(fault["source"]))
    assert fault["smi"] or fault["init"] or fault.get("kernel")


@pytest.mark.parametrize(
    ("said", "around", "cure"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch", Surroundings(), "Reboot the machine"),
        ("Failed to initialize NVML: Driver/library version mismatch", DOCKER, "reboot the host"),
        ("Failed to initialize NVML: Unknown Error", DOCKER, "Restart the container"),
        ("Failed to initialize NVML: GPU access blocked by the operating system", WSL, "wsl --update"),
        (
            "Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.",
            Surroundings(),
            "Reboot",
        ),
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            Surroundings(),
            "modprobe nvidia",
        ),
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            WSL,
            "Linux driver inside WSL",
        ),
        ("No devices were found", DOCKER, "--gpus all"),
        ("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.", DOCKER, "--gpus all"),
        ("Something that nobody has seen", Surroundings(), "Restart the machine"),
    ],
)
def test_what_nvidia_smi_says(said: str, around: Surroundings, cure: str) -> None:
    machine = replace(READY, nvidia=Nvidia(trouble=f"nvidia-smi: {said}"), surroundings=around)
    found = find(machine, "nvidia")
    assert found.severity == "warning"
    assert said.rstrip(".") in found.detail
    assert cure in found.cure


@pytest.mark.parametrize(
    ("init", "around", "cure"),
    [
        (803, Surroundings(), "Reboot"),
        (804, Surroundings(), "LD_LIBRARY_PATH"),
        (804, DOCKER, "image for an older CUDA"),
        (802, Surroundings(), "nvidia-fabricmanager"),
        (999, Surroundings(), "rmmod nvidia_uvm"),
        (3, Surroundings(), "Reboot"),
        (34, Surroundings(), "stubs"),
        (500, DOCKER, "nvidia-container-toolkit to 1.14.4"),
        (304, DOCKER, "seccomp"),
        (2, WSL, "wsl --update"),
        (46, Surroundings(), "-c DEFAULT"),
        (100, DOCKER, "--gpus all"),
    ],
)
def test_what_cuinit_answers(init: int, around: Surroundings, cure: str) -> None:
    machine = replace(READY, nvidia=replace(WELL, init=init), surroundings=around)
    found = find(machine, "nvidia")
    assert f"cuInit answers {init}" in found.detail
    assert cure in found.cure
    assert "device" not in {one.name for one in diagnose(machine)}, "it is not said to run"


def test_the_kernels_log_and_the_device_files_say_more_than_a_code() -> None:
    log = (
        "[1.2] nvidia-uvm: uvm_pmm_gpu.c:3176 devmem_alloc_pagemap[pid:9] request_free_mem_region() err -34",
    )
    found = find(replace(READY, nvidia=replace(WELL, init=3, kernel=log)), "nvidia")
    assert "uvm_disable_hmm=1" in found.cure
    devices = ("/dev/nvidia0", "/dev/nvidiactl")
    found = find(replace(READY, nvidia=replace(WELL, init=999, devices=devices)), "nvidia")
    assert "/dev/nvidia-uvm is missing" in found.detail
    assert "nvidia-modprobe" in found.cure


@pytest.mark.parametrize("visible", ["", "-1", "7"])
def test_hidden_gpus_are_no_broken_driver(visible: str) -> None:
    machine = replace(READY, nvidia=replace(WELL, init=100), visible_devices=visible)
    assert [one.name for one in diagnose(machine) if not one.ok] == ["gpu"]


def test_wsl() -> None:
    inside = Surroundings(wsl_version=2, wsl_drivers=("/usr/lib/x86_64-linux-gnu/libcuda.so.535.183.01",))
    machine = replace(READY, nvidia=replace(WELL, init=100), surroundings=inside)
    (found,) = [one for one in diagnose(machine) if not one.ok]
    assert "libcuda.so.535.183.01" in found.detail
    assert "purge" in found.cure
    assert "WSL 1" in find(replace(READY, surroundings=Surroundings(wsl_version=1)), "wsl").detail
    in_docker = replace(inside, container="docker")  # there the toolkit puts the library
    assert all(one.ok for one in diagnose(replace(READY, nvidia=WELL, surroundings=in_docker)))


@pytest.mark.parametrize(
    ("around", "devices", "cure"),
    [
        (DOCKER, ("/dev/nvidia0",), "NVIDIA_DRIVER_CAPABILITIES=compute,utility"),
        (DOCKER, (), "Start it with --gpus all"),
        (WSL, (), "/usr/lib/wsl/lib"),
        (Surroundings(), (), "compute library"),
    ],
)
def test_a_driver_without_its_library(around: Surroundings, devices: tuple[str, ...], cure: str) -> None:
    nvidia = replace(WELL, library=False, devices=devices)
    machine = replace(READY, nvidia=nvidia, surroundings=around)
    assert cure in find(machine, "nvidia").cure


def test_a_container_without_gpus() -> None:
    quiet = replace(READY, nvidia=Nvidia(library=False), surroundings=DOCKER)
    assert all(one.ok for one in diagnose(quiet)), "nobody asked for one"
    assert "--gpus all" in find(quiet, "device").detail
    asked = replace(quiet, variables={"NVIDIA_VISIBLE_DEVICES": "all"})
    assert "--gpus all" in find(asked, "nvidia").cure
    void = replace(quiet, variables={"NVIDIA_VISIBLE_DEVICES": "void"})
    assert all(one.ok for one in diagnose(void))


@pytest.mark.skipif(os.name != "posix", reason="the commands are compared as POSIX shells take them")
def test_the_driver_is_believed_where_it_says_what_it_serves() -> None:
    # A newer library of forward compatibility that works.
    works = replace(nvidia("535.54.03", "9.0"), cuda="13.0", init=0)
    assert all(one.ok for one in diagnose(replace(READY, nvidia=works)))
    # No tools, and so no version of the driver: the library alone.
    alone = Nvidia(None, (), "", True, cuda="12.8", init=0)
    found = find(replace(READY, nvidia=alone), "driver")
    assert "this machine has one that serves CUDA 12.8" in found.detail
    assert lines(found) == [REMOVE, CUDA12]


def test_old_gpus_have_a_last_driver() -> None:
    kepler = Nvidia("470.256.02", (Gpu("Tesla K80", "3.7"),), "", True)
    found = find(replace(READY, nvidia=kepler), "driver")
    assert (
        found.cure == "470 is the last driver for Tesla K80, so no build known here runs on it: use the CPU."
    )
    assert lines(found) == []
    ampere = Nvidia("470.256.02", (Gpu("NVIDIA A100", "8.0"),), "", True)
    assert "Install NVIDIA driver 580" in find(replace(READY, nvidia=ampere), "driver").cure
