"""A sweep from data to a run: what it may see, what is confirmed, and how it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from painted import paint_folder
from torch import nn

import lensmith as lm
from lensmith.errors import DataError, UsageError
from lensmith.runs.files import read_json, read_json_lines
from lensmith.runs.recipe import Recipe
from lensmith.searching.begin import Wish
from lensmith.searching.space import given_axes
from lensmith.searching.sweep import run_sweep
from lensmith.types import Event

SCRATCH: dict[str, Any] = {"model": "convnet", "image_size": 16, "epochs": 1, "device": "cpu", "threads": 1}
SEARCHED: dict[str, Any] = {"lr": "0.05..0.5", "batch_size": [8, 16]}
FEW: dict[str, Any] = dict.fromkeys(("label_smoothing", "shift", "cutout", "colour"), 0.0)
"""Left out of what is searched."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sweep")
    paint_folder(place / "set", bee=60, cat=60)
    return place


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def swept(place: Path) -> lm.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        run = lm.sweep("set", trials=3, out="one/sweep", quiet=True, **SCRATCH, **SEARCHED, **FEW)
        assert run is not None
        return lm.load_run(run.path.absolute())


def events(
    out: str, trials: int = 3, source: str = "set", storage: str | None = None, **fields: Any
) -> Iterator[Event]:
    space, fixed = given_axes(SCRATCH | SEARCHED | FEW | fields)
    return run_sweep(
        source,
        Wish(
            Recipe().changed(**fixed),
            fixed=frozenset(fixed),
            space=space,
            trials=trials,
            out=Path(out),
            storage=storage,
        ),
    )


def until(going: Iterator[Event], stage: str, words: str = "") -> list[Event]:
    """The events up to the first of a stage that begins with some words; the sweep is then left."""
    seen = []
    for event in going:
        seen.append(event)
        if event.stage == stage and event.words.startswith(words):
            break
    going.close()  # type: ignore[attr-defined]
    return seen


def trials_of(events: list[Event]) -> list[str]:
    return [event.words for event in events if event.stage == "trial" and not event.total]


def test_a_sweep_ends_in_a_run_that_looked_once(swept: lm.Run) -> None:
    found = read_json(swept.path / "sweep.json")
    assert [one["state"] for one in found["trials"]] == ["complete"] * 3
    assert all(set(one["params"]) == {"lr", "batch_size"} for one in found["trials"])
    assert found["grounds"].endswith("19 kept back to confirm the winner")
    looks = read_json_lines(swept.path.parent / "looks.jsonl")
    assert [look["run"] for look in looks] == [swept.path.name]
    assert swept.report.seen == 1 and swept.report.held_out
    recipe = swept.directory.recipe()
    assert recipe.unset() == [] and recipe.model == "convnet" and recipe.epochs == 1
    assert {name: getattr(recipe, name) for name in found["chosen"]} == found["chosen"]
    assert found["verdict"] in swept.directory.facts()["sweep"]["verdict"]
    assert 'id="Sweep"' in (swept.path / "report.html").read_text(encoding="utf-8")


def test_a_finished_sweep_is_not_made_again(swept: lm.Run) -> None:
    before = read_json(swept.path / "sweep.json")
    again = lm.sweep("set", trials=3, out=swept.path.parent / "sweep", quiet=True)
    assert again is not None and again.path.absolute() == swept.path
    assert read_json(swept.path / "sweep.json") == before
    assert len(read_json_lines(swept.path.parent / "looks.jsonl")) == 1
    with pytest.raises(UsageError, match="was compared with the default already"):
        lm.sweep("set", trials=9, out=swept.path.parent / "sweep", quiet=True)


@pytest.mark.parametrize("word", ["seeds", "folds"])
def test_several_trainings_are_asked_for_afterwards(word: str) -> None:
    with pytest.raises(UsageError, match=f"{word}=3: a sweep trains many times already"):
        lm.sweep("set", out="several", quiet=True, **SCRATCH | {word: 3})


def test_what_becomes_of_the_held_out_pictures_changes_nothing(swept: lm.Run, place: Path) -> None:
    """Deleted, or replaced by garbage, once the split is fixed."""
    shutil.copytree("set", "spoilt/set")
    said = trials_of(until(events("spoilt/sweep", source="spoilt/set"), "trial", "1"))
    held_out = [
        row.split(",")[0]
        for row in Path("spoilt/sweep/splits.csv").read_text(encoding="utf-8").splitlines()
        if ",val," in row
    ]
    assert len(held_out) > 20
    for number, name in enumerate(held_out):
        file = Path("spoilt/set") / name
        file.write_bytes(b"no picture") if number % 2 else file.unlink()
    said += trials_of(until(events("spoilt/sweep", source="spoilt/set"), "confirm"))
    whole = read_json(swept.path / "sweep.json")["trials"]
    assert len(said) == 3
    for words, one in zip(said, whole, strict=True):
        assert f"accuracy {one['value']:.1%}" in words and f"lr={one['params']['lr']:.3g}" in words
    assert not Path("spoilt/looks.jsonl").exists()


