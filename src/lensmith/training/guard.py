"""Watches for steps that cannot be made: a gradient that is no number, a batch that the memory is too small for."""

from __future__ import annotations

from lensmith.errors import DataError
from lensmith.fitting.fit import Step
from lensmith.planning.changes import Change
from lensmith.training.prepare import Prepared

_ON_END = 5
"""Steps without a finite gradient, one after the other, after which there is no hope in the next."""
_NAMED = 8


class Guard:
    """Looks at each step. parts: in how many the batches are computed so far."""

    def __init__(self, prepared: Prepared, parts: int) -> None:
        self._prepared = prepared
        self._parts = parts
        self._on_end = 0
        self._seen = 0
        self._last: Step | None = None

    def left_out(self, step: Step) -> str:
        """That a step was left out, in words; "" where it was made. Raises `DataError` where nothing else happens."""
        self._on_end = 0 if step.made else self._on_end + 1
        self._seen, self._last = self._seen + 1, step
        if step.made:
            return ""
        if self._on_end < _ON_END:
            return (
                f"step {step.index}: left out, its gradient is no finite number (loss {float(step.loss):.4g})"
            )
        raise self._hopeless(step)

    def require_some(self) -> None:
        """Raise `DataError` where a training is over and all of its few steps were left out."""
        if self._last is not None and self._on_end == self._seen:
            raise self._hopeless(self._last)

    def more_parts(self, step: Step) -> Change | None:
        """That a batch had to be computed in more parts, as a change that a repeat follows."""
        before, self._parts = self._parts, step.parts
        if step.parts <= before:
            return None
        words = f"step {step.index}: the memory is too small for a batch at once; going on with {step.parts} parts"
        return Change(step.index - 1, "accumulate", step.parts, words)

    def _hopeless(self, step: Step) -> DataError:
        return DataError(
            f"step {step.index}: for {self._on_end} steps on end the gradient is no finite number; the last one "
            f"saw {self._files(step)}",
            hint=f"Try a lower lr than {self._prepared.plan.recipe.lr}, and look at these pictures and at a loss of "
            "your own. The weights before them are kept.",
        )

    def _files(self, step: Step) -> str:
        if step.rows is None:
            return "pictures whose names are not known"
        train = self._prepared.column.matching(self._prepared.roles.train)
        names = [str(train.examples[row].source) for row in step.rows.tolist()]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + more
