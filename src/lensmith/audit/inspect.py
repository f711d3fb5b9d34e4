"""`inspect`: duplicates, leaks between splits, contradicting labels, thin classes. Decodes nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lensmith.data.dataset import ImageDataset

_THIN = 10
_UNEVEN = 10


@dataclass(frozen=True)
class Issue:
    """Something found in the data; `files` are the pictures that it concerns, as groups of equal ones."""

    name: Literal["leak", "conflict", "duplicate", "thin class", "imbalance", "unused"]
    severity: Literal["error", "warning", "info"]
    detail: str
    files: list[list[str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def inspect(data: ImageDataset) -> list[Issue]:
    """Everything found, the gravest first."""
    found = [*_equal_pictures(data), *_class_sizes(data)]
    if data.skipped:
        detail = f"{len(data.skipped)} files are not used"
        found.append(Issue("unused", "info", detail, [[f"{s.file}: {s.reason}"] for s in data.skipped]))
    order = ["error", "warning", "info"]
    return sorted(found, key=lambda issue: order.index(issue.severity))


def _equal_pictures(data: ImageDataset) -> list[Issue]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, identity in enumerate(data.ids):
        groups[identity].append(index)
    leaks, conflicts, duplicates = [], [], []
    for members in groups.values():
        if len(members) < 2:
            continue
        files = [str(data.examples[i].source) for i in members]
        contradict = len({data.examples[i].target for i in members}) > 1
        parted = len({data.examples[i].split for i in members}) > 1
        if contradict:
            conflicts.append(files)
        if parted:
            leaks.append(files)
        if not contradict and not parted:
            duplicates.append(files)
    issues = []
    if leaks:
        detail = f"{len(leaks)} pictures are in more than one split: figures on them mean nothing"
        issues.append(Issue("leak", "error", detail, leaks))
    if conflicts:
        issues.append(Issue("conflict", "error", f"{len(conflicts)} pictures have several labels", conflicts))
    if duplicates:
        detail = f"{len(duplicates)} pictures are there more than once (a made split keeps them together)"
        issues.append(Issue("duplicate", "warning", detail, duplicates))
    return issues


def _class_sizes(data: ImageDataset) -> list[Issue]:
    counts = {name: count for name, count in data.counts().items() if count}
    if not counts:
        return []
    issues = []
    thin = [f"{name} ({count})" for name, count in counts.items() if count < _THIN]
    if thin:
        detail = f"classes with fewer than {_THIN} pictures: {', '.join(thin)}"
        issues.append(Issue("thin class", "warning", detail))
    (fewest, few), (most, many) = min(counts.items(), key=_size), max(counts.items(), key=_size)
    if many > _UNEVEN * few:
        detail = f"{most} has {many:,} pictures and {fewest} {few:,}: look at balanced accuracy"
        issues.append(Issue("imbalance", "warning", detail))
    return issues


def _size(entry: tuple[str, int]) -> int:
    return entry[1]
