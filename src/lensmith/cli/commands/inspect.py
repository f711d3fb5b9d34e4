"""`lensmith inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import doubting, show
from lensmith.runs.recipe import data_words

_SHOWN = 3


def inspect(
    data: Annotated[str, typer.Argument(help="Labelled pictures.", metavar="DATA")],
    words: Annotated[
        list[str] | None, typer.Argument(help="root=FOLDER, task=NAME.", metavar="KEY=VALUE")
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
    """What is in the data and what is wrong with it. Exits 1 for leaks and contradicting labels.

    Examples:

    \b
      lensmith inspect photos/
      lensmith inspect photos/ --json
      lensmith inspect photos/ --html findings.html
    """
    from lensmith.audit.inspect import inspect as find_issues
    from lensmith.data.sources import load_data

    if html is not None:
        doubting.refuse_place(html, data)
    pictures = load_data(data, **data_words(words))
    issues = find_issues(pictures)
    doubted, why = doubting.doubt(pictures, suspects)
    if as_json:
        facts = {
            "name": pictures.name,
            "task": pictures.task,
            "count": len(pictures),
            "classes": pictures.counts(),
        }
        facts |= {"splits": list(pictures.splits), "issues": [issue.as_dict() for issue in issues]}
        show.data(facts | {"suspects": {"left_out": why} if doubted is None else doubted.as_dict()})
    else:
        show.line(repr(pictures))
        for issue in issues:
            show.line(f"{issue.severity:<8} {issue.name}: {issue.detail}")
            for files in issue.files[:_SHOWN]:
                show.line(f"{'':<10}{' = '.join(files)}")
            if len(issue.files) > _SHOWN:
                show.line(f"{'':<10}and {len(issue.files) - _SHOWN:,} more (--json lists them)")
        doubting.tell(doubted, why)
        if not issues and not (doubted and doubted.listed):
            show.line("nothing found against it")
    if html is not None:
        doubting.write_findings(html, pictures, issues, doubted, data)
    return 1 if any(issue.severity == "error" for issue in issues) else 0
