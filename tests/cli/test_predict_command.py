"""`lensmith predict` as a process: one answer a picture, in the order asked, whatever some of them are."""

from __future__ import annotations

from pathlib import Path

from command_line import command


def pictures(place: Path, digit: int, count: int) -> list[str]:
    files = sorted((place / f"digits/{digit}").iterdir())[:count]
    return [str(file.relative_to(place)) for file in files]


def test_one_object_a_line_in_the_order_asked(trained_digits: Path) -> None:
    files = [*pictures(trained_digits, 8, 2), *pictures(trained_digits, 0, 2)]
    done = command("predict", "last", *files, "--json", cwd=trained_digits)
    assert done.code == 0 and done.err == ""
    assert [row["file"] for row in done.rows] == files
    for row in done.rows:
        assert set(row) == {"file", "label", "probability", "sure", "unlike", "top"}
        assert row["top"][0] == [row["label"], row["probability"]] and len(row["top"]) == 5
        assert row["sure"] is (row["probability"] >= 0.5)


def test_words_for_a_person(trained_digits: Path) -> None:
    (file,) = pictures(trained_digits, 0, 1)
    row = command("predict", "last", file, "--json", cwd=trained_digits).rows[0]
    plain = command("predict", "last", file, cwd=trained_digits)
    assert plain.out == f"{file}  {row['label']} {row['probability']:.1%}\n" and plain.err == ""
    three = command("predict", "last", file, "--top", "3", cwd=trained_digits)
    assert three.out.count("%") == 3


def test_the_unreadable_are_named_and_the_rest_goes_on(trained_digits: Path, tmp_path: Path) -> None:
    (good,) = pictures(trained_digits, 3, 1)
    empty, page = tmp_path / "empty.png", tmp_path / "page.jpg"
    empty.write_bytes(b"")
    page.write_text("<!DOCTYPE html><title>404</title>")
    asked = [str(empty), good, str(page), "nothing.png", good]
    done = command("predict", "last", *asked, "--json", cwd=trained_digits)
    assert done.code == 0
    assert [row["file"] for row in done.rows] == asked
    assert ["error" in row for row in done.rows] == [True, False, True, True, False]
    assert "empty" in done.rows[0]["error"] and "HTML" in done.rows[2]["error"]
    assert all(set(row) == {"file", "error"} for row in done.rows if "error" in row)
    assert command("predict", "last", *asked, "--json", "--strict", cwd=trained_digits).code == 3
    assert command("predict", "last", good, "--strict", cwd=trained_digits).code == 0
    plain = command("predict", "last", *asked, cwd=trained_digits)
    assert plain.code == 0 and plain.out.count(good) == 2
    assert plain.err.count("error:") == 3 and str(empty) in plain.err and "Traceback" not in plain.err
    none = command("predict", "last", str(empty), "nothing.png", "--json", cwd=trained_digits)
    assert none.code == 3 and [set(row) for row in none.rows] == [{"file", "error"}] * 2


def test_folders_are_searched_for_pictures(trained_digits: Path, tmp_path: Path) -> None:
    done = command("predict", "last", "digits/0", "digits/1", "--json", cwd=trained_digits)
    files = [*(trained_digits / "digits/0").iterdir(), *(trained_digits / "digits/1").iterdir()]
    assert len(done.rows) == len(files) == len({row["file"] for row in done.rows})
    assert sum(row["label"] == Path(row["file"]).parent.name for row in done.rows) > 0.9 * len(files)
    command("predict", "last", tmp_path, cwd=trained_digits).refused(3, "no pictures", "hint:")


def test_a_run_its_model_and_last_are_one(trained_digits: Path) -> None:
    (file,) = pictures(trained_digits, 5, 1)
    asked = [
        command("predict", run, file, "--json", cwd=trained_digits)
        for run in ("last", "runs/digits-001", "runs/digits-001/model")
    ]
    assert len({done.out for done in asked}) == 1 and asked[0].code == 0
