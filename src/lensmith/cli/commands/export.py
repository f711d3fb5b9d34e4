"""`lensmith export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.errors import DataError, ModelFileError

_CHECKED = 100


def export(
    run: Annotated[str, typer.Argument(help="A run, a bundle, or last.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.onnx or FILE.lens.", metavar="FILE")],
    check: Annotated[
        Path | None, typer.Option(help="Pictures to check on [those that the run held out].", metavar="DIR")
    ] = None,
) -> None:
    """Write the model as one file, checked against its source.

    Examples:

    \b
      lensmith export last -o dogs.onnx
      lensmith export dogs.lens -o dogs.onnx --check photos/
    """
    from lensmith.bundle.bundle import load_model
    from lensmith.cli.torch import require_torch

    bundle = load_model(run)
    if out.suffix == ".onnx":
        require_torch("export")
    from lensmith.bundle.export import export as write

    parity = write(bundle, out, _pictures(run, check))
    show.say(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
    if parity is not None and parity.count:
        show.say(f"same answers as its source on {parity.count} pictures, to {parity.largest:.1e}")
    elif parity is not None:
        show.say("not checked on pictures: none are at hand; name some with --check DIR")


def _pictures(run: str, check: Path | None) -> list[Path]:
    """Real pictures: of the folder named, else those that the run was measured on, if still there."""
    from lensmith.data.folders import looks_like_picture

    if check is not None:
        found = [file for file in sorted(check.rglob("*")) if looks_like_picture(file)]
        if not found:
            raise DataError(f"{check}: no pictures there", hint="--check takes a folder that holds some.")
        return found[:_CHECKED]
    from lensmith.runs.directory import find_run
    from lensmith.runs.predictions import read_predictions

    try:
        predictions = read_predictions(find_run(run).predictions_file)
    except ModelFileError:
        return []
    return [Path(file) for file in predictions.files.tolist() if Path(file).is_file()][:_CHECKED]