def test_an_interrupted_trial_is_made_once_more_and_no_finished_one(place: Path) -> None:
    first = trials_of(until(events("cut/sweep", epochs=2), "trial", "1"))
    cut = until(events("cut/sweep", epochs=2), "train", "trial 2")
    rest = trials_of(until(events("cut/sweep", epochs=2), "confirm"))
    assert len(first) == 1 and 0 < cut[-1].done < cut[-1].total and trials_of(cut) == []
    assert [words.split(":")[0] for words in rest] == ["3", "4"]  # the second as the third


def test_other_words_do_not_go_on_with_a_sweep(swept: lm.Run) -> None:
    with pytest.raises(UsageError, match=r"lr is 0.05..0.5 there and 0.1..0.2 here"):
        lm.sweep("set", out=swept.path.parent / "sweep", quiet=True, **SCRATCH, **FEW, lr="0.1..0.2")


def test_one_trial_is_enough_for_a_sweep(place: Path) -> None:
    said = until(events("single/sweep", trials=1), "confirm")
    assert len(trials_of(said)) == 1


def test_machines_share_a_sweep_and_the_first_confirms_it(place: Path) -> None:
    storage = f"sqlite:///{place / 'shared.db'}"
    until(events("m1/shared", storage=storage), "trial", "1")
    assert lm.sweep("set", trials=3, out="m2/shared", storage=storage, quiet=True, threads=1) is None
    assert not list(Path("m2").glob("set-*"))
    with pytest.raises(UsageError, match=r"lr is 0.05..0.5 there and 0.1..0.2 here"):
        lm.sweep("set", out="m3/shared", storage=storage, quiet=True, **SCRATCH, **FEW, lr="0.1..0.2")
    assert not Path("m3/shared").exists()
    run = lm.sweep("set", trials=3, out="m1/shared", storage=storage, quiet=True, threads=1)
    assert run is not None
    assert [one["number"] for one in read_json(run.path / "sweep.json")["trials"]] == [0, 1, 2]
    assert len(read_json_lines(Path("m1/looks.jsonl"))) == 1


def test_where_all_trials_fail_the_first_reason_is_told(place: Path) -> None:
    fields = SCRATCH | FEW | {"shift": 0.1, "crop": "0.3..0.9", "lr": 0.1, "batch_size": 8}
    with pytest.raises(DataError, match=r"all 2 trials failed; the first, crop=.*: a crop moves the picture"):
        lm.sweep("set", trials=2, out="failing/sweep", quiet=True, **fields)
    assert not Path("failing/looks.jsonl").exists()


def test_a_budget_that_is_too_short_is_said_so(place: Path) -> None:
    with pytest.raises(UsageError, match="budget"):
        lm.sweep("set", trials=2, budget="1s", out="short/sweep", quiet=True, **SCRATCH, **SEARCHED)


def test_an_own_network_is_copied_for_each_training(place: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fields = SCRATCH | FEW | {"model": net, "lr": "0.0001..0.1", "batch_size": 8, "weight_decay": 0.0}
    run = lm.sweep("set", trials=2, out="own/sweep", quiet=True, **fields)
    assert run is not None and run.report.count > 20
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_an_optimizer_that_was_built_on_one_network_is_refused() -> None:
    net = nn.Linear(2, 2)
    with pytest.raises(UsageError, match="a sweep trains many networks"):
        lm.sweep("set", model=net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1), quiet=True)


def test_a_folder_that_holds_something_else_is_left_alone(place: Path) -> None:
    Path("other").mkdir()
    (Path("other") / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="already holds something"):
        lm.sweep("set", out="other", quiet=True)
    with pytest.raises(UsageError, match="lies under the data"):
        lm.sweep("set", out="set/sweep", quiet=True)
    assert sorted(path.name for path in Path("set").iterdir()) == ["bee", "cat"]


def test_too_few_pictures_are_refused_before_anything_is_written(place: Path) -> None:
    paint_folder(place / "few", bee=8, cat=8)
    with pytest.raises(DataError, match="too few for a sweep"):
        lm.sweep("few", out="fewer", quiet=True, **SCRATCH)
    assert not Path("fewer").exists()
