"""Take the pictures of the page that the docs show: docs/images/page-*.png.

Draws small scenes, trains a model on them, serves it with `lensmith serve`, and photographs the page in Chromium.
Started by `make screenshots`. Chinese needs a font that has it, such as fonts-noto-cjk.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect, sync_playwright

IMAGES = Path(__file__).parents[1] / "docs/images"
LENSMITH = (sys.executable, "-m", "lensmith")
SCALE = 4
"""Scenes are drawn so much larger and made smaller, which smooths their edges."""

Draw = ImageDraw.ImageDraw
Point = tuple[float, float]


def boat(draw: Draw, at: Point, size: float, shade: tuple[int, ...]) -> None:
    """A hull, a mast and two sails, standing on `at`."""
    x, y = at
    deck = y - 0.22 * size
    hull = [(x - size / 2, deck), (x + size / 2, deck), (x + size / 3, y), (x - size / 3, y)]
    draw.polygon(hull, fill=shade)
    draw.polygon([(x, deck), (x, y - size), (x + 0.42 * size, y - 0.3 * size)], fill=(248, 246, 238))
    draw.polygon(
        [(x - 6, deck), (x - 6, y - 0.9 * size), (x - 0.34 * size, y - 0.3 * size)], fill=(226, 220, 204)
    )


def house(draw: Draw, at: Point, size: float, shade: tuple[int, ...]) -> None:
    """Walls, a roof, a door and a window."""
    x, y = at
    left, top, half = x - size / 2, y - 0.6 * size, size / 2
    draw.rectangle([left, top, x + half, y], fill=(240, 230, 212))
    roof = [(left - 0.08 * size, top), (x, y - size), (x + half + 0.08 * size, top)]
    draw.polygon(roof, fill=shade)
    draw.rectangle([x - 0.36 * size, y - 0.36 * size, x - 0.14 * size, y], fill=(92, 70, 56))
    draw.rectangle([x + 0.08 * size, y - 0.44 * size, x + 0.34 * size, y - 0.2 * size], fill=(150, 190, 210))


def tree(draw: Draw, at: Point, size: float, shade: tuple[int, ...]) -> None:
    """A trunk and a crown of three circles."""
    x, y = at
    draw.rectangle([x - 0.06 * size, y - 0.45 * size, x + 0.06 * size, y], fill=(104, 80, 60))
    green = (shade[2] // 2, 90 + shade[1] // 3, 60)
    for dx, dy, radius in ((-0.2, 0.5, 0.24), (0.2, 0.52, 0.24), (0, 0.74, 0.27)):
        middle = (x + dx * size, y - dy * size)
        draw.circle(middle, radius * size, fill=green)


THINGS: dict[str, Callable[[Draw, Point, float, tuple[int, ...]], None]] = {
    "boat": boat,
    "house": house,
    "tree": tree,
}
GROUNDS = ((96, 136, 132), (112, 138, 150), (126, 148, 122))
"""Each could be water or a meadow, so that it gives nothing away."""
CHINESE = {"boat": "帆船", "house": "房子", "tree": "大树"}


@dataclass(frozen=True)
class Thing:
    """What a scene shows: its class, how tall it is of the scene's height, and about where it stands, 0 to 1."""

    name: str
    size: float
    across: float = 0.5


def scene(seed: int, width: int, height: int, *things: Thing) -> Image.Image:
    """Things under a sky, each before the one that is named before it."""
    rng = np.random.default_rng([seed, sorted(THINGS).index(things[0].name)])
    wide, tall = width * SCALE, height * SCALE
    horizon = rng.uniform(0.62, 0.7)
    top, low = rng.integers((120, 170, 205), (165, 200, 235)), np.array((238, 232, 220))
    ground = GROUNDS[int(rng.integers(len(GROUNDS)))]
    blend = np.linspace(0, 1, round(tall * horizon))[:, None, None]
    pixels = np.empty((tall, wide, 3), np.uint8)
    pixels[: len(blend)] = top * (1 - blend) + low * blend
    pixels[len(blend) :] = ground
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    draw.circle((wide * rng.uniform(0.1, 0.9), tall * 0.16), tall * 0.06, fill=(252, 244, 214))
    for thing in things:
        shade = tuple(int(part) for part in rng.integers((120, 60, 50), (190, 110, 90)))
        x, y = thing.across + rng.uniform(-0.06, 0.06), horizon + rng.uniform(0.08, 0.16)
        THINGS[thing.name](draw, (wide * x, tall * y), tall * thing.size, shade)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def write_scenes(folder: Path, count: int = 90) -> None:
    """`folder/CLASS/NN.png`, `count` of each."""
    for name in THINGS:
        (folder / name).mkdir(parents=True)
        for seed in range(count):
            rng = np.random.default_rng(seed)
            picture = scene(seed, 96, 80, Thing(name, rng.uniform(0.35, 0.7), rng.uniform(0.35, 0.65)))
            picture.save(folder / name / f"{seed:02d}.png")


