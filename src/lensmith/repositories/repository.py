"""Read a repository: its files one kind after another, and nothing of it is run or imported."""

from __future__ import annotations

import contextlib
import re
import time
from datetime import UTC, datetime
from datetime import date as Date
from pathlib import Path

from packaging.utils import canonicalize_name

from lensmith.errors import DataError
from lensmith.repositories.asked import Asked, Said
from lensmith.repositories.asked_faults import tell_asked, undeclared
from lensmith.repositories.code_faults import tell_code, tell_links
from lensmith.repositories.conda_files import read_conda_files
from lensmith.repositories.containers import read_dockerfiles
from lensmith.repositories.extensions import read_extensions
from lensmith.repositories.history import commit_of
from lensmith.repositories.parsing import Parser
from lensmith.repositories.project_files import read_locks, read_project_files
from lensmith.repositories.python_files import Code, read_code
from lensmith.repositories.reading import Fault, Reading
from lensmith.repositories.readme import Told, read_readmes
from lensmith.repositories.requirement_files import read_requirement_files
from lensmith.repositories.torch_faults import tell_torch
from lensmith.repositories.tree import Tree, read_tree, shown

_ORDER = {"error": 0, "warning": 1, "info": 2}
_TEXTS = (".md", ".rst", ".sh", ".yaml", ".yml", ".txt")
_MOST_TEXTS = 500
_DAY = 86_400


def read_repository(root: Path) -> Reading:
    """What a folder with somebody's code asks for, claims, and stumbles over. Nothing of it is run or imported.

    Raises `DataError` where `root` is no folder that can be read.
    """
    root = root.absolute()
    try:
        tree = read_tree(root)
    except OSError as error:
        raise DataError(
            f"{shown(str(root))} cannot be read ({error.strerror})", hint="Give the folder of a repository."
        ) from error
    with Parser() as parser:
        asked = Asked(tree, parser)
        code, told = _read(asked)
        tell_asked(asked, code)
        tell_torch(asked, code.imports.get("torch", []) if "torch" in code.needed else [])
        tell_code(asked, code)
        extensions = read_extensions(asked, code)
        links = tell_links(asked, code, _texts(tree))
    commit, day = commit_of(root)
    _tell_the_rest(asked, day)
    return Reading(
        root=root,
        commit=commit,
        date=day or _newest(tree),
        python=_python(asked, code),
        cuda=asked.cuda[0][0] if asked.cuda else None,
        wanted=tuple(asked.wanted),
        indexes=tuple(dict.fromkeys(url for url, _ in asked.indexes)),
        imports={name: tuple(places) for name, places in sorted(code.imports.items())},
        undeclared=undeclared(asked, code),
        commands=tuple(told.commands),
        claims=tuple(told.claims),
        extensions=extensions,
        links=tuple(links),
        faults=_sorted(asked),
        files=tree.read,
        skipped=dict(sorted(tree.skipped.items())),
    )


def _read(asked: Asked) -> tuple[Code, Told]:
    """Files that declare before those that only mention."""
    read_conda_files(asked)
    read_requirement_files(asked)
    read_project_files(asked)
    if not asked.wanted:
        read_dockerfiles(asked)
        told = read_readmes(asked)
    else:
        told = read_readmes(asked)
        read_dockerfiles(asked)
    code = read_code(asked)
    read_locks(asked, {canonicalize_name(name) for name in code.imports})
    return code, told


def _python(asked: Asked, code: Code) -> str:
    """A specifier: as a file says, else as the code shows."""
    if asked.python:
        # Of a Python the last number only says what was newest then.
        return re.sub(r"^==(\d+\.\d+)\.\d+$", r"==\1.*", asked.python[0][0])
    return "<3" if len(code.python_2) > code.scripts // 4 else ""


def _texts(tree: Tree) -> Said:
    """Lines with an address in them, of the files that are no code."""
    found: Said = []
    paths = [path for path in tree.files if path.endswith(_TEXTS)]
    for path in paths[:_MOST_TEXTS]:
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            if "http" in line:
                found.append((line[:2000], f"{shown(path)}:{number}"))
    return found


def _tell_the_rest(asked: Asked, day: Date | None) -> None:
    tree = asked.tree
    if not (any(path.endswith((".py", ".ipynb")) for path in tree.files) or asked.wanted):
        asked.fault(
            "no code",
            "error",
            "there is no Python file in it",
            "Look whether the code is in another repository or branch.",
        )
    if ".gitmodules" in tree.files:
        words = "parts of it are other repositories (submodules), which are not fetched"
        asked.fault(
            "submodules",
            "warning",
            words,
            "Fetch those that you trust: git submodule update --init.",
            ".gitmodules:1",
        )
    if day is None:
        newest = _newest(tree)
        words = "no commit says when it was written" + (f"; its newest file is of {newest}" if newest else "")
        asked.fault("no commit", "info", words, "Say it by --date, so that packages of that time are taken.")
    lfs = [
        path
        for path in tree.files
        if path.endswith(_TEXTS) and tree.text(path).startswith("version https://git-lfs")
    ]
    for path in lfs:
        asked.fault(
            "Git LFS",
            "warning",
            "a file is only a pointer to Git LFS",
            "Fetch it with git lfs pull.",
            shown(path),
        )
    if len(tree.skipped) > 0:
        first = ", ".join(f"{path} ({reason})" for path, reason in list(tree.skipped.items())[:3])
        asked.fault("not read", "info", f"{len(tree.skipped)} files or folders were not read: {first}", "")


def _newest(tree: Tree) -> Date | None:
    """The day of the newest file; None where that is today, as it is after a copy."""
    times = []
    for path in tree.files[:5000]:
        with contextlib.suppress(OSError):
            times.append((tree.root / path).lstat().st_mtime)
    newest = max(times, default=0.0)
    if not _DAY < newest < time.time() - 2 * _DAY:
        return _released(tree)
    return datetime.fromtimestamp(newest, UTC).date()


def _released(tree: Tree) -> Date | None:
    """`date-released` of a CITATION.cff."""
    text = tree.text("CITATION.cff") if "CITATION.cff" in tree.files else ""
    found = re.search(r"^date-released:\s*['\"]?(\d{4}-\d\d-\d\d)", text, re.MULTILINE)
    try:
        return Date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _sorted(asked: Asked) -> tuple[Fault, ...]:
    return tuple(sorted(asked.faults.values(), key=lambda one: _ORDER[one.severity]))
