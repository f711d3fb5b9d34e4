"""Training pictures that are streamed from shards, since decoded they would fit neither the store nor the memory."""

from __future__ import annotations

import shutil
import time
from typing import cast

import numpy as np

from lensmith.batches.batches import Batches
from lensmith.batches.streamed import Streamed
from lensmith.data.cache import LIMIT, cache_folder
from lensmith.data.dataset import ImageDataset, Skipped
from lensmith.data.undecoded import Undecoded
from lensmith.errors import UsageError
from lensmith.machine.processes import Processes
from lensmith.pictures.decode import Pixels
from lensmith.pictures.preprocess import Preprocess
from lensmith.planning.plan import Plan
from lensmith.runs.recipe import Recipe
from lensmith.shards.member import Member
from lensmith.store.store import Column, is_stored

HELD = 1 << 30
"""Bytes of decoded pictures that memory has room for, whatever else is in it."""
_TIMED = 32


def store_or_stream(plan: Plan, train: ImageDataset, stored: Preprocess) -> Plan:
    """The plan, without the store where the pictures lie in shards and that would not hold them decoded.

    Raises `UsageError` for what cannot be done with streamed pictures.
    """
    if plan.recipe.store and _in_shards(train) and not is_stored(train, stored):
        size, room = _size(train, stored), _room()
        if size > room:
            reason = (
                f"decoded they take {size / 1e9:,.1f} GB, and the store has room for {room / 1e9:,.1f} GB"
            )
            plan = plan.choosing_again(f"{reason}: streamed from their shards", store=False)
    if plan.recipe.folds and is_streamed(plan.recipe, train, stored):
        raise UsageError(
            f"folds={plan.recipe.folds}, and the pictures are streamed from shards",
            hint="Folds need all of them decoded, in the store or in less than a gigabyte of memory.",
        )
    return plan


def is_streamed(recipe: Recipe, train: ImageDataset, stored: Preprocess) -> bool:
    """Whether a training reads its pictures anew in each pass: those in shards, without a store, that take more than
    a gigabyte. The same recipe and data say the same on every machine."""
    return not recipe.store and _in_shards(train) and _size(train, stored) > HELD


def undecoded_column(train: ImageDataset, stored: Preprocess) -> Column:
    """A column of all pictures, none of which is decoded yet."""
    pixels = cast(Pixels, Undecoded(train, stored))
    return Column(pixels, np.arange(len(train)), (), False)


def seconds_a_picture(column: Column) -> float:
    """How long decoding takes, by a few pictures."""
    pixels, few = cast(Undecoded, column.pixels), min(_TIMED, len(column.rows))
    began = time.perf_counter()
    _ = pixels.readable(np.arange(few))
    return (time.perf_counter() - began) / few


def share_of_batch(batch_size: int, processes: Processes) -> int:
    """Pictures of each process in a batch: shards are read by one process each. Raises `UsageError` where they would
    not be equally many."""
    if batch_size % processes.world_size:
        raise UsageError(
            f"batch_size={batch_size}: pictures that are streamed cannot be shared equally by "
            f"{processes.world_size} processes",
            hint=f"Take a multiple of {processes.world_size}.",
        )
    return batch_size // processes.world_size


def share_missed(batches: Batches | Streamed, processes: Processes) -> None:
    """Let all processes know of the pictures that one of them could not read."""
    if isinstance(batches, Streamed):
        for reasons in processes.said_by_each({str(row): why for row, why in batches.reasons.items()}):
            batches.reasons.update({int(row): why for row, why in reasons.items()})


def missed(batches: Batches | Streamed) -> tuple[Skipped, ...]:
    """The pictures that could not be read while they were streamed."""
    if isinstance(batches, Batches):
        return ()
    examples = batches.pixels.data.examples
    return tuple(Skipped(str(examples[row].source), why) for row, why in sorted(batches.reasons.items()))


def _in_shards(train: ImageDataset) -> bool:
    return bool(len(train)) and all(isinstance(example.source, Member) for example in train.examples)


def _size(train: ImageDataset, stored: Preprocess) -> int:
    return len(train) * stored.size[0] * stored.size[1] * 3


def _room() -> int:
    """Bytes that the store may take."""
    try:
        folder = cache_folder()
        while not folder.exists():
            folder = folder.parent
        return min(LIMIT, shutil.disk_usage(folder).free)
    except (OSError, UsageError):
        return 0
