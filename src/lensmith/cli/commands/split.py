"""`lensmith split`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lensmith.cli import show
from lensmith.cli.progress import follow
from lensmith.errors import UsageError
from lensmith.runs.recipe import Recipe
from lensmith.runs.recipe_words import parse_words

_KNOWN = ("root", "task", "group_by", "val_fraction", "test_fraction", "seed", "splits", "drop_leaks")


def split(
    data: Annotated[str, typer.Argument(help="Labelled pictures.", metavar="DATA")],
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Recipe fields: val_fraction, group_by and so on.", metavar="KEY=VALUE"),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.", metavar="FILE")] = Path(
        "splits.csv"
    ),
    copies: Annotated[
        bool, typer.Option("--copies", help="Keep near copies together too; every picture is looked at.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say which pictures are to learn from and which are held out, in a file for train splits=FILE.

    Examples:

    \b
      lensmith split photos/ test_fraction=0.2 --copies -o splits.csv
      lensmith split photos/ splits=splits.csv -o with-new-ones.csv
    """
    from lensmith.audit.look import look
    from lensmith.data.by_recipe import load_by_recipe
    from lensmith.data.sources import load_data
    from lensmith.data.split_file import write_split_file

    fields = parse_words(words or [])
    for name in fields:
        if name not in _KNOWN:
            raise UsageError(
                f"{name}={fields[name]} is for train", hint=f"Here {', '.join(_KNOWN)} are known."
            )
    if out.exists():
        raise UsageError(f"{out} is there already", hint="Give another name with --out.")
    if Path(data).is_dir() and out.resolve().is_relative_to(Path(data).resolve()):
        raise UsageError(f"{out} lies under the data, {data}, where nothing is written")
    reading = {name: fields[name] for name in ("root", "task", "group_by") if name in fields}
    together = follow(look(load_data(data, **reading))).groups if copies else []
    _, roles = load_by_recipe(data, Recipe().changed(**fields), together)
    used = roles.as_data()
    write_split_file(out, used, data)
    counts = {name: used.split(name).counts() for name in used.splits}
    if as_json:
        show.data({"file": str(out), "made": roles.made, "splits": _sizes(used), "classes": counts})
        return
    show.line(f"{out}: {', '.join(f'{name} {size:,}' for name, size in _sizes(used).items())} ({roles.made})")


def _sizes(data: Any) -> dict[str, int]:
    return {name: len(data.split(name)) for name in data.splits}
