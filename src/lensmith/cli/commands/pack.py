"""`lensmith pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.errors import UsageError

_IMAGENET = "0.485,0.456,0.406/0.229,0.224,0.225"


def pack(
    weights: Annotated[
        Path, typer.Argument(help="safetensors, a state_dict, or a pickled model.", metavar="WEIGHTS")
    ],
    model: Annotated[str, typer.Option(help="Its network: net.py:Net, or a name of torchvision or timm.")],
    classes: Annotated[
        str, typer.Option(help="Class names in the order of the outputs: a,b,c or a text file.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.lens or a folder.", metavar="FILE")],
    size: Annotated[int, typer.Option(help="Height and width that the network takes.")] = 224,
    resize: Annotated[int | None, typer.Option(help="Short side before a centre crop [the size].")] = None,
    fit: Annotated[str, typer.Option(help="crop, pad or squish.")] = "crop",
    interpolation: Annotated[str, typer.Option(help="bilinear, bicubic, nearest or lanczos.")] = "bilinear",
    normalize: Annotated[
        str, typer.Option(help="imagenet, half, none, or MEAN/STD as 0.5,0.5,0.5/1,1,1.")
    ] = "imagenet",
    task: Annotated[str, typer.Option(help="classification, multilabel or regression.")] = "classification",
) -> None:
    """A network that you have already becomes a bundle: predict, evaluate, export and serve work on it.

    Examples:

    \b
      lensmith pack net.pth --model net.py:Net --classes cat,dog --size 32 --normalize none -o pets.lens
      lensmith pack resnet.safetensors --model resnet18 --classes names.txt --resize 256 -o things.lens
    """
    from lensmith.cli.torch import require_torch

    require_torch("pack")
    from lensmith.bundle.pack import pack as make
    from lensmith.pictures.preprocess import preprocess_from

    mean, std = _normal(normalize)
    facts = {
        "size": size,
        "fit": fit,
        "resize": resize,
        "interpolation": interpolation,
        "mean": mean,
        "std": std,
    }
    if task not in ("classification", "multilabel", "regression"):
        raise UsageError(f"--task {task} is not one of classification, multilabel, regression")
    names = [] if task == "regression" else _names(classes)
    bundle = make(weights, model, classes=names, preprocess=preprocess_from(facts), task=task)  # type: ignore[arg-type]
    bundle.save(out)
    show.say(f"{out}: {bundle!r}")
    show.say(f"next: lensmith predict {out} PICTURE")


def _names(word: str) -> list[str]:
    file = Path(word)
    if file.is_file():
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [name.strip() for name in word.split(",") if name.strip()]


def _normal(word: str) -> tuple[list[float], list[float]]:
    words = {"imagenet": _IMAGENET, "half": "0.5,0.5,0.5/0.5,0.5,0.5", "none": "0,0,0/1,1,1"}.get(word, word)
    try:
        mean, std = ([float(number) for number in part.split(",")] for part in words.split("/"))
    except ValueError:
        raise UsageError(f"--normalize {word} is neither imagenet, half, none nor MEAN/STD") from None
    return mean, std
