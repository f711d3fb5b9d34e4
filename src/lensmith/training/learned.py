"""What a training leaves beside the network's weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.calibration import Unseen
from lensmith.features.linear import LinearHead
from lensmith.store.store import Column
from lensmith.training.epochs import Trained
from lensmith.training.prepare import Prepared
from lensmith.training.transfer import Seen

HEAD_ALONE = Trained("the last layer, fitted to features", [])


@dataclass(frozen=True)
class Learned:
    """trained: which weights were kept; choices: what was chosen on the way, with the reason.

    unseen: what is said of pictures that were not learned from, where there are some. seen: the features, where
    the last layer alone was trained, without a try. without: the last layer that knows of no decisions on pictures,
    where there are some and it costs next to nothing. apart: pictures that were not learned from, as measuring sees
    them; held_back: which rows of the training column they are, if any.
    """

    trained: Trained
    choices: dict[str, str]
    unseen: Unseen | None
    seen: Seen | None = None
    without: LinearHead | None = None
    apart: Column | None = None
    held_back: tuple[int, ...] = ()


def with_apart(learned: Learned, part: Prepared, left_out: NDArray[np.bool_] | None) -> Learned:
    """The same with the pictures that choices were made on. left_out: bool [N], those held back for them."""
    held_back = () if left_out is None else tuple(np.flatnonzero(left_out).tolist())
    return replace(learned, apart=part.choice, held_back=held_back)
