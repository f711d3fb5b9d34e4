"""How far a heat map can be trusted: parts of the picture are hidden in its order, and the model asked again.

Deletion and insertion of Petsiuk, Das and Saenko, "RISE" (arXiv:1806.07421, section 4.1), beside what the same does
in random orders. Those are the map's own values laid out anew, so that they hide in pieces of the same size. Showing
in an order is hiding in the opposite one, and the opposite of a random order is another: so one set of random curves
is what both are compared with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lensmith.pictures.decode import Pixels

DRAWS = 20
"""Random orders. A map as good as any of them is first among all in one case of 21."""
STEPS = 10
"""Parts, equal in area, that are hidden one after the other."""
_HOLDS = 0.95
"""Share of the draws in which hiding what a map marks has to do more. A map made by chance passes one time in ten."""

Scores = Callable[[Pixels], NDArray[np.floating[Any]]]
"""Prepared pictures, uint8 [N, H, W, 3] -> what the model gives each output, float [N, outputs]."""


@dataclass(frozen=True)
class Trust:
    """What hiding in a map's order does to an answer, beside random orders.

    deletion: mean of the score while what is marked most is hidden first (low is good); insertion: while it is shown
    first (high is good). random: the same of each random order, [draws]. A score is a probability; of a number, how
    far from its answer the model is, with a minus.
    """

    deletion: float
    insertion: float
    random: tuple[float, ...]

    @property
    def faster(self) -> int:
        """In how many draws hiding what is marked takes away more than hiding random parts."""
        return sum(self.deletion < one for one in self.random)

    @property
    def sooner(self) -> int:
        """In how many draws showing what is marked brings back more than showing random parts."""
        return sum(self.insertion > one for one in self.random)

    @property
    def holds(self) -> bool:
        """Whether the map can be trusted: hiding what it marks does more than nearly all random orders."""
        return self.faster >= _HOLDS * len(self.random)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "deletion": round(self.deletion, 6),
            "insertion": round(self.insertion, 6),
            "random": round(float(np.mean(self.random)), 6),
            "faster": self.faster,
            "sooner": self.sooner,
            "draws": len(self.random),
            "trusted": self.holds,
        }


def trust(
    scores: Scores,
    pixels: Pixels,
    places: NDArray[np.float32],
    output: int,
    *,
    is_number: bool = False,
    draws: int = DRAWS,
) -> Trust:
    """How far a map, float [rows, columns], tells where an output of the model hangs on a picture, uint8 [H, W, 3].

    is_number: whether the model gives a number, from which every way counts as much. Asks the model about
    (2 + draws) x 10 pictures; equal arguments give equal results.
    """
    whole = float(scores(pixels[None])[0, output])

    def curve(order: NDArray[np.intp]) -> float:
        found = scores(_hidden(pixels, order))[:, output].astype(np.float64)
        return _area(np.concatenate([[whole], found]), whole if is_number else None)

    order = order_of(places, *pixels.shape[:2])
    draw = np.random.default_rng(0)
    laid_anew = (draw.permuted(places.ravel()).reshape(places.shape) for _ in range(draws))
    random = tuple(curve(order_of(one, *pixels.shape[:2])) for one in laid_anew)
    return Trust(curve(order), curve(order[::-1]), random)


def order_of(places: NDArray[np.float32], height: int, width: int) -> NDArray[np.intp]:
    """The pixels of a picture, as indices [H x W], the most marked first; between places the map is smooth."""
    wide = Image.fromarray(places.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    # Equal pixels by a fixed draw: else a corner would win because it comes first.
    mixed = np.random.default_rng(1).permutation(height * width)
    heat = np.asarray(wide, np.float32).ravel()
    return mixed[np.argsort(-heat[mixed], kind="stable")]


def _hidden(pixels: Pixels, order: NDArray[np.intp]) -> Pixels:
    """The picture with one part after the other covered by its mean colour, uint8 [STEPS, H, W, 3]."""
    flat = pixels.reshape(-1, 3)
    fill = flat.mean(axis=0).round().astype(np.uint8)
    pictures = np.repeat(flat[None], STEPS, axis=0)
    for step in range(STEPS):
        pictures[step, order[: math.ceil(len(order) * (step + 1) / STEPS)]] = fill
    return pictures.reshape(STEPS, *pixels.shape)


def _area(curve: NDArray[np.float64], whole: float | None) -> float:
    """The mean height of a curve whose points lie at even distances."""
    if whole is not None:
        curve = -np.abs(curve - whole)
    return float((curve[:-1] + curve[1:]).mean() / 2)
