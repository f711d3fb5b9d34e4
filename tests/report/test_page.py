"""The page of a run, read back as a browser would."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from runs_by_hand import facts_of, make_run

from lensmith.errors import DataError
from lensmith.evaluation.baseline import Baseline
from lensmith.evaluation.intervals import Value, proportion
from lensmith.evaluation.report import ClassFigures, Report
from lensmith.report.page import write_page
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import write_json

NAMES = ["ants", "bees", "中文"]
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;$name"
VOID = {"meta", "link", "img"}


class Page(HTMLParser):
    """What stands in a page: elements with their attributes and section, words by element, figures."""

    def __init__(self, run: RunDirectory) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], str]] = []
        self.words: list[tuple[str, str]] = []
        self.figures: list[tuple[str, float, str]] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.source = run.page_file.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self._open == [], "an element was not closed"

    @property
    def section(self) -> str:
        return next((a["aria-labelledby"] or "" for tag, a in self._open if tag == "section"), "")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), self.section))
        if tag not in VOID:
            self._open.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not self._open:
            return
        tag, attrs = self._open[-1]
        self.words.append((tag, data))
        if tag == "data":
            self.figures.append((self.section, float(attrs["value"] or ""), data))

    def text(self, tag: str) -> list[str]:
        return [words for name, words in self.words if name == tag]

    def sections(self) -> list[str]:
        return [a["aria-labelledby"] or "" for tag, a, _ in self.elements if tag == "section"]


def page_of(run: RunDirectory) -> Page:
    write_page(run)
    return Page(run)


def numbers_of(figure: dict[str, Any]) -> list[float]:
    """What the page says of one figure: its value and the ends of its interval."""
    return [figure[key] for key in ("value", "low", "high") if figure[key] is not None]


def test_the_verdict_stands_on_top(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", NAMES)
    assert page_of(run).text("h1") == [json.loads(run.report_file.read_text())["verdict"]]


def test_the_figures_are_those_of_the_report(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", NAMES, [[30, 2, 0], [1, 12, 3], [0, 4, 1]])
    report, page = json.loads(run.report_file.read_text()), page_of(run)
    guess, apart = report["baseline"], report["baseline"]["difference"]
    figures = [*numbers_of(guess), *numbers_of(apart)]
    figures += [*numbers_of(report["accuracy"]), *numbers_of(report["log_loss"])]
    classes = []
    for c in report["per_class"]:
        shares = [
            number
            for name in ("recall", "precision", "f1", "roc_auc", "average_precision")
            for number in numbers_of(c[name])
        ]
        classes += [c["count"], *shares]
    told = {
        "Figures": figures,
        "Classes": classes,
        "Confusion": [
            *[n for row in report["confusion"] for n in row],
            *[n for pair in report["confused"] for n in (pair["count"], *numbers_of(pair["share"]))],
        ],
    }
    for title, numbers in told.items():
        shown = [(value, text) for section, value, text in page.figures if section == title]
        assert [value for value, _ in shown] == numbers
        for value, text in shown:
            assert text in (f"{value:.1%}", f"{value:+.1%}", f"{value:,.3f}", f"{value:,g}")
    words = "Measured on 53 pictures of val (held out from training, looks so far: 3). "
    assert any(text.startswith(words) for text in page.text("p"))


def test_a_figure_without_an_interval_says_why(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path / "run", NAMES, [[3, 0, 0], [0, 3, 0], [0, 0, 0]]))
    assert "too few pictures for an interval of a mean" in page.text("small")
    assert page.text("small").count("no pictures") == 2  # neither recall nor precision of 中文


def test_other_tasks_show_their_own_figures(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ["sky", "sea"])
    share, plain = proportion(3, 4), Value(0.25, 0.125, 0.5, 4)
    labels = [
        ClassFigures(name, 3, share, share, share, plain, ap, 0.125)
        for name, ap in (("sky", Value(0.875, 0.75, 0.9375, 4)), ("sea", None))
    ]
    report = Report(
        "multilabel", 4, {"mean_ap": plain, "exact_match": share}, ["sky", "sea"], labels, [], None
    )
    write_json(run.report_file, report.as_dict())
    page = page_of(run)
    assert "Confusion" not in page.sections()
    assert page.text("h3") == ["mean AP", "exact match"]
    figures = [words for section, _, words in page.figures if section == "Figures"]
    assert figures[:3] == ["0.250", "0.125", "0.500"]
    singles = [words for section, _, words in page.figures if section == "Classes"]
    assert [singles[at] for at in (7, 10, 13)] == ["0.750", "0.250", "0.875"]
    assert singles[-1] == "0.125" and "said from" in page.text("th")
    guess = Baseline("12", Value(1234.5, 1000, 1500, 4), Value(-9, None, None, 4, "too few"), 1.0)
    write_json(run.report_file, Report("regression", 4, {"mae": plain}, [], [], [], guess).as_dict())
    page = page_of(run)
    assert page.sections()[:2] == ["Figures", "Data"]
    assert ("Figures", 1234.5, "1,234.500") in page.figures


def test_nothing_is_requested(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path / "run", NAMES))
    links = [
        a[key] or "" for _, a, _ in page.elements for key in ("src", "href", "srcset", "action") if key in a
    ]
    assert all(link.startswith(("data:", "#")) for link in links)
    assert not re.search(r"url\(|@import|https?:|//", page.source.lower().replace("<!--", ""))
    policy = next(a["content"] or "" for _, a, _ in page.elements if "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy


def test_no_words_become_markup(tmp_path: Path) -> None:
    facts = json.loads(json.dumps(facts_of([HOSTILE])).replace("my photos", json.dumps(HOSTILE)[1:-1]))
    facts["data"] |= {"name": HOSTILE, "notes": [HOSTILE], "split": HOSTILE}
    facts |= {"started": HOSTILE, "versions": {HOSTILE: HOSTILE}, "choices": {"lr": HOSTILE}}
    run = make_run(tmp_path / "&lt;run", [HOSTILE, "b"], facts=facts)
    run.recipe_file.write_text(f'model = {json.dumps(HOSTILE)}\nlr = 1\n"<i>" = 2\n')
    report = json.loads(run.report_file.read_text()) | {"verdict": HOSTILE}
    report["accuracy"] |= {"low": None, "why": HOSTILE}
    run.report_file.write_text(json.dumps(report | {"split": HOSTILE, HOSTILE: report["accuracy"]}))
    page, harmless = page_of(run), page_of(make_run(tmp_path / "run", NAMES))
    assert {tag for tag, _, _ in page.elements} <= {tag for tag, _, _ in harmless.elements}
    assert not [name for _, attributes, _ in page.elements for name in attributes if name.startswith("on")]
    assert page.text("title") == ["&lt;run: lensmith report"]
    assert page.text("h1") == [HOSTILE]
    assert page.text("th").count(HOSTILE) >= 3  # classes, confusion, data: whole and unchanged


@pytest.mark.parametrize(
    ("file", "gone"),
    [
        ("report.json", {"Figures", "Classes", "Confusion"}),
        ("facts.json", {"Data", "Machine"}),
        ("metrics.jsonl", {"Training"}),
        ("recipe.toml", {"Choices", "Repeat"}),
    ],
)
def test_a_missing_file_leaves_its_sections_out(file: str, gone: set[str], tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", NAMES)
    every = page_of(run).sections()
    (run.path / file).unlink()
    page = page_of(run)
    assert page.sections() == [title for title in every if title not in gone]
    assert page.text("h1")


def test_an_empty_run_still_has_a_page(tmp_path: Path) -> None:
    page = page_of(RunDirectory(tmp_path))
    assert page.sections() == []
    assert page.text("h1") == ["Not measured: this run has no report.json"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", NAMES)
    run.report_file.write_text('{"verdict"')
    with pytest.raises(DataError, match=r"report\.json"):
        write_page(run)


def test_each_class_has_a_row_with_its_counts(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path / "run", NAMES))
    counts = [value for section, value, _ in page.figures if section == "Data"]
    assert counts == [303, 33, 100, 10, 101, 11, 102, 12]  # all, then class by class
    assert page.text("th").count("中文") == 4  # data, classes, the matrix's row, what it is confused with
    assert page.text("span").count("中文") == 1  # the matrix's column


def test_skipped_files_are_told_with_their_reasons(tmp_path: Path) -> None:
    facts = facts_of(NAMES)
    facts["data"]["skipped"] = [{"file": f"photos/{i}.gif", "reason": f"reason {i}"} for i in range(1234)]
    page = page_of(make_run(tmp_path / "run", NAMES, facts=facts))
    assert "Skipped files (200 of 1,234)" in page.text("caption")
    assert ("td", "reason 199") in page.words
    assert ("td", "reason 200") not in page.words
    facts["data"]["skipped"] = []
    assert "No file was skipped." in page_of(make_run(tmp_path / "none", NAMES, facts=facts)).text("p")


@pytest.mark.parametrize("count", [50, 1000])
def test_many_classes_stay_readable(count: int, tmp_path: Path) -> None:
    confusion = [[5 if i == j else 0 for j in range(count)] for i in range(count)]
    confusion[7][3], confusion[9][2] = 2, 4
    run = make_run(tmp_path / "run", [f"class {i}" for i in range(count)], confusion)
    page = page_of(run)
    assert run.page_file.stat().st_size < 3_000_000
    assert "matrix" not in [a.get("class") for _, a, _ in page.elements]
    assert "Most confused pairs" in page.text("caption")
    pairs = [value for section, value, _ in page.figures if section == "Confusion"]
    assert [pairs[at] for at in (0, 1, 4, 5)] == [
        4,
        4 / 9,
        2,
        2 / 7,
    ]  # the worst first, each share with its ends


def test_choices_come_with_their_reasons(tmp_path: Path) -> None:
    cells = page_of(make_run(tmp_path / "run", NAMES)).text("td")
    for value, why in (("0.05", "sgd at a batch of 8"), ("0.9", "default"), ("7", "given"), ("3", "given")):
        assert (value, why) in pairwise(cells)


def test_how_fast_it_answers_is_told(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path / "run", NAMES))
    told = [exact for section, exact, _ in page.figures if section == "Machine"]
    assert told.count(3.12) == 1 and told.count(310.4) == 1
    facts = facts_of(NAMES)
    del facts["speed"]  # a run of an earlier version
    assert "Answering" not in page_of(make_run(tmp_path / "old", NAMES, facts=facts)).source


def test_the_command_repeats_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "my run", NAMES)
    (line,) = page_of(run).text("code")
    assert shlex.split(line) == ["lensmith", "train", "my photos", "--recipe", str(run.recipe_file)]


def test_it_can_be_read_aloud_and_by_keyboard(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path / "run", NAMES))
    by_tag = [(tag, attributes) for tag, attributes, _ in page.elements]
    assert ("html", {"lang": "en"}) in by_tag
    assert page.text("title") == ["run: lensmith report"]
    assert [tag for tag, _ in by_tag if tag in ("header", "main", "footer", "h1")] == [
        "header",
        "h1",
        "main",
        "footer",
    ]
    assert all("scope" in attributes for tag, attributes in by_tag if tag == "th")
    assert len(page.text("caption")) == len([tag for tag, _ in by_tag if tag == "table"])
    assert {a["id"] for tag, a in by_tag if tag == "h2"} == set(page.sections())
    assert all("aria-hidden" in a for tag, a in by_tag if tag == "svg" and a.get("class") == "bar")
    (curve,) = [a["aria-label"] for tag, a in by_tag if tag == "figure"]
    assert curve == "Mean loss on the training pictures: 2.000 in epoch 1, 0.667 in epoch 3."


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", NAMES)
    assert page_of(run).source == page_of(run).source


def test_a_page_needs_no_torch() -> None:
    program = "import sys, lensmith.report.page; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
