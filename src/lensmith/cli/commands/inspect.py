"""`lensmith inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lensmith.cli import doubting, findings, show
from lensmith.cli.progress import follow
from lensmith.runs.recipe_words import data_words

if TYPE_CHECKING:
    from lensmith.audit.inspect import Issue


def inspect(
    data: Annotated[str, typer.Argument(help="Labelled pictures.", metavar="DATA")],
    words: Annotated[
        list[str] | None,
        typer.Argument(help="root=FOLDER, task=NAME, group_by=WORD, decisions=FILE.", metavar="KEY=VALUE"),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option("--fail-on", metavar="NAMES", help="Exit 1 for these issues alone, as leak,unreadable."),
    ] = None,
    suspects: Annotated[
        bool | None,
        typer.Option(
            "--suspects/--no-suspects",
            help="Look for wrong labels, or not [where it takes a minute at most].",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page on which to look through all of it and decide.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """What is in the data and what is wrong with it. Exits 1 for errors, or for what --fail-on names.

    Every picture is decoded. Found are copies, also cropped, turned, resized or encoded anew, within a split
    and across splits; contradicting labels; what cannot be read; and pictures unlike the others.

    Examples:

    \b
      lensmith inspect photos/
      lensmith inspect photos/ --html findings.html
      lensmith inspect photos/ decisions=decisions.csv
      lensmith inspect photos/ --fail-on leak,unreadable --json
    """
    from lensmith.audit.inspect import NAMES
    from lensmith.audit.look import look
    from lensmith.data.decisions import read_decisions, without_dropped
    from lensmith.data.sources import load_data

    wanted = findings.names(fail_on, NAMES) if fail_on is not None else None
    if html is not None:
        doubting.refuse_place(html, data)
    fields = data_words(words, "decisions")
    file = fields.pop("decisions", None)
    pictures = load_data(data, **fields)
    if file is not None:
        pictures = without_dropped(pictures, read_decisions(Path(file)), Path(file), data)
    found = follow(look(pictures))
    doubted, why = doubting.doubt(found.data, suspects)
    facts = found.as_dict() | {"suspects": {"left_out": why} if doubted is None else doubted.as_dict()}
    if as_json:
        show.data(facts)
    else:
        for line in findings.lines(facts, data):
            show.line(line)
    if html is not None:
        doubting.write_findings(html, found.data, found.issues, doubted, data)
    return int(any(_counts(issue, wanted) for issue in found.issues))


def _counts(issue: Issue, wanted: list[str] | None) -> bool:
    return issue.severity == "error" if wanted is None else issue.name in wanted
