"""What a training leaves beside the network's weights."""

from __future__ import annotations

from dataclasses import dataclass

from lensmith.evaluation.calibration import Unseen
from lensmith.training.epochs import Trained
from lensmith.training.transfer import Seen

HEAD_ALONE = Trained("the last layer, fitted to features", [])


@dataclass(frozen=True)
class Learned:
    """trained: which weights were kept; choices: what was chosen on the way, with the reason.

    unseen: what is said of pictures that were not learned from, where there are some. seen: the features, where
    the last layer alone was trained, without a try.
    """

    trained: Trained
    choices: dict[str, str]
    unseen: Unseen | None
    seen: Seen | None = None
