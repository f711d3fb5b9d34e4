from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from machines import READY, nvidia
from package_index import PackageIndex, served_index
from repositories_read import HERE, fault, planned, reading

from lensmith.machine.uv import find_uv
from lensmith.provisioning.interpreters import find_interpreters, released_day, settled_day
from lensmith.provisioning.plan import Plan
from lensmith.provisioning.proposing import plan_reproduction
from lensmith.provisioning.resolving import Question, Resolution, resolve
from lensmith.provisioning.wishes import Wish


def test_a_sound_repository_has_a_plan_without_a_fault(index: PackageIndex, repository: Path) -> None:
    index.add_wheel("thing", "1.0")
    plan = planned(reading("thing==1.0", root=repository, imports={"thing": ("a.py:1",)}))
    assert plan.faults == ()
    assert plan.alternatives == ()
    assert (plan.python.minor, plan.before, plan.distributions) == (HERE, date(2026, 9, 1), ("thing",))
    assert shlex.split(plan.commands[0]) == ["lensmith", "reproduce", str(repository), "--to", "build"]


def test_a_plan_is_one_json_object(index: PackageIndex) -> None:
    index.add_wheel("thing", "1.0")
    told = json.loads(json.dumps(planned(reading("thing", "nothing")).as_dict()))
    assert told["before"] == "2026-09-01"
    assert told["python"]["version"].startswith(HERE)
    assert [one["name"] for one in told["faults"]] == ["no such package"]


def test_the_day_that_is_asked_for_wins_over_the_commits(index: PackageIndex) -> None:
    index.add_wheel("thing", "1.0", day="2026-08-01")
    index.add_wheel("thing", "2.0", day="2026-10-01")
    plan = planned(reading("thing"), before=date(2026, 11, 1))
    assert plan.requirements[0].startswith("thing==2.0 ")


def test_a_python_newer_than_the_repository_sets_the_day(index: PackageIndex) -> None:
    index.add_wheel("thing", "1.0", day="2018-01-01")
    found = planned(reading("thing", date=date(2018, 6, 1)))
    assert found.before is not None and found.before > date(2022, 1, 1)
    assert f"Python {HERE} is newer than the repository" in fault(found.faults, "python").detail


def test_a_python_of_the_time_keeps_the_day_unless_a_package_has_no_wheel_for_it_yet(
    index: PackageIndex,
) -> None:
    released = released_day(HERE)
    assert released is not None
    young, later = released + timedelta(days=60), (released + timedelta(days=200)).isoformat()
    index.add_wheel("quick", "1.0", day="2018-01-01")
    index.add_wheel("quick", "2.0", day=later)
    index.add_wheel("slow", "0.9", day="2018-01-01", tag="cp35-none-any")
    index.add_wheel("slow", "1.0", day=later)
    assert planned(reading("quick", date=young)).requirements[0].startswith("quick==1.0 ")
    plan = planned(reading("quick", "slow", date=young))
    assert [line.split(" ")[0] for line in plan.requirements] == ["quick==2.0", "slow==1.0"]
    assert plan.before == settled_day(HERE)


def test_a_python_that_is_not_here_is_said(index: PackageIndex) -> None:
    index.add_wheel("thing", "1.0")
    plan = planned(reading("thing"), python="3.16")
    assert plan.resolved
    assert "Python 3.16 is not on this machine" in fault(plan.faults, "python").detail


def test_a_python_that_the_repository_excludes_everywhere_is_an_error(index: PackageIndex) -> None:
    index.add_wheel("thing", "1.0")
    plan = plan_reproduction(reading("thing", python="<3"), READY)
    assert fault(plan.faults, "python").severity == "error"
    assert plan.resolved


def test_a_specifier_that_is_none_is_left_out(index: PackageIndex) -> None:
    index.add_wheel("thing", "1.0")
    assert "no version" in fault(planned(reading("thing", python="three")).faults, "python").detail


@pytest.mark.parametrize(
    ("command", "own"),
    [
        ("pip install -e .", True),
        ("python setup.py build_ext --inplace", True),
        ("pip install .[dev] --upgrade", True),
        ("pip install -r requirements.txt", False),
        ("python train.py --data ./pip", False),
    ],
)
def test_commands_that_install_the_repository_need_its_build_step(
    command: str, own: bool, index: PackageIndex
) -> None:
    plan = planned(reading(commands=((command, "README.md:9"),)))
    assert plan.own is own
    assert [one.places for one in plan.faults] == ([("README.md:9",)] if own else [])


def test_without_uv_the_plan_names_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "")
    assert find_uv() is None
    plan = planned(reading("thing==1.0", "--evil"))
    assert (plan.resolved, plan.requirements) == (False, ("thing==1.0",))
    assert fault(plan.faults, "uv").cure == "pip install uv"
    assert fault(plan.faults, "unusable requirement")


def test_torch_comes_from_its_own_index_and_nothing_else_does(index: PackageIndex) -> None:
    """What a name on PyTorch's index could otherwise do to every other package."""
    index.add_wheel("thing", "1.0")
    with served_index() as torch_wheels:
        torch_wheels.add_wheel("torch", "2.7.0+cu128", requires=["thing"])
        torch_wheels.add_wheel("thing", "9.9")
        here = next(one for one in find_interpreters() if one.minor == HERE)
        wishes = (Wish("torch", "==2.7.0"), Wish("thing"))
        place = f"{torch_wheels.url}/simple"
        answer = resolve(
            Question(wishes, here, before=date(2022, 1, 1), exempt=frozenset({"thing"}), torch_index=place)
        )
    assert isinstance(answer, Resolution)
    assert answer.versions == {"torch": "2.7.0+cu128", "thing": "1.0"}


def test_an_old_torch_on_a_new_gpu_is_said_before_anything_is_resolved(index: PackageIndex) -> None:
    machine = replace(READY, nvidia=nvidia("570.124.06", "12.0"))
    plan: Plan = planned(reading("torch==1.13.1"), machine, before=date(2023, 3, 1))
    found = fault(plan.faults, "torch does not run here")
    assert found.severity == "error"
    assert "no code for compute capability 12.0" in found.detail
    assert plan.build is not None and plan.build.cuda == "12.8"
    assert [one.words.split(",")[0] for one in plan.alternatives][-1] == "torch 1.13.1 on the CPU"
    assert "weights only" in plan.alternatives[0].cost
