"""What is measured has to be learnt."""

from __future__ import annotations

from collections.abc import Mapping

from lensmith.errors import DataError


def require_learnt(learnt: Mapping[str, int], measured: Mapping[str, int], split: str, place: str) -> None:
    """Raise `DataError` for a class that has pictures in a split and none to learn from.

    learnt, measured: pictures of each class, in train and in the split; place: the data, or the file that made it so.
    """
    for name, count in measured.items():
        if count and not learnt.get(name):
            raise DataError(
                f"{place}: class '{name}' is in {split} but not in train",
                hint="Classes are matched by name; train has "
                f"{', '.join(sorted(name for name, count in learnt.items() if count)) or 'none'}.",
            )
