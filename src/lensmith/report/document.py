"""One HTML file from sections: it requests nothing, and opens anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template

from lensmith.report.markup import Html, join, tag
from lensmith.runs.files import write_text


def write_document(
    path: Path,
    name: str,
    verdict: str,
    parts: Mapping[str, Html],
    about: Sequence[object] = (),
    foot: str = "",
) -> None:
    """Write a page: the verdict on top, then the sections by their titles; those that are empty are left out."""
    page = Template(_packaged("page.html")).substitute(
        name=join(name),
        style=_packaged("page.css"),
        about=join(*[tag("span", word) for word in about if word]),
        verdict=join(verdict),
        sections="\n".join(_section(title, part) for title, part in parts.items() if part),
        foot=join(foot),
    )
    write_text(path, page)


def _section(title: str, content: Html) -> Html:
    return tag("section", tag("h2", title, id=title), content, aria_labelledby=title)


def _packaged(file: str) -> str:
    return resources.files("lensmith.report").joinpath(file).read_text(encoding="utf-8")
