"""A run's studies: made, and written into its report."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

from lensmith.evaluation.report import Report
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import write_json
from lensmith.studies import kinds
from lensmith.studies.beside import beside
from lensmith.studies.schedule import Studied, Study, make_studies
from lensmith.studies.subject import Subject
from lensmith.types import Event

STUDIES: dict[str, Study] = {
    "beside": beside,
    "mistakes": kinds.mistakes,
    "residuals": kinds.residuals,
    "learning_curve": kinds.learning_curve,
    "neighbours": kinds.neighbours,
    "suspects": kinds.suspects,
    "inspection": kinds.inspection,
    "explanations": kinds.explanations,
    "robustness": kinds.robustness,
}
"""In the order in which they are made: what costs least for what it tells comes first."""


def study(subject: Subject) -> Generator[Event, None, Report]:
    """Make the studies that the report lacks, and write `report.json` with them; those that were left out are named
    in it. Returns the report."""
    wanted = {name: one for name, one in STUDIES.items() if name not in subject.report.studies}
    done: Studied = yield from make_studies(wanted, subject)
    return write_studies(subject.run, subject.report, done)


def write_studies(run: RunDirectory, report: Report, done: Studied) -> Report:
    """Add what was found to the report, in memory and on disk."""
    kept = {name: facts for name, facts in report.studies.items() if name != "left_out"}
    studies = {**kept, **done.found} | ({"left_out": done.left_out} if done.left_out else {})
    report = dataclasses.replace(report, studies=studies)
    write_json(run.report_file, report.as_dict())
    return report
