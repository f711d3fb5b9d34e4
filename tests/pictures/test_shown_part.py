"""What `Preprocess` says that it shows of a picture is what its result holds."""

from __future__ import annotations

import numpy as np
import pytest

from lensmith.pictures.preprocess import Preprocess

CASES = [
    Preprocess(32),
    Preprocess((24, 40)),
    Preprocess(32, resize=40),
    Preprocess((32, 16), resize=36),
    Preprocess(32, fit="pad"),
    Preprocess(32, fit="squish"),
]


@pytest.mark.parametrize("preprocess", CASES, ids=str)
@pytest.mark.parametrize(
    ("height", "width"), [(100, 100), (90, 200), (200, 90), (32, 32), (61, 47), (300, 40)]
)
def test_the_shown_part_is_what_the_result_holds(preprocess: Preprocess, height: int, width: int) -> None:
    # Each pixel holds where it is, so that the result tells what it came from.
    rows = np.linspace(0, 250, height)[:, None] * np.ones(width)
    columns = np.ones(height)[:, None] * np.linspace(0, 250, width)
    picture = np.stack([rows, columns, np.full((height, width), 77)], axis=2).round().astype(np.uint8)
    result = preprocess(picture)
    inside = result[..., 2] == 77  # not the border of pad
    top, left, tall, wide = preprocess.shown_of(height, width)
    assert min(top, left) >= 0 and top + tall <= height + 1e-9 and left + wide <= width + 1e-9
    places = ((0, top, tall, height), (1, left, wide, width))
    for channel, start, length, side in places:
        values = result[..., channel][inside].astype(float)
        # The mean of what is shown lies in its middle; its ends are within a pixel of the result.
        assert values.mean() / 250 * (side - 1) + 0.5 == pytest.approx(start + length / 2, abs=0.02 * side)
        one = length / inside.any(axis=1 - channel).sum()
        assert values.min() / 250 * (side - 1) == pytest.approx(start, abs=1.5 * one + 1)
        assert values.max() / 250 * (side - 1) == pytest.approx(start + length, abs=1.5 * one + 1)


def test_a_picture_smaller_than_the_window_is_shown_whole() -> None:
    assert Preprocess(32, resize=20).shown_of(50, 50) == (0, 0, 50, 50)
    assert Preprocess(32, fit="pad").shown_of(10, 500) == (0, 0, 10, 500)
