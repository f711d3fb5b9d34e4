"""Batches of a column: order and augmentation are a pure function of (seed, epoch, picture)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lensmith.data.augment import Augment, draw, transformed, windows
from lensmith.data.preprocess import Preprocess
from lensmith.types import Batch


@dataclass(frozen=True)
class Batches:
    """`batches(epoch)` iterates one pass; the same seed and epoch give the same batches.

    pixels: uint8 [N, H, W, 3], on the device that trains; targets: [N] or [N, outputs]; rows: int64, which of
    them take part, all if not given.
    In training the order is drawn and the last ragged batch dropped (unless it is the only one).
    """

    pixels: Tensor
    targets: Tensor
    preprocess: Preprocess
    batch_size: int
    augment: Augment
    seed: int = 0
    layout: str = "channels_last"
    rows: Tensor | None = None

    def __len__(self) -> int:
        count = len(self.pixels) if self.rows is None else len(self.rows)
        return max(1, count // self.batch_size)

    def __call__(self, epoch: int) -> Iterator[Batch]:
        """The batches of one pass, made as they are asked for."""
        generator = torch.Generator().manual_seed(_seed(self.seed, epoch))
        order = torch.randperm(len(self.pixels if self.rows is None else self.rows), generator=generator)
        order = order if self.rows is None else self.rows[order]
        changed = self._changes(epoch, generator)
        for start in range(len(self)):
            index = order[start * self.batch_size : (start + 1) * self.batch_size]
            pixels = changed(index)
            targets = self.targets[index.to(self.targets.device)]
            images = laid_out(normalised(pixels, self.preprocess), self.layout)
            yield Batch(images, targets, torch.ones(len(index), dtype=torch.bool))

    def _changes(self, epoch: int, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
        """What is drawn for each picture in this pass: int64 [B], indices -> their pictures, uint8."""
        count, size, transform = len(self.pixels), self.preprocess.size, self.augment.transform
        if transform is not None:
            seeds = torch.randint(2**62, (count,), generator=generator)
            return lambda index: transformed(
                self.pixels[index.to(self.pixels.device)], transform, seeds[index], size
            )
        draws = draw(self.augment, count, (self.pixels.shape[1], self.pixels.shape[2]), size, generator)
        if self.augment.flip:
            # Each picture is seen from both sides in turn: of two passes, none shows it twice the same way.
            first = torch.rand(count, generator=torch.Generator().manual_seed(_seed(self.seed, -1))) < 0.5
            draws = replace(draws, mirrored=first ^ bool(epoch % 2))
        return lambda index: windows(self.pixels, index, draws, size)


def normalised(pixels: Tensor, preprocess: Preprocess) -> Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, H, W], in channels_last memory without a copy for the layout."""
    scale, offset = (torch.from_numpy(part).to(pixels.device) for part in preprocess.affine())
    return torch.addcmul(offset, pixels.to(torch.float32), scale).permute(0, 3, 1, 2)


def laid_out(images: Tensor, layout: str | None) -> Tensor:
    """Pictures as a network wants them in memory: as `normalised` gives them, or `contiguous`."""
    return images.contiguous() if layout == "contiguous" else images


def _seed(seed: int, epoch: int) -> int:
    """Streams of neighbouring seeds and epochs must not overlap, so they are hashed."""
    return int.from_bytes(hashlib.sha256(f"{seed} {epoch}".encode()).digest()[:8], "big") >> 1
