"""Pictures of a batch mixed with each other, and their targets with them: mixup and cutmix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Mixing:
    """mixup, cutmix: alpha of the Beta distribution that shares are drawn from, 0 for off; of both, one a step.

    classes: how many there are, where targets are class indices.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    classes: int = 0

    @property
    def is_on(self) -> bool:
        """Whether anything is mixed."""
        return bool(self.mixup or self.cutmix)

    def mixed(
        self, images: Tensor, targets: Tensor, seed: int, part: tuple[int, int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Each picture with the one before it in the batch, at a share of its own.

        images: float [N, 3, H, W]; targets: class indices [N], which become shares of classes [N, classes], or
        0 and 1 [N, labels]. mixup (arXiv 1710.09412) blends; cutmix (arXiv 1905.04899) pastes a box. part: (first,
        count) where these are but some of a batch of `count`, from its picture `first` on: the one before comes in
        front of them, and does not come back.
        """
        if not self.is_on:
            return images, targets
        if targets.ndim == 1:
            targets = F.one_hot(targets, self.classes).to(torch.float32)
        (images, partners), (targets, others) = _with_partners(images, part), _with_partners(targets, part)
        first, count = part or (0, len(images))
        own = slice(first, first + len(images))
        random = np.random.default_rng(seed)
        pasted = random.random() < 0.5 if self.mixup and self.cutmix else bool(self.cutmix)
        alpha = self.cutmix if pasted else self.mixup
        kept = torch.from_numpy(random.beta(alpha, alpha, count).astype(np.float32))[own].to(images.device)
        if pasted:
            centres = torch.from_numpy(random.random((count, 2)).astype(np.float32))[own]
            images, kept = _pasted(images, partners, kept, centres.to(images.device))
        else:
            images = partners.lerp(images, kept[:, None, None, None])
        return images, others.lerp(targets, kept.to(targets.device)[:, None])


def _with_partners(rows: Tensor, part: tuple[int, int] | None) -> tuple[Tensor, Tensor]:
    """Rows, and before each of them the one that it is mixed with."""
    return (rows, rows.roll(1, 0)) if part is None else (rows[1:], rows[:-1])


def _pasted(images: Tensor, partners: Tensor, kept: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures with a box of their partners, and the share of its own that each has left.

    kept: float [N], wanted; centres: float [N, 2], of the boxes, as shares of the sides.
    """
    rows = _covered(centres[:, 0], kept, images.shape[2])
    columns = _covered(centres[:, 1], kept, images.shape[3])
    box = (rows[:, :, None] & columns[:, None, :])[:, None]
    left = 1 - rows.to(torch.float32).mean(1) * columns.to(torch.float32).mean(1)
    return torch.where(box, partners, images), left


def _covered(centres: Tensor, kept: Tensor, side: int) -> Tensor:
    """bool [N, side]: where boxes lie whose area would be what is not kept, were they not cut off at the edge."""
    length = (1 - kept).sqrt() * side
    first = (centres * side - length / 2).round()
    at = torch.arange(side, device=kept.device)
    return (at >= first[:, None]) & (at < (first + length.round())[:, None])
