"""Descriptions of machines, as people write them."""

from __future__ import annotations

import pytest

from lensmith.environments.described import Described, describe_machine
from lensmith.errors import UsageError
from lensmith.machine.facts import Machine
from lensmith.machine.nvidia import Gpu, Nvidia


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        ("4090", {"capabilities": ("8.9",), "platform": "linux_x86_64", "driver": None, "python": None}),
        ("gtx1080ti driver 535.104 py39 windows 10", {"capabilities": ("6.1",), "platform": "win_amd64"}),
        ("gtx1080ti driver 535.104 py39 windows 10", {"driver": "535.104", "python": "3.9"}),
        (
            "8x H100 80GB HBM3; NVIDIA Driver Version: 550.54.15",
            {"capabilities": ("9.0",), "driver": "550.54.15"},
        ),
        ("RTX 3090 x2, 64 GB RAM, 16 cores", {"capabilities": ("8.6",), "gpus": ("rtx 3090",)}),
        ("8 H100, 4 nvidia RTX 4090", {"capabilities": ("9.0", "8.9")}),
        ("RTX 2080 Ti, driver 525", {"driver": "525.60.13"}),  # a branch is meant
        ("T4, CUDA 12.2", {"driver": "525.60.13"}),
        ("T4, cu118", {"driver": "450.80.02"}),
        ("K40, CUDA 10.1", {"driver": "418.39"}),
        ("no GPU, py3.12", {"capabilities": (), "driver": None, "python": "3.12"}),
        ("CPU only", {"capabilities": ()}),
        ("RTX 3060 without GPU", {"capabilities": (), "gpus": ()}),
        ("Mac M2", {"platform": "macosx_arm64"}),
        ("MacBook Pro M3 Max, macOS Sonoma 14.2", {"platform": "macosx_arm64", "system": "14.2"}),
        ("Intel Mac", {"platform": "macosx_x86_64"}),
        ("Ubuntu 20.04 LTS, A10G", {"system": "2.31", "capabilities": ("8.6",)}),
        ("Rocky Linux 8.9, V100", {"system": "2.28", "capabilities": ("7.0",)}),
        ("Jetson Orin Nano", {"platform": "linux_aarch64", "capabilities": ("8.7",)}),
        ("Graviton3", {"platform": "linux_aarch64"}),
        ("WSL2, RTX 3070", {"platform": "linux_x86_64"}),
        ("Fedora 40, sm_89", {"capabilities": ("8.9",)}),
        ("compute capability 12.0", {"capabilities": ("12.0",)}),
        ("RTX 4090, torch>=2.0,<2.5, python 3.11", {"torch": ">=2.0,<2.5", "python": "3.11"}),
        ("pytorch 2.1, RTX 3090", {"torch": "==2.1.*"}),
        ("RTX 3090 torch 2.1.2 conda", {"torch": "==2.1.2", "manager": "conda"}),
        ("micromamba, RTX 3090", {"manager": "conda"}),
        ("RTX 4090 with an Ubuntu 22.04", {"system": "2.35", "gpus": ("rtx 4090",)}),
    ],
)
def test_words(words: str, facts: dict[str, object]) -> None:
    described = describe_machine(words)
    assert {name: getattr(described, name) for name in facts} == facts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("RTX 4950, py3.11", "'rtx 4950' is not a GPU, system or version that is known here"),
        ("RTX 4950, py3.11", "The nearest known name is GeForce RTX 4050."),
        ("RTX 4000", "is the name of several GPUs, of compute capability 7.5 and 8.9"),
        ("RTX 4000", "Quadro RTX 4000"),
        ("RX 7900 XTX", "'rx 7900' is not a GPU of NVIDIA"),
        ("RTX 4090, torch==two", "torch==two is no version"),
        ("RTX 4090, torch===two", "torch===two is no version"),
        (f"RTX 4090, torch=={'9' * 5000}", "a description of 5,0"),
        ("RTX 4090; rm -rf ~", "'rm -rf ~' is not a GPU, system or version"),
    ],
)
def test_words_that_are_not_known(words: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        describe_machine(words)
    assert said in str(error.value)


HERE = Machine(
    python="3.11.7",
    executable="/env/bin/python",
    system="Ubuntu",
    platform="linux_x86_64",
    nvidia=Nvidia("550.54.14", (Gpu("NVIDIA GeForce RTX 3090", "8.6"), Gpu("NVIDIA GeForce GTX 1080"))),
)


@pytest.mark.parametrize("words", ["", "this machine", "torch==2.8.0", "this machine, uv"])
def test_nothing_or_this_machine_is_this_machine(words: str) -> None:
    described = describe_machine(words, lambda: HERE)
    assert (described.driver, described.capabilities, described.python) == (
        "550.54.14",
        ("8.6", "6.1"),
        "3.11.7",
    )


def test_digits_of_another_script_are_digits() -> None:
    assert describe_machine("RTX 4090, driver \u0665\u0665\u0660").driver == "550"


def test_another_python_on_this_machine() -> None:
    assert describe_machine("this machine, python 3.12", lambda: HERE).python == "3.12"


def test_what_is_said_goes_before_this_machine() -> None:
    def unasked() -> Machine:  # its driver may hang
        raise AssertionError

    described = describe_machine("RTX 5090", unasked)
    assert (described.driver, described.capabilities) == (None, ("12.0",))


def test_what_was_taken_for_granted_is_told() -> None:
    assert describe_machine("RTX 3090, CUDA 12.1").notes == (
        "No system was named: linux, x86_64 is taken.",
        "CUDA 12.1 is taken for what nvidia-smi shows: the newest that the driver serves.",
    )
    assert describe_machine("WSL, RTX 3090").notes[0].startswith("In WSL the driver is that of Windows")
    assert isinstance(describe_machine("RTX 3090"), Described)
