"""`lensmith cache`."""

from __future__ import annotations

from typing import Annotated

import typer

from lensmith.cli import show


def cache(clear: Annotated[bool, typer.Option("--clear", help="Delete all of it.")] = False) -> None:
    """Show or clear the decoded pictures that are kept between runs."""
    from lensmith.data import cache as store

    if clear:
        show.line(f"{store.clear() / 1e6:,.1f} MB freed in {store.columns_folder()}")
        return
    held = store.entries()
    for entry in held:
        show.line(f"{entry.bytes / 1e6:>10,.1f} MB  {entry.path.name}")
    total = sum(entry.bytes for entry in held)
    show.line(f"{total / 1e6:>10,.1f} MB in {store.columns_folder()}, of at most {store.LIMIT / 1e9:,.0f} GB")
