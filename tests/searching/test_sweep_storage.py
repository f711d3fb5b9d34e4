"""Where a study lies: reached or not, full, of another sweep, and shared with other processes."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from lensmith.errors import MachineError, UsageError
from lensmith.searching.storage import hidden, open_storage, quiet
from lensmith.searching.study import Study, open_study, read_facts

FACTS: dict[str, Any] = {
    "space": {"lr": "0.001..0.1", "flip": "true|false"},
    "lower_is_better": False,
    "trials": 4,
    "seed": 0,
}


def url(place: Path) -> str:
    return f"sqlite:///{place / 'study.db'}"


def study(place: Path, folder: str = "here", **facts: Any) -> Study:
    return open_study(url(place), "s", FACTS | facts, folder)


def make(found: Study, value: float) -> int:
    with found.trial() as trial:
        trial.complete(value, 0.1, 1.0, 2.0)
        return trial.number


def test_a_study_is_there_again_with_what_it_was_begun_with(tmp_path: Path) -> None:
    assert read_facts(url(tmp_path), "s") is None
    make(study(tmp_path), 0.5)
    assert read_facts(url(tmp_path), "s") == FACTS
    again = study(tmp_path)
    assert again.was_there and [row.value for row in again.rows()] == [0.5]


def test_the_best_of_equals_has_the_lesser_loss(tmp_path: Path) -> None:
    found = study(tmp_path)
    for loss in (0.5, 0.2, 0.4):
        with found.trial() as trial:
            trial.complete(0.9, loss, 1.0, 1.0)
    best = found.best()
    assert best is not None and best.number == 1


def test_a_trial_that_is_left_without_a_word_is_made_once_more_and_no_oftener(tmp_path: Path) -> None:
    found, tried = study(tmp_path), []
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt), found.trial() as trial:
            tried.append(trial.params)
            raise KeyboardInterrupt
    assert tried[0] == tried[1] != tried[2]
    assert found.taken() == 0 and {row.state for row in found.rows()} == {"lost"}


def test_trials_whose_process_was_killed_are_given_up_by_their_own_directory_alone(tmp_path: Path) -> None:
    killed = study(tmp_path)
    with quiet():
        killed._study.ask(killed._distributions).set_user_attr("worker", killed._here)  # then the power went
    other = study(tmp_path, folder="elsewhere")
    other.retry_lost(alone=True)
    assert other.taken() == 1  # it may be alive there
    again = study(tmp_path)
    again.retry_lost(alone=True)
    assert again.taken() == 0
    with again.trial() as trial:
        assert trial.params == killed.rows()[0].params
        trial.complete(0.5, None, 1.0, 1.0)


def test_a_trial_worse_than_most_at_that_point_is_ended(tmp_path: Path) -> None:
    found = study(tmp_path)
    for number in range(5):
        with found.trial() as trial:
            assert not trial.report(0.5, 0.8 + 0.01 * number)
            trial.complete(0.9, None, 1.0, 1.0)
    with found.trial() as trial:
        assert not trial.report(0.2, 0.1)  # too early to tell
        assert trial.report(0.5, 0.1)
        trial.prune(1.0)
    with found.trial() as trial:
        assert not trial.report(0.5, 0.95)
        trial.complete(0.95, None, 1.0, 1.0)


def test_fields_that_decide_are_told_from_those_that_do_not(tmp_path: Path) -> None:
    found = study(tmp_path, space={"lr": "0.001..0.1", "cutout": "0..0.4"})
    for _ in range(24):
        with found.trial() as trial:
            trial.complete(trial.params["lr"], None, 1.0, 1.0)
    share = found.importance()
    assert set(share) == {"lr", "cutout"} and share["lr"] > 0.8


@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        ("sqlite:////no/such/folder/study.db", MachineError, "unable to open database file"),
        ("postgresql+nodriver://me:secret@host/db", MachineError, "no storage can be opened there"),
        ("mysql+pymysql://me:secret@host/db", MachineError, "no storage can be opened there"),
        ("study.db", UsageError, "--storage is no database URL"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_named_without_its_password(
    place: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as refused:
        open_storage(place)
    assert said in str(refused.value) and "secret" not in str(refused.value)


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(MachineError, match="file is not a database"):
        study(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
def test_a_full_disk_is_said_so_and_what_is_done_stays(tmp_path: Path) -> None:
    found = study(tmp_path)
    make(found, 0.5)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
    try:
        with pytest.raises(MachineError) as refused:
            for _ in range(50):
                make(found, 0.6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "Free some space" in refused.value.hint
    assert study(tmp_path).rows()[0].value == 0.5
    assert make(study(tmp_path), 0.7) > 0


def test_a_study_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optuna.create_study(storage=url(tmp_path), study_name="s")
    with pytest.raises(UsageError, match="made by something else than lensmith sweep"):
        read_facts(url(tmp_path), "s")


def test_passwords_are_hidden() -> None:
    assert hidden("mysql+pymysql://me:secret@host/db") == "mysql+pymysql://me:***@host/db"