@contextmanager
def serving(model: Path, *words: str | Path) -> Iterator[str]:
    """`lensmith serve` on a free port: its URL."""
    process = subprocess.Popen(
        [*LENSMITH, "serve", str(model), "--port", "0", *map(str, words)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found, process.stderr.read()
        yield found[0]
    finally:
        process.terminate()
        process.wait(30)


HOUSE, TREE, BOAT = Thing("house", 0.58), Thing("tree", 0.58), Thing("boat", 0.58, 0.54)


@dataclass(frozen=True)
class Shot:
    """One picture of the page: what the browser is, the scene that it ends with, and what is done then."""

    file: str
    locale: str
    width: int
    height: int
    things: tuple[Thing, ...] = (BOAT,)
    is_dark: bool = False
    is_phone: bool = False
    looks: bool = False
    marks: bool = False


SHOTS = (
    Shot("page-en.png", "en-GB", 1100, 800, looks=True),
    Shot(
        "page-zh.png",
        "zh-CN",
        1100,
        800,
        (Thing("house", 0.5, 0.42), Thing("tree", 0.54, 0.62)),  # too much of both to be sure
        is_dark=True,
        marks=True,
    ),
    Shot("page-phone.png", "en-GB", 390, 844, is_phone=True),
)


def take(browser: Browser, url: str, shot: Shot) -> None:
    """Open the page, show it three pictures, and photograph it."""
    options: dict[str, Any] = {"has_touch": True, "is_mobile": True} if shot.is_phone else {}
    context = browser.new_context(
        locale=shot.locale,
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="dark" if shot.is_dark else "light",
        reduced_motion="reduce",
        device_scale_factor=1.5,
        **options,
    )
    page = context.new_page()
    page.goto(url)
    expect(page.locator("#give")).to_be_visible()
    give(page, 301, "house.png", HOUSE)
    give(page, 305, "tree.png", TREE)
    give(page, 312, "picture.png", *shot.things)
    if shot.looks:
        page.locator("#look").click()
        expect(page.locator("#looked")).not_to_be_empty()
    if shot.marks:
        page.locator("#wrong").click()
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    photo = Image.open(io.BytesIO(page.screenshot(full_page=not shot.is_phone))).convert("RGB")
    small = photo.quantize(palette=photo.quantize(256), dither=Image.Dither.FLOYDSTEINBERG)
    small.save(IMAGES / shot.file, optimize=True)
    context.close()


def give(page: Page, seed: int, file: str, *things: Thing) -> None:
    """Choose one picture and wait for its answer."""
    content = io.BytesIO()
    scene(seed, 720, 480, *things).save(content, "PNG")
    files: Any = [{"name": file, "mimeType": "image/png", "buffer": content.getvalue()}]
    page.locator("#files").set_input_files(files)
    expect(page.locator("#seen img")).to_have_attribute("alt", re.compile(re.escape(file)))


def main() -> None:
    """Take every shot."""
    from lensmith.bundle.bundle import load_model

    lists = shutil.which("fc-list")
    if lists and not subprocess.run([lists, ":lang=zh"], capture_output=True, check=True).stdout:
        sys.exit("no font here has Chinese, so that page-zh.png would show boxes: install fonts-noto-cjk")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder, run = Path(place, "scenes"), Path(place, "run")
        write_scenes(folder)
        words = ["--epochs", "8", "--seed", "0", "--out", str(run), "model=convnet", "image_size=64"]
        subprocess.run([*LENSMITH, "train", str(folder), *words], check=True, cwd=place)
        # A model for each language, its classes named in it; one wants to be surer, so that a picture of two is not.
        chinese = shutil.copytree(run, Path(place, "zh"))
        model = load_model(run)
        names = [CHINESE[name] for name in model.classes]
        model.with_facts(classes=names, threshold=0.6).save(chinese / "model")
        models = {"en-GB": run, "zh-CN": chinese}
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            for shot in SHOTS:
                with serving(models[shot.locale], "--feedback", Path(place, "feedback")) as url:
                    take(browser, url, shot)
            browser.close()


if __name__ == "__main__":
    main()
