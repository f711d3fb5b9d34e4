"""Repeating, seeds and going on, as a person types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Done, command
from painted import paint_folder

FIELDS = ("model=convnet", "epochs=1", "image_size=16", "batch_size=8", "--device", "cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`photos/`, `more/` with a class more, and a run `first` of two seeds."""
    place = tmp_path_factory.mktemp("repeating")
    paint_folder(place / "photos", ant=20, bee=20)
    paint_folder(place / "more", ant=20, bee=20, cat=20)
    done = command("train", "photos", *FIELDS, "seeds=2", "--out", "first", cwd=place)
    assert done.code == 0, done.err
    assert "2 trainings, by seeds 0, 1: accuracy" in done.err
    return place


def ask(place: Path, *words: str) -> Done:
    done = command(*words, cwd=place)
    assert done.code == 0, done.err
    return done


def test_a_recipe_of_a_run_repeats_it_and_says_so(place: Path) -> None:
    done = ask(place, "train", "photos", "--recipe", "first/recipe.toml", "seeds=1", "--out", "again")
    assert "repeats first: equal weights" in done.err


def test_from_goes_on_and_tells_which_classes(place: Path) -> None:
    done = ask(place, "train", "more", "from=first", "epochs=1", "--out", "on")
    assert "kept: ant, bee; new: cat" in done.err
    recipe = (place / "on/recipe.toml").read_text()
    assert 'from_run = "first"' in recipe
    twice = command("train", "more", "from=first", "from_run=first", cwd=place)
    twice.refused(2, "given twice")


def test_from_nothing_is_refused_with_what_there_is(place: Path) -> None:
    done = command("train", "more", "from=nowhere", "epochs=1", cwd=place)
    done.refused(5, "nowhere: no such run")


def test_compare_sets_a_difference_beside_the_spread_of_seeds(place: Path) -> None:
    ask(place, "train", "photos", *FIELDS, "lr=0.01", "--out", "other")
    said = ask(place, "compare", "first", "other", "--json").json
    words = said["comparisons"][0]["seeds"]
    # Two seeds that happen to be equal show no spread, and nothing is said.
    assert words == "" or "the spread of seeds" in words
