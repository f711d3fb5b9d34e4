"""`lensmith sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import show


def sample(
    name: Annotated[str, typer.Argument(help="The set: digits.", metavar="NAME")],
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.", metavar="DIR")],
) -> None:
    """Write a small sample set as ordinary picture files."""
    from lensmith.data.sample import write_sample

    count = write_sample(name, folder)
    show.say(f"{count:,} pictures in {folder}, a folder per class")
