"""`lensmith reproduce` on the command line: what it refuses, and what it needs no repository for."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import command


def test_a_paper_is_answered_without_a_download(tmp_path: Path) -> None:
    done = command("reproduce", "2010.11929", cwd=tmp_path)
    assert done.code == 0 and "https://arxiv.org/abs/2010.11929" in done.out
    assert "Nothing was downloaded" in done.out and not done.err
    told = command("reproduce", "https://arxiv.org/abs/2010.11929v2", "--json", cwd=tmp_path).json
    assert told["pages"][1]["address"] == "https://huggingface.co/papers/2010.11929"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["nowhere"], 3, ["nowhere", "no such folder"]),
        (["a-file"], 3, ["a-file", "no folder"]),
        ([".", "--to", "fly"], 2, ["--to fly", "read, plan, build, run"]),
        ([".", "--date", "May"], 2, ["--date May"]),
        ([".", "--time-limit", "soon"], 2, ["--time-limit soon"]),
        ([".", "--memory-limit", "much"], 2, ["--memory-limit much"]),
        (["model.lens", "--to", "run"], 5, ["model.lens", "recipe"]),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, words: list[str], code: int, told: list[str]) -> None:
    (tmp_path / "a-file").touch()
    command("reproduce", *words, cwd=tmp_path).refused(code, *told)
