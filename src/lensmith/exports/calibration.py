"""The pictures that 8 bits are fitted to and that their loss is measured on: never those held out."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.measure import targets_of
from lensmith.data.by_recipe import load_by_recipe
from lensmith.data.dataset import ImageDataset
from lensmith.errors import DataError, LensmithError, UsageError
from lensmith.pictures.decode import Pixels
from lensmith.runs.directory import RunDirectory, find_run
from lensmith.runs.predictions import read_predictions
from lensmith.store.store import open_column
from lensmith.types import Event

_FITTED, _KEPT = 512, 2000


@dataclass(frozen=True)
class Calibration:
    """Training pictures, as the network sees them, uint8 [N, H, W, 3].

    pixels: those that scales are found on; kept, targets: others, that the loss is measured on; where: which.
    """

    pixels: Pixels
    kept: Pixels
    targets: NDArray[Any]
    where: str


def calibration_of_run(bundle: Bundle, word: str | Path) -> Generator[Event, None, Calibration]:
    """From the pictures that a run learned from, where they still lie there. Raises `UsageError` where not."""
    hint = "Name labelled training pictures with --calibrate DATA."
    try:
        run: RunDirectory = find_run(word)
        source, recipe = run.facts()["data"]["source"], run.recipe()
        _, roles = load_by_recipe(source, recipe)
    except (LensmithError, KeyError) as error:
        raise UsageError(
            f"8 bits are fitted to training pictures, and {word} leads to none", hint=hint
        ) from error
    measured = read_predictions(run.predictions_file)
    held_out = frozenset() if measured.out_of_fold else frozenset(measured.ids.tolist())
    return (yield from calibration_from(bundle, roles.train, roles.choice, held_out))


def calibration_from(
    bundle: Bundle,
    train: ImageDataset,
    choice: ImageDataset | None = None,
    held_out: frozenset[str] = frozenset(),
) -> Generator[Event, None, Calibration]:
    """Pictures to calibrate on from `train`; to measure the loss, from `choice`, else others from `train`.

    held_out: sha256 of pictures that must not be looked at. Raises `DataError` where too few are left.
    """
    order = np.random.default_rng(0).permutation(len(train)).tolist()
    most = min(_FITTED, max(1, len(order) // 2))
    pixels, _ = yield from _prepared(bundle, train, order[:most], held_out)
    source, rest = (train, order[most:]) if choice is None else (choice, list(range(len(choice))))
    kept, targets = yield from _prepared(bundle, source, rest[:_KEPT], held_out)
    where = "training pictures that 8 bits were not fitted to" if choice is None else "validation pictures"
    return Calibration(pixels, kept, targets, where)


def _prepared(
    bundle: Bundle, data: ImageDataset, rows: list[int], held_out: frozenset[str]
) -> Generator[Event, None, tuple[Pixels, NDArray[Any]]]:
    part = data.with_examples([data.examples[row] for row in rows])
    allowed = [example for example, word in zip(part.examples, part.ids, strict=True) if word not in held_out]
    if not allowed:
        raise DataError(f"{data.name}: too few training pictures for 8 bits, {len(data)}")
    part = part.with_examples(allowed)
    column = yield from open_column(part, bundle.preprocess, store=False)
    return np.asarray(column.pixels), targets_of(bundle, column.matching(part))
