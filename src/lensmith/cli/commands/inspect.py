"""`lensmith inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.runs.recipe import data_words

_SHOWN = 3


def inspect(
    data: Annotated[str, typer.Argument(help="Labelled pictures.", metavar="DATA")],
    words: Annotated[
        list[str] | None, typer.Argument(help="root=FOLDER, task=NAME, group_by=WORD.", metavar="KEY=VALUE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """What is in the data and what is wrong with it. Exits 1 for leaks and contradicting labels.

    Examples:

    \b
      lensmith inspect photos/
      lensmith inspect photos/ --json
    """
    from lensmith.audit.inspect import inspect as find_issues
    from lensmith.data.sources import load_data

    pictures = load_data(data, **data_words(words))
    issues = find_issues(pictures)
    if as_json:
        facts = {
            "name": pictures.name,
            "task": pictures.task,
            "count": len(pictures),
            "classes": pictures.counts(),
        }
        show.data({**facts, "splits": list(pictures.splits), "issues": [issue.as_dict() for issue in issues]})
    else:
        show.line(repr(pictures))
        for issue in issues:
            show.line(f"{issue.severity:<8} {issue.name}: {issue.detail}")
            for files in issue.files[:_SHOWN]:
                show.line(f"{'':<10}{' = '.join(files)}")
            if len(issue.files) > _SHOWN:
                show.line(f"{'':<10}and {len(issue.files) - _SHOWN:,} more (--json lists them)")
        if not issues:
            show.line("nothing found against it")
    return 1 if any(issue.severity == "error" for issue in issues) else 0
