"""Paper repositories, written from threads without a look at the reader: what is wrong with them is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from paper_repositories import names, paper_repository

from lensmith.repositories.reading import Fault
from lensmith.repositories.repository import read_repository

OF_THE_MACHINE = {"cpu_pin_on_gpu_machine", "old_torch_new_gpu"}
"""What is wrong with these shows on a machine of a kind only, so that the plan says it."""


def said(faults: tuple[Fault, ...]) -> str:
    return " ".join(" ".join([one.name, one.detail, one.cure, *one.places]) for one in faults).lower()


@pytest.mark.parametrize("name", names())
def test_what_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    repository = paper_repository(name)
    reading = read_repository(repository.write(tmp_path / name))
    found = [one for one in reading.faults if one.severity != "info"]
    assert str(reading.date) == repository.headers["date"] and len(reading.commit or "") == 40
    assert not reading.skipped
    if repository.headers.get("healthy") == "yes":
        assert found == []
        return
    text = said(reading.faults)
    if name not in OF_THE_MACHINE:
        assert found
        missing = [group for group in repository.groups("faults") if not any(word in text for word in group)]
        assert missing == [], text
    assert [word for group in repository.groups("never") for word in group if word in text] == []


@pytest.mark.parametrize("name", [name for name in names() if "command" in paper_repository(name).headers])
def test_the_command_and_the_claim_are_found(name: str, tmp_path: Path) -> None:
    headers = paper_repository(name).headers
    reading = read_repository(paper_repository(name).write(tmp_path / name))
    assert headers["command"] in [command for command, _ in reading.commands]
    metric, _, value = headers.get("claim", "").partition("=")
    if metric:
        assert float(value) in [pytest.approx(one.value) for one in reading.claims], reading.claims


def test_places_are_lines_that_say_it(tmp_path: Path) -> None:
    root = paper_repository("runs_foreign_code").write(tmp_path / "repository")
    calls = {"torch.load", "yaml.load", "eval", "os.system", "trust_remote_code", "torch.hub.load"}
    found = [fault for fault in read_repository(root).faults if fault.name in calls]
    assert {fault.name for fault in found} == calls
    for fault in found:
        for path, _, line in (place.partition(":") for place in fault.places):
            assert (
                fault.name.rpartition("torch.")[2]
                in (root / path).read_text(encoding="utf-8").splitlines()[int(line) - 1]
            )
