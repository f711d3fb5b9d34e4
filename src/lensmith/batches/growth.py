"""Progressive resizing: a training begins with small pictures and ends with those of full size."""

from __future__ import annotations

from dataclasses import dataclass

Size = tuple[int, int]

_LARGE = 96
"""Pictures at least so large are made smaller in steps of 32 pixels, others in steps of 8: by as much do networks
for such pictures divide them."""


@dataclass(frozen=True)
class Growth:
    """share: of the training, in which pictures are smaller; passes: over the pictures, in all of it.

    The end is at full size, so that the running statistics fit what is measured. The idea is that of fastai's
    entry to DAWNBench (2018) and of Tan and Le, arXiv 2104.00298.
    """

    share: float = 0.0
    passes: float = 0.0

    def size_at(self, passed: float, full: Size) -> Size:
        """(height, width) of the pictures after some passes."""
        smaller = smaller_sizes(full)
        progress = passed / self.passes if self.passes else 1.0
        if not smaller or progress >= self.share:
            return full
        return smaller[int(progress / self.share * len(smaller))]

    def work(self, full: Size) -> float:
        """The pixels that a network sees, as a share of those of a training at full size throughout."""
        sizes = smaller_sizes(full) or [full]
        early = sum(height * width for height, width in sizes) / len(sizes) / (full[0] * full[1])
        return 1 - self.share + self.share * early


def smaller_sizes(full: Size) -> list[Size]:
    """About one half and three quarters of the sides, where there is room for such sizes; ascending."""
    found = {(_part(full[0], quarters), _part(full[1], quarters)) for quarters in (2, 3)}
    return sorted(size for size in found if size[0] < full[0] and size[1] < full[1])


def _part(side: int, quarters: int) -> int:
    unit = 32 if side >= _LARGE else 8
    return -(-side * quarters // (4 * unit)) * unit
