"""`lr=0.001..0.1`, `flip=true|false`: what is searched, as it is written and as it is refused."""

from __future__ import annotations

import pytest

from lensmith.errors import UsageError
from lensmith.planning.plan import Plan
from lensmith.runs.recipe import Recipe
from lensmith.searching.space import Span, Values, given_axes, parse_space, read_axis, words_of
from lensmith.searching.usual import chosen_space, usual_space


def test_ranges_and_values_take_the_type_of_their_field() -> None:
    space, fixed = parse_space(
        [
            "lr=0.001..0.1",
            "batch_size=64|128",
            "flip=true|no",
            "epochs=3",
            "cutout=0..0.4",
            "image_size=96..224",
        ]
    )
    assert space == {
        "lr": Span(0.001, 0.1, True, False),
        "batch_size": Values((64, 128)),
        "flip": Values((True, False)),
        "cutout": Span(0.0, 0.4, False, False),
        "image_size": Span(96, 224, False, True),
    }
    assert fixed == {"epochs": 3.0}


def test_paths_and_patterns_are_no_ranges() -> None:
    space, fixed = parse_space(["splits=../a|b.csv", "group_by={}..{}", "model=../nets.py:make"])
    assert space == {}
    assert fixed == {"splits": "../a|b.csv", "group_by": "{}..{}", "model": "../nets.py:make"}


def test_a_space_reads_its_own_words_again() -> None:
    space, _ = parse_space(
        ["lr=1e-05..0.3", "optimizer=adamw|sgd", "penalty=auto|0.1", "epochs=2|4.5", "batch_size=8..512"]
    )
    assert {name: read_axis(name, text) for name, text in words_of(space).items()} == space


def test_keywords_of_python_say_the_same() -> None:
    space, fixed = given_axes(
        {"lr": "0.001..0.1", "flip": [True, False], "penalty": [None, 0.1], "epochs": 2}
    )
    assert space == {
        "lr": Span(0.001, 0.1, True, False),
        "flip": Values((True, False)),
        "penalty": Values((None, 0.1)),
    }
    assert fixed == {"epochs": 2}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lr=0.1..0.001"], "0.1 is not below 0.001"),
        (["lr=0.1..0.1"], "0.1 is not below 0.1"),
        (["lr=a..b"], "lr=a is not a number"),
        (["lr=..0.1"], "lr= is not a number"),
        (["lr=-1..0.1"], "lr=-1.0 is outside 0 to 1000"),
        (["flip=true..false"], "flip is not a number"),
        (["batch_size=1.5..3"], "batch_size=1.5 is not a whole number"),
        (["batch_size=64|64"], "names 64 twice"),
        (["optimizer=adamw|lion"], "optimizer=lion is not one of"),
        (["learning_rate=0.1..1"], "no recipe field is called 'learning_rate'"),
        (["seed=1|2"], "seed is the same for all trials"),
        (["val_fraction=0.1..0.3"], "which pictures are learned from and measured"),
        (["lr=0.001..0.1", "lr=0.1"], "lr is given twice"),
        (["flip=auto|auto"], "names auto twice"),
    ],
)
def test_what_is_no_range_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_space(words)
    assert said in refused.value.message


def plan(**fields: object) -> Plan:
    return Plan(Recipe().changed(task="classification", **fields), {})


HEAD = plan(pretrained=True, freeze=True, image_size=224, flip=True)
TUNED = plan(pretrained=True, freeze=False, optimizer="adamw", lr=0.0004, epochs=4.0, batch_size=32)
SCRATCH = plan(
    pretrained=False, freeze=False, optimizer="muon", lr=0.25, epochs=8.0, batch_size=64, small_first=0.5
)


def test_the_usual_space_is_that_of_the_way_of_learning() -> None:
    assert set(usual_space(HEAD, 200, True)) == {"penalty", "flip", "image_size"}
    assert "flip" not in usual_space(HEAD, 200, False)
    assert {"lr", "epochs", "penalty"} <= set(usual_space(TUNED, 2000, True))
    scratch = usual_space(SCRATCH, 2000, True)
    assert {"lr", "batch_size", "label_smoothing", "small_first"} <= set(scratch)
    assert "weight_decay" not in scratch  # Muon has none
    assert scratch["batch_size"] == Values((32, 64, 128))


def test_what_was_asked_for_stands_in_the_place_of_the_usual() -> None:
    asked, fixed = parse_space(["lr=0.1..0.2", "crop=0.3..1", "batch_size=64"])
    space = chosen_space(usual_space(SCRATCH, 2000, True), asked, fixed, SCRATCH.recipe)
    assert space["lr"] == Span(0.1, 0.2, True, False)
    assert "batch_size" not in space
    assert "shift" not in space  # a crop moves the picture already


@pytest.mark.parametrize(
    ("base", "word", "said"),
    [
        (HEAD, "lr=0.1..1", "lr=0.1..1 would change nothing"),
        (SCRATCH, "penalty=0.1..1", "penalty=0.1..1 would change nothing"),
    ],
)
def test_what_would_change_nothing_is_refused(base: Plan, word: str, said: str) -> None:
    asked, fixed = parse_space([word])
    with pytest.raises(UsageError) as refused:
        chosen_space(usual_space(base, 200, True), asked, fixed, base.recipe)
    assert said in refused.value.message
