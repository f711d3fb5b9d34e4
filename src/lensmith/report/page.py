"""`RUN/report.html`: one file that requests nothing, opens anywhere, and says what `report.json` says."""

from __future__ import annotations

import tomllib
from importlib import resources
from string import Template

from lensmith.evaluation.report import Report, report_from
from lensmith.report import sections
from lensmith.report.folds import folds
from lensmith.report.markup import Html, join, tag
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import read_json, read_json_lines, write_text


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
        "Folds": folds(said.get("folds")),
        "Data": sections.data(data) if data else Html(),
        "Training": sections.training(read_json_lines(run.metrics_file), recipe.get("label_smoothing", 0)),
        "Choices": sections.choices(recipe, facts.get("choices", {})),
        "Machine": sections.machine(facts),
        "Repeat": sections.repeat(data.get("source", "DATA"), run.recipe_file),
    }
    page = Template(_packaged("page.html")).substitute(
        name=join(name),
        style=_packaged("page.css"),
        about=join(*[tag("span", word) for word in about if word]),
        verdict=join(said.get("verdict", "Not measured: this run has no report.json")),
        sections="\n".join(_section(title, part) for title, part in parts.items() if part),
    )
    write_text(run.page_file, page)


def _section(title: str, content: Html) -> Html:
    return tag("section", tag("h2", title, id=title), content, aria_labelledby=title)


def _packaged(file: str) -> str:
    return resources.files("lensmith.report").joinpath(file).read_text(encoding="utf-8")
