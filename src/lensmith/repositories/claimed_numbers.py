"""Numbers that a README claims: in its sentences, and in the cells of its tables under what the column is called."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from lensmith.repositories.metrics import metric_called, spelling
from lensmith.repositories.reading import Claim

_MOST = 200
_LONGEST = 600
_NUMBER = r"(?<![\w.])(?P<number>\d{1,3}\.\d{1,4}|\d{1,3}|\.\d{2,4})(?![\w.]*[\w]|\d)"
_PERCENT = r"\s{0,2}(?:±\s?[\d.]{1,6}\s?)?(?P<percent>\\?%|per ?cent)?"
_MARKS = re.compile(r"[*_`~\\$]|<[^<>]{1,80}>|\[\^?\d+\]")
_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()]{0,400}\)")
_CELL = re.compile(
    r"(\d{1,3}\.\d{1,4}|\d{1,3})\s{0,2}(%?)\s{0,2}(?:(?:±|\+/-|\+-)\s?[\d.]{1,6}\s?%?)?(?:\s{0,2}\([^()]{1,40}\))?"
)
_OTHER_NUMBERS = re.compile(
    r"\b\d{1,3}(?:\.\d{1,4})?\s?\\?% of (?:the |all )?[a-z]{1,20}(?=\s?[:=])"
    r"|\b[A-Za-z]{1,20}-?\d{1,4}\b|\(\s?n\s?=\s?[\d,]{1,9}\s?\)|\b\d[\d,]{0,8}(?=[ -](?:[a-z-]{1,12} ){0,2}?"
    r"(?:pictures|images|samples|examples|points|spots|notes|sequences|textures|digits|epochs|frames|classes)\b)"
)
"""With 40 % of the tokens:, CIFAR-10, ResNet50, (n = 250), 400 test points: numbers that are no result."""
_BETTER = re.compile(r"\bours\b|\bthis (?:repo|work|code)|\bproposed\b", re.IGNORECASE)
Lines = Sequence[tuple[int, str]]


def claims_in(lines: Lines, name: str) -> list[Claim]:
    """The claims of a text's lines, what is called `ours` or set in bold before others of its table."""
    found: list[Claim] = []
    heading, at = "", 0
    while at < len(lines) and len(found) < _MOST:
        number, line = lines[at]
        if line.startswith("#"):
            heading = _plain(line.lstrip("# "))
        size = _table(lines, at)
        if size:
            found += _of_table(lines[at : at + size], name, heading)
            at += size
            continue
        found += _of_sentence(_plain(line), number, name)
        at += 1
    return found


def _table(lines: Lines, at: int) -> int:
    """How many lines a table takes that begins here, 0 for no table."""
    if (
        "|" not in lines[at][1]
        or at + 1 >= len(lines)
        or not re.fullmatch(r"[\s|:+-]{3,}", lines[at + 1][1][:_LONGEST])
    ):
        return 0
    end = at + 2
    while end < len(lines) and "|" in lines[end][1] and lines[end][0] == lines[end - 1][0] + 1:
        end += 1
    return end - at


def _of_table(rows: Lines, name: str, heading: str) -> list[Claim]:
    heads = _cells(rows[0][1])
    named = {column: word for column, head in enumerate(heads) if (word := _metric_in(_plain(head)))}
    around = "" if named else _metric_in(heading)
    claims: list[tuple[bool, Claim]] = []
    for number, row in rows[2:]:
        cells = _cells(row)
        for column, cell in enumerate(cells):
            word = named.get(column, "") or (around if column else "")
            word = word or (_metric_in(_plain(cells[0])) if column and not named else "")
            value = _cell(_plain(cell), word, _plain(heads[column]) if column < len(heads) else "")
            if word and value is not None:
                head = _plain(heads[column]) if column < len(heads) else ""
                text = " | ".join([*([heading] if heading else []), head, *map(_plain, cells)])
                best = bool(_BETTER.search(row)) or "**" in cell
                claims.append((not best, Claim(word, value, f"{name}:{number}", text[:_LONGEST])))
    return [claim for _, claim in sorted(claims, key=lambda one: one[0])]


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip()[:4000].strip("|").split("|")]


def _cell(text: str, word: str, head: str) -> float | None:
    match = _CELL.fullmatch(text)
    if match is None or not word:
        return None
    return _scaled(word, match[1], bool(match[2]) or "%" in head)


def _of_sentence(line: str, number: int, name: str) -> list[Claim]:
    found: dict[int, Claim] = {}
    text = line[:_LONGEST]
    masked = _OTHER_NUMBERS.sub(_letters, text)
    for match in (match for pattern in (_after(), _before()) for match in pattern.finditer(masked)):
        at = match.start("number")
        between = masked[match.end("word") : at] if at > match.start("word") else ""
        word = _metric_in(between, last=True) or match["word"].lower()
        value = _scaled(word, match["number"], bool(match["percent"]))
        # A whole number after a word is most often a count.
        whole = match["number"].isdigit() and not match["percent"]
        if value is not None and not whole and at not in found:
            found[at] = Claim(word, value, f"{name}:{number}", text.strip())
    return [claim for _, claim in sorted(found.items())]


@functools.cache
def _before() -> re.Pattern[str]:
    """`accuracy of 94.8 %`, `Top-1: 76.1`, `F1 (macro) = 0.82`, `accuracy on the test split (n = 250): 97.2%`."""
    gap = r"[^\d.:=%|]{0,60}?[\s:=(]{1,4}"
    return re.compile(
        rf"(?<![A-Za-z])(?P<word>{spelling()})(?![A-Za-z0-9@]){gap}{_NUMBER}{_PERCENT}", re.IGNORECASE
    )


@functools.cache
def _after() -> re.Pattern[str]:
    """`94.8 % test accuracy`, `PSNR` is left to the other."""
    between = r"\s(?:(?:test|val|validation|top-1|mean|overall|classification|average|final)\s){0,3}"
    return re.compile(
        rf"{_NUMBER}\s{{0,2}}(?P<percent>\\?%){between}(?P<word>{spelling()})(?![A-Za-z0-9@])", re.IGNORECASE
    )


def _metric_in(text: str, last: bool = False) -> str:
    """The first metric, or the last one, that a text names, in its spelling there."""
    found = _words().findall(text[:200].lower())
    return str(found[-1 if last else 0]) if found else ""


@functools.cache
def _words() -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z])({spelling()})(?![A-Za-z0-9])")


def _letters(match: re.Match[str]) -> str:
    """Its like without digits, unless it is itself what a metric is called: top-1, F1."""
    return match[0] if metric_called(match[0]) else "x" * len(match[0])


def _scaled(word: str, number: str, percent: bool) -> float | None:
    """0 to 1 for shares; None for what cannot be one."""
    metric, value = metric_called(word), float(number)
    if metric is None:
        return None
    if metric.scale == "number":
        return value
    if percent or value > 1:
        value /= 100
    return round(value, 6) if 0 <= value <= 1 else None


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", _MARKS.sub("", _LINK.sub(r"\1", text[:4000]))).strip()
