"""`lensmith pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.cli.class_names import names_from
from lensmith.errors import UsageError

_IMAGENET = "0.485,0.456,0.406/0.229,0.224,0.225"


def pack(
    weights: Annotated[
        Path, typer.Argument(help="safetensors, a state_dict, or a pickled model.", metavar="WEIGHTS")
    ],
    model: Annotated[str, typer.Option(help="Its network: net.py:Net, or a name of torchvision or timm.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.lens or a folder.", metavar="FILE")],
    classes: Annotated[
        str,
        typer.Option(help="Class names in the order of the outputs: a,b,c or a .txt, .json or .csv file."),
    ] = "",
    size: Annotated[
        int | None, typer.Option(help="Height and width that the network takes [as published, else 224].")
    ] = None,
    resize: Annotated[int | None, typer.Option(help="Short side before a centre crop.")] = None,
    fit: Annotated[str | None, typer.Option(help="crop, pad or squish.")] = None,
    interpolation: Annotated[str | None, typer.Option(help="bilinear, bicubic, nearest or lanczos.")] = None,
    normalize: Annotated[
        str | None, typer.Option(help="imagenet, half, none, or MEAN/STD as 0.5,0.5,0.5/1,1,1.")
    ] = None,
    licence: Annotated[
        str, typer.Option(help="Licence of the weights, to be kept with them.", metavar="NAME")
    ] = "",
    task: Annotated[str, typer.Option(help="classification, multilabel or regression.")] = "classification",
) -> None:
    """A network that you have already becomes a bundle: predict, evaluate, export and serve work on it.

    Examples:

    \b
      lensmith pack net.pth --model net.py:Net --classes cat,dog --size 32 --normalize none -o pets.lens
      lensmith pack resnet.safetensors --model resnet18 --classes names.txt -o things.lens
    """
    from lensmith.cli.torch import require_torch

    require_torch("pack")
    from lensmith.bundle.pack import pack as make
    from lensmith.bundle.pack import preprocess_for

    if task not in ("classification", "multilabel", "regression"):
        raise UsageError(f"--task {task} is not one of classification, multilabel, regression")
    if not classes and task != "regression":
        raise UsageError(
            "nothing says what the outputs are called", hint="--classes cat,dog or --classes names.txt"
        )
    mean, std = (None, None) if normalize is None else _normal(normalize)
    names = [] if task == "regression" else names_from(classes)
    given = {"size": size, "fit": fit, "resize": resize, "interpolation": interpolation}
    preprocess, source = preprocess_for(model, weights, **given, mean=mean, std=std)
    bundle = make(weights, model, classes=names, preprocess=preprocess, task=task, licence=licence)  # type: ignore[arg-type]
    bundle.save(out)
    show.say(f"{out}: {bundle!r}")
    show.say(f"pictures are prepared {source}: {preprocess}")
    show.say(f"next: lensmith predict {out} PICTURE")


def _normal(word: str) -> tuple[list[float], list[float]]:
    words = {"imagenet": _IMAGENET, "half": "0.5,0.5,0.5/0.5,0.5,0.5", "none": "0,0,0/1,1,1"}.get(word, word)
    try:
        mean, std = ([float(number) for number in part.split(",")] for part in words.split("/"))
    except ValueError:
        raise UsageError(f"--normalize {word} is neither imagenet, half, none nor MEAN/STD") from None
    return mean, std
