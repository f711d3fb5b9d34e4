"""The page of models that give several labels, or a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from browser import answer, chromium, give, opened
from grey_server import GreyBundle, Pixels, picture, running
from playwright.sync_api import Browser, expect

from lensmith.data.sources import load_data
from lensmith.server.page import PageOptions
from lensmith.types import Prediction

LIGHT = picture(250, 64)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def start() -> Iterator[Callable[..., str]]:
    with ExitStack() as stack:
        yield lambda bundle, **options: str(stack.enter_context(running(bundle, **options)).base_url)


def test_several_labels_and_numbers(browser: Browser, start: Callable[..., str], tmp_path: Path) -> None:
    class Labels(GreyBundle):
        def describe(self) -> dict[str, Any]:
            names = [f"label {i}" for i in range(9)]
            return {"task": "multilabel", "classes": names, "sha256": self.sha256}

        def predict_prepared(self, images: Pixels, /) -> list[Prediction]:
            top = tuple((f"label {i}", 0.95 - 0.1 * i) for i in range(9))
            found = tuple(name for name, share in top if share >= 0.5)
            return [Prediction(", ".join(found), 0.55, True, top, found)]

    class Number(GreyBundle):
        def describe(self) -> dict[str, Any]:
            return {"task": "regression", "classes": [], "sha256": self.sha256}

        def predict_prepared(self, images: Pixels, /) -> list[Prediction]:
            return [Prediction("1234", 1.0, True, value=1234.25)]

    def served(bundle: GreyBundle, kept: str) -> str:
        return start(bundle, page=PageOptions(feedback=tmp_path / kept))

    with opened(browser, served(Labels(), "labels")) as page:
        give(page, ("a.png", LIGHT))
        answer(page).to_have_text("label 0, label 1, label 2, label 3, label 4")
        expect(page.locator("#bars li").first).to_have_text("✓ label 095.0%")
        expect(page.locator("#bars li").last).to_have_text("4 others, each at most45.0%")
        page.get_by_role("button", name="Wrong?").click()
        expect(page.get_by_role("checkbox", name="label 4")).to_be_checked()
        for name in ("label 0", "label 2", "label 4"):
            page.get_by_role("checkbox", name=name).uncheck()
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#marked")).to_contain_text("label 1, label 3")
        data = load_data(tmp_path / "labels")
        assert [data.words(target) for target in data.targets] == ["label 1, label 3"]
    with opened(browser, served(Number(), "numbers")) as page:
        expect(page.locator("#lead")).to_have_text("It answers with a number.")
        give(page, ("a.png", LIGHT))
        answer(page).to_have_text("1,234")
        expect(page.locator("#bars")).to_be_hidden()
        page.get_by_role("button", name="Wrong?").click()
        page.get_by_label("What does it show?").fill("12.5")
        page.keyboard.press("Enter")
        expect(page.locator("#marked")).to_contain_text("12.5")
        assert load_data(tmp_path / "numbers").targets == [12.5]
