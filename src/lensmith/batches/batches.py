"""Batches of a column: order and augmentation are a pure function of (seed, epoch, picture)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lensmith.batches.augment import Augment, draw, transformed, windows
from lensmith.batches.colour import draw_factors, recoloured
from lensmith.batches.cutout import cover, draw_centres
from lensmith.batches.growth import Growth
from lensmith.batches.mixing import Mixing
from lensmith.machine.processes import ALONE, Processes
from lensmith.pictures.preprocess import Preprocess
from lensmith.pictures.resample import resized
from lensmith.types import Batch


@dataclass(frozen=True)
class Batches:
    """`batches(epoch)` iterates one pass; the same seed and epoch give the same batches. `batches(epoch, first)`
    begins with the batch of that number.

    pixels: uint8 [N, H, W, 3], on the device that trains; targets: [N] or [N, outputs]; rows: int64, which of
    them take part, all if not given. processes: of each batch, a process makes its own share alone; one and all
    make the same pictures.
    In training the order is drawn and the last ragged batch dropped (unless it is the only one). Whatever is off
    draws nothing, and each kind of change has random numbers of its own: turning one on leaves the others alone.
    """

    pixels: Tensor
    targets: Tensor
    preprocess: Preprocess
    batch_size: int
    augment: Augment
    seed: int = 0
    layout: str = "channels_last"
    mixing: Mixing = field(default_factory=Mixing)
    growth: Growth = field(default_factory=Growth)
    rows: Tensor | None = None
    processes: Processes = ALONE

    def __len__(self) -> int:
        count = len(self.pixels) if self.rows is None else len(self.rows)
        return max(1, count // self.batch_size)

    def __call__(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of one pass, made as they are asked for."""
        generator = self._generator(epoch)
        order = torch.randperm(len(self.pixels if self.rows is None else self.rows), generator=generator)
        order = order if self.rows is None else self.rows[order]
        changed, coloured = self._changes(epoch, generator), self._colours(epoch)
        for step in range(first, len(self)):
            index = order[step * self.batch_size : (step + 1) * self.batch_size]
            size = self.growth.size_at(epoch + step / len(self), self.preprocess.size)
            own, part = self._own(index)
            images = coloured(resized(changed(own), size), own)
            targets = self.targets[own.to(self.targets.device)]
            images, targets = self.mixing.mixed(
                images, targets, stream_seed(f"{self.seed} {epoch} mixing {step}"), part
            )
            mask = torch.ones(len(images), dtype=torch.bool)
            yield Batch(laid_out(images, self.layout), targets, mask, index)

    def _own(self, index: Tensor) -> tuple[Tensor, tuple[int, int] | None]:
        """This process's share of a batch; and which part it is, where one more comes in front to be mixed with."""
        if not self.processes.are_several:
            return index, None
        share = self.processes.share(len(index))
        if not self.mixing.is_on or share.start == share.stop:
            return index[share], None
        return torch.cat([index[share.start - 1 : share.start or None], index[share]]), (
            share.start,
            len(index),
        )

    def work(self, step: int) -> float:
        """The pixels of the pictures of a step, from 1 over all passes, as a share of those at full size."""
        full = self.preprocess.size
        height, width = self.growth.size_at((step - 1) / len(self), full)
        return height * width / (full[0] * full[1])

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
            draws = replace(
                draws, mirrored=torch.rand(count, generator=self._generator(epoch, "mirror")) < 0.5
            )
        return lambda index: windows(self.pixels, index, draws, size)

    def _colours(self, epoch: int) -> Callable[[Tensor, Tensor], Tensor]:
        """What is drawn for the values of each picture in this pass: uint8 [B, H, W, 3], indices -> images."""
        count, augment = len(self.pixels), self.augment
        factors = centres = None
        if augment.colour:
            factors = draw_factors(augment.colour, count, self._generator(epoch, "colour"))
        if augment.cutout:
            centres = draw_centres(count, self._generator(epoch, "cutout"))

        def images(pixels: Tensor, index: Tensor) -> Tensor:
            pixels = pixels if factors is None else recoloured(pixels, factors[index])
            made = normalised(pixels, self.preprocess)
            if centres is not None:
                cover(made, centres[index], augment.cutout)
            return made

        return images

    def _generator(self, epoch: int, kind: str = "") -> torch.Generator:
        return torch.Generator().manual_seed(stream_seed(f"{self.seed} {epoch} {kind}".rstrip()))


def normalised(pixels: Tensor, preprocess: Preprocess) -> Tensor:
    """Values of 0 to 255, [N, H, W, 3] -> float32 [N, 3, H, W], in channels_last memory without a copy for it."""
    scale, offset = (torch.from_numpy(part).to(pixels.device) for part in preprocess.affine())
    return torch.addcmul(offset, pixels.to(torch.float32), scale).permute(0, 3, 1, 2)


def laid_out(images: Tensor, layout: str | None) -> Tensor:
    """Pictures as a network wants them in memory: as `normalised` gives them, or `contiguous`."""
    return images.contiguous() if layout == "contiguous" else images


def stream_seed(stream: str) -> int:
    """The seed of a stream of random numbers, by its name: those of neighbouring seeds and epochs must not overlap,
    so the name is hashed."""
    return int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8], "big") >> 1
