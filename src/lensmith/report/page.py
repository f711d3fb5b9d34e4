"""`RUN/report.html`: one file that requests nothing, opens anywhere, and says what `report.json` says."""

from __future__ import annotations

import tomllib
from typing import Any

from lensmith.evaluation.report import Report, report_from
from lensmith.report import sections
from lensmith.report.certainty import certainty
from lensmith.report.document import write_document
from lensmith.report.explanations import explanations
from lensmith.report.findings import decisions, findings, suspects
from lensmith.report.folds import folds
from lensmith.report.learning_curve import learning_curve
from lensmith.report.markup import Html, join
from lensmith.report.mistakes import mistakes
from lensmith.report.neighbours import neighbours
from lensmith.report.repeats import repetition, seeds
from lensmith.report.residuals import residuals
from lensmith.report.robustness import robustness
from lensmith.report.sweep import sweep
from lensmith.report.unlike import unlike
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import read_json, read_json_lines


def write_page(run: RunDirectory) -> None:
    """Write the page of a run. A section whose file is missing is left out; no model is loaded.

    Raises `DataError` for a file of the run that is damaged.
    """
    said = read_json(run.report_file) if run.report_file.exists() else {}
    facts = run.facts() if run.facts_file.exists() else {}
    # The recipe as it stands, not as a `Recipe`: it is only shown, whatever version wrote it.
    recipe = tomllib.loads(run.recipe_file.read_text(encoding="utf-8")) if run.recipe_file.exists() else {}
    data, name = facts.get("data", {}), run.path.resolve().name
    about = (name, recipe.get("model"), data.get("name"), facts.get("started", "")[:10])
    report = report_from(said, str(run.report_file)) if said else Report("classification", 0, {}, [])
    parts = {
        "Figures": sections.figures(report),
        "Classes": sections.classes(report),
        "Confusion": sections.confusion(report),
        **_studies(report, facts),
        "Data": sections.data(data) if data else Html(),
        "Findings": _findings(report, facts),
        "Training": sections.training(read_json_lines(run.metrics_file), recipe.get("label_smoothing", 0)),
        "Sweep": sweep(read_json(run.sweep_file) if run.sweep_file.exists() else {}),
        "Choices": sections.choices(recipe, facts.get("choices", {})),
        "Machine": sections.machine(facts),
        "Left out": sections.left_out(report.studies.get("left_out", {}), run.path),
        "Repeat": join(
            repetition(facts.get("repeats", {})),
            sections.repeat(data.get("source", "DATA"), run.recipe_file),
        ),
    }
    foot = "The same figures, as data: report.json, facts.json, recipe.toml, metrics.jsonl."
    write_document(run.page_file, name, _verdict(said), parts, about, foot)


def _studies(report: Report, facts: dict[str, Any]) -> dict[str, Html]:
    """What was looked into beside the figures, as far as it was."""
    found = report.studies
    shown = {
        "Unlike": (unlike, "unlike"),
        "Residuals": (residuals, "residuals"),
        "Mistakes": (mistakes, "mistakes"),
        "Explanations": (explanations, "explanations"),
        "More pictures": (learning_curve, "learning_curve"),
        "Robustness": (robustness, "robustness"),
        "Neighbours": (neighbours, "neighbours"),
        "Decisions": (decisions, "decisions"),
        "Seeds": (seeds, "seeds"),
        "Folds": (folds, "folds"),
    }
    return {
        "Certainty": certainty(found.get("reliability", {}), facts.get("calibration", {})),
        **{title: show(found[name]) for title, (show, name) in shown.items() if found.get(name)},
    }


def _findings(report: Report, facts: dict[str, Any]) -> Html:
    """Those from the pixels, where they were looked for, and label suspects."""
    issues = report.studies.get("inspection", facts).get("issues")
    found = Html() if issues is None else findings(issues)
    return join(found, suspects(report.studies.get("suspects", {})))


def _verdict(said: dict[str, Any]) -> str:
    """The sentence at the top, with what the run is beside the one before."""
    if not said:
        return "Not measured: this run has no report.json"
    beside = said.get("studies", {}).get("beside", {}).get("brief")
    return f"{said['verdict']}; {beside}" if beside else str(said["verdict"])
