"""The table of torch builds and its rules."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from lensmith.machine.builds import (
    Target,
    builds_for,
    find_build,
    find_builds,
    highest_cuda,
    min_driver,
    read_table,
    refusals,
    releases_for,
    runs_on,
    serves,
    torchvision_for,
)

PLATFORMS = ("linux_x86_64", "linux_aarch64", "win_amd64", "macosx_arm64")


@pytest.mark.parametrize(
    ("driver", "cuda", "served"),
    [
        ("579.99", "13.0", False),
        ("580.65.06", "13.2", True),  # minor version compatibility: 13.2 runs on the first driver of 13
        ("595.71.05", "12.8", True),
        ("525.60.13", "12.8", True),
        ("525.60.12", "12.6", False),
        ("450.80.02", "11.8", True),
        ("700.1", "14.0", False),  # a CUDA that the table does not know
    ],
)
def test_drivers(driver: str, cuda: str, served: bool) -> None:
    assert serves(driver, cuda, "linux_x86_64") is served


@pytest.mark.parametrize(
    ("driver", "cuda"), [("580.65.06", "13"), ("570.86.15", "12"), ("470.57", "11"), ("390.157", None)]
)
def test_highest_cuda(driver: str, cuda: str | None) -> None:
    assert highest_cuda(driver, "linux_x86_64") == cuda


def test_windows_has_its_own_drivers() -> None:
    assert serves("526.0", "12.6", "linux_x86_64")
    assert not serves("526.0", "12.6", "win_amd64")


@pytest.mark.parametrize(
    ("capability", "compiled", "runs"),
    [
        ("8.6", "80", True),
        ("8.9", "86", True),
        ("8.0", "86", False),
        ("8.7", "80", False),
        ("6.1", "60", True),
        ("6.1", "75 80", False),
        ("12.0", "90", False),
        ("12.1", "120", True),
        ("10.1", "110", True),
        ("13.0", "130", True),  # not in the table yet
        ("13.1", "130", False),
    ],
)
def test_compute_capabilities(capability: str, compiled: str, runs: bool) -> None:
    assert runs_on(capability, compiled.split(), "13.0") is runs


def test_the_rule_is_torchs_own() -> None:
    cuda = pytest.importorskip("torch.cuda")
    if not hasattr(cuda, "DEVICE_REQUIREMENT_POST_JETSON_SBSA_UNIFICATION"):
        pytest.skip("this torch keeps no such table")
    known = [*range(50, 54), *range(60, 63), 70, 72, 75, 80, 86, 87, 89, 90, 100, 101, 103, 110, 120, 121]
    for version, rules in (
        ("13.0", cuda.DEVICE_REQUIREMENT),
        ("13.2", cuda.DEVICE_REQUIREMENT_POST_JETSON_SBSA_UNIFICATION),
    ):
        for target, devices in rules.items():
            for device in known:
                ours = runs_on(f"{device // 10}.{device % 10}", [str(target)], version)
                assert ours == (device in devices), (version, target, device)


@pytest.mark.parametrize(
    ("platform", "driver", "capabilities", "build"),
    [
        ("linux_x86_64", "580.95.05", ["8.9"], ("torch==2.15.0", "")),
        ("linux_x86_64", "550.54.14", ["8.9"], ("torch==2.10.0", "")),  # the last default build for CUDA 12
        ("linux_x86_64", "570.86.15", ["12.0"], ("torch==2.10.0", "")),
        ("linux_x86_64", "580.95.05", ["7.0"], ("torch==2.10.0", "")),  # Volta: left at 2.11
        ("linux_x86_64", "580.95.05", ["6.1"], ("torch<2.15,>=2.10", "cu126")),  # Pascal: left at 2.8
        ("linux_x86_64", "580.95.05", ["8.9", "6.1"], ("torch<2.15,>=2.10", "cu126")),  # serves both
        ("linux_x86_64", "580.95.05", ["8.9", "3.5"], ("torch==2.15.0", "")),  # nothing serves both
        ("linux_x86_64", "580.95.05", [], ("torch==2.15.0", "")),
        ("linux_x86_64", "580.95.05", ["3.5"], None),
        ("linux_x86_64", "470.57", ["8.6"], None),
        ("win_amd64", "581.42", ["8.9"], ("torch>=2.12", "cu132")),
        ("win_amd64", "551.61", ["8.9"], ("torch<2.11,>=2.10", "cu128")),
        ("win_amd64", "551.61", ["6.1"], ("torch<2.15,>=2.10", "cu126")),
        ("linux_aarch64", "580.95.05", ["9.0"], ("torch==2.15.0", "")),
        ("linux_aarch64", "580.95.05", ["8.7"], ("torch==2.15.0", "")),  # Jetson, from CUDA 13.2 on
        ("linux_aarch64", "550.54.14", ["9.0"], ("torch<2.15,>=2.10", "cu126")),
        ("linux_riscv64", "580.95.05", ["8.9"], None),
    ],
)
def test_the_build_for_a_machine(
    platform: str, driver: str, capabilities: list[str], build: tuple[str, str] | None
) -> None:
    found = find_build(platform, driver, capabilities)
    assert (found and (str(Requirement(found.requirements[0])), found.index)) == build


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_table_is_sound(platform: str) -> None:
    builds = builds_for(platform)
    assert builds[0].index == "", "the first row is the default build"
    assert builds[0].is_safe
    for build in builds:
        torch, torchvision = (Requirement(one) for one in build.requirements)
        assert torch.specifier and torchvision.specifier
        assert (build.cuda is None) == (not build.capabilities)
        assert build.cuda is None or min_driver(build.cuda, platform), build
        assert build.evidence in read_table()["evidence"]


def test_the_installed_torch_is_in_the_table() -> None:
    """A new default build asks for a new row: what CUDA it is for, and what that asks of a driver."""
    torch = pytest.importorskip("torch")
    version = torch.__version__.partition("+")[0]
    assert [row for row in releases_for("linux_x86_64") if str(row.version) == version]


@pytest.mark.parametrize(
    ("torch", "torchvision"),
    [("2.15.0", "~=0.29.2"), ("2.14.1", "==0.29.*"), ("2.10.0", "==0.25.*"), ("3.1.0", ">=0.25")],
)
def test_the_torchvision_of_a_torch(torch: str, torchvision: str) -> None:
    assert torchvision_for(torch) == torchvision


def a_target(platform: str = "linux_x86_64", python: str = "3.11", **rest: Any) -> Target:
    return Target(**({"driver": None, "capabilities": ()} | rest), platform=platform, python=python)


@pytest.mark.parametrize(
    ("target", "torch", "found"),
    [
        (a_target(driver="580.95.05", capabilities=("8.9",)), "", "2.15.0"),
        (a_target(driver="570.86.15", capabilities=("12.0",)), "", "2.11.0 cu128"),
        (a_target(driver="570.86.15", capabilities=("12.0",)), "<2.8", "2.7.1 cu128"),
        (a_target(driver="580.95.05", capabilities=("6.1",)), "", "2.14.1 cu126"),
        (a_target(driver="580.95.05", capabilities=("6.1",)), "==1.13.1", "1.13.1"),
        (a_target(driver="580.95.05", capabilities=("8.6",)), "==2.1.2+cu118", "2.1.2 cu118"),
        (a_target(driver="470.57", capabilities=("8.6",)), "", "2.7.1 cu118"),  # the last for CUDA 11
        (a_target(driver="580.95.05", capabilities=("3.7",)), "", "2.7.1 cu118"),
        (a_target(driver="580.95.05", capabilities=("9.0",), python="3.8"), "", "2.4.1"),
        (a_target(driver="580.95.05", capabilities=("9.0",), system="2.27"), "", "2.6.0"),  # Ubuntu 18.04
        (a_target(capabilities=("9.0",)), "", "2.15.0"),  # the driver is not known
        (a_target(), "", "2.15.0 cpu"),
        (a_target("win_amd64"), "", "2.15.0"),
        (a_target("win_amd64", driver="581.42", capabilities=("8.9",)), "", "2.15.0 cu132"),
        (a_target("macosx_arm64", system="13.0"), "", "2.11.0"),
        (a_target("macosx_x86_64"), "", "2.2.2"),
        (a_target("linux_aarch64", driver="580.95.05", capabilities=("12.1",)), "", "2.15.0"),
        (a_target(python="3.15"), "", "2.15.0 cpu"),
    ],
)
def test_the_newest_release_for_a_machine(target: Target, torch: str, found: str) -> None:
    best = find_builds(target, SpecifierSet(torch))[0]
    assert f"{best.version} {best.index}".strip() == found
    assert refusals(target, SpecifierSet(torch)) == []


def test_of_one_release_the_default_build_is_preferred() -> None:
    found = find_builds(a_target(driver="580.95.05", capabilities=("8.9",)), SpecifierSet("==2.8.0"))
    assert [build.index for build in found] == ["", "cu129", "cu128", "cu126"]
    assert {build.torchvision for build in found} == {"==0.23.0"}


def test_what_was_released_by_a_day() -> None:
    gpu = a_target(driver="580.95.05", capabilities=("8.6",), python="3.10")
    assert [str(find_builds(gpu, before=date(2023, 5, day))[0].version) for day in (7, 8)] == [
        "2.0.0",
        "2.0.1",
    ]
    assert find_builds(gpu, before=date(2022, 10, 27)) == []
    assert refusals(gpu, before=date(2022, 10, 27)) == [
        "torch 1.13.0 to 2.15.0 are known for linux_x86_64, none by 2022-10-27"
    ]


@pytest.mark.parametrize(
    ("target", "torch", "reasons"),
    [
        (
            a_target(python="3.12"),
            "==1.13.1",
            ["torch 1.13.1 has wheels for Python >=3.7,<3.12, not for 3.12"],
        ),
        (
            a_target(driver="570.1", capabilities=("12.0",), python="3.12"),
            "==1.13.1",
            ["not for 3.12", "no code for compute capability 12.0; it has 3.7, 5.0"],
        ),
        (
            a_target(driver="470.57", capabilities=("9.0",)),
            "==2.15.0",
            ["needs NVIDIA driver 580 or newer, and this is 470.57"],
        ),
        (a_target(capabilities=("3.5",), driver="470.57"), "", ["no code for compute capability 3.5"]),
        (
            a_target("macosx_arm64", system="13.0"),
            "==2.15.0",
            ["needs macOS 14.0 or newer, and this is 13.0"],
        ),
        (a_target("linux_riscv64"), "", ["no build of torch for linux_riscv64 is known"]),
        (
            a_target(),
            "==1.12.1",
            ["torch 1.13.0 to 2.15.0 are known for linux_x86_64, none of them is torch==1.12.1"],
        ),
        # Nothing alone rules all out: cu126 has the code and cu130 asks for more than the driver serves.
        (
            a_target(driver="570.1", capabilities=("12.0",)),
            "==2.12.0",
            ["(cu130) needs NVIDIA driver 580", "(cu132) needs NVIDIA driver 580", "(cu126) has no code for"],
        ),
    ],
)
def test_why_there_is_none(target: Target, torch: str, reasons: list[str]) -> None:
    said = refusals(target, SpecifierSet(torch))
    assert all(any(reason in one for one in said) for reason in reasons), said
    assert find_builds(target, SpecifierSet(torch)) == []


@pytest.mark.parametrize("platform", [*PLATFORMS, "macosx_x86_64"])
def test_every_release_says_when_and_for_which_python(platform: str) -> None:
    builds = releases_for(platform)
    days = [build.released for build in builds]
    assert days == sorted(days, reverse=True)
    for build in builds:
        assert build.python.startswith(">=3."), build
        assert build.read >= "2026-11-23", build
        assert build.system or platform == "win_amd64", build
    assert builds[-1].version == Version("1.13.0")
