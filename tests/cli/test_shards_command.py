"""`lensmith shards`, and the commands that are given what it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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


def test_commands_take_shards_for_the_folder_that_they_are_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> list[Any]:
        capsys.readouterr()
        assert run([*words]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]

    monkeypatch.chdir(tmp_path)
    draw_photos(tmp_path / "data", 30)
    assert run(["shards", "data", "s", "--count", "8"]) == 0
    before = tree_hash(tmp_path / "s")
    for place in ("data", "s"):
        assert run(["split", place, "--out", f"{place}.csv"]) == 0
    lines = [sorted(Path(name).read_text().splitlines()) for name in ("data.csv", "s.csv")]
    assert lines[0] == lines[1], "by their bytes, pictures go to the same side, under the same names"
    (told,) = said("train", "s", "--epochs", "1", "model=convnet_tiny", "image_size=32", "--json")
    assert (told["classes"], told["report"]["split"]) == (["ants", "bees"], "val")
    assert said("inspect", "s", "--no-suspects", "--json")[0]["count"] == 30
    with serving_folder(tmp_path / "s") as server:
        answers = []
        for place in ("data", "s", server.url):
            (figures,) = said("evaluate", told["run"], place, "--json")
            assert figures["count"] == 30
            answers.append(figures["accuracy"])
        assert answers[0] == answers[1] == answers[2]
        found = {}
        for place in ("data", "s", f"{server.url}/", f"{server.url}/00001.tar", "s/00001.tar"):
            found[place] = said("predict", told["run"], place, "--json")
            assert {"label" in answer for answer in found[place]} == {True}
    assert [len(answers) for answers in found.values()] == [30, 30, 30, 8, 8]
    names = [answer["file"] for answer in found["s"]]
    assert names[0] == "s/00000.tar!000000000.jpg"
    assert len(set(names)) == 30
    labels = [sorted((one["label"], one["probability"]) for one in found[place]) for place in ("data", "s")]
    assert labels[0] == labels[1]
    assert tree_hash(tmp_path / "s") == before
