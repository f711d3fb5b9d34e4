"""The table of torch builds and its rules."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from lensmith.machine.builds import (
    builds_for,
    find_build,
    highest_cuda,
    min_driver,
    read_table,
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


def test_the_table_knows_the_pair_of_every_default_build() -> None:
    for build in builds_for("linux_x86_64"):
        version = build.torch.removeprefix("==")
        if build.index == "" and Version(version) >= Version("2.10"):
            pair = Requirement(f"torchvision{torchvision_for(version)}")
            assert pair.specifier.contains(build.torchvision.removeprefix("=="))


def test_the_installed_torch_is_in_the_table() -> None:
    """A new default build asks for a new row: what CUDA it is for, and what that asks of a driver."""
    torch = pytest.importorskip("torch")
    minor = ".".join(torch.__version__.split(".")[:2])
    assert minor in read_table()["torchvision"]
