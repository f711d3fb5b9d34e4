"""The section of a run whose recipe comes from a sweep, and its parallel plot."""

from __future__ import annotations

import re
from typing import Any

from lensmith.report.parallel import Line, draw_parallel
from lensmith.report.sweep import sweep


def trial(number: int, value: float | None, lr: float, flip: bool, **facts: Any) -> dict[str, Any]:
    made = {"number": number, "state": "complete", "value": value, "loss": 0.1, "seconds": 2.0, "error": ""}
    return made | {"params": {"lr": lr, "flip": flip}} | facts


def facts(**changes: Any) -> dict[str, Any]:
    trials = [
        trial(0, 0.9, 0.001, True),
        trial(1, 0.95, 0.01, False),
        trial(2, 0.7, 0.1, True, state="pruned"),
        trial(3, None, 0.1, False, state="failed", error="the loss became nan <&>"),
    ]
    made: dict[str, Any] = {
        "verdict": "better than the default by 4.0 points: 94.0% against 90.0%",
        "grounds": "60 to learn from",
        "figure": "accuracy",
        "lower_is_better": False,
        "axes": [
            {"name": "lr", "low": 0.001, "high": 0.1, "by_log": True},
            {"name": "flip", "values": [True, False]},
        ],
        "best": trials[1],
        "usual": {"value": 0.88, "loss": 0.3, "seconds": 1.5},
        "trials": trials,
        "importance": {"lr": 0.8, "flip": 0.2},
        "confirmed": {
            "figure": "accuracy",
            "seeds": [1000],
            "tried": [0.94],
            "usual": [0.9],
            "difference": {"value": 0.04, "low": 0.01, "high": 0.07, "count": 100},
        },
    }
    return made | changes


def rows(html: str, caption: str) -> list[str]:
    table = html[html.index(f"<caption>{caption}") :]
    return re.findall(r"<tr>.*?</tr>", table[: table.index("</table>")])[1:]


def test_all_trials_stand_there_with_the_default_among_them_the_best_first() -> None:
    found = rows(sweep(facts()), "All trials")
    assert [re.findall(r'scope="row">(\w+)', row)[0] for row in found] == ["2", "1", "default", "3", "4"]
    assert "ended early" in found[3] and "the loss became nan &lt;&amp;&gt;" in found[4]


def test_the_comparison_has_its_range() -> None:
    found = rows(sweep(facts()), "The winner beside the default")
    assert "94.0%" in found[0] and "+4.0" in found[0]
    assert "+1.0" in found[1] and "+7.0" in found[1]


def test_lines_go_through_what_was_tried() -> None:
    html = sweep(facts())
    lines = re.findall(r'class="trial (\w+)" points="([^"]+)"', html)
    assert [kind for kind, _ in lines] == [
        "early",
        "usual",
        "best",
    ]  # the best on top; the failed one has no figure
    best = [point.split(",")[0] for point in lines[-1][1].split(" ")[1::2]]
    assert [float(y) for y in best] == [
        50.0,
        0.0,
        0.0,
    ]  # lr in the middle of its logarithms, flip=false, the highest
    assert "<b>lr</b>" in html and "<span>0.1</span>" in html and "<span>95.0%</span>" in html


def test_an_error_is_best_at_its_lowest() -> None:
    found = facts(lower_is_better=True, figure="mae", confirmed=None)
    assert re.findall(r'scope="row">(\w+)', rows(sweep(found), "All trials")[0])[0] == "3"


def test_a_run_without_a_sweep_has_no_section() -> None:
    assert sweep({}) == ""


def test_a_single_axis_is_drawn() -> None:
    html = draw_parallel([("lr", "1", "0")], [Line([0.5], "best")], "one trial")
    assert 'points="50.00 50.00"' in html
