"""`lensmith shards`, and the commands that are given what it wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drawn import tree_hash
from shard_servers import draw_photos, serving_folder

from lensmith.cli.main import run


def test_shards_are_written_counted_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = draw_photos(tmp_path / "data", 9)
    (source / "ants" / "notes.txt").write_text("not a picture")
    assert run(["shards", str(source), str(tmp_path / "s"), "--count", "4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["count"], told["shards"]) == (9, ["00000.tar", "00001.tar", "00002.tar"])
    assert told["bytes"] == sum(file.stat().st_size for file in (tmp_path / "s").glob("*.tar"))
    assert [one["reason"] for one in told["skipped"]] == ["not a picture"]
    assert run(["shards", str(source), str(tmp_path / "t")]) == 0
    out, err = capsys.readouterr()
    assert (
        out
        == f"{tmp_path / 't'}: 9 pictures in 1 shard, {(tmp_path / 't/00000.tar').stat().st_size / 1e6:.1f} MB\n"
    )
    assert "notes.txt: not a picture" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["data", "data/s"], 2, "lies under the data"),
        (["data", "data"], 2, "already holds something"),
        (["data", "s", "--size", "much"], 2, "--size much is no size"),
        (["nowhere", "s"], 3, "nowhere: no such folder"),
        (["digits", "s"], 2, "lies in no file"),
    ],
)
def test_what_cannot_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    draw_photos(tmp_path / "data", 4)
    before = tree_hash(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run(["shards", *words]) == code
    assert said in capsys.readouterr().err
    assert tree_hash(tmp_path) == before


def test_a_model_is_measured_on_a_folder_and_on_its_shards_alike(
    trained_digits_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained_digits_copy)
    assert run(["shards", "digits", "shards", "--count", "500"]) == 0
    with serving_folder(trained_digits_copy / "shards") as server:
        capsys.readouterr()
        told = []
        for data in ("digits", "shards", server.url):
            assert run(["evaluate", "last", data, "--json"]) == 0
            told.append(json.loads(capsys.readouterr().out))
    assert told[0]["accuracy"] == told[1]["accuracy"] == told[2]["accuracy"]
    assert run(["inspect", "shards", "--no-suspects", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == told[0]["count"]
    assert run(["split", "shards", "--out", "splits.csv"]) == 0
    assert run(["split", "digits", "--out", "same.csv"]) == 0
    lines = [sorted(Path(name).read_text().splitlines()) for name in ("splits.csv", "same.csv")]
    assert lines[0] == lines[1], "by their bytes, pictures go to the same side, under the same names"


def test_a_run_on_shards_is_one_on_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val"):
        draw_photos(tmp_path / "data" / split, 16 if split == "train" else 8)
    assert run(["shards", "data", "s"]) == 0
    before = tree_hash(tmp_path / "s")
    assert run(["train", "s", "--epochs", "1", "model=convnet_tiny", "image_size=32", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["classes"], told["report"]["count"], told["report"]["split"]) == (["ants", "bees"], 8, "val")
    assert tree_hash(tmp_path / "s") == before
    assert run(["predict", told["run"], "s", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == 24
    assert {"label" in answer for answer in answers} == {True}
