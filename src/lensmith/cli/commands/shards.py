"""`lensmith shards`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.cli.progress import follow
from lensmith.errors import UsageError
from lensmith.runs.recipe_words import data_words

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_SHOWN = 5


def shards(
    data: Annotated[str, typer.Argument(help="Labelled pictures in files.", metavar="DATA")],
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.", metavar="DIR")],
    words: Annotated[
        list[str] | None, typer.Argument(help="task=NAME, group_by=WORD.", metavar="KEY=VALUE")
    ] = None,
    size: Annotated[str, typer.Option(help="Of a shard, at most.", metavar="SIZE")] = "256MB",
    count: Annotated[int, typer.Option(help="Pictures in a shard, at most.", min=1)] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the order in which pictures are dealt to shards.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write pictures as tar shards that WebDataset reads, with an index, for one place that many machines read.

    Every picture is KEY.jpg (or .png, ...), its file byte for byte, and beside it is KEY.cls or KEY.json. What train,
    inspect and evaluate know of DATA, they know of DIR: classes, splits, groups.

    Examples:

    \b
      lensmith shards photos/ shards/
      lensmith shards photos/ shards/ --size 1GB group_by=folder
    """
    from lensmith.data.dealing import Limits, write_shards
    from lensmith.data.sources import load_data

    limits = Limits(_bytes(size), count)
    pictures = load_data(data, **data_words(words))
    written = follow(write_shards(pictures, folder, data, limits, seed))
    skipped = (*pictures.skipped, *written.skipped)
    if as_json:
        show.data(
            {
                "folder": str(written.folder),
                "shards": written.shards,
                "count": written.count,
                "bytes": written.bytes,
                "skipped": [vars(one) for one in skipped],
            }
        )
    else:
        plural = "" if len(written.shards) == 1 else "s"
        show.line(
            f"{folder}: {written.count:,} pictures in {len(written.shards):,} shard{plural}, "
            f"{written.bytes / 1e6:,.1f} MB"
        )
    for one in skipped[:_SHOWN]:
        show.say(f"skipped  {one.file}: {one.reason}")
    if len(skipped) > _SHOWN:
        show.say(f"         and {len(skipped) - _SHOWN:,} more")


def _bytes(word: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)b?", word.strip().lower())
    found = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if found < 1:
        raise UsageError(f"--size {word} is no size", hint="Such as 256MB or 1GB.")
    return found
