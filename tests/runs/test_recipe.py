"""`Recipe`: every field through TOML and back, words from the shell, and refusals that name the field."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

import pytest

from lensmith.errors import UsageError
from lensmith.runs.fields import seconds_of
from lensmith.runs.recipe import Recipe, read_recipe
from lensmith.runs.recipe_words import field_help, parse_words

AWKWARD = {
    "model": 'nets/größe "neu".py:make\\net',
    "budget": "1h30m",
    "checkpoint_every": "30s",
    "epochs": 2.5,
    "lr": 1e-05,
    "weight_decay": 5e-4,
    "image_size": 96,
    "val_fraction": 1 / 3,
    "seed": 2**62 + 1,
}


def another(field: dataclasses.Field[Any]) -> Any:
    """A value of the field's type that is not its default."""
    hint = typing.get_type_hints(Recipe)[field.name]
    kind = next(one for one in (*typing.get_args(hint), hint) if one is not type(None))
    if field.name in AWKWARD:
        return AWKWARD[field.name]
    if words := typing.get_args(kind) or (typing.get_args(hint) if isinstance(kind, str) else ()):
        return next(word for word in words[::-1] if word != field.default)
    return {bool: not field.default, int: 7, float: 0.25, str: "a-word"}[kind]


FULL = Recipe(**{field.name: another(field) for field in dataclasses.fields(Recipe)})
NAMES = [field.name for field in dataclasses.fields(Recipe)]


def test_every_field_is_tried_here() -> None:
    plain = Recipe()
    assert [name for name in NAMES if getattr(FULL, name) == getattr(plain, name)] == []


@pytest.mark.parametrize("recipe", [Recipe(), FULL, Recipe(epochs=3), Recipe(lr=0.1 + 0.2)])
def test_through_toml_and_back(recipe: Recipe, tmp_path: Path) -> None:
    recipe.write(tmp_path / "recipe.toml")
    assert read_recipe(tmp_path / "recipe.toml") == recipe
    assert read_recipe(tmp_path / "recipe.toml").as_toml() == recipe.as_toml()


@pytest.mark.parametrize("name", NAMES)
def test_each_field_alone_through_toml_and_through_words(name: str, tmp_path: Path) -> None:
    value = getattr(FULL, name)
    one = Recipe().changed(**{name: value})
    one.write(tmp_path / "recipe.toml")
    assert getattr(read_recipe(tmp_path / "recipe.toml"), name) == value
    word = f"{name}={json.dumps(value) if isinstance(value, bool) else value}"
    assert parse_words([word]) == {name: value}
    assert type(parse_words([word])[name]) is type(value)


def test_a_part_of_a_recipe_leaves_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(
        b'\xef\xbb\xbflr = 0.5\nmodel = "auto"\nepochs = 3\n'
    )  # with the mark of Windows' Notepad
    assert read_recipe(file) == Recipe(lr=0.5, epochs=3)


def test_what_is_still_open_is_what_the_file_says() -> None:
    said = {line.split(" = ")[0] for line in Recipe().as_toml().splitlines() if line.endswith('"auto"')}
    assert set(Recipe().unset()) == said
    assert {"model", "task", "epochs", "batch_size", "lr", "image_size", "device"} <= said
    assert FULL.unset() == []
    assert FULL.changed(budget=None).unset() == []
    assert FULL.changed(lr="auto", model=None).unset() == ["model", "lr"]


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("learning_rate", "lr"),
        ("batchsize", "batch_size"),
        ("batch-size", "batch_size"),
        ("epoch", "epochs"),
        ("Lr", "lr"),
        ("optimiser", "optimizer"),
        ("weight_deacy", "weight_decay"),
        ("imgsz", "image_size"),
        ("val_frac", "val_fraction"),
    ],
)
def test_a_typo_suggests_the_nearest(typo: str, meant: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(f'"{typo}" = 1\n')
    for ask in (
        lambda: Recipe().changed(**{typo: 1}),
        lambda: parse_words([f"{typo}=1"]),
        lambda: read_recipe(tmp_path / "r.toml"),
    ):
        with pytest.raises(UsageError, match=f"no recipe field is called '{typo}'") as caught:
            ask()
        assert caught.value.hint == f"Did you mean {meant}?"


def test_a_name_like_none_lists_them_all() -> None:
    with pytest.raises(UsageError) as caught:
        parse_words(["xyzzy=1"])
    assert all(name in caught.value.hint for name in NAMES)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("lr", "fast", "lr='fast' is not a number"),
        ("lr", True, "lr=True is not a number"),
        ("lr", [0.1], "is not a number"),
        ("batch_size", 64.0, "batch_size=64.0 is not a whole number"),
        ("batch_size", "64", "is not a whole number"),
        ("seed", True, "seed=True is not a whole number"),
        ("flip", 1, "flip=1 is not true or false"),
        ("flip", "yes", "is not true or false"),
        ("model", 18, "model=18 is not a word"),
        ("budget", 120, "budget=120 is not a word"),
        ("task", "detection", "task=detection is not one of classification, multilabel, regression"),
        ("fit", 3, "fit=3 is not one of"),
    ],
)
def test_wrong_types_are_refused_with_the_name(name: str, value: Any, told: str) -> None:
    for ask in (lambda: Recipe(**{name: value}), lambda: Recipe().changed(**{name: value})):
        with pytest.raises(UsageError) as caught:
            ask()
        assert told in caught.value.message


