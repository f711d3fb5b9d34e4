"""Check the table of error messages (src/lensmith/diagnosis/messages.json), and write docs/errors.md from it.

`python scripts/messages.py` writes the page; with `--check` it writes nothing and ends with 1 where a row breaks a
rule or the page is out of step. To add a row, write it into the JSON file and run both.
"""

from __future__ import annotations

import ast
import re
import string
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from lensmith.diagnosis.messages import CONDITIONS, FACTS, VERBS, Row, read_messages
from lensmith.diagnosis.transcript import clean, one_line

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/errors.md"
REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
DANGEROUS = (
    *(
        "--trusted-host",
        "verify=False",
        "_create_unverified_context",
        "ssl_verify false",
        "PYTHONHTTPSVERIFY",
    ),
    *(
        "rm -r",
        "sudo pip",
        "chmod 777",
        "chmod -R",
        "--no-verify",
        "| sh",
        "| bash",
        "KMP_DUPLICATE_LIB_OK=TRUE",
    ),
)
MOST_REPEATED, MOST_REPEATS = 400, 6
HEAD = """\
# Errors, and what mends them

```console
$ lensmith doctor "AssertionError: Torch not compiled with CUDA enabled"
$ lensmith doctor train.log
$ python train.py 2>&1 | lensmith doctor -
```

The doctor looks for the messages below in what you give it, tells the one that caused the others first, and says
what it finds on this machine. This page is made from its table. What mended it is written from the threads named,
each with the date of the answer; where a source was not read, that is said.
"""


def main() -> int:
    """Write the page, or check."""
    rows = read_messages()
    if "--check" not in sys.argv:
        PAGE.write_text(page(rows), encoding="utf-8")
        return 0
    found = faults(rows)
    if PAGE.read_text(encoding="utf-8") != page(rows):
        found.append("docs/errors.md is out of step: python scripts/messages.py")
    sys.stdout.write("".join(f"{fault}\n" for fault in found) or f"{len(rows)} rows, nothing to mend\n")
    return 1 if found else 0


def faults(rows: tuple[Row, ...]) -> list[str]:
    """What breaks a rule, as `row: what`."""
    found = [f"{row.name}: {fault}" for row in rows for rule in RULES for fault in rule(row, rows)]
    names = [row.name for row in rows]
    return found + [f"{name}: twice" for name in dict.fromkeys(names) if names.count(name) > 1]


def _sourced(row: Row, _: tuple[Row, ...]) -> Iterator[str]:
    if not row.sources:
        yield "no source"
    for source in row.sources:
        if set(source) - {"url", "date", "read"} or not str(source["url"]).startswith("https://"):
            yield f"source {source}"
        if source["read"] and not _is_date(source.get("date", "")):
            yield f"{source['url']} was read: of which date is it?"


def _worded(row: Row, _: tuple[Row, ...]) -> Iterator[str]:
    groups = {name for pattern in row.patterns for name in re.compile(pattern).groupindex}
    known = groups | FACTS | ({"found_index"} if "found" in groups else set())
    texts = [
        row.means,
        row.why,
        row.cure,
        *(part[key] for part in row.here for key in ("says", "cure") if key in part),
    ]
    for text in texts:
        if not text.endswith(".") or text != text.strip():
            yield f"no sentence: {text!r}"
        named = set(re.findall(r"\{(\w+)\}", text))
        if named - known:
            yield f"nothing is called {sorted(named - known)}"


def _patterned(row: Row, rows: tuple[Row, ...]) -> Iterator[str]:
    for pattern in row.patterns:
        yield from (f"{pattern}: {fault}" for fault in _slow(pattern))
    texts = one_line(clean(row.example))
    if not any(row.search(text) for text in texts):
        yield "its own example is not found"
    for other in rows:
        said = {row.name, *row.after, *row.instead_of}
        if other.name in said or row.name in (*other.after, *other.instead_of):
            continue
        if any(other.search(text) for text in texts):
            yield f"its example is also {other.name}'s, and neither is said to follow or replace the other"


