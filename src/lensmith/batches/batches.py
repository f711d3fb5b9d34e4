"""Batches of a column: order and augmentation are a pure function of (seed, epoch, picture)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
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
        generator = generator_of(self.seed, epoch)
        order = torch.randperm(len(self.pixels if self.rows is None else self.rows), generator=generator)
        order = order if self.rows is None else self.rows[order]
        stored = len(self.pixels), (self.pixels.shape[1], self.pixels.shape[2])
        changes = Changes(self.augment, self.preprocess, stored, (self.seed, epoch), generator)
        for step in range(first, len(self)):
            index = order[step * self.batch_size : (step + 1) * self.batch_size]
            size = self.growth.size_at(epoch + step / len(self), self.preprocess.size)
            own, part = self._own(index)
            images = changes.values(resized(changes.cut(self.pixels, own), size), own)
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


class Changes:
    """What is drawn for each picture of one pass, by its number: wherever it lies, and whatever lies beside it.

    stored: how many pictures there are, and their (height, width); when: seed and epoch; generator: of the pass,
    after its order was drawn.
    """

    def __init__(
        self,
        augment: Augment,
        preprocess: Preprocess,
        stored: tuple[int, tuple[int, int]],
        when: tuple[int, int],
        generator: torch.Generator,
    ) -> None:
        self._augment, self._preprocess = augment, preprocess
        (count, full), (seed, epoch) = stored, when
        self._seeds = self._factors = self._centres = None
        if augment.transform is not None:
            self._seeds = torch.randint(2**62, (count,), generator=generator)
        else:
            self._draws = draw(augment, count, full, preprocess.size, generator)
            if augment.flip:
                drawn = torch.rand(count, generator=generator_of(seed, epoch, "mirror"))
                self._draws = replace(self._draws, mirrored=drawn < 0.5)
        if augment.colour:
            self._factors = draw_factors(augment.colour, count, generator_of(seed, epoch, "colour"))
        if augment.cutout:
            self._centres = draw_centres(count, generator_of(seed, epoch, "cutout"))

    def cut(self, pixels: Tensor, index: Tensor) -> Tensor:
        """int64 [B] and all pictures, uint8 [count, H, W, 3] -> those of `index`, uint8 [B, height, width, 3]."""
        if self._seeds is not None:
            return self.cut_block(pixels[index.to(pixels.device)], index)
        return windows(pixels, index, self._draws, self._preprocess.size)

    def cut_block(self, block: Tensor, index: Tensor) -> Tensor:
        """The same, where only these pictures are at hand: uint8 [B, H, W, 3]."""
        size, transform = self._preprocess.size, self._augment.transform
        if self._seeds is not None and transform is not None:
            return transformed(block, transform, self._seeds[index], size)
        return windows(block, torch.arange(len(block)), self._draws.of(index), size)

    def values(self, pixels: Tensor, index: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] -> what the network is given: float [B, 3, H, W]."""
        pixels = pixels if self._factors is None else recoloured(pixels, self._factors[index])
        made = normalised(pixels, self._preprocess)
        if self._centres is not None:
            cover(made, self._centres[index], self._augment.cutout)
        return made


def normalised(pixels: Tensor, preprocess: Preprocess) -> Tensor:
    """Values of 0 to 255, [N, H, W, 3] -> float32 [N, 3, H, W], in channels_last memory without a copy for it."""
    scale, offset = (torch.from_numpy(part).to(pixels.device) for part in preprocess.affine())
    return torch.addcmul(offset, pixels.to(torch.float32), scale).permute(0, 3, 1, 2)


def laid_out(images: Tensor, layout: str | None) -> Tensor:
    """Pictures as a network wants them in memory: as `normalised` gives them, or `contiguous`."""
    return images.contiguous() if layout == "contiguous" else images


def generator_of(seed: int, epoch: int, kind: str = "") -> torch.Generator:
    """Random numbers of one kind for one pass."""
    return torch.Generator().manual_seed(stream_seed(f"{seed} {epoch} {kind}".rstrip()))


def stream_seed(stream: str) -> int:
    """The seed of a stream of random numbers, by its name: those of neighbouring seeds and epochs must not overlap,
    so the name is hashed."""
    return int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8], "big") >> 1
