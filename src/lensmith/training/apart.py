"""`train(folder, processes=2)` from Python: the command does it, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from lensmith.errors import DataError, LensmithError, MachineError, ModelFileError, UsageError
from lensmith.runs.recipe import Recipe
from lensmith.runs.recipe_words import SHELL_WORDS
from lensmith.training.run import Run, load_run

_PLAIN = (str, int, float, bool, type(None), Path)
_KINDS: dict[int, type[LensmithError]] = {
    kind.exit_code: kind for kind in (UsageError, DataError, MachineError, ModelFileError)
}


def goes_apart(recipe: Recipe) -> bool:
    """Whether processes are asked for that nobody has started yet."""
    return (recipe.processes or 1) > 1 and os.environ.get("WORLD_SIZE", "1") in ("", "1")


def train_apart(
    data: Any, recipe: str | Path | Recipe | None, fields: dict[str, Any], out: str | Path | None, quiet: bool
) -> Run:
    """Run `lensmith train` on the same data by the same recipe. fields: those that win over it; out, quiet: as for
    `train`.

    Raises what the command says, and `UsageError` for what cannot be handed to another process.
    """
    objects = [name for name, value in fields.items() if not isinstance(value, _PLAIN)]
    objects += [] if isinstance(data, str | Path) else [f"data, a {type(data).__name__}"]
    if objects:
        raise UsageError(
            f"processes={fields.get('processes')}: {' and '.join(objects)} cannot be handed to other processes",
            hint="Give a folder or a table, and parts as file.py:name. Or write the call into a script, without "
            "processes, and start that: torchrun --nproc-per-node 2 script.py",
        )
    with tempfile.TemporaryDirectory(prefix="lensmith-") as place:
        where = Path(place) / "run"  # names the run when it is done
        words = [str(data), *_words(fields), *(["--out", str(out)] if out is not None else [])]
        if isinstance(recipe, Recipe):
            recipe.write(Path(place) / "given.toml")
            recipe = Path(place) / "given.toml"
        words += ["--recipe", str(recipe)] if recipe is not None else []
        command = [sys.executable, "-m", "lensmith", "train", *words, "--json"]
        code, said = _run(command, where, quiet)
        if code:
            raise _error(code, said)
        return load_run(json.loads(where.read_text(encoding="utf-8"))["run"])


def _run(command: list[str], where: Path, quiet: bool) -> tuple[int, list[str]]:
    """Its exit code, and its error as it was said. where: for what it prints."""
    surroundings = os.environ | {"PYTHONPATH": _path()}
    with (
        where.open("wb") as file,
        subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env=surroundings,
        ) as process,
    ):
        try:
            said = _told(process, quiet)
        except BaseException:  # whoever stops waiting stops the training, which saves itself first
            process.terminate()
            raise
    return process.returncode, said


def _words(fields: dict[str, Any]) -> list[str]:
    shell = {field: word for word, field in SHELL_WORDS.items()}
    named = {shell.get(name, name): "auto" if value is None else value for name, value in fields.items()}
    return [
        f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in named.items()
    ]


def _path() -> str:
    """Where this lensmith lies first, whatever else is installed."""
    own = str(Path(__file__).parents[2])
    return os.pathsep.join([own, *filter(None, [os.environ.get("PYTHONPATH")])])


def _told(process: subprocess.Popen[str], quiet: bool) -> list[str]:
    """What the command says, shown as it comes unless quiet; its error is raised, not shown."""
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        if said or line.startswith("error: "):
            said.append(line.rstrip("\n"))
        elif not quiet:
            sys.stderr.write(line)
    return said


def _error(code: int, said: list[str]) -> LensmithError:
    message = said[0].removeprefix("error: ") if said else f"the processes ended with exit code {code}"
    hints = [line.partition("hint: ")[2] for line in said if line.startswith("  hint: ")]
    return _KINDS.get(code, LensmithError)(message, hint=hints[0] if hints else "")
