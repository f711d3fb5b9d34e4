"""The page on which somebody looks through findings: in Chromium, from a file, to the decisions that it saves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from browser import chromium, opened
from drawn import draw
from painted import paint
from playwright.sync_api import Browser, Page, expect

from lensmith.audit.inspect import Issue, inspect
from lensmith.audit.suspects import Suspect, Suspects
from lensmith.data.dataset import ImageDataset
from lensmith.data.decisions import decide, read_decisions
from lensmith.data.sources import load_data
from lensmith.data.splitting import assign_roles
from lensmith.evaluation.intervals import Value
from lensmith.report.gallery import MOST, make_gallery, write_gallery

HOSTILE = '<img src=x onerror=alert(1)>, "it\'s"\n&amp;.png'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, count in (("train", 6), ("val", 3)):
        for name in ("ant", "bee"):
            folder = tmp_path / "pets" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                paint(name, number + (10 if split == "val" else 0)).save(folder / f"{number}.png")
    train = tmp_path / "pets" / "train"
    (train / "ant" / HOSTILE).write_bytes((train / "ant" / "0.png").read_bytes())
    (train / "ant" / "copy.png").write_bytes((train / "bee" / "0.png").read_bytes())
    return tmp_path / "pets"


def suspected(data: ImageDataset, *files: str, suggestion: str = "bee") -> Suspects:
    """These pictures, in this order, as if a model doubted them."""
    row_of = {example.source.name: row for row, example in enumerate(data.examples)}
    listed = [
        Suspect(
            row,
            str(data.examples[row].source),
            data.words(data.targets[row]),
            suggestion,
            3.0,
            f"says {suggestion}",
        )
        for row in (row_of[file] for file in files)
    ]
    return Suspects(
        data.task, len(data), tuple(listed), Value(2, 0, 5, len(data)), Value(0.9, 0.8, 1.0, len(data))
    )


def write(
    page: Path, root: Path, data: ImageDataset, suspects: Suspects, issues: Sequence[Issue] = ()
) -> str:
    write_gallery(page, data, issues, suspects, root)
    return page.as_uri()


def pick(page: Page, words: str) -> Page:
    """The cards of a picture, by a part of its path."""
    return page.locator(".pick").filter(has=page.locator(".name", has_text=words))  # type: ignore[return-value]


def download(page: Page, to: Path) -> Path:
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download decisions.csv").click()
    assert saved.value.suggested_filename == "decisions.csv"
    saved.value.save_as(to)
    return to


def test_what_is_marked_is_what_train_reads(browser: Browser, root: Path, tmp_path: Path) -> None:
    data = load_data(root)
    url = write(tmp_path / "page.html", root, data, suspected(data, HOSTILE, "5.png"), inspect(data))
    with opened(browser, url, accept_downloads=True) as page:
        expect(page.locator("h1")).to_have_text("5 pictures to look at, 4 findings")
        save = page.get_by_role("button", name="Download decisions.csv")
        expect(save).to_be_disabled()
        pick(page, "<img src=x").first.get_by_label("relabel").check()
        new = pick(page, "<img src=x").first.get_by_role("combobox")
        expect(new).to_have_value("bee")  # what the model would say
        pick(page, "copy.png").first.get_by_label("drop").check()
        pick(page, "5.png").first.get_by_label("keep").check()
        expect(page.locator("#tally")).to_have_text("1 to drop, 1 to relabel, 1 kept; 2 left")
        # The same picture in another finding says the same.
        expect(pick(page, "<img src=x").last.get_by_label("relabel")).to_be_checked()
        file = download(page, tmp_path / "decisions.csv")
    decisions = read_decisions(file)
    assert {(one.path, one.word, one.label) for one in decisions} == {
        (f"train/ant/{HOSTILE}", "relabel", "bee"),
        ("train/ant/copy.png", "drop", ""),
        ("train/bee/5.png", "keep", ""),
    }
    roles, facts = decide(assign_roles(data), decisions, file, root)
    assert facts.dropped == {"train": 1} and facts.relabelled == {"train": 1} and facts.by_path == 0
    found = {
        e.source.name: data.words(e.target) for e in roles.train.examples if e.source.parent.name == "ant"
    }
    assert found[HOSTILE] == "bee" and found["0.png"] == "ant" and "copy.png" not in found


def test_by_keyboard_alone(browser: Browser, root: Path, tmp_path: Path) -> None:
    data = load_data(root)
    url = write(tmp_path / "page.html", root, data, suspected(data, "1.png", "2.png", "3.png"))
    with opened(browser, url, accept_downloads=True) as page:
        page.keyboard.press("Tab")  # the link to the finding
        page.keyboard.press("Tab")
        for key in "dnrnkpp":
            page.keyboard.press(key)
        expect(page.locator("#tally")).to_have_text("1 to drop, 1 to relabel, 1 kept; 0 left")
        expect(page.locator(".pick").first.get_by_label("drop")).to_be_focused()
        page.get_by_role("button", name="Undo for val/bee/1.png").press("Enter")
        expect(page.locator("#tally")).to_have_text("1 to relabel, 1 kept; 1 left")
        page.locator("#save").focus()
        with page.expect_download():
            page.keyboard.press("Enter")


def test_a_reload_forgets_nothing_until_told_to(browser: Browser, root: Path, tmp_path: Path) -> None:
    data = load_data(root)
    url = write(tmp_path / "page.html", root, data, suspected(data, "1.png", "2.png"))
    with opened(browser, url) as page:
        page.locator(".pick").first.get_by_label("drop").check()
        page.reload()
        expect(page.locator(".pick").first.get_by_label("drop")).to_be_checked()
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Forget all").click()
        expect(page.locator("#tally")).to_have_text("Nothing is decided yet")
        page.reload()
        expect(page.locator("#tally")).to_have_text("Nothing is decided yet")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off_or_covered(
    browser: Browser, root: Path, tmp_path: Path, scheme: str
) -> None:
    data = load_data(root)
    url = write(tmp_path / "page.html", root, data, suspected(data, HOSTILE, "1.png", "2.png"), inspect(data))
    options = {"viewport": {"width": 360, "height": 700}, "has_touch": True, "color_scheme": scheme}
    with opened(browser, url, **options) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        for number in range(page.locator(".pick").count()):
            page.locator(".pick").nth(number).get_by_label("keep").tap()
            box = page.locator(".pick fieldset label").nth(3 * number).bounding_box()
            assert box and box["height"] >= 40 and box["width"] >= 40
        expect(page.locator("#tally")).to_contain_text("kept; 0 left")
        paper, ink = (
            page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color")
        )
        lightness = [sum(map(int, value[4:-1].split(", "))) for value in (paper, ink)]
        assert (lightness[0] > lightness[1]) == (scheme == "light")


def test_a_label_that_is_none_is_not_saved(browser: Browser, tmp_path: Path) -> None:
    for number in range(4):
        draw(tmp_path / "x" / f"{number}.png", number)
    table = tmp_path / "x" / "table.csv"
    for text, wrong, right in (
        ("path,value\n0.png,1.5\n1.png,2\n2.png,3\n3.png,4\n", "", "-2.5"),
        ("path,labels\n0.png,cat;dog\n1.png,dog\n2.png,cat\n3.png,cat\n", "cat;cow", "dog; cat"),
    ):
        table.write_text(text)
        data = load_data(table)
        suggestion = "9" if data.task == "regression" else "cat"
        url = write(
            tmp_path / f"{data.task}.html", table, data, suspected(data, "0.png", suggestion=suggestion)
        )
        with opened(browser, url, accept_downloads=True) as page:
            page.get_by_label("relabel").check()
            field = page.get_by_label("New label of 0.png")
            expect(field).to_have_value(suggestion)
            field.fill(wrong)
            expect(page.locator("#tally")).to_contain_text("0.png: that is no label of these data")
            expect(page.locator("#save")).to_be_disabled()
            field.fill(right)
            file = download(page, tmp_path / "decisions.csv")
        roles, facts = decide(assign_roles(data, 0.5), read_decisions(file), file, table)
        assert sum(facts.relabelled.values()) == (data.task == "regression")
        assert roles.as_data().examples


def test_the_page_is_bounded_and_says_so(tmp_path: Path) -> None:
    for number in range(MOST + 40):
        draw(tmp_path / "many" / ("a", "b")[number % 2] / f"{number}.png", number, size=(8, 8))
    data = load_data(tmp_path / "many")
    every = suspected(data, *[example.source.name for example in data.examples], suggestion="a")
    dark = Issue("duplicate", "warning", "odd ones", [[str(example.source)] for example in data.examples])
    gallery = make_gallery(data, [dark], every, tmp_path / "many")
    assert gallery.page.count('class="pick"') <= MOST
    assert gallery.found == len(data) > gallery.shown
    assert "150 of 340 are shown" in gallery.page and "60 of 340 are shown" in gallery.page
    assert len(gallery.page) < 3_000_000


def test_nothing_found_is_a_page_too(tmp_path: Path, browser: Browser) -> None:
    draw(tmp_path / "few" / "a" / "0.png", 1)
    draw(tmp_path / "few" / "b" / "0.png", 2)
    data = load_data(tmp_path / "few")
    nothing = Value(math.nan, None, None, 0, "")
    url = write(tmp_path / "page.html", tmp_path / "few", data, Suspects(data.task, 0, (), nothing, nothing))
    with opened(browser, url) as page:
        expect(page.locator("h1")).to_have_text("Nothing found against these pictures")


def test_a_picture_that_cannot_be_shown_says_why(tmp_path: Path) -> None:
    file = draw(tmp_path / "few" / "a" / "0.png", 1)
    draw(tmp_path / "few" / "b" / "0.png", 2)
    file.write_bytes(file.read_bytes()[:50])
    data = load_data(tmp_path / "few")
    gallery = make_gallery(data, [], suspected(data, "0.png"), tmp_path / "few")
    assert "cannot be shown" in gallery.page or "data:image" in gallery.page
