"""Ways to spoil a picture: each changes it as it says, in its size."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import noise, smooth

from lensmith.errors import PictureError
from lensmith.pictures.disturb import (
    DISTURBANCES,
    Disturbance,
    blurred,
    compressed,
    faded,
    lit,
    noisy,
    turned,
)


@pytest.mark.parametrize("one", DISTURBANCES, ids=lambda one: one.name)
@pytest.mark.parametrize("size", [(24, 33), (5, 4), (4, 90)])
def test_each_gives_another_picture_of_the_same_size(one: Disturbance, size: tuple[int, int]) -> None:
    pixels = noise(*size)
    before = pixels.copy()
    changed = one.change(pixels, 3)
    assert changed.shape == pixels.shape and changed.dtype == np.uint8
    assert (pixels == before).all()
    assert (one.change(pixels, 3) == changed).all()
    if min(size) > 20 or "blur" not in one.name:
        assert (changed != pixels).any()


def test_stronger_ones_change_more() -> None:
    pixels = noise(60, 60)

    def apart(changed: np.ndarray) -> float:
        return float(np.abs(changed.astype(int) - pixels).mean())

    assert apart(compressed(pixels, 80)) < apart(compressed(pixels, 40)) < apart(compressed(pixels, 15))
    assert apart(blurred(pixels, 0.01)) < apart(blurred(pixels, 0.03))
    assert apart(noisy(pixels, 5, 0)) < apart(noisy(pixels, 25, 0))


def test_light_and_contrast_are_what_they_say() -> None:
    pixels = np.full((8, 8, 3), 100, np.uint8)
    pixels[:4] = 60
    assert lit(pixels, 1.3)[0, 0, 0] == 78 and lit(pixels, 3)[-1, 0, 0] == 255
    assert faded(pixels, 0.5)[0, 0, 0] == 70 and faded(pixels, 0.5)[-1, 0, 0] == 90


def test_a_turned_picture_has_no_black_corners_and_turns_about_its_centre() -> None:
    white = turned(np.full((20, 40, 3), 255, np.uint8), 15)
    assert white.min() == 255
    ramp = smooth(41, 41)
    assert np.abs(turned(ramp, 15)[20, 20].astype(int) - ramp[20, 20]).max() <= 2
    assert np.abs(turned(turned(ramp, 15), -15).astype(int) - ramp)[14:27, 14:27].mean() < 3


def test_what_no_jpeg_can_hold_is_refused() -> None:
    with pytest.raises(PictureError, match="65,500"):
        compressed(np.zeros((4, 65_501, 3), np.uint8), 40)
