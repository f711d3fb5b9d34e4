"""Where an answer hangs on its picture: models that look at one known place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_nets import Pixels, scene, smooth_net

from lensmith.bundle.bundle import Bundle
from lensmith.explaining.occlusion import LARGE, SMALL, occlusion, overlay
from lensmith.pictures.preprocess import Preprocess

BOX = (slice(28, 44), slice(4, 20))
"""The only place that `eye` looks at."""


def picture(side: int = 64) -> Pixels:
    """Dark, with a bright square in the box."""
    pixels = np.full((side, side, 3), 20, np.uint8)
    pixels[BOX] = 240
    return pixels


def eye(pictures: Pixels) -> NDArray[np.float64]:
    """Two outputs that share 1: how dark the box is, and how bright."""
    bright = pictures[:, *BOX].mean(axis=(1, 2, 3)) / 255
    return np.stack([1 - bright, bright], axis=1)


def test_what_the_model_looks_at_is_where_the_heat_is() -> None:
    found = occlusion(eye, picture())
    heat = found.heat(64, 64)
    assert found.output == 1 and found.score == pytest.approx(240 / 255)
    assert heat.shape == (64, 64)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 28 <= row < 44 and 4 <= column < 20
    assert heat[BOX].mean() > 10 * heat[:, 36:].mean()
    # One window covers the box whole: what is left there is the mean of the picture.
    assert found.drops.max() == pytest.approx((240 - picture().mean()) / 255, abs=0.01)


def test_another_output_can_be_asked_about_and_may_only_rise() -> None:
    found = occlusion(eye, picture(), output=0)
    assert found.output == 0 and found.drops.min() < -0.7
    assert found.heat(64, 64).max() == pytest.approx(0, abs=1e-6)
    # Of a number, a rise matters as much as a fall.
    assert found.heat(64, 64, both_ways=True).max() > 0.7


def test_a_picture_of_one_colour_is_flat() -> None:
    found = occlusion(eye, np.full((64, 64, 3), 90, np.uint8))
    assert found.heat(64, 64).max() == pytest.approx(0, abs=1e-6)
    shown = overlay(np.full((64, 64, 3), 90, np.uint8), found.heat(64, 64))
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("window", [SMALL, LARGE])
@pytest.mark.parametrize("shape", [(1, 1), (4, 9), (16, 16), (33, 150), (300, 20)])
def test_every_pixel_is_covered_at_least_once(shape: tuple[int, int], window: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    changed = np.zeros(shape, bool)

    def watch(pictures: Pixels) -> NDArray[np.float64]:
        for one in pictures:
            nonlocal changed
            changed |= (one != pixels).any(axis=2)
        return np.zeros((len(pictures), 1))

    found = occlusion(watch, pixels, window=window)
    # A pixel may happen to have the mean colour itself.
    assert changed.mean() > 0.95 or shape == (1, 1)
    assert found.heat(*shape).shape == shape and overlay(pixels, found.heat(*shape)).dtype == np.uint8


def test_large_pictures_are_asked_about_a_few_at_a_time() -> None:
    asked: list[int] = []

    def count(pictures: Pixels) -> NDArray[np.float64]:
        asked.append(len(pictures))
        return np.zeros((len(pictures), 1))

    occlusion(count, np.zeros((1024, 1024, 3), np.uint8))
    assert sum(asked) == 65 and max(asked) <= 4


def test_it_can_be_stopped_between_two_questions() -> None:
    asked: list[int] = []

    def checkpoint() -> None:
        if len(asked) == 2:
            raise TimeoutError

    def count(pictures: Pixels) -> NDArray[np.float64]:
        asked.append(len(pictures))
        return np.zeros((len(pictures), 1))

    with pytest.raises(TimeoutError):
        occlusion(count, np.zeros((1024, 1024, 3), np.uint8), checkpoint=checkpoint)
    assert len(asked) == 2


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_it_asks_a_bundle_of_each_task(task: Any) -> None:
    names = [] if task == "regression" else ["a", "b", "c", "d"]
    net = smooth_net(len(names) or 1)
    size = (24, 32)  # what smooth_net takes: 3 x 4 tiles of 8
    bundle = Bundle(net, preprocess=Preprocess(size), classes=names, task=task)
    pixels = bundle.prepare(scene(50, 70))
    found = occlusion(bundle.scores, pixels)
    said = bundle.predict_prepared(pixels[None])[0]
    expected = said.value if said.value is not None else dict(said.top)[names[found.output]]
    assert found.score == pytest.approx(expected, abs=1e-5)
    assert np.abs(found.drops).max() > 0
    if said.value is None:
        assert names[found.output] == said.top[0][0]
