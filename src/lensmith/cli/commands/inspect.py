"""`lensmith inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lensmith.cli import findings, show
from lensmith.cli.progress import follow
from lensmith.runs.recipe import data_words

if TYPE_CHECKING:
    from lensmith.audit.inspect import Issue


def inspect(
    data: Annotated[str, typer.Argument(help="Labelled pictures.", metavar="DATA")],
    words: Annotated[
        list[str] | None, typer.Argument(help="root=FOLDER, task=NAME, group_by=WORD.", metavar="KEY=VALUE")
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option("--fail-on", metavar="NAMES", help="Exit 1 for these issues alone, as leak,unreadable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """What is in the data and what is wrong with it. Exits 1 for errors, or for what --fail-on names.

    Every picture is decoded. Found are copies, also cropped, turned, resized or encoded anew, within a split
    and across splits; contradicting labels; what cannot be read; and pictures unlike the others.

    Examples:

    \b
      lensmith inspect photos/
      lensmith inspect photos/ --fail-on leak,unreadable --json
    """
    from lensmith.audit.inspect import NAMES
    from lensmith.audit.look import look
    from lensmith.data.sources import load_data

    wanted = findings.names(fail_on, NAMES) if fail_on is not None else None
    found = follow(look(load_data(data, **data_words(words))))
    if as_json:
        show.data(found.as_dict())
    else:
        for line in findings.lines(found.as_dict(), data):
            show.line(line)
    return int(any(_counts(issue, wanted) for issue in found.issues))


def _counts(issue: Issue, wanted: list[str] | None) -> bool:
    return issue.severity == "error" if wanted is None else issue.name in wanted
