"""The names of a network's outputs, as somebody has them: on the command line or in a file."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

from lensmith.errors import UsageError

_COLUMNS = ("name", "class", "class_name", "label")
_INDICES = ("index", "id", "class_id", "class_index", "target", "idx")


def names_from(word: str) -> list[str]:
    """`a,b,c`, or a file: .txt (a name a line), .json or .csv. Raises `UsageError`.

    JSON is a list of names, or a table of index to name or name to index (as torchvision's `class_to_idx`), or one
    of index to [id, name] (as ImageNet's). CSV has a name in each row, or columns under a header, of which one is
    called name, class or label; one called index or id gives the order.
    """
    file = Path(word)
    if not file.is_file():
        if file.suffix.lower() in (".txt", ".json", ".csv"):
            raise UsageError(f"--classes {word}: there is no such file")
        return [name.strip() for name in word.split(",") if name.strip()]
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".json":
            return _of_json(json.loads(text))
        if file.suffix.lower() == ".csv":
            return _of_table(list(csv.reader(text.splitlines())))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise UsageError(f"--classes {word}: no names can be read from it ({error})") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _of_json(found: Any) -> list[str]:
    if isinstance(found, list) and all(isinstance(name, str) for name in found):
        return found
    if not isinstance(found, dict) or not found:
        raise ValueError("neither a list of names nor a table of indices and names")
    if all(type(index) is int for index in found.values()):  # name to index
        return _ordered([(index, name) for name, index in found.items()])
    words = {index: name if isinstance(name, list) else [name] for index, name in found.items()}
    for index, parts in words.items():
        if not parts or not all(isinstance(part, str) for part in parts):
            raise ValueError(f"{index!r} is {found[index]!r}, not a name")
    # Two of ImageNet's classes are called crane, and two maillot: there the id goes along.
    count = Counter(parts[-1] for parts in words.values())
    return _ordered(
        [
            (int(index), parts[-1] if count[parts[-1]] == 1 else " ".join(reversed(parts)))
            for index, parts in words.items()
        ]
    )


def _of_table(rows: list[list[str]]) -> list[str]:
    rows = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    head = [cell.lower() for cell in rows[0]] if rows else []
    named = [head.index(word) for word in _COLUMNS if word in head]
    if not named:
        if any(len(row) != 1 for row in rows):
            raise ValueError(f"several columns, and none is called {', '.join(_COLUMNS)}")
        return [row[0] for row in rows]
    numbered = [head.index(word) for word in _INDICES if word in head]
    if any(len(row) != len(head) for row in rows):
        raise ValueError("rows of different lengths")
    if not numbered:
        return [row[named[0]] for row in rows[1:]]
    return _ordered([(int(row[numbered[0]]), row[named[0]]) for row in rows[1:]])


def _ordered(pairs: list[tuple[int, str]]) -> list[str]:
    """Names by their index, which go from 0 up without a gap."""
    pairs.sort()
    if [index for index, _ in pairs] != list(range(len(pairs))):
        raise ValueError("the indices are not 0, 1, 2 and so on, each once")
    return [name for _, name in pairs]
