"""A picture in whatever form it is held gives the same pixels; what is none is refused with a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import encoded, noise
from PIL import Image

from lensmith.errors import PictureError
from lensmith.pictures.decode import decode
from lensmith.pictures.reading import pixels_of

PIXELS = noise()
GREY = noise(channels=1)
CLEAR = noise(channels=4)


def chw(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).permute(2, 0, 1)


@pytest.mark.parametrize(
    "held",
    [
        encoded(PIXELS),
        bytearray(encoded(PIXELS)),
        memoryview(encoded(PIXELS)),
        Image.fromarray(PIXELS),
        PIXELS,
        np.asfortranarray(PIXELS),
        np.ascontiguousarray(PIXELS[::-1])[::-1],
        PIXELS / 255,
        (PIXELS / 255).astype(np.float32),
        (PIXELS / 255).astype(np.float16),
        PIXELS.astype(np.uint16) * 257,
        chw(PIXELS),
        chw(PIXELS) / 255,
        (chw(PIXELS) / 255).double(),
        (chw(PIXELS) / 255).half(),
        (chw(PIXELS) / 255).requires_grad_(),
        chw(PIXELS).contiguous(),
    ],
    ids=lambda held: f"{type(held).__name__} {getattr(held, 'dtype', '')}",
)
def test_every_form_gives_the_pixels_of_the_file(held: Any, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(encoded(PIXELS))
    assert (pixels_of(file) == PIXELS).all()
    assert (pixels_of(str(file)) == PIXELS).all()
    assert (pixels_of(held) == PIXELS).all()


def test_bfloat16_is_as_near_as_it_can_be() -> None:
    near = pixels_of((chw(PIXELS) / 255).bfloat16())
    assert np.abs(near.astype(int) - PIXELS).max() <= 1


@pytest.mark.parametrize(
    "held",
    [
        GREY,
        GREY[:, :, None],
        torch.from_numpy(GREY),
        torch.from_numpy(GREY)[None] / 255,
        Image.fromarray(GREY),
    ],
)
def test_grey_in_every_form(held: Any) -> None:
    assert (pixels_of(held) == GREY[:, :, None]).all()


def test_bits_are_black_and_white() -> None:
    bits = GREY > 127
    for held in (bits, torch.from_numpy(bits), Image.fromarray(bits)):
        assert (pixels_of(held)[:, :, 0] == bits * 255).all()


def test_alpha_in_every_form_lies_on_white_as_in_the_file() -> None:
    wanted = decode(encoded(CLEAR))
    for held in (Image.fromarray(CLEAR), CLEAR, chw(CLEAR), chw(CLEAR) / 255):
        assert (pixels_of(held) == wanted).all()


def test_opencvs_order_of_channels() -> None:
    assert (pixels_of(PIXELS[:, :, ::-1], bgr=True) == PIXELS).all()
    assert (pixels_of(np.ascontiguousarray(PIXELS[:, :, ::-1]), bgr=True) == PIXELS).all()
    assert (pixels_of(CLEAR[:, :, [2, 1, 0, 3]], bgr=True) == decode(encoded(CLEAR))).all()
    assert (pixels_of(GREY, bgr=True) == GREY[:, :, None]).all()


def test_the_answer_is_a_copy() -> None:
    mine = PIXELS.copy()
    pixels_of(mine)[:] = 0
    image = Image.fromarray(PIXELS)
    pixels_of(image)[:] = 0
    assert (mine == PIXELS).all()
    assert (np.array(image) == PIXELS).all()


NORMALISED = (torch.rand(3, 24, 32) - 0.5) / 0.25


@pytest.mark.parametrize("held", [NORMALISED, NORMALISED.numpy().transpose(1, 2, 0)])
def test_a_normalised_picture_is_refused_and_the_hint_says_why(held: Any) -> None:
    with pytest.raises(PictureError, match="float32 values from -") as caught:
        pixels_of(held, name="batch[3]")
    assert caught.value.name == "batch[3]"
    assert "Undo the normalisation" in caught.value.hint


@pytest.mark.parametrize(
    "held",
    [
        PIXELS.astype(np.float32),
        PIXELS.astype(np.int64),
        torch.from_numpy(PIXELS).permute(2, 0, 1).long(),
        np.full((8, 8, 3), np.nan),
        np.full((8, 8, 3), np.inf),
        np.full((8, 8, 3), 0.5j),
    ],
)
def test_other_values_are_refused(held: Any) -> None:
    with pytest.raises(PictureError, match="neither uint8 nor floats in 0 to 1"):
        pixels_of(held)


@pytest.mark.parametrize(
    ("held", "shape"),
    [
        (PIXELS[None], "(1, 24, 32, 3)"),
        (PIXELS[:, :, :2], "(24, 32, 2)"),
        (PIXELS.transpose(2, 0, 1), "(3, 24, 32)"),
        (PIXELS[0, 0], "(3,)"),
        (torch.from_numpy(PIXELS), "(24, 32, 3)"),
        (chw(PIXELS)[None], "(1, 3, 24, 32)"),
        (torch.tensor(0.5), "()"),
    ],
)
def test_other_shapes_are_refused_with_their_shape(held: Any, shape: str) -> None:
    with pytest.raises(PictureError) as caught:
        pixels_of(held)
    assert f"of shape {shape} is not one picture" in caught.value.reason
    assert "[H, W]" in caught.value.hint


@pytest.mark.parametrize(
    "held",
    [
        None,
        5,
        ["a.jpg"],
        {},
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((0, 9, 3)),
        torch.zeros(3, 0, 9),
        "a\0.jpg",
    ],
)
def test_nonsense_is_a_picture_error(held: Any) -> None:
    with pytest.raises(PictureError):
        pixels_of(held)


def test_a_pillow_image_whose_file_is_damaged_is_a_picture_error(tmp_path: Path) -> None:
    """Pillow reads on first use: who opens and hands over has not seen the damage yet."""
    file = tmp_path / "half.png"
    content = encoded(PIXELS)
    file.write_bytes(content[: len(content) // 2])
    with Image.open(file) as image, pytest.raises(PictureError, match=r"mine: damaged \("):
        pixels_of(image, name="mine")


def test_moving_pictures_by_their_first_frame(tmp_path: Path) -> None:
    content = encoded(Image.new("RGB", (8, 8), "red"), "GIF")
    with pytest.raises(PictureError, match="GIF"):
        pixels_of(content)
    (tmp_path / "a.gif").write_bytes(content)
    for held in (content, tmp_path / "a.gif", str(tmp_path / "a.gif")):
        assert (pixels_of(held, first_frame=True) == (255, 0, 0)).all()
