"""The values that pass between rooms, and the contracts that a user's own parts fill.

Nothing here imports torch or numpy: the contracts are described, not enforced by inheritance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Task = Literal["classification", "multilabel", "regression"]

Loss = Callable[..., "Tensor"]
"""`(outputs, targets)` -> one number per picture, or one number: the batch's own mean."""

Schedule = Callable[[float], float]
"""Progress in [0, 1] -> what the learning rate is multiplied by."""


class Examples(Protocol):
    """A data set: a length, and `(picture, target)` by index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Batch(NamedTuple):
    """Pictures that go through a model together.

    images: float [N, 3, H, W]; targets: [N] or [N, outputs]; mask: bool [N], False on padding; rows: int64 [N],
    which pictures of the data set they are, where that is known, those of the whole batch where processes share it.
    """

    images: Tensor
    targets: Tensor
    mask: Tensor
    rows: Tensor | None = None


@dataclass(frozen=True)
class Reached:
    """Where a training stands: in which epoch (from 1), after which step, of how many as it is planned now."""

    epoch: int
    epochs: float
    step: int
    steps: int

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return vars(self)


@dataclass(frozen=True)
class Event:
    """Something worth telling while a job runs; `total` is 0 where there is nothing to count, or, with
    something `done`, no end known. reached: where a training stood then; figures: after an epoch, those on the
    pictures for choices."""

    stage: str
    words: str
    done: int = 0
    total: int = 0
    reached: Reached | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """What a model says about one picture.

    For classification `label` is the likeliest class and `probability` its probability; `top` lists
    classes with probabilities, likeliest first. For multilabel `labels` holds every label whose
    probability is at least one half (`label` joins them). For regression `value` is the answer.
    `sure` is False where the model's probability stays under the bundle's threshold, and where the picture is
    `unlike` those that the model learned from: then nobody knows what its answer is worth.
    """

    label: str
    probability: float
    sure: bool
    top: tuple[tuple[str, float], ...] = field(default=())
    labels: tuple[str, ...] | None = None
    value: float | None = None
    unlike: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: the fields that the task gives a meaning."""
        if self.value is not None:
            return {"value": self.value, "unlike": self.unlike}
        facts: dict[str, Any] = {"label": self.label, "probability": self.probability, "sure": self.sure}
        facts["unlike"] = self.unlike
        if self.labels is not None:
            facts["labels"] = list(self.labels)
        facts["top"] = [[name, probability] for name, probability in self.top]
        return facts

    @property
    def doubt(self) -> str:
        """Why there is no relying on it, in words; "" where the model is sure."""
        if self.unlike:
            return "not sure: unlike the training pictures"
        return "" if self.sure else "not sure"

    def __str__(self) -> str:
        said = f"{self.value:.4g}" if self.value is not None else f"{self.label} {self.probability:.1%}"
        return f"{said} ({self.doubt})" if self.doubt else said
