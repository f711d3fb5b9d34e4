"""The page as a person meets it: in Chromium, against a server that runs."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from browser import answer, chromium, give, opened, send
from command_line import serving
from grey_server import GreyBundle, Pixels, picture, running
from playwright.sync_api import Browser, expect

from lensmith.data.sources import load_data
from lensmith.server.limits import Limits
from lensmith.server.page import PageOptions
from lensmith.types import Prediction

DARK, GREY, LIGHT = picture(0, 64), picture(128, 64), picture(250, 64)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server for the tests that leave it as they found it."""
    with running(GreyBundle(), limits=Limits(body_bytes=2**17)) as client:
        yield str(client.base_url)


@pytest.fixture
def start() -> Iterator[Callable[..., str]]:
    with ExitStack() as stack:
        yield lambda bundle, **options: str(stack.enter_context(running(bundle, **options)).base_url)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a report, whose model tells dark pictures from light ones and is not sure of grey ones."""
    import torch

    from lensmith.bundle.bundle import Bundle
    from lensmith.pictures.preprocess import Preprocess
    from lensmith.report.page import write_page
    from lensmith.runs.directory import RunDirectory

    net = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(48, 2))
    with torch.no_grad():
        net[2].bias.zero_()
        net[2].weight[:] = torch.tensor([[-2.0], [2.0]]) / 48
    bundle = Bundle(net, preprocess=Preprocess(32), classes=["dark", "light"]).with_facts(threshold=0.8)
    directory = RunDirectory(tmp_path_factory.mktemp("run"))
    bundle.save(directory.model)
    directory.recipe_file.touch()
    write_page(directory)
    return directory.path


def half_light() -> bytes:
    """Light on the right, black on the left, twice as wide as high."""
    from drawn import encoded

    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 36:] = 255
    return encoded(pixels)


def test_the_whole_path(browser: Browser, run: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with serving(run, "--feedback", kept, cwd=tmp_path) as url, opened(browser, url) as page:
        expect(page.locator("#lead")).to_contain_text("dark, light")
        give(page, ("light.png", LIGHT))
        answer(page).to_have_text(re.compile(r"^light 9\d\.\d%$"))
        expect(page.locator("#bars li")).to_have_count(2)
        give(page, ("grey.png", GREY))
        answer(page).to_have_text("Not sure")
        expect(page.locator("#why")).to_contain_text("less than the 80.0%")
        page.get_by_role("button", name="Wrong?").click()
        page.get_by_label("What does it show?").select_option("dark")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#marked")).to_contain_text("Saved as “dark”")
        (file,) = kept.rglob("*.png")
        assert file.read_bytes() == GREY and load_data(kept).classes == ["dark"]
        assert json.loads((kept / "feedback.jsonl").read_text())["right"] == "dark"
        # Back to the one before, by its little picture.
        page.get_by_role("button", name=re.compile("light 9")).click()
        answer(page).to_have_text(re.compile("^light 9"))
        with page.context.expect_page() as report:
            page.get_by_role("link", name="Report of the run").click()
        expect(report.value.locator("h1")).to_contain_text("Not measured")


class StrangeBundle(GreyBundle):
    """As that, and whatever is quite white is unlike what it knows."""

    def predict_prepared(self, images: Pixels, /) -> list[Prediction]:
        said, white = super().predict_prepared(images), (images == 255).all(axis=(1, 2, 3))
        return [
            replace(one, sure=False, unlike=True) if strange else one
            for one, strange in zip(said, white.tolist(), strict=True)
        ]


@pytest.mark.parametrize(
    ("language", "heading", "why"),
    [("en", "Not sure", "unlike those that this model learned from"), ("zh", "不确定", "差别很大")],
)
def test_a_picture_unlike_the_training_ones_gets_no_name(
    language: str, heading: str, why: str, browser: Browser, start: Callable[..., str]
) -> None:
    with opened(browser, f"{start(StrangeBundle())}?lang={language}") as page:
        give(page, ("white.png", picture(255, 64)))
        answer(page).to_have_text(heading)
        expect(page.locator("#why")).to_contain_text(why)
        expect(page.locator("#why")).to_contain_text("light 100")
        give(page, ("dark.png", DARK))
        answer(page).to_contain_text("dark")
        expect(page.locator("#why")).to_be_empty()


def test_what_the_model_sees_and_where_it_looked(browser: Browser, run: Path, tmp_path: Path) -> None:
    with serving(run, cwd=tmp_path) as url, opened(browser, url) as page:
        give(page, ("half.png", half_light()))
        answer(page).to_contain_text("Not sure")
        expect(page.get_by_role("img", name="half.png, as you gave it")).to_be_visible()
        seen = page.get_by_role("img", name="half.png, as the model sees it: 32 by 32 pixels")
        assert seen.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [32, 32]
        expect(page.locator("#yours figcaption")).to_contain_text("50.0%, is cut off")
        frame, whole = page.locator(".kept").bounding_box(), page.locator("#yours img").bounding_box()
        assert frame and whole
        assert frame["x"] - whole["x"] == pytest.approx(whole["width"] / 4, abs=1.5)
        assert frame["width"] == pytest.approx(whole["width"] / 2, abs=1.5)
        expect(page.locator("#wrong")).to_be_hidden()  # feedback is off
        page.get_by_role("button", name="Where did it look?").click()
        expect(page.locator("#looked")).to_contain_text("“light” rests on the red places")
        expect(page.get_by_role("img", name=re.compile("half.png in grey"))).to_be_visible()
        # Another name can be asked about too, and keeps the focus.
        dark = page.locator("#bars").get_by_role("button", name="dark")
        dark.press("Enter")
        expect(page.locator("#looked")).to_contain_text("“dark” rests on the red places")
        expect(dark).to_be_focused()
        page.get_by_role("button", name="Without colours").click()
        expect(seen).to_be_visible()
        expect(page.locator("#looked")).to_be_empty()
        give(page, ("grey.png", GREY))
        expect(page.get_by_role("img", name="grey.png, as you gave it")).to_be_visible()
        page.get_by_role("button", name="Where did it look?").click()
        expect(page.locator("#looked")).to_contain_text("No single place decides")


def test_pictures_are_pasted_and_dropped_several_at_once(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        expect(page.locator("#give")).to_be_visible()
        send(page, "paste", [("image.png", LIGHT)])
        answer(page).to_have_text("light 98.0%")
        send(page, "drop", [("a.png", LIGHT), ("b.png", GREY), ("c.png", DARK)])
        answer(page).to_have_text("dark 100.0%")
        expect(page.locator("#earlier li")).to_have_count(3)
        # The picture of another web page comes as its address, which is not fetched.
        send(page, "drop", [], "https://elsewhere.example/picture.png")
        expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("not fetched")


def test_in_chinese_and_back(browser: Browser, url: str) -> None:
    with opened(browser, url, locale="zh-CN") as page:
        expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
        expect(page).to_have_title("让模型看一张图片")
        give(page, ("灰.png", GREY))
        answer(page).to_have_text("不确定")
        expect(page.locator("#why")).to_contain_text("最可能是“light”")
        page.get_by_role("button", name="English").click()
        answer(page).to_have_text("Not sure")
        expect(page.get_by_label("Choose pictures")).to_be_attached()
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "en")


def test_by_keyboard_alone(browser: Browser, start: Callable[..., str], tmp_path: Path) -> None:
    url = start(GreyBundle(), page=PageOptions(feedback=tmp_path))
    file = tmp_path / "grey.png"
    file.write_bytes(GREY)

    def tab_to(name: str) -> None:
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == name:
                return
        raise AssertionError(f"Tab does not come to #{name}")

    with opened(browser, url) as page:
        page.on("filechooser", lambda chooser: chooser.set_files(file))
        expect(page.locator("#give")).to_be_visible()
        tab_to("files")
        shown = "getComputedStyle(document.querySelector('label[for=files]')).outlineStyle"
        assert page.evaluate(shown) == "solid"
        page.keyboard.press("Space")
        # Who listens hears the answer; the focus stays where it was.
        expect(page.get_by_role("status").first).to_contain_text("Not sure. Likeliest is light")
        assert page.evaluate("document.activeElement.id") == "files"
        tab_to("look")
        page.keyboard.press("Enter")
        expect(page.locator("#looked")).not_to_be_empty()
        assert page.evaluate("document.activeElement.id") == "look"
        tab_to("wrong")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.matches('#right select')")
        page.keyboard.press("d")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#marked")).to_contain_text("Saved as “dark”")
        assert page.evaluate("document.activeElement.id") == "wrong"
        assert len(list((tmp_path / "dark").iterdir())) == 1


def test_everything_has_a_name(browser: Browser, start: Callable[..., str], tmp_path: Path) -> None:
    with opened(browser, start(GreyBundle(), page=PageOptions(feedback=tmp_path))) as page:
        give(page, ("a.png", LIGHT), ("b.png", DARK))
        expect(page.locator("#earlier li")).to_have_count(1)
        page.get_by_role("button", name="Wrong?").click()
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, a, img:not([alt=''])")]
                .filter((one) => one.checkVisibility() && !(one.labels?.length || one.textContent.trim() || one.alt))
                .map((one) => one.outerHTML)"""
        )
        assert nameless == []
        levels = page.evaluate("[...document.querySelectorAll('h1, h2')].map((one) => one.tagName)")
        assert levels == ["H1", "H2", "H2"]


