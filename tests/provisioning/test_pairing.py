"""The choice of torch, by the shipped table of builds, for machines and days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from machines import READY, nvidia
from repositories_read import fault, reading

from lensmith.machine.facts import Machine
from lensmith.provisioning.interpreters import Interpreter
from lensmith.provisioning.pairing import Pairing, default_index, pair
from lensmith.provisioning.wishes import sort_wishes

A100 = replace(READY, nvidia=nvidia("535.104", "8.0"))
PYTHON = Interpreter("3.10.13")
SPRING = date(2023, 3, 1)


def paired(*wanted: str, machine: Machine = READY, day: date | None = SPRING, **facts: object) -> Pairing:
    return pair(sort_wishes(reading(*wanted, **facts)), machine, PYTHON, day)  # type: ignore[arg-type]


def asked(pairing: Pairing) -> dict[str, str]:
    return {wish.name: wish.specifier for wish in pairing.wishes}


def test_torch_is_the_newest_of_the_day() -> None:
    assert asked(paired("torch", "torchvision")) == {"torch": "==1.13.1", "torchvision": ""}


def test_a_repository_without_torch_gets_none() -> None:
    assert paired("numpy").build is None


def test_torchvision_alone_brings_torch() -> None:
    assert asked(paired("torchvision"))["torch"] == "==1.13.1"


def test_a_cpu_gets_a_cpu_build_and_else_that_of_the_default_index() -> None:
    pairing = paired("torch")
    assert pairing.build is not None and pairing.build.cuda is None
    assert pairing.index == "https://download.pytorch.org/whl/cpu"
    instead = default_index(pairing, READY, PYTHON)
    assert instead is not None and instead.index == ""
    assert "did not answer" in fault(instead.faults, "index").detail


def test_a_gpu_never_falls_back_to_a_build_that_does_not_run_on_it() -> None:
    blackwell = replace(READY, nvidia=nvidia("570.124.06", "12.0"))
    pairing = paired("torch==2.7.0", machine=blackwell, day=date(2025, 6, 1))
    assert pairing.index.endswith("/cu128")
    assert default_index(pairing, blackwell, PYTHON) is None


@pytest.mark.parametrize("local", ["cu116", "cu117"])
def test_the_cuda_that_is_asked_for_is_taken_from_its_index(local: str) -> None:
    pairing = paired(f"torch==1.13.1+{local}", machine=A100)
    assert pairing.build is not None and pairing.build.local == local
    assert f"/{local}" in fault(pairing.faults, "PyTorch's index").cure


@pytest.mark.parametrize(
    "facts",
    [
        {"wanted": ("torch==1.13.1+cpu",)},
        {"wanted": ("torch==1.13.1",), "indexes": ("https://download.pytorch.org/whl/cpu",)},
        {"wanted": (), "conda": ("pytorch=1.13.1=py3.10_cpu_0",)},
    ],
)
def test_a_cpu_build_is_not_brought_to_a_gpu(facts: dict[str, tuple[str, ...]]) -> None:
    wanted = facts.pop("wanted")
    pairing = paired(*wanted, machine=A100, **facts)
    assert pairing.build is not None and pairing.build.cuda == "11.7"
    assert "GPU of 8.0" in fault(pairing.faults, "CPU build").detail
    assert not any(one.name == "CPU build" for one in paired(*wanted, **facts).faults)


def test_pins_that_do_not_pair_are_named_and_paired() -> None:
    pairing = paired("torch==1.13.1", "torchvision==0.15.1", "torchaudio==0.13.1")
    assert asked(pairing) == {"torch": "==1.13.1", "torchvision": "==0.14.1", "torchaudio": "==0.13.1"}
    found = fault(pairing.faults, "pins do not pair")
    assert found.places == ("requirements.txt:2",)


def test_a_torch_older_than_the_table_is_left_to_the_resolver_on_a_cpu() -> None:
    old = paired("torch==1.7.1+cu110", "torchvision==0.8.2+cu110", day=date(2021, 2, 1))
    assert old.build is None
    assert asked(old) == {"torch": "==1.7.1", "torchvision": "==0.8.2"}
    assert asked(paired("torch>=1.4", day=date(2021, 2, 1))) == {"torch": ">=1.4"}


def test_a_torch_older_than_the_table_is_replaced_on_a_gpu() -> None:
    pairing = paired("torch==1.7.1", machine=A100, day=date(2021, 2, 1))
    assert not pairing.holds and not pairing.another_python
    assert asked(pairing) == {"torch": "==1.13.0"}
    assert pairing.day == date(2022, 10, 28)


def test_a_pin_without_a_wheel_for_this_python_asks_for_another() -> None:
    pairing = pair(sort_wishes(reading("torch==1.13.1")), READY, Interpreter("3.12.1"), SPRING)
    assert not pairing.holds and pairing.another_python
    assert "3.12" in fault(pairing.faults, "torch does not run here").detail


def test_a_driver_that_is_too_old_is_told_from_code_that_is_missing() -> None:
    old = replace(READY, nvidia=nvidia("470.57.02", "8.0"))
    pairing = paired("torch==2.8.0", machine=old, day=date(2025, 10, 1))
    assert "needs NVIDIA driver" in fault(pairing.faults, "torch does not run here").detail
