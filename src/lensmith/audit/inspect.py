"""`inspect`: leaks, contradicting labels, equal files, class sizes. Decodes nothing; `audit.look` does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from lensmith.data.dataset import ImageDataset, Skipped

Name = Literal[
    "leak",
    "group leak",
    "conflict",
    "unreadable",
    "duplicate",
    "near duplicate",
    "blank",
    "dark",
    "blurred",
    "odd size",
    "thin class",
    "imbalance",
    "unused",
]
NAMES: tuple[str, ...] = get_args(Name)
"""What an issue may be called, the gravest first."""
Severity = Literal["error", "warning", "info"]

_THIN = 10
_UNEVEN = 10


@dataclass(frozen=True)
class Issue:
    """Something found in the data: what, how bad, in words, the pictures that it concerns, and what to do about it.

    files: groups of pictures that belong together; one in each where they do not.
    """

    name: Name
    severity: Severity
    detail: str
    files: list[list[str]] = field(default_factory=list)
    hint: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def inspect(data: ImageDataset, unreadable: Sequence[Skipped] = ()) -> list[Issue]:
    """Everything that is known without a look at a pixel, the gravest first. `unreadable`: pictures that somebody
    tried to decode."""
    equal: dict[str, list[int]] = defaultdict(list)
    for row, identity in enumerate(data.ids):
        equal[identity].append(row)
    found = about_equal(data, equal.values())
    return gravest_first([*found, *about_the_rest(data, unreadable)])


def about_the_rest(data: ImageDataset, unreadable: Sequence[Skipped]) -> list[Issue]:
    """What has nothing to do with pictures being alike: groups, class sizes, files that are not used."""
    return [*_parted_groups(data), *_class_sizes(data), *_left_out(data, unreadable)]


def gravest_first(issues: Iterable[Issue]) -> list[Issue]:
    """By severity, then in the order of `NAMES`."""
    order = get_args(Severity)
    return sorted(issues, key=lambda issue: (order.index(issue.severity), NAMES.index(issue.name)))


def about_equal(data: ImageDataset, groups: Iterable[Sequence[int]]) -> list[Issue]:
    """What it means that the pictures of each group, rows of the data, are equal."""
    leaks, conflicts, duplicates = sort_out(data, ((rows, rows) for rows in groups if len(rows) > 1))
    issues = []
    if leaks:
        detail = f"{leaked(data, leaks)} equal to ones in another split: figures on them mean nothing"
        issues.append(
            Issue(
                "leak",
                "error",
                detail,
                files_of(data, leaks),
                f"{LEAK_HINT} drop_leaks=true has train leave them out.",
            )
        )
    if conflicts:
        detail = f"{len(conflicts):,} pictures are there with several labels"
        hint = "At most one of the labels is right: delete the other copies."
        issues.append(Issue("conflict", "error", detail, files_of(data, conflicts), hint))
    if duplicates:
        more = sum(len(rows) - 1 for rows in duplicates)
        detail = f"{len(duplicates):,} pictures are there more than once, {more:,} copies in all"
        hint = "A split made here keeps them together. They count more than others: delete the copies."
        issues.append(Issue("duplicate", "warning", detail, files_of(data, duplicates), hint))
    return issues


LEAK_HINT = "Delete them from the split that is trained on."


def sort_out(
    data: ImageDataset, groups: Iterable[tuple[Sequence[int], Sequence[int]]], *, labels_count: bool = True
) -> tuple[list[Sequence[int]], list[Sequence[int]], list[Sequence[int]]]:
    """Groups of rows that are in more than one split, that have several labels, and that are and have neither.

    groups: the rows of each, and those of them that are judged by. labels_count: whether several labels contradict.
    """
    leaks, conflicts, others = [], [], []
    for rows, judged in groups:
        contradict = labels_count and _has_conflict(data, judged)
        parted = len({data.examples[row].split for row in judged}) > 1
        if contradict:
            conflicts.append(rows)
        if parted:
            leaks.append(rows)
        if not contradict and not parted:
            others.append(rows)
    return leaks, conflicts, others


def _has_conflict(data: ImageDataset, rows: Sequence[int]) -> bool:
    """Whether these pictures have different labels."""
    return len({data.examples[row].target for row in rows}) > 1


def leaked(data: ImageDataset, groups: Iterable[Sequence[int]]) -> str:
    """How many pictures of which split have a copy in a split before it, as the begin of a sentence."""
    counts: dict[str, int] = defaultdict(int)
    for rows in groups:
        first = min(_split_order(data, row) for row in rows)
        for row in rows:
            if _split_order(data, row) > first:
                counts[data.examples[row].split] += 1
    sizes = {name: sum(example.split == name for example in data.examples) for name in counts}
    parts = [
        f"{counts[name]:,} of {sizes[name]:,} pictures in {name} ({counts[name] / sizes[name]:.1%})"
        for name in data.splits
        if counts[name]
    ]
    return f"{' and '.join(parts)} {'is' if sum(counts.values()) == 1 else 'are'}"


def files_of(data: ImageDataset, groups: Iterable[Sequence[int]]) -> list[list[str]]:
    """Their files, those of training first."""
    ordered = [sorted(rows, key=lambda row: _split_order(data, row)) for rows in groups]
    return [[str(data.examples[row].source) for row in rows] for rows in ordered]


def _split_order(data: ImageDataset, row: int) -> int:
    return ("", *data.splits).index(data.examples[row].split)


def _parted_groups(data: ImageDataset) -> list[Issue]:
    splits: dict[str, set[str]] = defaultdict(set)
    for example in data.examples:
        if example.group:
            splits[example.group].add(example.split)
    parted = {group for group, names in splits.items() if len(names) > 1}
    if not parted:
        return []
    members: dict[str, list[int]] = defaultdict(list)
    for row, example in enumerate(data.examples):
        if example.group in parted:
            members[example.group].append(row)
    shown = ", ".join(sorted(parted)[:3]) + (", ..." if len(parted) > 3 else "")
    detail = f"{len(parted):,} groups have pictures in more than one split: {shown}"
    hint = "Put each group into one split, or leave the column `split` out: a split made here keeps groups together."
    return [Issue("group leak", "error", detail, files_of(data, members.values()), hint)]


def _class_sizes(data: ImageDataset) -> list[Issue]:
    counts = {name: count for name, count in data.counts().items() if count}
    if not counts:
        return []
    issues = []
    thin = [f"{name} ({count})" for name, count in counts.items() if count < _THIN]
    if thin:
        detail = f"classes with fewer than {_THIN} pictures: {', '.join(thin)}"
        hint = "Add pictures, or join such classes: figures on so few say little."
        issues.append(Issue("thin class", "warning", detail, hint=hint))
    (fewest, few), (most, many) = min(counts.items(), key=_size), max(counts.items(), key=_size)
    if many > _UNEVEN * few:
        detail = f"{most} has {many:,} pictures and {fewest} {few:,}: look at balanced accuracy"
        hint = f"Always saying {most} is right for {many / len(data):.1%}; a model has to beat that."
        issues.append(
            Issue("imbalance", "warning", detail, hint=hint if data.task == "classification" else "")
        )
    return issues


def _left_out(data: ImageDataset, unreadable: Sequence[Skipped]) -> list[Issue]:
    issues = []
    for name, severity, what, skipped, hint in (
        (
            "unreadable",
            "warning",
            "cannot be read",
            unreadable,
            "Mend or delete them; training leaves them out.",
        ),
        (
            "unused",
            "info",
            "are not used",
            data.skipped,
            "Nothing, if that was meant: training leaves them out.",
        ),
    ):
        if skipped:
            files = [[f"{one.file}: {one.reason}"] for one in skipped]
            detail = f"{len(skipped):,} files {what}"
            issues.append(Issue(name, severity, detail, files, hint))  # type: ignore[arg-type]
    return issues


def _size(entry: tuple[str, int]) -> int:
    return entry[1]