def test_what_is_no_picture_or_too_large(browser: Browser, url: str) -> None:
    with opened(browser, url, refusals=True) as page:
        alert = page.get_by_role("alert").filter(visible=True)
        give(page, ("words.png", b"only words"))
        expect(alert).to_contain_text("words.png cannot be read as a picture")
        expect(alert).to_contain_text("not a picture (JPEG")
        expect(page.get_by_role("button", name="Try again")).to_be_hidden()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        give(page, ("large.png", bytes(3 * 2**16)))
        expect(alert).to_contain_text("large.png is too large: 0.188 MB, and the most is 0.125 MB")
        assert asked == []  # it was not sent
        # Of several, the one that cannot be read is still named when the others have their answers.
        give(page, ("dark.png", DARK), ("words.png", b"only words"), ("light.png", LIGHT))
        answer(page).to_have_text("light 98.0%")
        expect(alert).to_contain_text("words.png cannot be read")
        give(page, ("dark.png", DARK))
        answer(page).to_have_text("dark 100.0%")
        expect(alert).to_have_count(0)


def test_a_server_that_is_gone_and_back(browser: Browser) -> None:
    with ExitStack() as stack:
        with running(GreyBundle()) as client:
            page = stack.enter_context(opened(browser, str(client.base_url), refusals=True))
            expect(page.locator("#give")).to_be_visible()
        give(page, ("dark.png", DARK), ("light.png", LIGHT))
        alert = page.get_by_role("alert").filter(visible=True)
        expect(alert).to_contain_text("does not answer")
        with running(GreyBundle(), port=client.base_url.port):
            page.get_by_role("button", name="Try again").click()
            answer(page).to_have_text("light 98.0%")
            expect(page.locator("#earlier li")).to_have_count(1)
            expect(alert).to_have_count(0)


