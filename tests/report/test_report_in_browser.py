"""A run's page in a real browser: it requests nothing, fits a phone, and its numbers are those of `report.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, opened
from command_line import command
from painted import paint, paint_folder
from playwright.sync_api import Browser

FIGURES = "[aria-labelledby=Figures] .card data"
NUMBERS = "els => els.map(e => e.getAttribute('value'))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With what takes longer; the model is not always right, since some labels are wrong."""
    place = tmp_path_factory.mktemp("report")
    paint_folder(place / "set", ant=40, bee=40)
    for number in range(6):
        paint("bee", 500 + number).save(place / f"set/ant/wrong-{number}.png")
    words = ("image_size=16", "epochs=2", "batch_size=8")
    assert command("train", "set", "--model", "convnet", *words, cwd=place).code == 0
    assert command("report", "last", "--full", cwd=place).code == 0
    return place / "runs/set-001"


def numbers_in(value: Any) -> set[float]:
    if isinstance(value, dict):
        return set().union(*map(numbers_in, value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*map(numbers_in, value)) if value else set()
    return {float(value)} if isinstance(value, int | float) and not isinstance(value, bool) else set()


def test_what_it_shows_is_what_the_run_says(browser: Browser, run: Path) -> None:
    page_file = run / "report.html"
    assert page_file.stat().st_size < 3_000_000
    said = json.loads((run / "report.json").read_text(encoding="utf-8"))
    known = numbers_in(said) | numbers_in(json.loads((run / "facts.json").read_text(encoding="utf-8")))
    with opened(browser, page_file.as_uri()) as page:
        assert page.locator("h1").inner_text().startswith(said["verdict"])
        for section in ("Figures", "Classes", "Confusion", "Certainty", "Mistakes", "Robustness", "Findings"):
            assert page.locator(f"[aria-labelledby={section}]").is_visible(), section
        shown = [float(one) for one in page.locator(FIGURES).evaluate_all(NUMBERS) if one != "nan"]
        assert len(shown) >= 9 and set(shown) <= known
        certain = [
            float(one) for one in page.locator("[aria-labelledby=Certainty] data").evaluate_all(NUMBERS)
        ]
        assert {one for one in certain if math.isfinite(one)} <= known | {0.1, 0.05, 0.02, 0.01}
        pictures = page.locator("img")
        assert pictures.count() > 0
        assert pictures.evaluate_all("els => els.every(e => e.naturalWidth > 0 && e.alt)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Browser, run: Path, scheme: Any) -> None:
    size = {"width": 360, "height": 740}
    with opened(browser, (run / "report.html").as_uri(), viewport=size, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 28)"
        assert dark == (scheme == "dark")
