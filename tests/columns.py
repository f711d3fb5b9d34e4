"""Columns opened to the end, and compared."""

from __future__ import annotations

import numpy as np

from lensmith.data.dataset import ImageDataset
from lensmith.pictures.preprocess import Preprocess
from lensmith.store.store import Column, open_column
from lensmith.types import Event

STEPS = Preprocess(16)


def opened(data: ImageDataset, preprocess: Preprocess = STEPS, *, store: bool = True) -> Column:
    going = open_column(data, preprocess, store=store)
    while True:
        try:
            event = next(going)
            assert isinstance(event, Event)
            assert event.done < event.total == len(data)
        except StopIteration as done:
            column: Column = done.value
            return column


def same(one: Column, other: Column) -> bool:
    return (
        (np.asarray(one.pixels) == np.asarray(other.pixels)).all()
        and one.rows.tolist() == other.rows.tolist()
        and one.skipped == other.skipped
    )
