"""The surface that users rely on, as it is now; run as a program, writes it down as the surface to keep.

`public_names.txt` holds the names of `import lensmith`, `options.txt` the options of each command.
A change to either is a change to what users typed: it belongs in CHANGELOG.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FROZEN = Path(__file__).parent
SOURCE = FROZEN.parents[1] / "src"
NAMES = """
import json, lensmith
seen = {name for name in dir(lensmith) if not name.startswith("_")}
print(json.dumps([sorted(seen), sorted(name for name in lensmith.__all__ if not name.startswith("_"))]))
"""


def python(code: str, *words: str, source: Path = SOURCE) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh Python that imports lensmith from `source`."""
    environment = os.environ | {"PYTHONPATH": str(source)}
    return subprocess.run(
        [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, check=False
    )


def public_names(source: Path = SOURCE) -> tuple[list[str], list[str]]:
    """The public part of `dir(lensmith)` and of `lensmith.__all__`, right after the import."""
    done = python(NAMES, source=source)
    assert done.returncode == 0, done.stderr
    seen, promised = json.loads(done.stdout)
    return seen, promised


def commands(app: Any = None) -> Iterator[tuple[str, Any]]:
    """`(words, command)` for each command of the typer app; `env plan` is one of them."""
    import typer

    if app is None:
        from lensmith.cli.main import app
    yield from _walk("", typer.main.get_command(app))


def _walk(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield words, command
        return
    for name, child in sorted(children.items()):
        yield from _walk(f"{words} {name}".strip(), child)


def options(command: Any) -> list[str]:
    """The options of a command, each with all its spellings; --help, which all have, is left out."""
    found = [p for p in command.params if p.param_type_name == "option" and "--help" not in p.opts]
    return sorted("/".join([*p.opts, *p.secondary_opts]) for p in found)


def option_lines(app: Any = None) -> list[str]:
    """`train: --budget --device ...`, a line for each command."""
    return [f"{words}: {' '.join(options(command))}".rstrip() for words, command in commands(app)]


def frozen(name: str) -> list[str]:
    """The lines of a list as it was written down."""
    return (FROZEN / name).read_text(encoding="utf-8").splitlines()


def main() -> None:
    """Write both lists."""
    for name, lines in (("public_names.txt", public_names()[0]), ("options.txt", option_lines())):
        (FROZEN / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        sys.stdout.write(f"{name}: {len(lines)} lines\n")


if __name__ == "__main__":
    main()