def _related(row: Row, rows: tuple[Row, ...]) -> Iterator[str]:
    names = {row.name for row in rows}
    for name in (*row.after, *row.instead_of):
        if name not in names:
            yield f"no row is called {name}"
    for name in row.confirmed_by:
        if name not in _finding_names():
            yield f"the doctor has no finding called {name}"
    for part in row.here:
        if unknown := set(part) - {"when", "says", "commands"}:
            yield f"what is {sorted(unknown)}"
        if unknown := set(part.get("when", {})) - set(CONDITIONS):
            yield f"no conditions {sorted(unknown)}"
        for words in part.get("commands", ()):
            if words[0] not in VERBS and words[0] != "sudo":
                yield f"no command {words}"


def _harmless(row: Row, _: tuple[Row, ...]) -> Iterator[str]:
    """What threads advise and nobody should paste: it turns a check off, or deletes more than was meant."""
    advice = " ".join(
        [row.cure, *(" ".join(words) for part in row.here for words in part.get("commands", ()))]
    )
    yield from (f"advises {words}" for words in DANGEROUS if words in advice)


RULES: tuple[Callable[[Row, tuple[Row, ...]], Iterator[str]], ...] = (
    _sourced,
    _worded,
    _patterned,
    _related,
    _harmless,
)


def _slow(pattern: str) -> Iterator[str]:
    """Why a search could take more than time in proportion to the text."""
    repeats = list(_repeats(_parser.parse(pattern), nested=False))
    if any(most is None or most > MOST_REPEATED for most, _ in repeats):
        yield f"a repeat without a bound of {MOST_REPEATED}"
    if any(nested for _, nested in repeats):
        yield "a repeat within a repeat"
    if len(repeats) > MOST_REPEATS:
        yield f"more than {MOST_REPEATS} repeats"


def _repeats(parsed: Any, nested: bool) -> Iterator[tuple[int | None, bool]]:
    """`(most, within another)` of each part that may repeat a varying number of times."""
    for kind, value in parsed:
        if kind in REPEATS:
            least, most, inner = value
            # `(...)?` is no repeat: it is there or not.
            varies = most is _constants.MAXREPEAT or int(most) > max(1, int(least))
            if varies:
                yield (None if most is _constants.MAXREPEAT else int(most)), nested
            yield from _repeats(inner, nested or varies)
        elif kind is _constants.SUBPATTERN:
            yield from _repeats(value[-1], nested)
        elif kind is _constants.BRANCH:
            for branch in value[1]:
                yield from _repeats(branch, nested)


def _finding_names() -> set[str]:
    """The names that findings are given in the doctor's own files."""
    names = set()
    for file in (ROOT / "src/lensmith/diagnosis").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding" and node.args:
                name = node.args[0]
                names |= {name.value} if isinstance(name, ast.Constant) else set()
    return {str(name) for name in names}


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text) <= date.today()
    except ValueError:
        return False


def page(rows: tuple[Row, ...]) -> str:
    """The table as a page."""
    parts = [HEAD]
    for chapter in dict.fromkeys(row.chapter for row in rows):
        parts.append(f"## {chapter}\n")
        parts += [_section(row) for row in rows if row.chapter == chapter]
    return "\n".join(parts)


def _section(row: Row) -> str:
    example = "\n".join(f"    {line.strip()}" for line in row.example.splitlines() if line.strip())
    sources = ", ".join(_linked(source) for source in row.sources)
    return (
        f"### {row.title}\n\n{example}\n\n{_escaped(row.means)} {_escaped(row.why)}\n\n"
        f"**What mends it.** {_escaped(row.cure)}\n\nFrom {sources}.\n"
    )


def _linked(source: Any) -> str:
    thread = re.fullmatch(r"https://github\.com/([^/]+/[^/]+)/(?:issues|pull)/(\d+)", source["url"])
    name = f"{thread[1]}#{thread[2]}" if thread else source["url"].removeprefix("https://").partition("/")[0]
    return f"[{name}]({source['url']}) ({source['date'] if source['read'] else 'not read'})"


def _escaped(text: str) -> str:
    """For Markdown; what a row fills in from the message or the machine stands in italics."""
    marked = "".join(f"\\{mark}" if mark in "*_`<>[]" else mark for mark in text)
    return re.sub(
        r"\{(\w+)\}", lambda place: f"*{place[1].strip(string.whitespace)}*", marked.replace("\\_", "_")
    )


if __name__ == "__main__":
    sys.exit(main())
