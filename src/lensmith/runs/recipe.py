"""`Recipe`: every number and word that decides a training, in one flat value, TOML in and out."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lensmith.errors import UsageError
from lensmith.runs.fields import AUTO, require_field, require_value, seconds_of
from lensmith.runs.files import write_text
from lensmith.types import Task

OPTIONAL = (
    *("root", "group_by", "splits", "decisions", "budget", "max_error", "from_run", "weights"),
    *("preprocess", "augment", "changes", "checkpoint_every", "penalty"),
)
"""Fields that may stay without a value."""

OF_A_PICTURE = ("crop", "colour", "cutout")
OF_A_BATCH = ("mixup", "cutmix")
"""Changes of training pictures that are made only where they are asked for."""


@dataclass(frozen=True)
class Recipe:
    """What to train and how. A field left at None is chosen from the data, and the choice is written down.

    model, loss, optimizer, schedule, preprocess and augment may also be `file.py:name`; `own` stands for an
    object that was given in Python. The comment line under a field is its help text.
    """

    model: str | None = None
    """A name of ours (convnet), of torchvision or timm, or file.py:function"""
    root: str | None = None
    """Folder of your own copy of a named data set, such as torchvision:CIFAR10"""
    group_by: str | None = None
    """What pictures share that no split may part: a column, folder, or a pattern of names such as {}_frame*"""
    splits: str | None = None
    """A file of splits, as RUN/splits.csv, that says where each picture goes"""
    drop_leaks: bool = False
    """Leave pictures out of the training that are, or whose group is, in a later split too"""
    decisions: str | None = None
    """A file of decisions, as the page of lensmith inspect --html saves it: pictures to drop or relabel"""
    task: Task | None = None
    """classification, multilabel or regression"""
    budget: str | None = None
    """Time to spend, such as 90s, 2m or 1h30m"""
    pretrained: bool | None = None
    """Start from trained weights of this network"""
    freeze: bool | None = None
    """Leave the trained part as it is and fit a linear head to its features"""
    choice_fraction: float | None = None
    """Share of the training pictures held back for choices: whether fine-tuning pays, how sure an answer is"""
    max_error: float | None = None
    """Share of the answers given that may be wrong; of the others the model says that it is not sure"""
    from_run: str | None = None
    """Written from=RUN: a run, its model/ or a .lens to go on from, its classes matched by name"""
    weights: str | None = None
    """A file of weights to start from, in the place of the published ones"""
    loss: Literal["cross_entropy", "binary_cross_entropy", "mse", "l1"] | str | None = None
    """cross_entropy, binary_cross_entropy, mse or l1"""
    epochs: float | None = None
    """Passes over the training pictures"""
    batch_size: int | None = None
    """Pictures in one step"""
    lr: float | None = None
    """Learning rate at its highest"""
    optimizer: Literal["muon", "sgd", "adam", "adamw"] | str | None = None
    """muon (filters), sgd, adam or adamw"""
    momentum: float = 0.9
    """Momentum of sgd"""
    weight_decay: float = 0.01
    """Weight decay; not applied to biases and norms"""
    penalty: float | None = None
    """L2 penalty of a last layer that is fitted to features; chosen in folds of the training pictures if not given"""
    schedule: Literal["constant", "linear", "step", "cosine", "onecycle", "plateau"] | str | None = None
    """How the rate goes over the run: constant, linear (to 0), step, cosine, onecycle or plateau"""
    warmup: float = 0.0
    """Share of the run over which the rate rises from 0"""
    label_smoothing: float = 0.1
    """Share of each target spread over all classes"""
    image_size: int | None = None
    """Height and width, in pixels, of what the model sees"""
    fit: Literal["crop", "pad", "squish"] | None = None
    """How a picture of another shape is made square: crop, pad or squish"""
    normalize: Literal["none", "half", "imagenet", "pretrained", "own"] | None = None
    """Values that the model sees: none (0 to 1), half (-1 to 1), imagenet, or as it was pretrained"""
    preprocess: str | None = None
    """A Preprocess or torchvision's transforms of your own, in the place of image_size, fit and normalize"""
    augment: str | None = None
    """torchvision's transforms of your own for training pictures, in the place of flip, shift, crop and colour"""
    flip: bool | None = None
    """Mirror training pictures at random; off where left and right carry meaning"""
    shift: float | None = None
    """Random shift of training pictures, as a share of their side"""
    crop: float = 0.0
    """Least share of its area that a training picture shows at full size, such as 0.35; 0 for the whole"""
    colour: float = 0.0
    """Strength of random brightness, contrast and saturation, 0 to 1"""
    cutout: float = 0.0
    """Side of a square that is covered in each training picture, as a share of its side"""
    mixup: float = 0.0
    """Blend training pictures two by two: alpha of the Beta distribution of their shares; 0 for off"""
    cutmix: float = 0.0
    """Paste a box of one training picture into another: alpha as for mixup; 0 for off"""
    small_first: float | None = None
    """Share of the run in which pictures are smaller, growing to their full size"""
    val_fraction: float = 0.2
    """Share held out where the data bring no split of their own"""
    test_fraction: float = 0.0
    """Share held out as test beside it; choices are then made on val"""
    folds: int = 0
    """Models that are trained besides, each measured on the part of the pictures that it did not see; 0 for none"""
    store: bool = True
    """Keep decoded pictures in the cache folder"""
    threads: int | None = None
    """Threads that compute on the CPU, in each process"""
    processes: int | None = None
    """Processes that train together, each on its share of every batch; torchrun starts them"""
    precision: Literal["float32", "bfloat16"] | None = None
    """Arithmetic of the training"""
    layout: Literal["channels_last", "contiguous"] | None = None
    """How maps lie in memory: channels_last, the fastest for convolutions, or contiguous"""
    changes: str | None = None
    """What changed on the way of the run that this one repeats, as it was written: step:threads=1 step:epochs=2.5"""
    accumulate: int = 1
    """Parts that a batch is computed in, one after the other, for less memory"""
    average: float = 0.0
    """Share that a running mean of the weights, which is kept in their place, keeps at a step, as 0.999; 0 for off"""
    patience: int = 0
    """Epochs without a better one on val after which the training ends; 0 for off"""
    checkpoint_every: str | None = None
    """Time between two checkpoints, such as 30s or 10m, or off; from 15 s on, by what they cost, if not given"""
    keep: Literal["best", "last", "all"] = "best"
    """Weights to keep: those of the best epoch on val where test is held out, the last, or all"""
    log_every: int = 20
    """Steps between two points of TensorBoard's loss curve"""
    histograms: int = 0
    """Steps between two histograms of the weights in TensorBoard; 0 for none"""
    seed: int = 0
    """Decides order, augmentation, first weights and split"""
    seeds: int = 1
    """Trainings by this and the following seeds, same split; the first is kept, all tell the spread of the figure"""
    device: str | None = None
    """cpu, cuda, cuda:1 or mps"""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            require_value(type(self), field.name, getattr(self, field.name))
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"{name}={value} is outside {low} to {high}")
        if self.budget is not None:
            seconds_of(self.budget)
        if self.checkpoint_every not in (None, "off"):
            seconds_of(self.checkpoint_every, "checkpoint_every")
        if self.folds == 1:
            raise UsageError(
                "folds=1: a model needs other pictures to learn from", hint="Say folds=5, or leave it."
            )
        if not self.folds and self.val_fraction + self.test_fraction > _MOST_HELD_OUT:
            raise UsageError(
                f"val_fraction={self.val_fraction:g} and test_fraction={self.test_fraction:g} leave too few to learn "
                f"from: {_MOST_HELD_OUT:g} together is the most"
            )

    def changed(self, **fields: Any) -> Recipe:
        """The same recipe with some fields set, `"auto"` to choose; an unknown name suggests the nearest."""
        for name in fields:
            require_field(Recipe, name)
        said: dict[str, Any] = {
            name: None if isinstance(v, str) and v == AUTO else v for name, v in fields.items()
        }
        return dataclasses.replace(self, **said)

    def varied(self, **fields: Any) -> Recipe:
        """As `changed`, for a person who varies a run's recipe: what its clock made of it does not outlive the time
        or the steps that it was made for."""
        if self.changes is not None and any(fields.get(name) is not None for name in _COURSE):
            fields.setdefault("changes", None)
            if fields.get("budget") is not None:
                fields.setdefault("epochs", None)
        return self.changed(**fields)

    def unset(self) -> list[str]:
        """Names of the fields that are still to be chosen (a budget need not be)."""
        return [
            f.name
            for f in dataclasses.fields(self)
            if getattr(self, f.name) is None and f.name not in OPTIONAL
        ]

    def asked(self, names: Iterable[str]) -> str:
        """Those of some fields that are on, as `name=value, ...`; "" for none."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in names if getattr(self, name))

    def as_toml(self) -> str:
        """One `name = value` a line, in the order of the fields."""
        lines = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and field.name in OPTIONAL:
                continue
            # JSON's strings, numbers and booleans are TOML's too.
            lines.append(f"{field.name} = {json.dumps(AUTO if value is None else value, ensure_ascii=False)}")
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> None:
        """Write the TOML form."""
        write_text(path, self.as_toml())


_MOST_HELD_OUT = 0.9
_COURSE = ("budget", "epochs", "batch_size", "threads", "processes", "device")
"""What decides how many steps there are and how they are made."""
_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("epochs", 0, 1_000_000),
    ("batch_size", 1, 1_000_000),
    ("lr", 0, 1_000),
    ("momentum", 0, 1),
    ("warmup", 0, 0.9),
    *((name, 1.0, 4096.0) for name in ("threads", "processes", "accumulate")),
    ("average", 0, 0.999999),
    ("patience", 0, 1_000_000),
    ("log_every", 1, 1_000_000),
    ("histograms", 0, 1_000_000),
    ("weight_decay", 0, 100),
    ("penalty", 1e-6, 100),
    ("label_smoothing", 0, 0.99),
    ("image_size", 4, 4096),
    ("shift", 0, 0.5),
    *((name, 0, 1) for name in OF_A_PICTURE),
    ("mixup", 0, 100),
    ("cutmix", 0, 100),
    ("small_first", 0, 0.9),
    ("val_fraction", 0.01, 0.9),
    ("test_fraction", 0, 0.9),
    ("folds", 0, 100),
    ("choice_fraction", 0, 0.5),
    ("max_error", 0.0001, 0.5),
    ("seed", 0, 2**63 - 1),
    ("seeds", 1, 30),
)


RECIPES: dict[str, dict[str, Any]] = {
    "tutorial": {
        "model": "tutorial_net",
        "image_size": 32,
        "fit": "squish",
        "normalize": "none",
        "epochs": 10.0,
        "batch_size": 64,
        "optimizer": "sgd",
        "lr": 0.01,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "schedule": "constant",
        "label_smoothing": 0.0,
        "flip": False,
        "shift": 0.0,
        "choice_fraction": 0.0,
    },
    "scratch": {"pretrained": False},
    "transfer": {"model": "efficientnet_lite0", "pretrained": True},
    "fast": {"epochs": 4.0},
}
"""What `--recipe NAME` stands for: the fields that it sets."""


def named_recipe(word: str | Path) -> Recipe:
    """A recipe by name, or from a TOML file."""
    if str(word) in RECIPES and not Path(word).exists():
        return Recipe().changed(**RECIPES[str(word)])
    if not Path(word).exists() and Path(word).suffix != ".toml":
        near = difflib.get_close_matches(str(word), RECIPES, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(RECIPES)}, or a recipe.toml."
        raise UsageError(f"no recipe is called '{word}'", hint=hint)
    return read_recipe(Path(word))


def read_recipe(path: Path) -> Recipe:
    """A recipe from a TOML file as `Recipe.write` makes it; `"auto"` leaves a field to be chosen."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows editors put a mark in front
    except OSError as error:
        raise UsageError(f"{path}: no recipe can be read there ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a TOML file ({error})") from error
    return Recipe().changed(**table)