def test_a_word_like_an_allowed_one_is_suggested() -> None:
    with pytest.raises(UsageError, match="optimizer=adamW is not one of muon, sgd, adam, adamw") as caught:
        Recipe(optimizer="adamW")
    assert caught.value.hint == "Did you mean adamw?"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", -1),
        ("batch_size", 0),
        ("lr", -0.1),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("momentum", 1.01),
        ("weight_decay", -1e-9),
        ("label_smoothing", 1.0),
        ("image_size", 3),
        ("image_size", 5000),
        ("shift", 0.51),
        ("val_fraction", 0.0),
        ("val_fraction", 1.0),
        ("seed", -1),
        ("seed", 2**63),
    ],
)
def test_values_out_of_bounds_are_refused_with_the_name(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"^{name}=.* is outside"):
        Recipe().changed(**{name: value})


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Recipe) if f.default is not None])
def test_what_nothing_chooses_cannot_be_auto(name: str, tmp_path: Path) -> None:
    """Left at None it would surface far away, as a fault of the network or of the seed."""
    (tmp_path / "r.toml").write_text(f'{name} = "auto"\n')
    for ask in (
        lambda: Recipe(**{name: None}),
        lambda: Recipe().changed(**parse_words([f"{name}=auto"])),
        lambda: read_recipe(tmp_path / "r.toml"),
    ):
        with pytest.raises(UsageError, match=f"{name}=auto") as caught:
            ask()
        assert str(getattr(Recipe, name)) in caught.value.hint


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("90s", 90),
        ("2m", 120),
        ("1h30m", 5400),
        ("1h 30m 5s", 5405),
        ("90", 90),
        ("0.5h", 1800),
        ("1.5m", 90),
        (" 2M ", 120),
        ("1m30", 90),
        ("1h5", 3605),
    ],
)
def test_budgets(words: str, seconds: float) -> None:
    assert seconds_of(words) == seconds
    assert Recipe(budget=words).budget == words


@pytest.mark.parametrize(
    "words",
    [
        "",
        " ",
        "soon",
        "0",
        "0s",
        "-5s",
        "-1m",
        "5 minutes",
        "2min",
        "10ms",
        "m",
        "1m1h",
        "1hh",
        "nan",
        "inf",
        "infs",
        "1e999",
        "²s",
    ],
)
def test_what_is_no_time(words: str) -> None:
    for ask in (
        lambda: seconds_of(words),
        lambda: Recipe(budget=words),
        lambda: Recipe().changed(budget=words),
    ):
        with pytest.raises(UsageError, match="is not a time") as caught:
            ask()
        assert "90s, 2m or 1h30m" in caught.value.hint


def test_words_from_the_shell() -> None:
    assert parse_words([]) == {}
    assert parse_words(["lr=1e-3", "batch_size=64", "flip=off", "store=1", "model=net.py:make=2"]) == {
        "lr": 0.001,
        "batch_size": 64,
        "flip": False,
        "store": True,
        "model": "net.py:make=2",
    }
    assert parse_words(["epochs=3"]) == {"epochs": 3.0}
    assert parse_words(["lr=auto"]) == {"lr": None}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lr"], "'lr' is not a recipe field"),
        (["photos/"], "'photos/' is not a recipe field"),
        (["lr="], "lr= is not a number"),
        (["lr=fast"], "lr=fast is not a number"),
        (["batch_size=64.0"], "batch_size=64.0 is not a whole number"),
        (["batch_size=1e3"], "is not a whole number"),
        (["flip=maybe"], "flip=maybe is neither true nor false"),
        (["=5"], "no recipe field is called ''"),
        (["lr=1", "lr=2"], "lr is given twice"),
    ],
)
def test_words_that_cannot_be_used(words: list[str], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_words(words)
    assert told in caught.value.message
    assert caught.value.hint or "is n" in told


@pytest.mark.parametrize("content", [b"lr: 0.1\n", b"lr = \n", b"\xff\xfe", b"lr = 1\nlr = 2\n", b"[lr]\n"])
def test_a_file_that_is_no_recipe_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_recipe(file)
    assert str(file) in caught.value.message or "lr={}" in caught.value.message
    for gone in (tmp_path / "gone.toml", tmp_path):
        with pytest.raises(UsageError, match="no recipe can be read there"):
            read_recipe(gone)


def test_every_field_has_a_default_and_a_help() -> None:
    told = {name: (default, text) for name, default, text in field_help()}
    assert list(told) == NAMES
    assert all(text and not text.endswith(".") for _, text in told.values())
    assert told["lr"][0] == "auto"
    assert told["store"][0] == "true"
    assert told["keep"][0] == "best"


def test_the_recipe_is_whole_or_not_there(tmp_path: Path) -> None:
    FULL.write(tmp_path / "run" / "recipe.toml")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["recipe.toml"]
