"""`lensmith explain`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lensmith.cli import show
from lensmith.errors import LensmithError, PictureError, UsageError

if TYPE_CHECKING:
    from torch import nn

    from lensmith.bundle.bundle import Bundle
    from lensmith.explaining.alike import Alike, Known
    from lensmith.explaining.explain import Explained

_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
_FILES = (".png", ".html")
_LOOKING = 60.0
"""Seconds after which no more training pictures are looked at; what was seen is kept."""


@dataclass(frozen=True)
class _Asked:
    """A model, and what there is to explain it with."""

    bundle: Bundle
    network: nn.Module | None
    known: Known | None
    label: str | None
    nearest: int


def explain(
    run: Annotated[str, typer.Argument(help="A run, a bundle, or last.", metavar="RUN")],
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.", metavar="PICTURE...")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="A .png heat map, one .html page of all, or a folder of maps.", metavar="FILE"
        ),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Ask about this name [what the model says].")] = None,
    nearest: Annotated[
        int, typer.Option(help="How many training pictures to name that are most like it.", min=0, max=100)
    ] = 3,
    data: Annotated[
        str | None, typer.Option(help="Where they are [as the run has it].", metavar="DATA")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """Where an answer hangs on its picture, how far to trust that, and which training pictures are like it.

    Examples:

    \b
      lensmith explain last dog.jpg -o why.png
      lensmith explain last holiday/1.jpg holiday/2.jpg -o why.html --label cat
    """
    from lensmith.bundle.bundle import load_model

    kind = out.suffix.lower() if out is not None else ""
    if kind == ".png" and len(pictures) > 1:
        raise UsageError(f"{out}: one file, for {len(pictures)} pictures", hint="Name a folder: -o why/")
    bundle = load_model(run)
    if label is not None and label not in bundle.classes:
        raise UsageError(
            f"--label {label}: the model does not know it", hint=f"It knows {', '.join(bundle.classes[:10])}."
        )
    asked = _asked(bundle, label, nearest, data)
    rows: list[dict[str, Any]] = []
    failed = 0
    for picture, stem in zip(pictures, _stems(pictures), strict=True):
        place = out if out is None or kind in _FILES else out / f"{stem}-why.png"
        found = _explain(asked, picture, None if kind == ".html" else place, as_json)
        failed += not found
        rows += found
    if out is not None and kind == ".html" and rows:
        _write_page(out, pictures, bundle, rows)
        show.say(f"{out}: {len(rows)} heat map{'' if len(rows) == 1 else 's'}")
    return 3 if failed == len(pictures) else 0


def _stems(pictures: list[Path]) -> list[str]:
    """Pictures of one name come from different folders: a number tells their heat maps apart."""
    stems = [picture.stem for picture in pictures]
    return [stem if stems.count(stem) == 1 else f"{stem}-{number}" for number, stem in enumerate(stems, 1)]


def _asked(bundle: Bundle, label: str | None, nearest: int, data: str | None) -> _Asked:
    from lensmith.explaining.explain import network_of, why_covered

    network, why = network_of(bundle)
    if covered := why_covered(network, why):
        show.say(f"parts of the picture are covered instead of asking a layer of the network: {covered}")
    known = None
    if nearest and network is not None:
        known = _known(bundle, network, data)
    elif nearest and data is not None:
        show.say(f"--data {data}: training pictures are found by a layer of the network, too")
    return _Asked(bundle, network, known, label, nearest)


def _known(bundle: Bundle, network: nn.Module, source: str | None) -> Known | None:
    """What the model sees in its training pictures; where they are not to be had, that is said, and no more."""
    from lensmith.cli.progress import follow
    from lensmith.explaining.alike import look_at
    from lensmith.explaining.training_pictures import labelled_pictures, run_of, training_pictures

    if source is not None:
        data = labelled_pictures(source)
    else:
        run = run_of(bundle.path)
        found, why = training_pictures(run) if run else (None, "the bundle is in no run")
        if found is None:
            show.say(f"no training pictures beside it: {why}; name them with --data DATA")
            return None
        data = found
    try:
        known = follow(look_at(bundle, network, data, seconds=_LOOKING))
        if (seen := len(known.data)) < known.of:
            show.say(f"{seen:,} of {known.of:,} training pictures have been looked at; the next call goes on")
        return known
    except LensmithError as error:
        show.say(f"no training pictures beside it: {error.message}")
        return None


def _explain(asked: _Asked, picture: Path, place: Path | None, as_json: bool) -> list[dict[str, Any]]:
    """The JSON form of each explanation of a picture, shown and written; none where it cannot be read."""
    from lensmith.explaining.explain import explain as explained
    from lensmith.explaining.explain import outputs_said

    bundle = asked.bundle
    try:
        pixels = bundle.prepare(picture)
    except PictureError as error:
        if as_json:
            show.data({"file": str(picture), "error": error.reason})
        else:
            show.error(f"{picture}: {error.reason}", error.hint)
        return []
    outputs = outputs_said(bundle, pixels) if asked.label is None else [bundle.classes.index(asked.label)]
    (said,) = bundle.predict_prepared(pixels[None])
    sha256, alike = _alike(asked, picture, pixels)
    rows = []
    for output in outputs:
        why = explained(bundle, pixels, output, network=asked.network)
        named = {"label": bundle.classes[output]} if bundle.classes else {}
        row = {"file": str(picture), "sha256": sha256, **named, "unlike": said.unlike, **why.as_dict()}
        row["nearest"] = [one.as_dict() for one in alike]
        if place is not None:
            row["out"] = str(_write(place, picture, pixels, why, named.get("label") if outputs[1:] else None))
        if as_json:
            show.data(row)
        else:
            _tell(picture, bundle, why, alike, row.get("out"))
        rows.append(row)
    if said.unlike and not as_json:
        show.line(f"  {said.doubt}")
    return rows


def _alike(asked: _Asked, picture: Path, pixels: Any) -> tuple[str, list[Alike]]:
    from lensmith.explaining.alike import nearest_to
    from lensmith.runs.files import sha256_of

    sha256 = sha256_of(picture)
    if asked.known is None or asked.network is None:
        return sha256, []
    return sha256, nearest_to(
        asked.known, asked.bundle, asked.network, pixels, sha256=sha256, count=asked.nearest
    )


def _write(place: Path, picture: Path, pixels: Any, why: Explained, label: str | None) -> Path:
    """The heat map as a PNG; of several labels each has a file of its own."""
    import io

    from PIL import Image

    from lensmith.data.portable_names import FORBIDDEN
    from lensmith.explaining.occlusion import overlay
    from lensmith.runs.files import write_bytes

    if label is not None:
        words = FORBIDDEN.sub("-", label)[:40]
        place = place.with_name(f"{place.stem}-{why.output + 1} {words}{place.suffix}")
    if place.exists() and place.resolve() == picture.resolve():
        raise UsageError(f"{place}: that is the picture itself", hint="Name another file with --out.")
    content = io.BytesIO()
    Image.fromarray(overlay(pixels, why.heat(*pixels.shape[:2]))).save(content, "PNG")
    write_bytes(place, content.getvalue())
    return place


def _write_page(out: Path, pictures: list[Path], bundle: Bundle, rows: list[dict[str, Any]]) -> None:
    from lensmith.report.explanations import write_explanations

    if out.exists() and any(out.resolve() == picture.resolve() for picture in pictures):
        raise UsageError(f"{out}: that is a picture itself", hint="Name another file with --out.")
    holding = sum(row["trust"]["trusted"] for row in rows)
    verdict = f"{holding} of {len(rows)} heat maps hold when what they mark is hidden"
    study = {"verdict": verdict, "preprocess": bundle.preprocess.as_dict(), "pictures": rows}
    write_explanations(out, out.stem, study)


def _tell(picture: Path, bundle: Bundle, why: Explained, alike: list[Alike], out: str | None) -> None:
    show.line(f"{picture}  {_words(bundle, why)}{f'; see {out}' if out else ''}")
    show.line(f"  trust  {why.verdict()}")
    for one in alike:
        itself = "the picture itself, it was learned from: " if one.is_it else ""
        show.line(f"  like   {itself}{one.file}  {one.label}, likeness {one.similarity:.2f}")


def _words(bundle: Bundle, why: Explained) -> str:
    said = f"{bundle.classes[why.output]} {why.score:.1%}" if bundle.classes else f"{why.score:.4g}"
    if why.layer and why.is_flat:
        return f"{said}: no part of it speaks for that (layer {why.layer})"
    if why.layer:
        return f"{said}: what speaks most for it is the {_where(why)} (layer {why.layer})"
    if why.is_flat:
        return f"{said}: covering any part of it changes next to nothing"
    takes = (
        f"moves it by up to {why.largest:.3g}"
        if why.is_number
        else f"takes up to {100 * (why.largest or 0):.0f} points off"
    )
    return f"{said}: covering the {_where(why)} {takes}"


def _where(why: Explained) -> str:
    """The third of the picture, each way, that is marked most."""
    rows, columns = why.marked.shape
    row, column = divmod(int(why.marked.argmax()), columns)
    vertical = _ROWS[min(2, int(3 * (row + 0.5) / rows))]
    horizontal = _COLUMNS[min(2, int(3 * (column + 0.5) / columns))]
    if (vertical, horizontal) == ("middle", "centre"):
        return "middle"
    return f"{vertical} {horizontal}".replace(" centre", "").replace("middle ", "")
