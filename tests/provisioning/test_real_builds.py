"""Made-up repositories with the faults of real ones, built for real from the package index."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest
from machines import READY
from test_building import build

from lensmith.provisioning.proposing import plan_reproduction
from lensmith.repositories.repository import read_repository

FOLDER = Path(__file__).parents[1] / "repositories/papers"


def laid_out(file: Path, place: Path) -> tuple[Path, dict[str, str]]:
    """The repository of a fixture as a folder, and the fixture's headers."""
    head, *files = file.read_text(encoding="utf-8").split("=== file ")
    for part in files:
        name, _, text = part.partition("\n")
        path = place / name.strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    pairs = (line.partition(":") for line in head.splitlines() if ":" in line)
    return place, {key.strip(): value.strip() for key, _, value in pairs}


BUILDS = [
    file for file in sorted(FOLDER.glob("*.txt")) if "\nbuilds: yes" in file.read_text(encoding="utf-8")
]


def test_at_least_six_are_built() -> None:
    assert len(BUILDS) >= 6


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="their pins are for Python 3.11")
@pytest.mark.parametrize("file", BUILDS, ids=lambda file: str(file.stem))
def test_a_repository_is_planned_built_and_imports_what_it_names(file: Path, tmp_path: Path) -> None:
    root, head = laid_out(file, tmp_path / file.stem)
    found = read_repository(root)
    plan = plan_reproduction(found, READY, python="3.11", before=date.fromisoformat(head["date"]))
    assert plan.resolved, plan.faults
    built, _ = build(plan, tmp_path / "built", agreed=True)
    assert built.is_sound, built.checks
    assert len(built.checks) > 1
    if head.get("healthy") == "yes":
        assert [one for one in plan.faults if one.severity != "info"] == []
