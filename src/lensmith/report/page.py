"""`RUN/report.html`: one file that asks for nothing, opens anywhere, and says what `report.json` says."""

from __future__ import annotations

from importlib import resources

from lensmith.report import sections
from lensmith.report.contents import Contents, read_contents
from lensmith.report.markup import Html, join, tag
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import write_text

SECTIONS = {
    "Figures": sections.figures,
    "Classes": sections.classes,
    "Confusion": sections.confusion,
    "Data": sections.data,
    "Training": sections.training,
    "Choices": sections.choices,
    "Machine": sections.machine,
    "Repeat": sections.repeat,
}
"""Title -> what makes the section, in the order of the page."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The browser itself then refuses scripts and requests, whatever a class is called."""


def write_page(run: RunDirectory) -> None:
    """Write the page of a run from the files that it has; a section whose file is missing is left out."""
    write_text(run.page_file, render_page(run))


def render_page(run: RunDirectory) -> str:
    """The page of a run, as text. No model is loaded."""
    contents = read_contents(run)
    name = run.path.resolve().name
    style = resources.files("lensmith.report").joinpath("page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{name}: lensmith report"),
        tag("style", Html(style)),
    )
    made = [(title, make(contents)) for title, make in SECTIONS.items()]
    parts = [_section(title, content) for title, content in made if content]
    version = contents.facts.get("versions", {}).get("lensmith", "")
    foot = tag("footer", tag("p", f"lensmith {version}. The same figures are in report.json."))
    body = tag("body", _header(name, contents), tag("main", *parts), foot)
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _header(name: str, contents: Contents) -> Html:
    facts = contents.facts
    started = str(facts.get("started", "")).replace("T", " ").replace("+00:00", " UTC")
    about = [name, contents.recipe.get("model"), contents.data.get("name"), started]
    words = [tag("span", word) for word in about if word]
    return tag("header", tag("p", *words, class_="about"), tag("h1", contents.verdict))


def _section(title: str, content: Html) -> Html:
    key = title.lower()
    return tag("section", join(tag("h2", title, id=key), content), aria_labelledby=key)