def test_a_busy_server_is_asked_again(browser: Browser, start: Callable[..., str]) -> None:
    reached, gate = threading.Event(), threading.Event()

    class Held(GreyBundle):
        def predict_prepared(self, images: Pixels, /) -> list[Prediction]:
            reached.set()
            assert gate.wait(30)
            return super().predict_prepared(images)

    url = start(Held(), limits=Limits(in_flight=1))
    with opened(browser, url, refusals=True) as page:
        other = threading.Thread(
            target=lambda: httpx.post(f"{url}/v1/predict", content=DARK, timeout=30, trust_env=False)
        )
        other.start()
        assert reached.wait(30)
        give(page, ("light.png", LIGHT))
        expect(page.locator("#said")).to_have_text("The server is busy. Asking again …")
        gate.set()
        other.join()
        answer(page).to_have_text("light 98.0%")


def test_the_token_is_asked_for_and_kept_nowhere(
    browser: Browser, start: Callable[..., str], tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    report.write_text("<h1>Figures</h1>")
    url = start(GreyBundle(), token="geheim-€", page=PageOptions(report))
    with opened(browser, url, refusals=True) as page:
        field = page.get_by_label("Token")
        expect(field).to_be_focused()
        expect(page.locator("#give")).to_be_hidden()
        field.fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_text("does not take this token")).to_be_visible()
        field.fill("geheim-€")
        page.keyboard.press("Enter")
        expect(field).to_be_hidden()
        give(page, ("light.png", LIGHT))
        answer(page).to_have_text("light 98.0%")
        with page.context.expect_page() as opening:
            page.get_by_role("link", name="Report of the run").click()
        expect(opening.value.locator("h1")).to_have_text("Figures")
        assert "geheim" not in page.url + opening.value.url
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
        assert page.context.cookies() == []
        page.reload()
        expect(field).to_be_visible()
        expect(field).to_have_value("")


def test_on_a_phone(browser: Browser, url: str) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with opened(browser, url, color_scheme="dark", reduced_motion="reduce", **phone) as page:
        photo = page.get_by_label("Take a photo")
        expect(page.get_by_text("Take a photo")).to_be_visible()
        assert photo.get_attribute("capture") == "environment"
        photo.set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": half_light()})
        answer(page).to_have_text(re.compile("."))
        expect(page.locator("#seen img")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 28)"
        moves = "(one) => getComputedStyle(one).transitionDuration !== '0s'"
        moving = f"[...document.querySelectorAll('*')].filter({moves}).length"
        assert page.evaluate(moving) == 0
