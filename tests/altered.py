"""Pictures altered as copies of them are on the web, and pictures that are alike and are not copies."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

Draw = np.random.Generator


def cropped(image: Image.Image, draw: Draw) -> bytes:
    """85 % of each side, anywhere."""
    width, height = round(0.85 * image.width), round(0.85 * image.height)
    left, top = draw.integers(0, image.width - width + 1), draw.integers(0, image.height - height + 1)
    return saved(image.crop((left, top, left + width, top + height)))


def scaled(image: Image.Image, by: float) -> bytes:
    size = (round(image.width * by), round(image.height * by))
    return saved(image.resize(size, Image.Resampling.BICUBIC))


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """As JPEG of quality 92, unless said otherwise."""
    file = io.BytesIO()
    image.save(file, kind, **(options or ({"quality": 92} if kind == "JPEG" else {})))
    return file.getvalue()


def brightened(image: Image.Image, by: float) -> bytes:
    return saved(ImageEnhance.Brightness(image).enhance(by))


ALTERATIONS: dict[str, Callable[[Image.Image, Draw], bytes]] = {
    "cropped to 85 %": cropped,
    "JPEG of quality 40": lambda image, _: saved(image, quality=40),
    "brighter by 25 %": lambda image, _: brightened(image, 1.25),
    "darker by 25 %": lambda image, _: brightened(image, 0.75),
    "half as large": lambda image, _: scaled(image, 0.5),
    "twice as large": lambda image, _: scaled(image, 2),
    "turned by 90": lambda image, draw: saved(image.transpose(_TURNS[draw.integers(2)])),
    "turned by 180": lambda image, _: saved(image.transpose(Image.Transpose.ROTATE_180)),
    "mirrored": lambda image, _: saved(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "encoded anew": lambda image, _: saved(image, "WebP", quality=80),
}
"""What a copy of a picture may have gone through."""
_TURNS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)

LOSSLESS: dict[str, Callable[[Image.Image], bytes]] = {
    "PNG": lambda image: saved(image, "PNG"),
    "BMP": lambda image: saved(image, "BMP"),
    "WebP": lambda image: saved(image, "WebP", lossless=True),
}


def burst(image: Image.Image, draw: Draw) -> tuple[Image.Image, Image.Image]:
    """Two photos of one scene a moment apart: the camera moved by 1 to 3 % of the width and tilted by up to half a
    degree, what it looks at moved by 3 to 6 % before its background, and each has noise of its own."""
    width, height = image.size
    margin = max(2, round(0.05 * min(image.size)))
    box = (margin, margin, width - margin, height - margin)
    reach = max(1.0, 0.03 * (width - 2 * margin))
    shift = _direction(draw) * draw.uniform(reach / 3, reach)
    scene = image.copy()
    step = _direction(draw) * draw.uniform(0.03, 0.06) * width
    side = 0.25 * min(image.size)
    centre = np.array([width / 2, height / 2])
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).ellipse([*(centre - side), *(centre + side)], fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(max(1.0, side / 12)))
    moved = image.transform(
        image.size, Image.Transform.AFFINE, (1, 0, -step[0], 0, 1, -step[1]), Image.Resampling.BICUBIC
    )
    scene.paste(moved, mask=mask)
    scene = scene.rotate(
        draw.uniform(-0.5, 0.5), Image.Resampling.BICUBIC, translate=tuple(np.round(shift).astype(int))
    )
    return _noisy(image.crop(box), draw), _noisy(scene.crop(box), draw)


def _direction(draw: Draw) -> NDArray[np.float64]:
    angle = draw.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _noisy(image: Image.Image, draw: Draw) -> Image.Image:
    pixels = np.asarray(image) + draw.normal(0, 3, (image.height, image.width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def scene(seed: int, size: tuple[int, int] = (200, 150)) -> Image.Image:
    """A picture with the detail of a photo at all scales, and things in it with edges."""
    draw = np.random.default_rng([7, seed])
    width, height = size
    down, across = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    power = 1 / np.maximum(np.hypot(down, across), 1 / max(size))
    layers = []
    for _ in range(3):
        waves = draw.normal(size=(height, width)) + 1j * draw.normal(size=(height, width))
        layers.append(np.fft.ifft2(waves * power).real)
    texture = layers[0][..., None] + 0.4 * np.stack(layers, 2)
    texture = 128 + 40 * (texture - texture.mean()) / texture.std()
    image = Image.fromarray(texture.clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, w, h = draw.uniform(0, 0.8), draw.uniform(0, 0.8), *draw.uniform(0.05, 0.4, 2)
        box = [x * width, y * height, (x + w) * width, (y + h) * height]
        shape = pen.ellipse if draw.random() < 0.5 else pen.rectangle
        shape(box, fill=tuple(draw.integers(0, 256, 3).tolist()))
    return Image.blend(image, Image.fromarray(texture.clip(0, 255).astype(np.uint8)), 0.35)


def product(seed: int, size: int = 160) -> Image.Image:
    """A mug before a white wall, as a shop shows it: each of its own shape, place and shade."""
    draw = np.random.default_rng([8, seed])
    big = 4 * size
    image = Image.new("RGB", (big, big), (252, 252, 252))
    pen = ImageDraw.Draw(image)
    shade = np.array([60, 90, 150]) + draw.integers(-25, 26, 3)
    left, top = big * draw.uniform(0.25, 0.33), big * draw.uniform(0.22, 0.32)
    right, bottom = big * draw.uniform(0.58, 0.68), big * draw.uniform(0.7, 0.82)
    thick = big * draw.uniform(0.025, 0.05)
    reach = big * draw.uniform(0.1, 0.18)
    pen.ellipse(
        [right - reach, top + reach * 0.6, right + reach, bottom - reach * 0.6],
        outline=tuple(shade.tolist()),
        width=round(thick),
    )
    pen.rounded_rectangle(
        [left, top, right, bottom], radius=big * draw.uniform(0.02, 0.09), fill=tuple(shade.tolist())
    )
    pen.ellipse([left, top - thick, right, top + thick], fill=tuple((shade * 0.7).astype(int).tolist()))
    return image.resize((size, size), Image.Resampling.LANCZOS)
