"""What the page shows of each study: the numbers of its JSON form, and no words become markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from drawn import encoded, smooth

from lensmith.evaluation.withheld import Withheld
from lensmith.report.band import draw_band
from lensmith.report.learning_curve import learning_curve
from lensmith.report.mistakes import mistakes
from lensmith.report.neighbours import neighbours
from lensmith.report.robustness import robustness

HOSTILE = "<i onclick=x>&\"'"


def value(figure: float | None, low: float | None, high: float | None, count: int = 40) -> dict[str, Any]:
    return {"value": figure, "low": low, "high": high, "count": count} | (
        {} if low is not None else {"why": HOSTILE}
    )


def numbers(html: str) -> list[float]:
    return [float(found) for found in re.findall(r'<data value="([^"]*)"', html)]


def is_harmless(html: str) -> bool:
    return "<i " not in html and "&lt;i onclick=x&gt;" in html


def study_of_mistakes(file: str) -> dict[str, Any]:
    one = {"file": file, "sha256": "", "shows": HOSTILE, "said": "bee", "probability": 0.75}
    label = {
        "file": "gone.png",
        "sha256": "",
        "shows": "a",
        "said": "b",
        "label": "b",
        "missed": False,
        "probability": 0.5,
    }
    pair = {"shows": HOSTILE, "said": "bee", "count": 3, "share": value(0.5, 0.25, 0.75)}
    return {"verdict": HOSTILE, "worst": [one, label] * 20, "pairs": [pair]}


def test_mistakes_are_shown_with_their_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(smooth()))
    html = mistakes(study_of_mistakes(str(tmp_path / "a.png")))
    assert is_harmless(html)
    assert (html.count("<img"), html.count("no longer there")) == (12, 12)  # 24 at most
    assert numbers(html)[:2] == [0.75, 0.5] and numbers(html)[-4:] == [3, 0.5, 0.25, 0.75]


def test_numbers_that_are_off_are_told_with_their_sign() -> None:
    one = {"file": "a.png", "sha256": "", "shows": "10", "said": "4", "error": -6.0}
    html = mistakes({"verdict": "off", "worst": [one], "pairs": []})
    assert ">-6</data>" in html and "<table" not in html


def test_neighbours_stand_beside_the_model() -> None:
    base = {
        "name": HOSTILE,
        "value": value(0.5, 0.25, 0.75),
        "difference": value(0.25, 0.125, 0.5),
        "p": 0.01,
    }
    study = {"verdict": "so", "figure": "accuracy", "model": value(0.75, 0.5, 1.0), "known": 7}
    html = neighbours(study | {"baselines": [base | {"better": "model"}, base | {"better": None}]})
    assert is_harmless(html) and html.count("the model is better") == 1
    assert numbers(html)[:9] == [0.75, 0.5, 1.0, 0.5, 0.25, 0.75, 25.0, 12.5, 50.0]
    html = neighbours(
        study
        | {"figure": "mae", "baselines": [base | {"difference": value(0.25, None, None), "better": None}]}
    )
    assert is_harmless(html) and numbers(html)[6:] == [0.25]  # why there is no interval


@pytest.mark.parametrize("is_there", [True, False])
def test_disturbances_are_listed_and_shown(is_there: bool, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    if is_there:
        file.write_bytes(encoded(smooth()))
    kind = {
        "name": HOSTILE,
        "value": value(0.5, 0.25, 0.75),
        "lost": value(0.25, 0.125, 0.5),
        "is_clear": True,
    }
    study = {"verdict": "so", "figure": "accuracy", "value": value(0.75, 0.5, 1.0), "kinds": [kind]}
    html = robustness(study | {"example": [str(file), ""]})
    assert is_harmless(html) and numbers(html) == [0.75, 0.5, 1.0, 0.5, 0.25, 0.75, 25.0, 12.5, 50.0]
    assert html.count("<img") == (13 if is_there else 0)
    assert "<img" not in robustness(study | {"example": ["", ""]})


CURVE = {
    "verdict": "so",
    "task": "classification",
    "points": [
        {"pictures": 25.0, "error": value(0.5, 0.4, 0.6)},
        {"pictures": 100.0, "error": value(0.25, 0.2, 0.3)},
    ],
    "count": 125,
    "draws": 5,
    "now": value(0.24, 0.2, 0.3),
    "twice": value(0.2, 0.1, 0.3),
    "classes": [{"name": HOSTILE, "recall": value(0.75, 0.5, 1.0), "gain": value(0.125, -0.125, 0.25)}],
}


@pytest.mark.parametrize("is_proxy", [True, False])
def test_the_curve_is_drawn_and_its_classes_listed(is_proxy: bool) -> None:
    html = learning_curve(CURVE | {"is_proxy": is_proxy})
    assert is_harmless(html) and numbers(html) == [40, 0.75, 0.5, 1.0, 12.5, -12.5, 25.0]
    assert "expected with 250: 20." in html and "<span>25</span>" in html and "<span>250</span>" in html
    assert ("not of this run&#x27;s model" in html) == is_proxy


@pytest.mark.parametrize("section", [neighbours, robustness, learning_curve])
def test_a_study_that_was_not_made_says_why(section: Any) -> None:
    assert "no thing: it lacks &lt;i onclick=x&gt;" in section(
        Withheld("thing", f"it lacks {HOSTILE}").as_dict()
    )


def test_a_band_stays_inside_and_each_doubling_is_as_wide() -> None:
    html = draw_band([(10, 5, 4, 6), (20, 3, 2, 4), (40, 2, 1.5, 3)], [(80, 1.5, 0.5, 2)], "x", "a < b")
    (line,) = re.findall(r'class="line" points="([^"]*)"', html)
    places = [[float(part) for part in point.split()] for point in re.findall(r"\S+ \S+", line)]
    assert [x for x, _ in places] == pytest.approx([0, 100 / 3, 200 / 3], abs=0.01)
    assert [y for _, y in places] == sorted(y for _, y in places)
    found = [
        float(number)
        for text in re.findall(r'(?:points|d)="([^"]*)"', html)
        for number in re.findall(r"[\d.]+", text)
    ]
    assert min(found) >= 0 and max(found) <= 100.01
    assert 'aria-label="a &lt; b"' in html
    assert "<svg" in draw_band([(10, 0, 0, 0)], [], "x", "")
