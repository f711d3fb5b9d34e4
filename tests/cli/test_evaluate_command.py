"""`lensmith evaluate` and `export` as processes: classes go by name, and a file says what its run says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from command_line import command, tree


def take(place: Path, folder: Path, **classes: str) -> Path:
    """Ten pictures of each digit named, `folder/NAME` being given those of `digits/DIGIT`."""
    for name, digit in classes.items():
        (folder / name.removeprefix("_")).mkdir(parents=True)
        for file in sorted((place / "digits" / digit).iterdir())[:10]:
            shutil.copy(file, folder / name.removeprefix("_"))
    return folder


def test_what_the_run_held_out(trained_digits: Path) -> None:
    run = trained_digits / "runs/digits-001"
    written = json.loads((run / "report.json").read_text(encoding="utf-8")) | {"studies": {}}
    done = command("evaluate", "last", "--json", cwd=trained_digits)
    assert done.code == 0 and done.json == written
    assert command("evaluate", run / "model", "--json", cwd=trained_digits).json == written
    words = command("evaluate", "last", cwd=trained_digits)
    assert words.code == 0 and written["verdict"] in words.out and words.err == ""


def test_classes_are_matched_by_name(trained_digits: Path, tmp_path: Path) -> None:
    # Alone in a folder, 7 would be class 0 and 9 class 1 by index.
    some = take(trained_digits, tmp_path / "some", _9="9", _7="7")
    done = command("evaluate", "last", some, "--json", cwd=trained_digits)
    assert done.code == 0 and done.json["count"] == 20 and done.json["skipped"] == []
    assert done.json["accuracy"]["value"] > 0.8
    assert done.json["speed"]["count"] == 20 and done.json["speed"]["latency"] > 0
    # The names decide, not the pictures: exchanged, every answer is wrong.
    exchanged = take(trained_digits, tmp_path / "exchanged", _9="7", _7="9")
    assert (
        command("evaluate", "last", exchanged, "--json", cwd=trained_digits).json["accuracy"]["value"] < 0.2
    )


def test_splits_can_be_chosen(trained_digits: Path, tmp_path: Path) -> None:
    take(trained_digits, tmp_path / "data/train", _0="0", _1="1")
    take(trained_digits, tmp_path / "data/test", _1="1")
    counts = [
        command("evaluate", "last", tmp_path / "data", *words, "--json", cwd=trained_digits).json["count"]
        for words in ((), ("--split", "train"), ("--split", "test"))
    ]
    assert counts == [30, 20, 10]
    refused = command("evaluate", "last", tmp_path / "data", "--split", "val", cwd=trained_digits)
    refused.refused(2, "no split 'val'", "hint: It has train, test.")


def test_a_class_that_the_model_does_not_know(trained_digits: Path, tmp_path: Path) -> None:
    data = take(trained_digits, tmp_path / "data", _1="1", ten="0")
    before = tree(data)
    command("evaluate", "last", data, cwd=trained_digits).refused(3, "'ten'", "hint: The model knows 0, 1, 2")
    command("evaluate", "last", tmp_path / "nix", cwd=trained_digits).refused(3, "nix: no such folder")
    assert tree(data) == before


def test_the_skipped_are_listed(trained_digits: Path, tmp_path: Path) -> None:
    data = take(trained_digits, tmp_path / "data", _1="1", _2="2")
    for number in range(7):
        (data / f"1/empty-{number}.png").write_bytes(b"")
    done = command("evaluate", "last", data, "--json", cwd=trained_digits)
    assert done.code == 0 and done.json["count"] == 20 and len(done.json["skipped"]) == 7
    assert "and 2 more" in done.err


def test_export_to_each_suffix(trained_digits: Path, tmp_path: Path) -> None:
    before = tree(trained_digits / "runs")
    lens, graph = tmp_path / "x.lens", tmp_path / "deep/er/x.onnx"
    assert command("export", "last", "-o", lens, cwd=trained_digits).code == 0
    # A picture from anywhere: the bundle alone is enough.
    some = take(trained_digits, tmp_path / "some", _4="4")
    names = [file.name for file in (some / "4").iterdir()]
    done = command("export", lens, "-o", graph, "--check", some, cwd=tmp_path)
    assert done.code == 0 and done.out == "" and "same answers as its source on 10 pictures" in done.err
    asked = [command("predict", run, "digits/4", "--json", cwd=trained_digits) for run in ("last", lens)]
    assert asked[0].code == 0 and asked[0].out == asked[1].out
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == sorted(["x.lens", "x.onnx", *names])
    assert tree(trained_digits / "runs") == before


def test_a_run_that_was_stopped_before_its_first_model(trained_digits: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_digits / "runs/digits-001", tmp_path / "half", ignore=lambda *_: ["model"])
    (tmp_path / "half/report.json").unlink()
    picture = trained_digits / "digits/0/0000.png"
    for words in (("evaluate", "half"), ("predict", "half", picture), ("export", "half", "-o", "x.onnx")):
        command(*words, cwd=tmp_path).refused(5, "half: the run is not complete", "hint:")
    command("serve", "half", "--port", "0", cwd=tmp_path).refused(5, "half: the run is not complete")
    assert not (tmp_path / "x.onnx").exists()
