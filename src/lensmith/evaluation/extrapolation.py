"""From errors at several numbers of training pictures to what twice as many would bring.

Errors fall as a power of the number of pictures, down to a floor (Hestness and others, 2017, arXiv:1712.00409;
Rosenfeld and others, 2020, arXiv:1909.12673): error = e ((1 - f) n^-c + f). A few noisy sizes do not tell c and f
apart, so all of them are kept, each as likely as it makes what was seen; where they differ, the interval is wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

_POWERS = np.linspace(0.05, 1.5, 30)
_FLOORS = np.linspace(0.0, 0.95, 20)
"""Of the error at the largest size: what would stay with any number of pictures."""
_MISFIT = 0.01
"""Of each error: by about so much a real curve is no such curve."""
_DRAWS = 20_000


@dataclass(frozen=True)
class Falling:
    """What is believed of the error with `count` pictures and with twice as many: drawn from all that is likely.

    now, then: float64 [draws].
    """

    now: Floats
    then: Floats

    @property
    def gain(self) -> Floats:
        """By how much the error falls, [draws]."""
        return self.now - self.then


def extrapolated(sizes: Floats, errors: Floats, spread: Floats, count: int) -> Falling:
    """The error with `count` pictures and with twice as many.

    sizes: [S], rising; errors: [S], not below 0; spread: [S, S], the covariance of the errors, which are of the same
    pictures and so err together.
    """
    precision = np.linalg.inv(spread + np.diag((_MISFIT * errors) ** 2))
    last = float(sizes[-1])
    powers, floors = (grid.ravel() for grid in np.meshgrid(_POWERS, _FLOORS))

    def shape(size: float) -> Floats:
        found: Floats = floors + (1 - floors) * (size / last) ** -powers
        return found

    curves = np.stack([shape(float(size)) for size in sizes], axis=1)  # [cells, S]
    weighted = curves @ precision
    certainty = (weighted * curves).sum(axis=1)
    scale = weighted @ errors / certainty
    left = errors - scale[:, None] * curves
    misfit = ((left @ precision) * left).sum(axis=1)
    likelihood = -misfit / 2 - np.log(certainty) / 2
    chances = np.exp(likelihood - likelihood.max())
    draw = np.random.default_rng(0)
    cells = draw.choice(len(chances), _DRAWS, p=chances / chances.sum())
    scales = scale[cells] + draw.standard_normal(_DRAWS) / np.sqrt(certainty[cells])
    scales = np.maximum(scales, 0.0)
    return Falling(scales * shape(count)[cells], scales * shape(2 * count)[cells])
