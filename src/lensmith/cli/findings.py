"""What `inspect` found, as lines for a terminal of 80 columns."""

from __future__ import annotations

import difflib
import os
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from lensmith.errors import UsageError

_COLUMNS = 79
_LABEL = 9
_SHOWN = 3
_CLASSES = 8


def names(text: str, known: Sequence[str]) -> list[str]:
    """The issues that a list such as `leak,near-duplicate` names. Raises `UsageError` for one that is none."""
    found = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        name = word.lower().replace("-", " ").replace("_", " ")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0].replace(' ', '-')}?" if near else f"There are {_listed(known)}."
            raise UsageError(f"no issue is called '{word}'", hint=hint)
        found.append(name)
    if not found:
        raise UsageError("--fail-on names no issue", hint=f"There are {_listed(known)}.")
    return found


def _listed(known: Sequence[str]) -> str:
    return ", ".join(name.replace(" ", "-") for name in known)


def lines(facts: dict[str, Any], source: str) -> Iterator[str]:
    """The facts of an inspection: what is there, what is wrong, the gravest first, labels that may be wrong,
    then what to do."""
    yield facts["name"]
    yield from _row("", _count(facts))
    for label, words in (
        ("classes", _classes(facts)),
        ("sizes", _sizes(facts["sizes"])),
        ("modes", _modes(facts)),
    ):
        if words:
            yield from _row(label, words)
    for issue in facts["issues"]:
        yield ""
        yield from _row(issue["severity"], f"{issue['name']}: {issue['detail']}")
        yield from _files(issue["files"], source)
        if issue["hint"]:
            yield from _row("->", issue["hint"])
    yield ""
    yield from _suspects(facts["suspects"])
    yield ""
    yield from _row("next", _next(facts["issues"], source))


def _suspects(facts: dict[str, Any]) -> Iterator[str]:
    """The likeliest by name, or why they were not looked for."""
    if "left_out" in facts:
        yield from _row("info", f"label suspects: left out; {facts['left_out']}")
        return
    listed = facts["listed"]
    yield from _row("warning" if listed else "info", f"label suspects: {facts['verdict']}")
    for suspect in listed[:_SHOWN]:
        yield from _row("", f"{suspect['file']}: {suspect['why']}")
    if len(listed) > _SHOWN:
        yield from _row("", f"and {len(listed) - _SHOWN:,} more (--html FILE shows them)")


def _row(label: str, words: str) -> list[str]:
    """Words beside a label, in as many lines as they need."""
    rows = textwrap.wrap(words, _COLUMNS - _LABEL, break_long_words=False, break_on_hyphens=False) or [""]
    first = f"{label:<{_LABEL - 1}} " if len(label) < _LABEL else f"{label}: "
    if len(first) + len(rows[0]) > _COLUMNS:
        return [label, *(f"{'':<{_LABEL}}{row}" for row in rows)]
    return [f"{first}{rows[0]}", *(f"{'':<{_LABEL}}{row}" for row in rows[1:])]


def _count(facts: dict[str, Any]) -> str:
    parts = [f"{facts['count']:,} pictures, {facts['task']}"]
    parts += [f"{name} {part['count']:,}" for name, part in facts["counts"].items()]
    if facts["skipped"]:
        parts.append(f"{len(facts['skipped']):,} more cannot be used")
    return "; ".join(parts)


def _classes(facts: dict[str, Any]) -> str:
    counts, baseline = facts["classes"], facts["baseline"]
    if not counts:
        return ""
    shown = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:_CLASSES])
    more = f" and {len(counts) - _CLASSES:,} more" if len(counts) > _CLASSES else ""
    says = f"; always saying {baseline['class']} is right for {baseline['share']:.1%}" if baseline else ""
    return f"{shown}{more}{says}"


def _sizes(sizes: dict[str, Any]) -> str:
    if not sizes.get("commonest"):
        return ""
    smallest, largest = ("{} x {}".format(*sizes[name]) for name in ("smallest", "largest"))
    if smallest == largest:
        return f"all {smallest}"
    often = sizes["commonest"][0]
    words = f"from {smallest} to {largest}"
    return f"{words}; most often {often['width']} x {often['height']}, {often['count']:,} times"


def _modes(facts: dict[str, Any]) -> str:
    return ", ".join(f"{mode} {count:,}" for mode, count in facts["modes"].items())


def _files(files: list[list[str]], source: str) -> Iterator[str]:
    """Some of the files, as they lie in the data's folder; those that belong together in one line if they fit."""
    inner = os.path.join(source, "")  # noqa: PTH118  # the separator at its end is what it is for
    for group in files[:_SHOWN]:
        short = [name.removeprefix(inner) for name in group]
        one_line = f"{'':<{_LABEL}}{' = '.join(short)}"
        if len(one_line) <= _COLUMNS:
            yield one_line
            continue
        if len(short) == 1:
            yield from _row("", short[0])
            continue
        yield f"{'':<{_LABEL}}{short[0]}"
        yield from (f"{'':<{_LABEL}}  = {name}" for name in short[1 : _SHOWN + 1])
        if len(short) > _SHOWN + 1:
            yield f"{'':<{_LABEL}}  and {len(short) - _SHOWN - 1:,} more"
    if len(files) > _SHOWN:
        yield f"{'':<{_LABEL}}and {len(files) - _SHOWN:,} more"


def _next(issues: list[dict[str, Any]], source: str) -> str:
    if not issues:
        return f"nothing found against it: lensmith train {source}"
    if any(len(issue["files"]) > _SHOWN for issue in issues):
        return f"lensmith inspect {source} --json lists every file; begin with {issues[0]['name']}"
    return f"begin with {issues[0]['name']}; then lensmith train {source}"
