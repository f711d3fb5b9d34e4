"""What the files of a run say, read once for all sections of its page."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

from lensmith.evaluation.report import Report, report_from
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import read_json, read_json_lines


@dataclass(frozen=True)
class Contents:
    """A run's files. One that is not there is empty: its sections are left out."""

    run: RunDirectory
    verdict: str
    report: Report | None
    facts: dict[str, Any]
    recipe: dict[str, Any]
    epochs: list[dict[str, Any]]

    @property
    def data(self) -> dict[str, Any]:
        """The part of the facts about the data."""
        data: dict[str, Any] = self.facts.get("data", {})
        return data


def read_contents(run: RunDirectory) -> Contents:
    """Read what is there. Raises `DataError` for a JSON file that is damaged."""
    report = read_json(run.report_file) if run.report_file.exists() else {}
    # The recipe as it stands, not as a `Recipe`: a page only shows it, whatever version wrote it.
    recipe = tomllib.loads(run.recipe_file.read_text(encoding="utf-8")) if run.recipe_file.exists() else {}
    return Contents(
        run,
        report.get("verdict", "Not measured: this run has no report.json"),
        report_from(report) if report else None,
        run.facts() if run.facts_file.exists() else {},
        recipe,
        read_json_lines(run.metrics_file),
    )
