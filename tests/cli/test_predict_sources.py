"""`lensmith predict` on whatever holds pictures: one answer for each, the same wherever it lies."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from command_line import COMMAND, Done, command, environment
from pictures_server import leading_to, serving_pictures, whole


def ask(trained: Path, *words: str | Path) -> Done:
    """Without a proxy: the server is this machine."""
    return command("predict", "last", *words, "--json", cwd=trained, no_proxy="*")


def said(rows: list[Any]) -> list[Any]:
    return [{key: value for key, value in row.items() if key != "file"} for row in rows]


def test_a_picture_gets_one_answer_wherever_it_lies(trained_digits: Path, tmp_path: Path) -> None:
    files = sorted((trained_digits / "digits/8").iterdir())[:5]
    expected = said(ask(trained_digits, *files).rows)
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as zipped:
        for file in files:
            zipped.write(file, f"a/{file.name}")
    with tarfile.open(tmp_path / "p.tar.xz", "w:xz") as tarred:
        for file in files:
            tarred.add(file, file.name)
    names = "\n".join(str(file) for file in files)
    (tmp_path / "list.csv").write_text(f"path\n{names}\n", encoding="utf-8")
    with serving_pictures() as server:
        server.answers = {f"/{file.name}": whole(file.read_bytes()) for file in files}
        urls = [f"{server.url}/{file.name}" for file in files]
        sources = (["p.zip"], ["p.tar.xz"], ["list.csv"], urls)
        for words in sources:
            done = ask(trained_digits, *(word if "://" in word else tmp_path / word for word in words))
            assert done.code == 0 and done.err == "", words
            assert said(done.rows) == expected, words
            assert len({row["file"] for row in done.rows}) == 5
    assert done.rows[0]["file"] == urls[0]


def test_one_picture_on_stdin_and_a_pattern(trained_digits: Path) -> None:
    file = sorted((trained_digits / "digits/7").iterdir())[0]
    with file.open("rb") as opened:
        done = subprocess.run(
            [*COMMAND, "predict", "last", "-"],
            cwd=trained_digits,
            env=environment(),
            stdin=opened,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0 and done.stdout.startswith("-  ") and done.stderr == ""
    rows = ask(trained_digits, "digits/7/*.png").rows
    assert len(rows) == len(list((trained_digits / "digits/7").iterdir()))


def test_a_bad_source_is_a_row_and_the_rest_goes_on(trained_digits: Path, tmp_path: Path) -> None:
    file = sorted((trained_digits / "digits/7").iterdir())[0]
    (tmp_path / "p.zip").write_bytes(b"no zip")
    (tmp_path / "list.csv").write_text("name\na.png\n", encoding="utf-8")
    asked = [tmp_path / "p.zip", file, tmp_path / "list.csv", "no*thing.png", file]
    done = ask(trained_digits, *asked)
    assert done.code == 0 and [row["file"] for row in done.rows] == [str(word) for word in asked]
    assert ["error" in row for row in done.rows] == [True, False, True, True, False]
    words = command("predict", "last", tmp_path / "list.csv", cwd=trained_digits)
    assert (
        words.code == 3 and "no column called path" in words.err and "hint: Rename the right one" in words.err
    )


def test_a_table_and_a_redirect_do_not_lead_into_the_users_network(
    trained_digits: Path, tmp_path: Path
) -> None:
    file = sorted((trained_digits / "digits/7").iterdir())[0]
    with serving_pictures() as server, serving_pictures() as inner:
        inner.answers["/a.png"] = whole(file.read_bytes())
        server.answers["/a.png"] = leading_to(f"{inner.url}/a.png")
        (tmp_path / "list.csv").write_text(f"url\n{inner.url}/a.png\n", encoding="utf-8")
        done = command(
            "predict", "last", tmp_path / "list.csv", f"{server.url}/a.png", cwd=trained_digits, no_proxy="*"
        )
        assert done.code == 3 and inner.asked == []
        assert done.err.count("not on the open internet") == 2 and "on the command line" in done.err
        assert ask(trained_digits, f"{inner.url}/a.png").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "a.txt"], "CSV or JSON Lines"),
        (["--out", "no/a.csv"], "no such folder"),
        (["--out", "a.csv", "--json"], "--json"),
        (["--sort", "out", "--csv"], "--csv"),
        (["--link"], "--sort"),
        (["--sort", "digits/out"], "where the pictures come from"),
        (["--sort", "digits/0/0000.png"], "a file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_do_not_go_together(words: list[str], message: str, trained_digits: Path) -> None:
    (trained_digits / "digits/0/0000.png").exists()
    before = sorted(trained_digits.rglob("*"))
    command("predict", "last", "digits", *words, cwd=trained_digits).refused(2, message, "hint:")
    assert sorted(trained_digits.rglob("*")) == before
