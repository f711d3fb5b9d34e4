"""`lensmith train` as a process: what it says, what it writes, what `--json` holds, and how it is stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from command_line import COMMAND, Done, command, environment, tree
from painted import paint_folder

FIELDS = ("model=convnet", "epochs=1", "image_size=16", "batch_size=8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data `photos/`."""
    place = tmp_path_factory.mktemp("train")
    paint_folder(place / "photos", ant=20, bee=20)
    (place / "photos/bee/notes.txt").write_text("not a picture")
    (place / "photos/bee/cut.png").write_bytes((place / "photos/bee/00.png").read_bytes()[:200])
    return place


@pytest.fixture(scope="module")
def trained(place: Path) -> Done:
    """A short training into `first/`."""
    before = tree(place / "photos")
    done = command("train", "photos", *FIELDS, "--out", "first", "--json", cwd=place)
    assert done.code == 0, done.err
    assert tree(place / "photos") == before
    return done


def test_json_holds_what_was_promised(trained: Done, place: Path) -> None:
    facts = trained.json
    assert {"run", "task", "model", "classes", "skipped", "seconds", "report"} <= set(facts)
    assert (
        facts["run"] == "first" and facts["task"] == "classification" and facts["classes"] == ["ant", "bee"]
    )
    reasons = {one["file"]: one["reason"] for one in facts["skipped"]}
    assert set(reasons) == {"photos/bee/notes.txt", "photos/bee/cut.png"} and all(reasons.values())
    assert {"total", "import", "data", "train", "measure"} <= set(facts["seconds"])
    assert facts["seconds"]["total"] >= facts["seconds"]["import"] > 0
    report = facts["report"]
    assert report["split"] == "val" and report["held_out"] is True
    assert report["count"] in (7, 8)  # the cut picture may lie on either side
    assert 0 <= report["accuracy"]["low"] <= report["accuracy"]["value"] <= report["accuracy"]["high"] <= 1


def test_a_log_gets_few_plain_lines(trained: Done) -> None:
    said = trained.err
    assert "\r" not in said and "\x1b" not in said and "Traceback" not in said and "Warning" not in said
    lines = said.splitlines()
    assert len(lines) <= 40 and max(len(line) for line in lines) <= 100, said
    # How many pictures, which were left out and why, which model, how good and how sure, where, what next.
    for words in ("41 pictures of 2 classes", "notes.txt: not a picture", "cut.png: ", "convnet", "held out"):
        assert words in said
    for words in (
        "held-out pictures right, between",
        "first",
        "lensmith predict first",
        "export",
        "serve",
    ):
        assert words in said


def test_out_is_where_the_run_is_and_last_points_there(trained: Done, place: Path) -> None:
    files = {path.name for path in (place / "first").iterdir()}
    assert {"recipe.toml", "facts.json", "metrics.jsonl", "predictions.npz", "report.json", "model"} <= files
    assert "crash.txt" not in files
    assert not [path for path in (place / "first").rglob("*") if path.name.endswith((".part", "-older"))]
    last, named = (command("evaluate", run, "--json", cwd=place) for run in ("last", "first"))
    assert last.code == 0 and last.json == named.json == trained.json["report"] | {"studies": {}}


def test_a_recipe_used_again_and_a_plan_that_writes_nothing(
    trained: Done, place: Path, tmp_path: Path
) -> None:
    file = place / "first/recipe.toml"
    done = command("train", place / "photos", "--recipe", file, "lr=0.5", "--dry-run", cwd=tmp_path)
    assert done.code == 0 and not list(tmp_path.iterdir())
    written = tomllib.loads(file.read_text(encoding="utf-8"))
    assert tomllib.loads(done.out) == written | {"lr": 0.5} and "auto" not in written.values()


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_run(trained: Done, place: Path) -> None:
    words = ("train", "photos", "--recipe", place / "first/recipe.toml", "--out", "again", "--json")
    report = command(*words, cwd=place).json["report"]
    same = {name for name in report if name not in ("seen", "verdict")}
    assert {name: report[name] for name in same} == {name: trained.json["report"][name] for name in same}
    weights = [(place / run / "model/weights.safetensors").read_bytes() for run in ("first", "again")]
    assert weights[0] == weights[1]


@pytest.mark.fault(25)
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        pytest.param(signal.SIGTERM, 143, "terminated", marks=pytest.mark.slow),
    ],
)
def test_stopped_in_an_epoch_it_keeps_the_weights(
    number: signal.Signals, code: int, word: str, place: Path
) -> None:
    run = place / f"stopped-{code}"
    before = tree(place / "photos")
    process = subprocess.Popen(
        [*COMMAND, "train", "photos", "model=convnet", "image_size=16", "epochs=1000000", "--out", str(run)],
        cwd=place,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (run / "metrics.jsonl").exists():  # until an epoch is behind it
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    try:
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == code
    told = f"{word}\n  the weights so far, not measured: {run / 'model'}\n  to go on: lensmith resume {run}\n"
    assert said.endswith(told)
    assert "Traceback" not in said and "error" not in said
    assert tree(place / "photos") == before
    asked = command("predict", run / "model", "photos/ant/00.png", cwd=place)
    assert asked.code == 0 and asked.out.startswith("photos/ant/00.png")
    # It was never measured, and nobody is told that it was.
    for words in (("evaluate", run), ("predict", "last", "photos/ant/00.png")):
        refused = command(*words, cwd=place)
        refused.refused(5, run.name, "measured", "hint:")
