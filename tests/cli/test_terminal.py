"""What is written where: a log gets plain lines, a terminal a bar and colours, a narrow encoding no crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import COMMAND, command, environment

from lensmith.bundle.bundle import load_model

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and pipes")


def on_a_terminal(*words: str | Path, cwd: Path, **changes: str | None) -> tuple[int, str]:
    """Exit code, and all that the command wrote to its stderr, which is a terminal."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(**{"TERM": "xterm", "NO_COLOR": None, **changes}),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:
        pass  # the other side has closed: the end
    finally:
        os.close(ours)
    return process.wait(60), written.decode()


def test_a_terminal_gets_a_bar_and_a_log_gets_none(trained_digits: Path, tmp_path: Path) -> None:
    # A cache of its own, so that there is something to decode and count.
    words, cache = ("evaluate", "last", "digits"), str(tmp_path / "cache")
    code, written = on_a_terminal(*words, cwd=trained_digits, LENSMITH_CACHE=cache)
    assert code == 0
    assert "\r" in written and "█" in written and "/1,797" in written
    _, wiped, after = written.rpartition("\r\x1b[2K")
    assert wiped and "█" not in after and "one picture" in after, "the bar is wiped before the last words"
    done = command(*words, cwd=trained_digits, LENSMITH_CACHE=f"{cache}-2")
    assert done.code == 0 and len(done.err.splitlines()) == 1


def test_pictures_are_counted_where_their_number_is_not_known(trained_digits: Path) -> None:
    words = ("predict", "last", "digits/*/*.png", "--json")
    code, written = on_a_terminal(*words, cwd=trained_digits)
    assert code == 0 and "\r\x1b[2K  predict  1,797 pictures" in written
    assert written.endswith("\r\x1b[2K"), "wiped at the end"
    assert command(*words, cwd=trained_digits).err == ""


def test_errors_are_coloured_on_a_terminal_alone(tmp_path: Path) -> None:
    words = ("evaluate", "nothing")
    code, written = on_a_terminal(*words, cwd=tmp_path)
    assert code == 5 and "\x1b[31merror:\x1b[0m nothing" in written and "\x1b[36mhint:" in written
    for changes in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        code, written = on_a_terminal(*words, cwd=tmp_path, **changes)
        assert code == 5 and "error: nothing" in written and "\x1b" not in written
    done = command(*words, cwd=tmp_path, NO_COLOR=None, TERM="xterm")
    assert done.code == 5 and "error: nothing" in done.err and "\x1b" not in done.err


@pytest.mark.parametrize("listener", ["stdout", "stderr"])
def test_a_reader_that_leaves_early_ends_nothing_badly(listener: str, trained_digits: Path) -> None:
    folders = ["digits", "nothing.png"] if listener == "stdout" else [f"no-{n}.png" for n in range(3000)]
    process = subprocess.Popen(
        [*COMMAND, "predict", "last", *folders, "--json" if listener == "stdout" else "digits/0"],
        cwd=trained_digits,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    left, kept = (process.stdout, process.stderr)[:: 1 if listener == "stdout" else -1]
    assert left.readline()
    left.close()
    rest = kept.read()
    kept.close()
    assert process.wait(60) == 0
    assert (rest == b"") if listener == "stdout" else (rest.count(b"digits/0/") > 100)


@pytest.mark.fault(34)
@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_closed_streams_end_nothing_badly(closed: str, trained_digits: Path) -> None:
    line = f'"$@" {closed}'
    words = ["sh", "-c", line, "sh", *COMMAND, "predict", "last", "digits/0/0000.png", "nothing.png"]
    done = subprocess.run(words, cwd=trained_digits, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    assert ("digits/0/0000.png" in done.stdout) == (closed == "2>&-")
    assert ("nothing.png" in done.stderr) == (closed == ">&-")
    assert "Traceback" not in done.stderr and "error" not in done.stdout


@pytest.mark.fault(34)
def test_names_that_the_encoding_lacks(trained_digits: Path, tmp_path: Path) -> None:
    names = ["Käse", "寿司", *"23456789"]
    file = load_model(trained_digits / "runs/digits-001").with_facts(classes=names).save(tmp_path / "x.lens")
    pictures = sorted((trained_digits / "digits/1").iterdir())[:3]
    for encoding in ("ascii", "utf-8"):
        done = command("predict", file, *pictures, "--json", cwd=tmp_path, PYTHONIOENCODING=encoding)
        assert done.code == 0 and [row["label"] for row in done.rows] == ["寿司"] * 3
    done = command("predict", file, pictures[0], cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.code == 0 and "\\u5bff\\u53f8" in done.out


@pytest.mark.fault(15)
@pytest.mark.skipif(sys.platform == "darwin", reason="file names there are Unicode")
def test_a_file_name_that_is_no_text(trained_digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    picture = (trained_digits / "digits/1/0001.png").read_bytes()
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png")).write_bytes(picture)
    Path(os.fsdecode(os.fsencode(folder) + b"/th\xe9.png")).write_bytes(b"")
    for words in ((), ("--json",)):
        done = command("predict", "last", folder, *words, cwd=trained_digits)
        assert done.code == 0 and "Traceback" not in done.err and done.out


@pytest.mark.fault(34)
@pytest.mark.parametrize("home", ["a folder", os.devnull])
def test_a_bare_environment(home: str, trained_digits: Path, tmp_path: Path) -> None:
    home = str(tmp_path) if home == "a folder" else home
    bare = dict.fromkeys(os.environ) | {"PATH": os.environ["PATH"], "LANG": "C", "HOME": home}
    done = command("evaluate", trained_digits / "runs/digits-001", "digits", cwd=trained_digits, **bare)
    assert done.code == 0 and done.out and len(done.err.splitlines()) == 1, done
    cache = command("cache", cwd=trained_digits, **bare)
    assert cache.code == 0 and home in cache.out and cache.err == ""
    left = {path.relative_to(tmp_path).parts[:3] for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {(".cache", "lensmith", "columns")}, "the store, and nothing of anybody else's"


@pytest.mark.fault(34)
def test_no_home_at_all(tmp_path: Path) -> None:
    bare = dict.fromkeys(os.environ) | {"PATH": os.environ["PATH"], "LANG": "C"}
    done = command("cache", cwd=tmp_path, **bare)
    assert (
        done.code in (0, 2) and "Traceback" not in done.err and len((done.out or done.err).splitlines()) >= 1
    )
