"""`group_by`: pictures that belong together (of one patient, one film, one place) by a column, a folder or a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lensmith.data.dataset import Example, ImageDataset
from lensmith.data.folders import is_class_folder
from lensmith.errors import DataError, UsageError
from lensmith.shards.member import Member

_FOLDER = re.compile(r"folder(?::(\d+))?")
_COLUMN = "column:"
_SHOWN = 3
FORMS = (
    "It is a column of the table, folder (the one that a picture lies in), folder:2 (the one above), or a pattern "
    r"of names with {} for the group, such as '{}_frame*', or as a regular expression, '(.*)_frame\d+'."
)

Cells = Mapping[str, Sequence[str]]
"""The columns of a table, a cell for each picture."""
GroupOf = Callable[[Path], str | None]


def grouped(
    data: ImageDataset, word: str, *, root: Path | None = None, cells: Cells | None = None
) -> ImageDataset:
    """The data with the groups that `word` stands for. root: what paths are taken from; cells: where the data are
    a table.

    Raises `UsageError` for a word that stands for nothing, for two things, or for groups that cannot be meant.
    """
    column = _column(word, cells or {})
    if column is not None:
        groups: list[str | None] = [cell.strip() for cell in (cells or {})[column]]
    else:
        group_of = _by_folder(word) or _by_pattern(word)
        if group_of is None:
            known = f"the columns are {', '.join(cells)}" if cells else f"{data.name} has no columns"
            raise UsageError(f"group_by={word} is neither a column nor a pattern: {known}", hint=FORMS)
        groups = [group_of(_path(example, word, root)) for example in data.examples]
    _refuse_unmatched(data, word, groups)
    made = data.with_examples(
        [replace(e, group=group or "") for e, group in zip(data.examples, groups, strict=True)]
    )
    _refuse_useless(made, word)
    return made


def group_words(data: ImageDataset) -> str:
    """How many groups there are, and how large, in words; "" where there are none."""
    counts = data.groups
    if not counts:
        return ""
    name, largest = max(counts.items(), key=lambda entry: (entry[1], entry[0]))
    alone = len(data) - sum(counts.values())
    rest = f", {alone:,} pictures in none" if alone else ""
    return f"{len(counts):,} groups (the largest, {name}, of {largest:,} pictures{rest})"


def _column(word: str, cells: Cells) -> str | None:
    """The column that a word names, if it does: by its own spelling, or another that is the only one like it."""
    name = word.removeprefix(_COLUMN)
    like = [column for column in cells if column.lower() == name.lower()]
    found = name if name in cells else like[0] if len(like) == 1 else None
    if word.startswith(_COLUMN) and found is None:
        columns = ", ".join(cells) or "there are none"
        raise UsageError(f"group_by={word}: no such column", hint=f"Columns: {columns}.")
    if len(like) > 1 and found is None:
        raise UsageError(f"group_by={word} may be {' or '.join(like)}", hint="Spell it as the table does.")
    is_more = _FOLDER.fullmatch(word) or any(mark in word for mark in "(*{")
    if found is not None and is_more and not word.startswith(_COLUMN):
        raise UsageError(
            f"group_by={word} is a column of the table, and stands for folders or names too",
            hint=f"Say {_COLUMN}{word} for the column"
            + (", or folder:1 for the folder that a picture lies in." if word == "folder" else "."),
        )
    return found


def _by_folder(word: str) -> GroupOf | None:
    """`folder`, `folder:1`: the folder that a picture lies in; `folder:2` the one above it."""
    match = _FOLDER.fullmatch(word)
    if match is None:
        return None
    level = int(match[1] or 1)
    if level < 1:
        raise UsageError(f"group_by={word}: levels count from 1, the folder that a picture lies in")
    return lambda path: path.parts[-1 - level] if len(path.parts) > level else None


def _by_pattern(word: str) -> GroupOf | None:
    """A pattern on names with `{}` or one `*` for the group, or a regular expression with a part in parentheses."""
    if "{}" in word or ("*" in word and "(" not in word):
        return _by_placeholder(word)
    return _by_expression(word) if "(" in word else None


def _by_placeholder(word: str) -> GroupOf:
    """The whole name, with its ending or without it, has to fit; with a `/`, as many folders as the word has."""
    if word.count("{}") > 1 or ("{}" not in word and word.count("*") > 1):
        raise UsageError(
            f"group_by={word} may mean several parts of a name",
            hint="Write {} for the one part that names the group, and * for what does not matter.",
        )
    marked = word if "{}" in word else word.replace("*", "{}")
    depth = marked.count("/") + 1
    parts = [re.escape(part).replace(r"\*", "[^/]*") for part in marked.split("{}")]
    shortest, longest = (re.compile(f"([^/]{many})".join(parts)) for many in ("+?", "+"))

    def group_of(path: Path) -> str | None:
        for name in ("/".join(path.parts[-depth:]), "/".join(path.with_suffix("").parts[-depth:])):
            least, most = shortest.fullmatch(name), longest.fullmatch(name)
            if least is None or most is None:
                continue
            if least[1] != most[1]:
                raise UsageError(
                    f"group_by={word}: the group of {path.name} may be {least[1]} or {most[1]}",
                    hint=r"Say more of the name, or use a regular expression, such as '([^_]*)_.*'.",
                )
            return least[1]
        return None

    return group_of


def _by_expression(word: str) -> GroupOf:
    """Searched for in the file's name, or with a `/` in the path; what its parentheses hold, joined."""
    try:
        expression = re.compile(word)
    except re.error as error:
        raise UsageError(f"group_by={word} is no regular expression ({error})", hint=FORMS) from error
    if not expression.groups:
        raise UsageError(
            f"group_by={word} has no part in parentheses that names the group",
            hint=r"Such as '(.*)_frame\d+': what the parentheses match is the group.",
        )

    def group_of(path: Path) -> str | None:
        match = expression.search(path.as_posix() if "/" in word else path.name)
        found = [part for part in match.groups() if part] if match else []
        return " ".join(found) or None

    return group_of


