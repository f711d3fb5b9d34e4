"""`Preprocess`: torchvision's pixels, whole pictures where they are padded, and one JSON form."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from drawn import noise
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.functional import center_crop, resize

from lensmith.errors import PictureError, UsageError
from lensmith.pictures.preprocess import Preprocess, preprocess_from

DRAWS = np.random.default_rng(7)
SIZES = [(int(h), int(w)) for h, w in DRAWS.integers(5, 130, (28, 2))] + [
    (1, 300),
    (301, 2),
    (64, 64),
    (65, 64),
]
MODES = {"bilinear": v2.InterpolationMode.BILINEAR, "bicubic": v2.InterpolationMode.BICUBIC}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("short", "side"), [(None, 64), (73, 64), (40, 33), (20, 32)])
def test_crop_is_torchvisions_resize_and_centre_crop(mode: Any, short: int | None, side: int) -> None:
    ours = Preprocess(side, "crop", short, mode)
    modern = v2.Compose([v2.Resize(short or side, MODES[mode]), v2.CenterCrop(side)])
    for seed, (height, width) in enumerate(SIZES):
        picture = noise(height, width, seed)
        image = Image.fromarray(picture)
        wanted = np.array(modern(image))
        assert wanted.shape == (side, side, 3)
        assert (ours(picture) == wanted).all(), f"{height} x {width}"
        older = center_crop(resize(image, short or side, MODES[mode]), [side, side])
        assert (ours(picture) == np.array(older)).all(), f"{height} x {width}"


@pytest.mark.parametrize("size", [(48, 48), (40, 64), (64, 40)])
def test_squish_is_torchvisions_resize_to_a_pair(size: tuple[int, int]) -> None:
    ours, theirs = Preprocess(size, "squish"), v2.Resize(size)
    for seed, (height, width) in enumerate(SIZES):
        picture = noise(height, width, seed)
        assert (ours(picture) == np.array(theirs(Image.fromarray(picture)))).all()


@pytest.mark.parametrize("size", [(48, 48), (40, 64), (64, 40)])
def test_pad_keeps_the_whole_picture(size: tuple[int, int]) -> None:
    """A white picture on grey: all of it is there, once, in the middle, in its own shape."""
    for height, width in SIZES:
        result = Preprocess(size, "pad")(np.full((height, width, 3), 255, np.uint8))
        assert result.shape == (*size, 3)
        white = (result == 255).all(axis=2)
        assert ((result == 128).all(axis=2) | white).all()
        rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
        assert white[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        scale = min(size[0] / height, size[1] / width)
        assert abs(len(rows) - max(1, height * scale)) <= 0.5 + 1e-9
        assert abs(len(columns) - max(1, width * scale)) <= 0.5 + 1e-9
        assert abs(rows[0] - (size[0] - 1 - rows[-1])) <= 1
        assert abs(columns[0] - (size[1] - 1 - columns[-1])) <= 1


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    picture = noise(32, 32)
    for steps in (Preprocess(32), Preprocess(32, "pad"), Preprocess(32, "squish"), Preprocess(32, resize=32)):
        assert (steps(picture) == picture).all()
    assert (Preprocess(32, resize=40)(picture) != picture).any(), "its resize asks for a closer view"


def test_the_size_before_the_crop_is_the_one_of_the_pixels() -> None:
    for fit in ("crop", "pad", "squish"):
        steps = Preprocess((31, 47), fit)
        for height, width in SIZES:
            tall, wide = steps.resized_to(height, width)
            assert min(tall, wide) >= 1
            covers = tall >= 31 and wide >= 47
            assert covers if fit != "pad" else (tall <= 31 and wide <= 47)


def test_enlarged_pictures_have_room_to_move_in() -> None:
    spare = Preprocess(64, resize=70).enlarged(1.15)
    assert (spare.size, spare.resize) == ((74, 74), None)


@pytest.mark.parametrize(
    "steps",
    [
        Preprocess(32),
        Preprocess((224, 192), "pad", interpolation="lanczos", fill=(1, 2, 3)),
        Preprocess(
            224, resize=256, interpolation="bicubic", mean=(0.485, 0.456, 0.406), std=(0.1, 0.2, 1 / 3)
        ),
        Preprocess(8, mean=np.array([0.1, 0.2, 0.3], np.float32), std=[1, 1, 1], fill=np.zeros(3, int)),
    ],
)
def test_through_json_and_back(steps: Preprocess) -> None:
    again = preprocess_from(json.loads(json.dumps(steps.as_dict())))
    assert again == steps
    assert hash(again) == hash(steps)
    assert set(steps.as_dict()) == {field.name for field in dataclasses.fields(Preprocess)}


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(UsageError, match="no field sharpen") as caught:
        preprocess_from({"size": [8, 8], "sharpen": True})
    assert "newer lensmith" in caught.value.hint


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"size": None},
        {"size": []},
        {"size": ["a", "b"]},
        {"size": [0, 8]},
        {"size": 8, "mean": None},
        {"size": 8, "mean": [0.5]},
        {"size": 8, "std": [0, 1, 1]},
        {"size": 8, "std": [float("nan")] * 3},
        {"size": 8, "std": ["a", "b", "c"]},
        {"size": 8, "fill": [1, 2]},
        {"size": 8, "resize": "big"},
        {"size": 8, "resize": 0},
        {"size": 8, "fit": "stretch"},
        {"size": 8, "fit": ["crop"]},
        {"size": 8, "interpolation": "area"},
        {"size": 8, "interpolation": ["bilinear"]},
    ],
)
def test_damaged_facts_are_refused_by_name(facts: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="Preprocess"):
        preprocess_from(facts)


def test_a_strip_is_refused_before_it_is_enlarged() -> None:
    """Four pixels by five million are a few kilobytes, and at 224 pixels high 64 gigabytes."""
    strip = np.zeros((4, 5_000_000, 3), np.uint8)
    for pixels in (strip, strip.transpose(1, 0, 2)):
        with pytest.raises(PictureError, match="too long and narrow"):
            Preprocess(224)(pixels)
        assert Preprocess(224, fit="pad")(pixels).shape == (224, 224, 3)
