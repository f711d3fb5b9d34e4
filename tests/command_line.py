"""The command line as a person meets it: a process of its own, a server, a Python that lacks a package."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lensmith

COMMAND = (sys.executable, "-m", "lensmith")
QUICK = ("model=convnet", "epochs=1", "image_size=16", "batch_size=8", "threads=1")
"""Recipe fields with which a small folder is trained on in a second."""

Ask = Callable[..., "Done"]
"""`ask("predict", "last", ...)`: a command line run in the process of the tests."""


@dataclass(frozen=True)
class Done:
    """A command that ended: its exit code, its stdout (data) and its stderr (words)."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as the one JSON object that it has to be."""
        assert self.out.endswith("\n") and self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    @property
    def rows(self) -> list[Any]:
        """stdout as one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def refused(self, code: int, *words: str) -> None:
        """It ended with this code, in one error that holds these words, and in no traceback."""
        assert self.code == code, self
        assert self.err.count("error:") == 1 and "Traceback" not in self.err, self.err
        for word in words:
            assert word in self.err, self.err


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment with changes; None takes a variable away."""
    merged: Mapping[str, str | None] = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def command(*words: str | Path, cwd: Path, under: Sequence[str] = (), **changes: str | None) -> Done:
    """Run `lensmith WORDS` in `cwd` to its end; `changes` are environment variables, `under` starts it."""
    done = subprocess.run(
        [*under, *COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def python_without(place: Path, *packages: str) -> tuple[list[str], dict[str, str]]:
    """`(python, variables)` that start a Python from whose path these packages are missing.

    It sees a folder of links to all other installed packages, and nothing else but the standard library.
    """
    installed = Path(sysconfig.get_path("purelib"))
    shelf = place / "shelf"
    shelf.mkdir(parents=True)
    for entry in installed.iterdir():
        name = re.split(r"[-.]", entry.name)[0].lower()
        if name not in packages and entry.suffix != ".pth" and name != "__pycache__":
            (shelf / entry.name).symlink_to(entry)
    path = [str(shelf)]
    source = Path(lensmith.__file__).parents[1]
    if "lensmith" not in packages and source != installed:
        path.append(str(source))
    return [sys.executable, "-S"], environment(PYTHONPATH=os.pathsep.join(path))


def tree(folder: Path) -> dict[str, str]:
    """sha256 of each file below a folder, and the empty folders: equal trees hold the same."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


@contextmanager
def serving(run: Path, *words: str | Path, cwd: Path) -> Iterator[str]:
    """`lensmith serve` on a free port: its URL. It has to end well when it is asked to."""
    process = subprocess.Popen(
        [*COMMAND, "serve", str(run), "--port", "0", *map(str, words)],
        cwd=cwd,
        env=environment(LENSMITH_TOKEN=None),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        found = re.search(r"http://\S+", said)
        assert found, said + process.stderr.read()
        yield found[0]
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
