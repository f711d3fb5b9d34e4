"""`lensmith explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lensmith.cli import show
from lensmith.errors import PictureError, UsageError

if TYPE_CHECKING:
    from lensmith.bundle.bundle import Bundle
    from lensmith.explaining.occlusion import Explanation

_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


def explain(
    run: Annotated[str, typer.Argument(help="A run, a bundle, or last.", metavar="RUN")],
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.", metavar="PICTURE...")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="A .png file for the heat map; a folder for several.", metavar="FILE"
        ),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Ask about this name [the likeliest].")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """Where an answer hangs on its picture: what covering each part of it takes away.

    Examples:

    \b
      lensmith explain last dog.jpg -o why.png
      lensmith explain last holiday/1.jpg holiday/2.jpg -o why/ --label cat
    """
    from lensmith.bundle.bundle import load_model

    is_file = out is not None and out.suffix.lower() == ".png"
    if is_file and len(pictures) > 1:
        raise UsageError(f"{out}: one file, for {len(pictures)} pictures", hint="Name a folder: -o why/")
    bundle = load_model(run)
    if label is not None and label not in bundle.classes:
        raise UsageError(
            f"--label {label}: the model does not know it", hint=f"It knows {', '.join(bundle.classes[:10])}."
        )
    stems = [picture.stem for picture in pictures]
    failed = 0
    for number, picture in enumerate(pictures, 1):
        # Pictures of one name come from different folders: a number tells their heat maps apart.
        name = picture.stem if stems.count(picture.stem) == 1 else f"{picture.stem}-{number}"
        place = out if out is None or is_file else out / f"{name}-why.png"
        failed += not _explain(bundle, picture, label, place, as_json)
    return 3 if failed == len(pictures) else 0


def _explain(bundle: Bundle, picture: Path, label: str | None, place: Path | None, as_json: bool) -> bool:
    """Whether the picture could be read."""
    from lensmith.explaining.occlusion import explanation, overlay

    try:
        pixels = bundle.prepare(picture)
    except PictureError as error:
        if as_json:
            show.data({"file": str(picture), "error": error.reason})
        else:
            show.error(f"{picture}: {error.reason}", error.hint)
        return False
    output = None if label is None else bundle.classes.index(label)
    why = explanation(bundle.scores, pixels, output, is_number=bundle.task == "regression")
    if place is not None:
        _write(place, picture, overlay(pixels, why.heat))
    if as_json:
        show.data(_facts(bundle, picture, why) | ({"out": str(place)} if place else {}))
    else:
        show.line(f"{picture}  {_words(bundle, why)}{f'; see {place}' if place else ''}")
    return True


def _write(place: Path, picture: Path, pixels: Any) -> None:
    import io

    from PIL import Image

    from lensmith.runs.files import write_bytes

    if place.exists() and place.resolve() == picture.resolve():
        raise UsageError(f"{place}: that is the picture itself", hint="Name another file with --out.")
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    place.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(place, content.getvalue())


def _facts(bundle: Bundle, picture: Path, why: Explanation) -> dict[str, Any]:
    found = why.occlusion
    named = {"label": bundle.classes[found.output]} if bundle.classes else {}
    return {
        "file": str(picture),
        **named,
        "score": found.score,
        "largest": why.largest,
        "flat": why.is_flat,
        "window": why.window,
        "drops": [[round(float(drop), 6) for drop in row] for row in found.drops],
    }


def _words(bundle: Bundle, why: Explanation) -> str:
    found = why.occlusion
    if bundle.task == "regression":
        said, takes = f"{found.score:.4g}", f"moves it by up to {why.largest:.3g}"
    else:
        said = f"{bundle.classes[found.output]} {found.score:.1%}"
        takes = f"takes up to {100 * why.largest:.0f} points off"
    if why.is_flat:
        return f"{said}: covering any part of it changes next to nothing"
    return f"{said}: covering the {_where(why)} {takes}"


def _where(why: Explanation) -> str:
    """The third of the picture, each way, in which covering does the most."""
    row, column = divmod(int(why.heat.argmax()), why.heat.shape[1])
    vertical = _ROWS[min(2, 3 * row // why.heat.shape[0])]
    horizontal = _COLUMNS[min(2, 3 * column // why.heat.shape[1])]
    if (vertical, horizontal) == ("middle", "centre"):
        return "middle"
    return f"{vertical} {horizontal}".replace(" centre", "").replace("middle ", "")
