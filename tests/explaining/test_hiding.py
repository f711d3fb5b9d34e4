"""How far a map can be trusted: models that look at one known place, and maps that mark it, or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_nets import Pixels

from lensmith.explaining.hiding import DRAWS, order_of, trust

GRID = 8
THERE = (slice(4, 6), slice(1, 3))
BOX = (slice(32, 48), slice(8, 24))


def picture(side: int = 64) -> Pixels:
    pixels = np.full((side, side, 3), 20, np.uint8)
    pixels[BOX] = 240
    return pixels


def eye(pictures: Pixels) -> NDArray[np.float64]:
    """Two outputs that share 1: how dark the box is, and how bright."""
    bright = pictures[:, *BOX].mean(axis=(1, 2, 3)) / 255
    return np.stack([1 - bright, bright], axis=1)


def mark(place: Any) -> NDArray[np.float32]:
    places = np.zeros((GRID, GRID), np.float32)
    places[place] = 1
    return places


def test_a_map_that_marks_what_the_model_looks_at_holds() -> None:
    found = trust(eye, picture(), mark(THERE), output=1)
    assert found.holds and found.faster == found.sooner == DRAWS
    assert found.deletion < min(found.random) and found.insertion > max(found.random)


@pytest.mark.parametrize("place", [(slice(0, 2), slice(5, 7)), (slice(6, 8), slice(6, 8))])
def test_a_map_that_marks_another_place_does_not(place: Any) -> None:
    assert not trust(eye, picture(), mark(place), output=1).holds


def test_random_maps_seldom_hold() -> None:
    draw = np.random.default_rng(3)
    maps = [draw.random((GRID, GRID)).astype(np.float32) for _ in range(40)]
    holding = sum(trust(eye, picture(), one, output=1).holds for one in maps)
    assert holding <= 10  # one in ten is what chance gives


def test_a_model_that_looks_at_nothing_leaves_no_map_to_trust() -> None:
    found = trust(lambda pictures: np.full((len(pictures), 1), 0.5), picture(), mark(THERE), output=0)
    assert (found.faster, found.sooner, found.holds) == (0, 0, False)


def test_of_a_number_every_way_counts() -> None:
    def rises(pictures: Pixels) -> NDArray[np.float64]:
        return 1000 - 3.0 * pictures[:, *BOX].mean(axis=(1, 2, 3))[:, None]

    found = trust(rises, picture(), mark(THERE), output=0, is_number=True)
    assert found.holds and found.deletion < 0
    assert not trust(rises, picture(), mark(THERE), output=0).holds, "hiding makes it larger"


def test_equal_questions_have_equal_answers() -> None:
    assert trust(eye, picture(), mark(THERE), output=1) == trust(eye, picture(), mark(THERE), output=1)


def test_every_pixel_comes_once_the_marked_first() -> None:
    order = order_of(mark(THERE), 64, 48)
    assert sorted(order.tolist()) == list(range(64 * 48))
    rows, columns = np.divmod(order[:50], 48)
    assert rows.min() >= 30 and rows.max() < 50 and columns.max() < 20
    flat = order_of(np.zeros((4, 4), np.float32), 64, 48)
    assert np.divmod(flat[:100], 48)[0].std() > 10, "where nothing is marked no corner comes first"
