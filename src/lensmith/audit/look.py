"""`look`: everything that is found in the pictures themselves. Each is decoded once, some photos twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.audit.inspect import (
    LEAK_HINT,
    Issue,
    about_equal,
    about_the_rest,
    files_of,
    gravest_first,
    leaked,
    sort_out,
)
from lensmith.audit.linking import Links
from lensmith.audit.near import find_near
from lensmith.audit.outliers import outliers
from lensmith.audit.signatures import Signatures, take_signatures
from lensmith.data.dataset import ImageDataset, Skipped
from lensmith.types import Event

_SIZES = 10
"""Sizes that are listed, the commonest."""


@dataclass(frozen=True)
class Inspection:
    """What is in the data, and what is wrong with it.

    groups: rows of the data that are equal or nearly so, each group ascending; issues: the gravest first;
    skipped: what was found and is not used, the unreadable pictures included; modes: how many pictures have each
    of Pillow's modes; sizes: how many have each (width, height).
    """

    data: ImageDataset
    issues: list[Issue]
    groups: list[list[int]]
    skipped: tuple[Skipped, ...]
    modes: dict[str, int]
    sizes: dict[tuple[int, int], int]

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        data = self.data
        commonest = sorted(self.sizes.items(), key=lambda entry: -entry[1])[:_SIZES]
        return {
            "name": data.name,
            "task": data.task,
            "count": len(data),
            "classes": data.counts(),
            "splits": list(data.splits),
            "counts": {
                name: {"count": len(part), "classes": part.counts()}
                for name, part in ((name, data.split(name)) for name in data.splits)
            },
            "baseline": baseline(data),
            "sizes": {
                **_extremes(self.sizes),
                "commonest": [{"width": w, "height": h, "count": count} for (w, h), count in commonest],
            },
            "modes": self.modes,
            "skipped": [vars(one) for one in self.skipped],
            "near": [[str(data.examples[row].source) for row in group] for group in self.groups],
            "issues": [issue.as_dict() for issue in self.issues],
        }


def look(data: ImageDataset) -> Generator[Event, None, Inspection]:
    """Inspect the pictures of a data set. A generator of progress; the inspection is what it returns."""
    signatures = yield from take_signatures(data)
    equal = _equal(signatures)
    groups = yield from _alike(data, signatures, equal)
    rows = [signatures.rows[places].tolist() for places in equal]
    near = [group for group in groups if len({signatures.identities[place] for place in group}) > 1]
    issues = [
        *about_equal(data, rows),
        *_about_near(data, signatures, near),
        *outliers(data, signatures),
        *about_the_rest(data, signatures.skipped),
    ]
    sizes = Counter((int(width), int(height)) for height, width in signatures.sizes.tolist())
    return Inspection(
        data,
        gravest_first(issues),
        [signatures.rows[group].tolist() for group in groups],
        (*data.skipped, *signatures.skipped),
        dict(Counter(signatures.modes).most_common()),
        dict(sizes),
    )


def baseline(data: ImageDataset) -> dict[str, Any] | None:
    """The commonest class, how many pictures it has, and the share that always saying it gets right."""
    counts = data.counts() if data.task == "classification" else {}
    if not counts or not len(data):
        return None
    name = max(counts, key=lambda one: counts[one])
    return {"class": name, "count": counts[name], "of": len(data), "share": counts[name] / len(data)}


def _equal(signatures: Signatures) -> list[list[int]]:
    """Places of equal pixels, a group for each picture that there is."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, identity in enumerate(signatures.identities):
        groups[identity].append(place)
    return list(groups.values())


def _alike(
    data: ImageDataset, signatures: Signatures, equal: Sequence[Sequence[int]]
) -> Generator[Event, None, list[list[int]]]:
    """Places that belong together. Of equal pictures only the first is compared with others."""
    links = Links(len(signatures.rows))
    for places in equal:
        for place in places[1:]:
            links.link(places[0], place)
    firsts = np.array([places[0] for places in equal], np.intp)
    for one, other in (yield from find_near(data, signatures.part(firsts))):
        links.link(int(firsts[one]), int(firsts[other]))
    return links.groups()


def _about_near(data: ImageDataset, signatures: Signatures, groups: list[list[int]]) -> list[Issue]:
    """What it means that the pictures of each group, places in the signatures, are nearly equal."""
    judged = []
    for places in groups:
        rows = signatures.rows[places].tolist()
        # What equal pictures mean is told of by itself: each different picture counts once here.
        pictures = {signatures.identities[place]: row for place, row in zip(places, rows, strict=True)}
        judged.append((rows, list(pictures.values())))
    leaks, conflicts, duplicates = sort_out(data, judged, labels_count=data.task != "regression")
    issues = []
    if leaks:
        detail = f"{leaked(data, leaks)} near copies of ones in another split: figures on them say too much"
        issues.append(Issue("leak", "error", detail, files_of(data, leaks), LEAK_HINT))
    if conflicts:
        detail = f"{len(conflicts):,} groups of near copies have several labels"
        hint = "Look at them: one label is wrong, or what is cut or turned away makes the difference."
        issues.append(Issue("conflict", "warning", detail, files_of(data, conflicts), hint))
    if duplicates:
        more = sum(len(rows) - 1 for rows in duplicates)
        detail = f"{len(duplicates):,} pictures have near copies, {more:,} in all"
        hint = "Cropped, turned, resized or encoded anew they teach little, and a split must not part them."
        issues.append(Issue("near duplicate", "warning", detail, files_of(data, duplicates), hint))
    return issues


def _extremes(sizes: dict[tuple[int, int], int]) -> dict[str, Any]:
    """The smallest, the median and the largest, by area, as [width, height]."""
    if not sizes:
        return {}
    ordered = sorted(sizes, key=lambda size: size[0] * size[1])
    reached: NDArray[np.int64] = np.cumsum([sizes[size] for size in ordered])
    median = ordered[int(np.searchsorted(reached, reached[-1] / 2))]
    return {"smallest": list(ordered[0]), "median": list(median), "largest": list(ordered[-1])}
