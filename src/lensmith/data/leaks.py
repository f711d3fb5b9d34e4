"""Pictures of two splits that should not know of each other, left out of the earlier one."""

from __future__ import annotations

from lensmith.data.bonds import bonds
from lensmith.data.dataset import SPLITS, ImageDataset, Skipped


def without_leaks(data: ImageDataset) -> ImageDataset:
    """The data without the pictures of train and val that a later split holds too, or whose group is in one.

    They are among the skipped, with the reason; what is measured stays as it is.
    """
    reasons: dict[int, str] = {}
    for bond in bonds(data):
        numbers = {row: SPLITS.index(data.examples[row].split) for row in bond.rows}
        last = max(numbers, key=numbers.__getitem__)
        for row, number in numbers.items():
            if number < numbers[last]:
                reasons[row] = f"left out of {SPLITS[number]}: {_why(data, row, last)}"
    kept = data.with_examples([e for row, e in enumerate(data.examples) if row not in reasons])
    left_out = [Skipped(str(data.examples[row].source), reason) for row, reason in reasons.items()]
    return ImageDataset(
        kept.examples,
        data.classes,
        task=data.task,
        name=data.name,
        skipped=(*data.skipped, *left_out),
        notes=data.notes,
    )


def _why(data: ImageDataset, row: int, other: int) -> str:
    one, later = data.examples[row], data.examples[other]
    if data.ids[row] == data.ids[other]:
        return f"{later.split} holds the same picture, {later.source}"
    if one.group and one.group == later.group:
        return f"{later.split} holds pictures of its group, {one.group}"
    return f"{later.split} holds a copy of it, or of another of its group"
