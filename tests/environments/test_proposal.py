"""What runs on a described machine: the cases that were reasoned by hand, and what goes with an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from lensmith.environments.described import describe_machine
from lensmith.environments.installing import environment_yml, install_commands
from lensmith.environments.proposal import Proposal, propose_environment

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "described_machines.json").read_text())[
    "cases"
]
ANSWERED = [case for case in CASES if "refused" not in case]
REFUSED = [case for case in CASES if "refused" in case]
EXPECTED = ("torch", "torchvision", "torchaudio", "index", "python")


def propose(words: str) -> Proposal:
    return propose_environment(describe_machine(words))


@pytest.mark.parametrize("case", ANSWERED, ids=lambda case: case["machine"])
def test_the_triple_for_a_machine(case: dict[str, Any]) -> None:
    found = propose(case["machine"]).as_dict()
    assert {name: found[name] for name in EXPECTED if name in case} == {
        name: case[name] for name in EXPECTED if name in case
    }
    assert not found["refused"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["machine"])
def test_why_it_cannot_be(case: dict[str, Any]) -> None:
    proposal = propose(case["machine"])
    assert proposal.build is None
    assert all(any(words in reason for reason in proposal.refused) for words in case["refused"]), (
        proposal.refused
    )
    assert all(any(words in str(one) for one in proposal.nearest) for words in case["nearest"]), (
        proposal.nearest
    )


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["machine"])
def test_what_comes_nearest_runs(case: dict[str, Any]) -> None:
    """With the change that it names, the same description is answered by the build that it names."""
    for one in propose(case["machine"]).nearest:
        words = case["machine"]
        if one.change.startswith("With Python"):
            again = propose(f"{one.change.removeprefix('With ')}, {words}")
        elif one.change == "With another torch":
            again = propose(
                f"{words.split(', torch==')[0].split(' torch==')[0]}, Python 3.10, torch=={one.build.version}"
            )
        else:
            continue
        assert again.build is not None
        assert again.build.version == one.build.version


def test_why_this_torch_and_what_to_know_of_it() -> None:
    old = propose("GTX 1080, torch==1.13.1, Python 3.10, driver 535")
    assert old.requirements == ("torch==1.13.1", "torchvision==0.14.1", "torchaudio==0.13.1", "numpy<2")
    told = "\n".join(old.caveats)
    assert "CVE-2026-24747" in told
    assert "driver branch 535 ended in June 2026" in told
    new = propose("GTX 1080 Ti, driver 580, py3.11")
    assert any("(cu132) needs" in one or "no code for compute capability 6.1" in one for one in new.reasons)
    assert any("were not opened" in one for one in new.caveats)
    assert not any("ended" in one for one in new.caveats)


def test_a_driver_that_was_not_said_is_named() -> None:
    assert any("needs NVIDIA driver 580 or newer" in one for one in propose("RTX 3090").caveats)


def test_a_part_without_a_wheel_is_left_out_and_told() -> None:
    proposal = propose("RTX 3090, Python 3.11, torch==1.13.1")
    assert proposal.requirements == ("torch==1.13.1", "numpy<2")
    assert any("with Python 3.10 both come" in one for one in proposal.caveats)


def test_the_python_is_chosen_so_that_the_pair_comes_whole() -> None:
    assert propose("RTX 3090, torch==1.13.1").python == "3.10"


@pytest.mark.parametrize("case", ANSWERED, ids=lambda case: case["machine"])
def test_commands_and_environment_file(case: dict[str, Any]) -> None:
    proposal = propose(case["machine"])
    build = proposal.build
    assert build is not None
    commands = install_commands(proposal)
    assert tuple(commands) == ("uv", "pip", "conda")
    for lines in commands.values():
        assert ("download.pytorch.org" in lines[-1]) == bool(case["index"])
        assert f"torch=={case['torch']}" in lines[-1]
    content = yaml.safe_load(environment_yml(proposal))
    assert set(content) == {"name", "channels", "dependencies"}
    python, _, pins = content["dependencies"]
    assert python == f"python={proposal.python}"
    requirements = [Requirement(line) for line in pins["pip"] if not line.startswith("--")]
    assert requirements[0].specifier.contains(f"{build.version}+{build.local}")
    assert (pins["pip"][0] == f"--extra-index-url {build.index_url}") == bool(case["index"])


def test_on_windows_the_commands_are_for_windows() -> None:
    lines = install_commands(propose("RTX 4060, Windows 11, driver 581.42, Python 3.12"))["pip"]
    assert lines[0] == "py -3.12 -m venv .venv"
    assert lines[1].startswith(r".venv\Scripts\python -m pip install torch==2.15.0")
