"""What a training leaves beside the network's weights."""

from __future__ import annotations

from dataclasses import dataclass

from lensmith.evaluation.calibration import Unseen
from lensmith.features.linear import LinearHead
from lensmith.training.epochs import Trained
from lensmith.training.transfer import Seen

HEAD_ALONE = Trained("the last layer, fitted to features", [])


@dataclass(frozen=True)
class Learned:
    """trained: which weights were kept; choices: what was chosen on the way, with the reason.

    unseen: what is said of pictures that were not learned from, where there are some. seen: the features, where
    the last layer alone was trained, without a try. without: the last layer that knows of no decisions on pictures,
    where there are some and it costs next to nothing.
    """

    trained: Trained
    choices: dict[str, str]
    unseen: Unseen | None
    seen: Seen | None = None
    without: LinearHead | None = None
