"""Pictures -> embeddings, once."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lensmith.batches.batches import normalised
from lensmith.machine.processes import ALONE, Processes
from lensmith.pictures.decode import Pixels
from lensmith.pictures.preprocess import Preprocess
from lensmith.types import Event

Features = NDArray[np.float32]

_BATCH = 16
"""More at once are no faster, and their maps take half a gigabyte at 224 px."""


def embed(
    backbone: Callable[[Tensor], Tensor],
    pixels: Pixels,
    preprocess: Preprocess,
    *,
    device: str = "cpu",
    processes: Processes = ALONE,
) -> Generator[Event, None, Features]:
    """Prepared pictures, uint8 [N, H, W, 3] -> embeddings, float32 [N, D]; a generator of progress.

    `backbone` maps float images [B, 3, H, W] to [B, D] and is in eval mode. processes: which each take a share of the
    batches, and all get what one would have got.
    """
    found: dict[int, Features] = {}
    for number, start in enumerate(range(0, len(pixels), _BATCH)):
        if not processes.deals(number):
            continue
        with torch.inference_mode():
            part = np.ascontiguousarray(pixels[start : start + _BATCH])
            images = normalised(torch.from_numpy(part).to(device), preprocess)
            found[number] = backbone(images).float().cpu().numpy()
        done = min(start + _BATCH, len(pixels))
        if done < len(pixels):
            yield Event("features", "pictures", done, len(pixels))
    return np.concatenate(processes.gathered(found))
