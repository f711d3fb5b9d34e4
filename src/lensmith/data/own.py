"""Any object with `__len__` and `__getitem__(i) -> (picture, target)` -> `ImageDataset`."""

from __future__ import annotations

import functools
import math
import operator
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from lensmith.data.dataset import Example, ImageDataset, Item, Target
from lensmith.errors import DataError, UsageError
from lensmith.types import Task

Label = str | int | float | list[Any]


def read_examples(owner: Any, join: Callable[[Any], ImageDataset], task: Task | None = None) -> ImageDataset:
    """Somebody's own data set: its pictures stay where they are, its targets are read once.

    Targets are class names or indices, lists of labels, or numbers. `join` reads the parts of a concatenation.
    """
    if hasattr(owner, "dataset") and hasattr(owner, "batch_sampler"):
        raise UsageError(
            f"a {type(owner).__name__} gives batches, and single pictures are needed",
            hint="Give what it loads, loader.dataset; or go through the loader itself with lensmith.fit.",
        )
    if not hasattr(owner, "__len__") or not hasattr(owner, "__getitem__"):
        raise UsageError(
            f"a {type(owner).__name__} is no data set",
            hint="Give a folder, or an object with __len__ and __getitem__(i) -> (picture, target).",
        )
    if len(owner) == 0:
        raise DataError(f"{type(owner).__name__}: it is empty")
    parts = _parts(owner)
    if len(parts) > 1 and all(_class_list(part) is not None for part in parts):
        return functools.reduce(operator.add, map(join, parts))
    with warnings.catch_warnings():
        # A picture opened by Pillow and asked for its label alone is dropped unread, its file with it.
        warnings.simplefilter("ignore", ResourceWarning)
        labels = _labels(owner)
    found = task_of(labels, task)
    classes, targets = targets_of(type(owner).__name__, _class_list(owner), labels, found)
    examples = [Example(Item(owner, i), target) for i, target in enumerate(targets)]
    return ImageDataset(examples, classes, task=found, name=type(owner).__name__)


def task_of(labels: Sequence[Label], task: Task | None) -> Task:
    """What labels can be, where nobody said."""
    if any(isinstance(label, list) for label in labels):
        return "multilabel"
    numbers = any(isinstance(label, float) for label in labels)
    return task or ("regression" if numbers else "classification")


def targets_of(
    name: str, known: Sequence[Any] | None, labels: Sequence[Label], task: Task
) -> tuple[list[str], list[Target]]:
    """Class names, and what each label is by them. name: of the data; known: names of its indices, where it has some.

    Raises `DataError`.
    """
    if task == "regression":
        words = [label for label in labels if not isinstance(label, int | float)]
        if words:
            raise DataError(f"{name} has target {words[0]!r}, and the task is regression")
        return [], [float(label) for label in labels if isinstance(label, int | float)]
    for i, label in enumerate(labels):
        if not all(map(_is_index, label if isinstance(label, list) else [label])):
            raise DataError(
                f"{name}[{i}] has target {label!r}",
                hint=f"Targets of {task} are class names or indices, from 0 on.",
            )
    if task == "multilabel":
        rows, width = _rows_of_labels(labels)
        classes = _own_classes(name, known, [one for row in rows for one in row], width)
        index = {name: i for i, name in enumerate(classes)}
        return classes, [tuple(sorted({index[o] if isinstance(o, str) else o for o in row})) for row in rows]
    single, _ = _rows_of_labels(labels)
    classes = _own_classes(name, known, [one for row in single for one in row])
    index = {name: i for i, name in enumerate(classes)}
    return classes, [index[one] if isinstance(one, str) else one for (one,) in single]


def _rows_of_labels(labels: Sequence[Label]) -> tuple[list[list[str | int]], int]:
    """Names or indices of each picture, and of how many classes the rows themselves tell.

    Where all rows are equally long and of zeros and ones, they are marks, one a class; else indices.
    """
    rows = [label if isinstance(label, list) else [label] for label in labels]
    width = len(rows[0])
    if width > 1 and all(len(row) == width and set(row) <= {0, 1} for row in rows):
        return [[i for i, mark in enumerate(row) if mark] for row in rows], width
    return [[one if isinstance(one, str) else int(one) for one in row] for row in rows], 0


def _parts(owner: Any) -> list[Any]:
    """What torch's ConcatDataset joins, however nested: it knows indices alone, we join by class name."""
    concatenation = getattr(sys.modules.get("torch.utils.data"), "ConcatDataset", None)
    if type(owner) is not concatenation:
        return [owner]
    return [part for joined in owner.datasets for part in _parts(joined)]


def _class_list(owner: Any) -> Any:
    """The names that a data set has for its indices; torch's Subset leaves them with what it is a part of."""
    while not hasattr(owner, "classes") and hasattr(owner, "dataset"):
        owner = owner.dataset
    return getattr(owner, "classes", None)


def _labels(owner: Any) -> list[Label]:
    """Every target. `owner.targets` spares reading the pictures, where it says the same as `owner[i]`."""
    count = len(owner)
    listed = getattr(owner, "targets", None)
    if listed is not None and len(listed) == count and getattr(owner, "target_transform", None) is None:
        labels = [_label(owner, i, (None, listed[i])) for i in range(count)]
        if all(labels[i] == _label(owner, i, _row(owner, i)) for i in {0, count // 2, count - 1}):
            return labels
    return [_label(owner, i, _row(owner, i)) for i in range(count)]


def _row(owner: Any, index: int) -> Any:
    try:
        return owner[index]
    except OSError as error:
        raise DataError(
            f"{type(owner).__name__}[{index}] cannot be read ({error})",
            hint="Leave it out of the data set: without it, nothing tells its target.",
        ) from error


def _label(owner: Any, index: int, row: Any) -> Label:
    name = f"{type(owner).__name__}[{index}]"
    if not isinstance(row, tuple | list) or len(row) != 2:
        raise DataError(f"{name} is not (picture, target) but {type(row).__name__}")
    label = row[1].tolist() if hasattr(row[1], "tolist") else row[1]
    if isinstance(label, list) and getattr(row[1], "shape", None) == (1,):
        label = label[0]  # an array of one number is that number
    label = list(label) if isinstance(label, tuple | set) else label
    if not (isinstance(label, str | list) or (isinstance(label, int | float) and math.isfinite(label))):
        raise DataError(
            f"{name} has target {label!r}",
            hint="Targets are class names, indices, lists of them, or numbers.",
        )
    return label


def _is_index(one: Any) -> bool:
    return isinstance(one, str) or (isinstance(one, int | float) and one >= 0 and one == one // 1)


def _own_classes(
    name: str, known: Sequence[Any] | None, labels: Sequence[str | int], least: int = 0
) -> list[str]:
    words = sorted({label for label in labels if isinstance(label, str)})
    if words and any(not isinstance(label, str) for label in labels):
        raise DataError(f"{name} mixes names and indices as targets", hint="Use one of the two.")
    if words:
        return words
    highest = max((int(label) for label in labels), default=0)
    highest = max(highest, least - 1)
    if known is not None and len(known) > highest:
        return [str(word) for word in known]
    return [str(i) for i in range(highest + 1)]
