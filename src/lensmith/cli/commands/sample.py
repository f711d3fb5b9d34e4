"""`lensmith sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.errors import UsageError


def sample(
    name: Annotated[str, typer.Argument(help="digits, digits-multi or digits-sum.", metavar="NAME")],
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.", metavar="DIR")],
) -> None:
    """Write a small sample set as ordinary picture files."""
    from lensmith.data.sample import write_sample

    try:
        count = write_sample(name, folder)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be written ({error.strerror or error})", hint="Give another DIR."
        ) from error
    table = folder / "labels.csv"
    show.say(
        f"{count:,} pictures in {folder}, {'told by labels.csv' if table.exists() else 'a folder per class'}"
    )
