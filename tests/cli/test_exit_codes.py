"""Each documented exit code, from the real command; what is wrong is on stderr, stdout stays empty."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import command, python_without, subprocess
from painted import paint, paint_folder


def test_0_the_version_and_the_help(tmp_path: Path) -> None:
    done = command("--version", cwd=tmp_path)
    assert done.code == 0 and done.out.startswith("lensmith ") and done.err == ""
    for words in (["--help"], ["-h"], ["train", "--help"]):
        done = command(*words, cwd=tmp_path)
        assert done.code == 0 and "Usage: lensmith" in done.out and done.err == ""


def test_1_the_answer_is_no(tmp_path: Path) -> None:
    data = paint_folder(tmp_path / "data", ant=4, bee=4)
    paint("ant", 0).save(data / "bee/an-ant.png")  # the same picture under two names
    done = command("inspect", data, "--json", cwd=tmp_path)
    assert done.code == 1 and done.json["issues"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian", "digits"], ["no such command 'trian'", "'train'"]),
        (["train", "digits", "--epohcs", "3"], ["--epohcs", "--epochs"]),
        (["train", "digits", "epohcs=3"], ["no recipe field is called 'epohcs'", "Did you mean epochs?"]),
        (["train", "digits", "learning_rate=3"], ["learning_rate", "Did you mean lr?"]),
        (["train", "digits", "--lr", "0.1"], ["--lr", "write lr=VALUE"]),
        (["train", "digits", "optimizer=adm"], ["optimizer=adm", "adamw"]),
        (["train", "digits", "lr=fast"], ["lr=fast is not a number"]),
        (["train", "digits", "flip=maybe"], ["flip=maybe"]),
        (["train", "digits", "lr"], ["'lr'", "lr=0.01"]),
        (["train", "digits", "--epochs", "3", "epochs=4"], ["epochs is given twice"]),
        (["train", "digits", "--budget", "soon"], ["budget=soon", "90s"]),
        (["train", "digits", "--recipe", "nothing.toml"], ["nothing.toml"]),
        (["train", "digits", "--epochs", "many"], ["--epochs", "train --help"]),
        (["train"], ["DATA", "train --help"]),
        (["predict", "last"], ["PICTURE", "predict --help"]),
        (["sample", "digts", "here"], ["digts", "digits"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_2_a_word_that_cannot_be_used(words: list[str], said: list[str], tmp_path: Path) -> None:
    done = command(*words, cwd=tmp_path)
    done.refused(2, *said)
    assert "hint:" in done.err
    assert done.out == "" and not list(tmp_path.iterdir())


def test_2_no_word_at_all_shows_the_help(tmp_path: Path) -> None:
    done = command(cwd=tmp_path)
    assert done.code == 2 and done.out == ""
    assert done.err.startswith("Usage: lensmith") and "error" not in done.err and "predict" in done.err


def test_3_no_such_data(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    done = command("inspect", "fotos", cwd=tmp_path)
    done.refused(3, "fotos: no such folder", "hint: Did you mean photos?")
    assert done.out == ""


def test_4_training_without_torch_names_the_cure(tmp_path: Path) -> None:
    python, variables = python_without(tmp_path, "torch", "torchvision")
    words = [*python, "-m", "lensmith", "train", "digits"]
    done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4 and done.stdout == ""
    assert "error: lensmith train needs torch" in done.stderr and "Traceback" not in done.stderr
    assert "hint: lensmith doctor --fix" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_5_no_such_run(tmp_path: Path) -> None:
    for words in (["evaluate", "last"], ["predict", "last", "a.png"], ["export", "last", "-o", "a.onnx"]):
        command(*words, cwd=tmp_path).refused(5, "'last'", "hint: Train one: lensmith train DATA")
    command("evaluate", "runs/x-001", cwd=tmp_path).refused(5, "runs/x-001: no such run", "hint:")
    assert not list(tmp_path.iterdir())


def test_a_traceback_only_where_it_is_asked_for(tmp_path: Path) -> None:
    plain = command("evaluate", "nothing", cwd=tmp_path)
    plain.refused(5, "nothing: no such run")
    for asked in (
        command("evaluate", "nothing", "--debug", cwd=tmp_path),
        command("evaluate", "nothing", cwd=tmp_path, LENSMITH_DEBUG="1"),
    ):
        assert asked.code == 5
        assert asked.err.startswith("Traceback") and asked.err.endswith(plain.err)
