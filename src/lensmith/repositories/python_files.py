"""The Python files and notebooks of a repository: what they import, and the places of what they call."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from lensmith.repositories.asked import Asked
from lensmith.repositories.python_source import source_of_notebook
from lensmith.repositories.shell_lines import joined, take_installs
from lensmith.repositories.tables import table
from lensmith.repositories.tree import LARGEST_NOTEBOOK, shown

MOST_PYTHON_FILES = 10_000
_MOST_PLACES = 50
Places = dict[str, list[str]]


@dataclass
class Code:
    """What the code of a repository does. Each maps a name to its places; `optional`: distributions that the code can
    do without; `source_only`: modules of projects that are on no index, with where they are."""

    imports: Places = field(default_factory=lambda: defaultdict(list))
    needed: set[str] = field(default_factory=set)
    source_only: dict[str, str] = field(default_factory=dict)
    removed: Places = field(default_factory=lambda: defaultdict(list))
    calls: Places = field(default_factory=lambda: defaultdict(list))
    strings: list[tuple[str, str]] = field(default_factory=list)
    python_2: list[str] = field(default_factory=list)
    unparsed: list[tuple[str, str]] = field(default_factory=list)
    scripts: int = 0


def read_code(asked: Asked) -> Code:
    """Every .py file and notebook, each parsed apart from this process."""
    code, own = Code(), _own_modules(asked.tree.files)
    paths = [path for path in asked.tree.files if path.endswith((".py", ".ipynb", ".pyx"))]
    for path in paths[:MOST_PYTHON_FILES]:
        text = _notebook(asked, path) if path.endswith(".ipynb") else asked.tree.text(path)
        found = None if path.endswith(".pyx") else asked.parse("python", path, text)
        if found is not None:
            _take(code, found, shown(path), own)
    for path in paths[MOST_PYTHON_FILES:]:
        asked.tree.skip(path, f"comes after {MOST_PYTHON_FILES:,} other Python files")
    return code


def distribution_of(module: str) -> str:
    """The distribution that brings a module, by the table, else by the module's own name; "" for Python's own."""
    table_, parts = table("import_names")["names"], module.split(".")
    for size in range(len(parts), 0, -1):
        if found := table_.get(".".join(parts[:size])):
            return str(found)
    top = parts[0]
    if (
        top in sys.stdlib_module_names
        or top in table("known_packages")["once_standard"]
        or not re.fullmatch(r"[A-Za-z]\w*", top)
    ):
        return ""
    return re.sub(r"_+", "-", top).lower().strip("-")


def _own_modules(files: tuple[str, ...]) -> set[str]:
    """Names that an import may find within the repository: a file or a folder of Python files anywhere in it."""
    own = set()
    for path in files:
        if path.endswith((".py", ".pyx", ".so", ".cu", ".cpp")):
            *folders, name = path.split("/")
            own.add(name.partition(".")[0])
            own.update(folders)
    return own - {"setup", "torch", "numpy", "yaml"}


def _notebook(asked: Asked, path: str) -> str:
    text = asked.tree.text(path, LARGEST_NOTEBOOK)
    done = asked.parser.parse("json", text) if text.strip() else None
    if done is None or done.reason:
        if done:
            asked.tree.skip(path, done.reason)
        return ""
    cells = done.value.get("cells", []) if isinstance(done.value, dict) else []
    source = source_of_notebook(cells)
    lines = [(number, line) for number, line in enumerate(source.splitlines(), 1) if "pass  # " in line]
    for _, line in joined([(number, line.partition("pass  # ")[2]) for number, line in lines]):
        take_installs(asked, line, shown(path))
    return source


def _take(code: Code, told: dict[str, Any], path: str, own: set[str]) -> None:
    for module, line, optional in told["imports"]:
        if module.partition(".")[0] not in own:
            _take_import(code, module, f"{path}:{line}", optional or _is_aside(path))
    for name, line in told["names"]:
        if name.partition(".")[0] not in own:
            code.removed[name].append(f"{path}:{line}")
    for name, line in told["calls"]:
        if name not in ("cuda", "DataParallel") or not (told["guarded"] or _is_aside(path)):
            code.calls[name].append(f"{path}:{line}")
    if not _is_aside(path):
        code.strings += [(text, f"{path}:{line}") for text, line in told["strings"]]
    line, older, message = told.get("syntax", (0, False, ""))
    if older:
        code.python_2.append(f"{path}:{line}")
    elif line:
        code.unparsed.append((f"{path}:{line}", message))
    code.scripts += 1


def _take_import(code: Code, module: str, place: str, optional: bool) -> None:
    name, elsewhere = distribution_of(module), table("import_names")["source_only"]
    if not name:
        return
    code.imports[name] += [place] if len(code.imports[name]) < _MOST_PLACES else []
    if (top := module.partition(".")[0]) in elsewhere:
        code.source_only[name] = elsewhere[top]
    elif not optional:
        code.needed.add(name)


def _is_aside(path: str) -> bool:
    """Whether the code runs without this file: setup, tests, documentation."""
    return (
        path.rpartition("/")[2] in ("setup.py", "conftest.py")
        or re.match(r"(?:tests?|docs?)/", path) is not None
    )
