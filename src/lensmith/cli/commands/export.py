"""`lensmith export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lensmith.cli import show
from lensmith.errors import DataError, ModelFileError, UsageError

if TYPE_CHECKING:
    from lensmith.bundle.bundle import Bundle
    from lensmith.exports.int8 import Quantised
    from lensmith.exports.parity import Parity

_CHECKED = 100


def export(
    run: Annotated[str, typer.Argument(help="A run, a bundle, or last.", metavar="RUN")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="FILE.onnx, FILE.pt2 or FILE.lens.", metavar="FILE")
    ] = None,
    triton: Annotated[
        Path | None, typer.Option(help="A model repository of Triton, to add the model to.", metavar="DIR")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="In 8 bits, fitted to training pictures (.onnx, --triton).")
    ] = False,
    calibrate: Annotated[
        str | None,
        typer.Option(help="Labelled pictures for --int8 [what the run learned from].", metavar="DATA"),
    ] = None,
    check: Annotated[
        Path | None, typer.Option(help="Pictures to check on [those that the run held out].", metavar="DIR")
    ] = None,
) -> None:
    """Write the model as one file, checked against its source by a process of its own.

    Examples:

    \b
      lensmith export last -o dogs.onnx
      lensmith export last -o dogs.onnx --int8
      lensmith export dogs.lens -o dogs.pt2 --check photos/
      lensmith export last --triton models/
    """
    from lensmith.bundle.bundle import load_model
    from lensmith.cli.torch import require_torch

    if out is None and triton is None:
        raise UsageError("nothing says where to write", hint="-o FILE.onnx, .pt2 or .lens, or --triton DIR")
    if calibrate is not None and not int8:
        raise UsageError(f"--calibrate {calibrate} is for --int8", hint="Add --int8.")
    bundle = load_model(run)
    if out is None or out.suffix != ".lens":
        require_torch("export")
    pictures = _pictures(run, check)
    small = _in_8_bits(run, bundle, calibrate) if int8 else None
    if small is not None:
        show.say(str(small))
    if out is not None:
        from lensmith.exports.export import export as write

        parity = write(bundle, out, pictures, int8=small)
        show.say(f"{out}: {out.stat().st_size / 1e6:.1f} MB; weights: {bundle.origin or 'of unknown origin'}")
        _say(parity)
    if triton is not None:
        from lensmith.exports.triton import export_triton

        folder, parity = export_triton(bundle, triton, _name(run), pictures, int8=small)
        show.say(f"{folder}: serve it with tritonserver --model-repository {triton.absolute()}")
        _say(parity)


def _say(parity: Parity) -> None:
    others = len(parity.other_labels) + parity.close_labels
    labels = f", another label for {others}" if others else ""
    if parity.drawn:
        show.say(
            f"same answers as its source on {parity.count} drawn pictures, to {parity.largest:.1e}{labels};"
            " not checked on real ones: none are at hand, name some with --check DIR"
        )
    else:
        near = "same answers as its source" if parity.largest <= 0.005 else "compared with its source"
        show.say(f"{near} on {parity.count} pictures, to {parity.largest:.1e}{labels}")


def _name(run: str) -> str:
    """What a Triton model is called: as its run, or as the file."""
    from lensmith.bundle.storage import locate

    path = locate(run)
    return path.stem if path.is_file() or path.name != "model" else path.absolute().parent.name


def _in_8_bits(run: str, bundle: Bundle, calibrate: str | None) -> Quantised:
    from lensmith.cli.progress import follow
    from lensmith.exports.calibration import calibration_from, calibration_of_run
    from lensmith.exports.int8 import quantise

    if calibrate is None:
        return quantise(bundle, follow(calibration_of_run(bundle, run)))
    from lensmith.data.sources import load_data

    data = load_data(calibrate, task=bundle.task)
    return quantise(bundle, follow(calibration_from(bundle, data.split("train") if data.splits else data)))


def _pictures(run: str, check: Path | None) -> list[Path]:
    """Real pictures: of the folder named, else those that the run was measured on, if still there."""
    from lensmith.data.folders import looks_readable

    if check is not None:
        found = [file for file in sorted(check.rglob("*")) if looks_readable(file)]
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
