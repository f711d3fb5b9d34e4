"""`RUN/report.html`: one file that requests nothing, opens anywhere, and says what `report.json` says."""

from __future__ import annotations

import tomllib

from lensmith.evaluation.report import Report, report_from
from lensmith.report import sections
from lensmith.report.document import write_document
from lensmith.report.markup import Html
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
        "Data": sections.data(data) if data else Html(),
        "Training": sections.training(read_json_lines(run.metrics_file), recipe.get("label_smoothing", 0)),
        "Choices": sections.choices(recipe, facts.get("choices", {})),
        "Machine": sections.machine(facts),
        "Repeat": sections.repeat(data.get("source", "DATA"), run.recipe_file),
    }
    verdict = said.get("verdict", "Not measured: this run has no report.json")
    foot = "The same figures, as data: report.json, facts.json, recipe.toml, metrics.jsonl."
    write_document(run.page_file, name, verdict, parts, about, foot)