def _path(example: Example, word: str, root: Path | None) -> Path:
    source = example.source
    if isinstance(source, Member):
        return Path(source.path or f"{source.shard.name}/{source.name}")
    if not isinstance(source, Path):
        raise UsageError(
            f"group_by={word}: {source} has no file name",
            hint="Pictures of a Dataset of your own get groups in Python: Example(..., group=...).",
        )
    return source.relative_to(root) if root is not None and source.is_relative_to(root) else source


def _refuse_unmatched(data: ImageDataset, word: str, groups: Sequence[str | None]) -> None:
    unmatched = [str(e.source) for e, group in zip(data.examples, groups, strict=True) if group is None]
    if not unmatched:
        return
    matched = next((f"{e.source} is of {g}" for e, g in zip(data.examples, groups, strict=True) if g), "")
    if not matched:
        message = f"group_by={word} fits none of {len(data):,} pictures, the first {unmatched[0]}"
        raise UsageError(message, hint=FORMS)
    shown = ", ".join(unmatched[:_SHOWN])
    raise UsageError(
        f"group_by={word} fits {len(data) - len(unmatched):,} of {len(data):,} pictures, and not {shown}",
        hint=f"{matched}. Pictures outside of every group could be copies of others; make it fit all of them.",
    )


def _refuse_useless(data: ImageDataset, word: str) -> None:
    """Groups that cannot be meant: one of all pictures, one for each, or the classes or splits again."""
    groups = {example.group for example in data.examples if example.group}
    first = ", ".join(sorted(groups)[:_SHOWN])
    if not groups:
        raise DataError(f"group_by={word}: the column is empty", hint=FORMS)
    if len(groups) == 1 and all(example.group for example in data.examples):
        raise UsageError(f"group_by={word} puts all pictures into one group, {first}", hint=FORMS)
    if len(groups) == sum(1 for example in data.examples if example.group):
        raise UsageError(
            f"group_by={word} gives each of {len(groups):,} pictures a group of its own: {first}, ...",
            hint="Leave it out, or make it name what several pictures share.",
        )
    if not any(map(is_class_folder, groups)):
        raise UsageError(f"group_by={word} gives the splits again: {first}", hint=FORMS)
    if data.task == "classification" and {(e.group, e.target) for e in data.examples} == {
        (name, index) for index, name in enumerate(data.classes) if name in groups
    }:
        raise UsageError(
            f"group_by={word} gives the classes again: {first}",
            hint="Pictures lie in their class folders here; name what they share within a class.",
        )
