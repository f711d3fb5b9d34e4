"""`lensmith inspect DATA --html FILE`: one offline page on which somebody looks through findings and decides.

It requests nothing and sends nothing: decisions stay in the browser until they are saved as `decisions.csv`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from lensmith.audit.inspect import Issue
from lensmith.audit.suspects import Suspect, Suspects
from lensmith.data.dataset import Example, ImageDataset
from lensmith.data.decisions import DROP, KEEP, RELABEL
from lensmith.data.picture_rows import folder_of, path_from
from lensmith.errors import PictureError
from lensmith.report.markup import Html, join, tag
from lensmith.report.thumbnails import thumbnail_of
from lensmith.runs.files import write_text

MOST = 300
"""Pictures on the page: about 2 MB, and more than anybody looks through at once."""
_MOST_SUSPECTS, _MOST_OF_ISSUE, _MOST_LINES = 150, 60, 50


@dataclass(frozen=True)
class Gallery:
    """The page, and how many of the pictures that the findings name are on it."""

    page: str
    shown: int
    found: int


def write_gallery(
    file: Path, data: ImageDataset, issues: Sequence[Issue], suspects: Suspects | None, source: object
) -> Gallery:
    """Write the page. source: where the data came from, from whose folder the paths are written."""
    gallery = make_gallery(data, issues, suspects, source)
    write_text(file, gallery.page)
    return gallery


def make_gallery(
    data: ImageDataset, issues: Sequence[Issue], suspects: Suspects | None, source: object
) -> Gallery:
    """The page of at most `MOST` pictures, the gravest findings and the likeliest suspects first."""
    desk = _Desk(data, source)
    parts: dict[str, Html] = {}
    for issue in issues:
        if issue.severity == "error":
            parts[_titled(issue, parts)] = _of_issue(desk, issue)
    if suspects is not None and suspects.listed:
        parts["Label suspects"] = _of_suspects(desk, suspects)
    for issue in issues:
        if issue.severity != "error":
            parts[_titled(issue, parts)] = _of_issue(desk, issue)
    script = _packaged("gallery.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    facts = {"task": data.task, "classes": data.classes, "key": data.fingerprint, "pictures": desk.pictures}
    page = Template(_packaged("gallery.html")).substitute(
        hash=f"sha256-{digest}",
        name=join(data.name),
        style=_packaged("page.css") + _packaged("gallery.css"),
        about=join(*[tag("span", word) for word in _about(data)]),
        verdict=join(_verdict(desk, len(parts))),
        lead=_lead(desk, parts),
        sections="\n".join(_section(title, part) for title, part in parts.items()),
        # A class may be called </script>; the browser looks for nothing else in there.
        facts=Html(json.dumps(facts).replace("<", "\\u003c")),
        script=script,
    )
    return Gallery(page, len(desk.pictures), len(desk.found))


class _Desk:
    """The pictures that are on the page so far."""

    def __init__(self, data: ImageDataset, source: object) -> None:
        self.data, self._source = data, source
        self._rows = {str(example.source): row for row, example in enumerate(data.examples)}
        self.pictures: dict[int, dict[str, str]] = {}
        self.found: set[int] = set()
        self.cards = 0

    def row_of(self, file: str) -> int | None:
        """Which picture a finding names, where it is one of the data."""
        return self._rows.get(file)

    def room(self, most: int) -> int:
        """How many more cards a section may have."""
        return max(0, min(most, MOST - self.cards))

    def card(self, row: int, told: Html, suggestion: str = "") -> Html:
        """A picture, what is said of it, and the decision on it."""
        example = self.data.examples[row]
        self.cards += 1
        path, label = path_from(folder_of(self._source), example), _label(self.data, example)
        known = self.pictures.setdefault(row, {"path": path, "sha256": self.data.ids[row], "label": label})
        known["suggestion"] = suggestion or known.get("suggestion", "")
        group = f"pick-{self.cards}"
        choices = [
            tag("label", tag("input", type="radio", name=group, value=word), tag("span", word))
            for word in (KEEP, DROP, RELABEL)
        ]
        return tag(
            "li",
            tag("div", self._thumbnail(row, path), class_="shown"),
            tag("p", told, class_="told"),
            tag("p", path, class_="name"),
            tag("div", class_="label", hidden=""),
            tag("fieldset", tag("legend", f"What to do with {path}", class_="unseen"), *choices),
            tag("button", "undo", type="button", class_="undo", hidden="", aria_label=f"Undo for {path}"),
            class_="pick",
            data_id=row,
        )

    def _thumbnail(self, row: int, path: str) -> Html:
        try:
            return thumbnail_of(self.data.pixels(row), path)
        except PictureError as error:
            return tag("div", tag("span", "cannot be shown"), tag("small", error.reason), class_="gone")


def _of_suspects(desk: _Desk, suspects: Suspects) -> Html:
    desk.found.update(suspect.row for suspect in suspects.listed)
    shown = suspects.listed[: desk.room(_MOST_SUSPECTS)]
    cards = [desk.card(suspect.row, _told(suspect), suspect.suggestion) for suspect in shown]
    return join(
        tag("p", suspects.verdict(), _left(len(shown), len(suspects.listed))),
        tag("ul", *cards, class_="picks"),
    )


def _told(suspect: Suspect) -> Html:
    return join("labelled ", tag("b", suspect.label or "nothing"), "; ", suspect.why)


def _of_issue(desk: _Desk, issue: Issue) -> Html:
    """Equal pictures in a box together, single ones one after the other; what are no pictures as lines."""
    words = tag("p", issue.detail, f". {hint}" if (hint := getattr(issue, "hint", "")) else "")
    groups = [[(file, desk.row_of(file)) for file in files] for files in issue.files]
    rows = [[row for _, row in group if row is not None] for group in groups]
    desk.found.update(row for group in rows for row in group)
    if not any(rows):
        lines = [tag("li", " = ".join(files)) for files in issue.files]
        more = tag("p", f"and {len(lines) - _MOST_LINES:,} more") if len(lines) > _MOST_LINES else Html()
        return join(words, tag("ul", *lines[:_MOST_LINES], class_="words") if lines else Html(), more)
    boxes: list[Html] = []
    singles: list[Html] = []
    shown = 0
    for group in rows:
        if not group or desk.room(_MOST_OF_ISSUE - shown) < min(len(group), _MOST_OF_ISSUE):
            continue
        cards = [desk.card(row, _plain(desk.data, row)) for row in group[:_MOST_OF_ISSUE]]
        shown += len(cards)
        if len(group) == 1:
            singles += cards
        else:
            boxes.append(tag("div", tag("ul", *cards, class_="picks"), class_="group"))
    left = _left(shown, sum(map(len, rows)))
    return join(
        words,
        tag("p", left) if left else Html(),
        *boxes,
        tag("ul", *singles, class_="picks") if singles else Html(),
    )


def _plain(data: ImageDataset, row: int) -> Html:
    example = data.examples[row]
    where = f", in {example.split}" if example.split else ""
    return join("labelled ", tag("b", _label(data, example) or "nothing"), where)


def _label(data: ImageDataset, example: Example) -> str:
    """As decisions.csv has it."""
    target = example.target
    return ";".join(data.classes[i] for i in target) if isinstance(target, tuple) else data.words(target)


def _left(shown: int, found: int) -> str:
    return f" {shown:,} of {found:,} are shown; lensmith inspect --json lists all." if shown < found else ""


def _titled(issue: Issue, taken: dict[str, Any]) -> str:
    """A heading of its own for each finding."""
    title = issue.name[:1].upper() + issue.name[1:]
    return title if title not in taken else f"{title} {len(taken)}"


def _about(data: ImageDataset) -> Iterator[str]:
    yield data.name
    yield f"{len(data):,} pictures"
    if data.classes:
        yield f"{len(data.classes):,} {'labels' if data.task == 'multilabel' else 'classes'}"


def _verdict(desk: _Desk, findings: int) -> str:
    if not findings:
        return "Nothing found against these pictures"
    found = f"{findings:,} finding{'s' if findings > 1 else ''}"
    count = len(desk.pictures)
    return f"{count:,} picture{'s' if count > 1 else ''} to look at, {found}" if count else found


def _lead(desk: _Desk, parts: dict[str, Html]) -> Html:
    if not desk.pictures:
        return Html()
    links = [tag("a", title, href=f"#{_anchor(title)}") for title in parts]
    keys = join(*[join(tag("kbd", key), f" {what}") for key, what in _KEYS])
    return join(
        tag(
            "p",
            "Mark what should be kept as it is, dropped or relabelled, then download decisions.csv. "
            "With the focus on a picture's buttons, the keys do the same: ",
            keys,
        ),
        tag("nav", *links, aria_label="Findings"),
    )


_KEYS = (("k", "keep, "), ("d", "drop, "), ("r", "relabel, "), ("n", "next, "), ("p", "the one before."))


def _section(title: str, content: Html) -> Html:
    anchor = _anchor(title)
    return tag("section", tag("h2", title, id=anchor), content, aria_labelledby=anchor)


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _packaged(file: str) -> str:
    return resources.files("lensmith.report").joinpath(file).read_text(encoding="utf-8")
