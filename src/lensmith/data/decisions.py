"""`decisions.csv`: what somebody decided about each picture, applied to data whose files stay as they are."""

from __future__ import annotations

import difflib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lensmith.data.dataset import Example, ImageDataset, Target
from lensmith.data.learnt import require_learnt
from lensmith.data.picture_rows import folder_of, path_from, read_picture_rows
from lensmith.data.splitting import Roles
from lensmith.errors import DataError
from lensmith.runs.files import sha256_of

HEADER = ("path", "sha256", "decision", "label")
KEEP, DROP, RELABEL = "keep", "drop", "relabel"
_SEPARATOR = ";"


@dataclass(frozen=True)
class Decision:
    """One row of the file. path: from the data's folder, with `/`; sha256: of the picture's file, "" where it is not
    said; word: keep, drop or relabel; label: of relabel, several as `a;b`."""

    line: int
    path: str
    sha256: str
    word: str
    label: str


@dataclass(frozen=True)
class Decided:
    """What decisions did to data: pictures dropped and relabelled by the name of their split; how many were kept as
    they are; how many were found by their path alone, since their files have changed."""

    file: str
    sha256: str
    dropped: Mapping[str, int]
    relabelled: Mapping[str, int]
    kept: int
    by_path: int
    held_out: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "file": self.file,
            "sha256": self.sha256,
            "dropped": dict(self.dropped),
            "relabelled": dict(self.relabelled),
            "kept": self.kept,
            "by_path": self.by_path,
        }

    def words(self) -> str:
        """What was done, for a person; and what it means for the figures."""
        parts = (("left out", self.dropped), ("relabelled", self.relabelled))
        done = [f"{sum(counts.values()):,} {word}" for word, counts in parts if counts]
        words = f"by {self.file}, {' and '.join(done) or 'nothing is changed'}"
        measured = [
            f"{counts[self.held_out]:,} {word}" for word, counts in parts if counts.get(self.held_out)
        ]
        if measured:
            words += (
                f" ({' and '.join(measured)} in {self.held_out}: what is measured is another than before)"
            )
        if self.by_path:
            words += f"; {self.by_path:,} of the files have changed since"
        return words


def read_decisions(file: Path) -> list[Decision]:
    """The rows of a file: path or sha256 or both, decision, and the label of those to be relabelled.

    Raises `DataError` naming the line.
    """
    by = "the page of lensmith inspect DATA --html FILE saves it"
    decisions = []
    for row in read_picture_rows(file, "decisions", "decision", HEADER, by):
        word = (row.cells["decision"] or "").strip().lower()
        if word not in (KEEP, DROP, RELABEL):
            raise DataError(
                f"{file}: line {row.line} decides '{word}'", hint=f"It is {KEEP}, {DROP} or {RELABEL}."
            )
        decisions.append(Decision(row.line, row.path, row.sha256, word, row.cells.get("label") or ""))
    return decisions


def without_dropped(
    data: ImageDataset, decisions: Sequence[Decision], file: Path, source: object
) -> ImageDataset:
    """The same data without the pictures that are dropped, the others labelled as was decided; see `decide`."""
    said, _ = _found(file, decisions, data, source)
    rows = enumerate(data.examples)
    decided = [_decided(data, example, said.get(row), file) for row, example in rows]
    return data.with_examples([example for example in decided if example is not None])


def decide(roles: Roles, decisions: Sequence[Decision], file: Path, source: object) -> tuple[Roles, Decided]:
    """The same roles without the pictures that are dropped, the others labelled as was decided.

    A row means the pictures with its sha256 (of several equal ones, the one at its path, if one is), else the one at
    its path. source: where the data came from, whose folder the paths are written from. Every split is decided on,
    the held-out one too: who relabels only what is trained on measures against labels known to be wrong. Raises
    `DataError` where a row means no picture or contradicts another, names no class, or where a class has none left
    to learn from.
    """
    parts = {"train": roles.train, roles.held_out_name: roles.held_out}
    if roles.choice is not None:
        parts["val"] = roles.choice
    everything = roles.train.with_examples([example for part in parts.values() for example in part.examples])
    said, by_path = _found(file, decisions, everything, source)
    counts: dict[str, Counter[str]] = {word: Counter() for word in (KEEP, DROP, RELABEL)}
    changed, begin = {}, 0
    for name, part in parts.items():
        examples = []
        for row, example in enumerate(part.examples, begin):
            after = _decided(everything, example, said.get(row), file)
            if row in said:
                word = DROP if after is None else KEEP if after is example else RELABEL
                counts[word][name] += 1
            if after is not None:
                examples.append(after)
        begin += len(part)
        changed[name] = part.with_examples(examples)
    folds = dict(zip(map(id, (e.source for e in roles.train.examples)), roles.folds, strict=False))
    made = replace(
        roles,
        folds=tuple(folds[id(example.source)] for example in changed["train"].examples) if folds else (),
        train=changed["train"],
        held_out=changed[roles.held_out_name],
        choice=None if roles.choice is None else changed["val"],
    )
    _require_pictures(made, file)
    kept = sum(counts[KEEP].values())
    facts = str(file), sha256_of(file), counts[DROP], counts[RELABEL], kept, by_path, roles.held_out_name
    return made, Decided(*facts)


def _decided(data: ImageDataset, example: Example, decision: Decision | None, file: Path) -> Example | None:
    """The example as it is from now on; `None` where it is dropped."""
    if decision is None or decision.word == KEEP:
        return example
    if decision.word == DROP:
        return None
    target = _target(data, decision, file)
    return example if target == example.target else replace(example, target=target)


def _found(
    file: Path, decisions: Sequence[Decision], data: ImageDataset, source: object
) -> tuple[dict[int, Decision], int]:
    """The decision on each row that has one; how many were found by their path though the sha256 is another."""
    by_id, by_path = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    folder = folder_of(source)
    paths = [path_from(folder, example) for example in data.examples]
    for row, (identity, path) in enumerate(zip(data.ids, paths, strict=True)):
        by_id[identity].append(row)
        by_path[path].append(row)
    said: dict[int, Decision] = {}
    missing: list[Decision] = []
    changed = 0
    for decision in decisions:
        rows = by_id.get(decision.sha256, [])
        rows = [row for row in rows if paths[row] == decision.path] or rows
        if not rows:
            rows = by_path.get(decision.path, [])
            changed += bool(rows and decision.sha256)
        if not rows:
            missing.append(decision)
        for row in rows:
            before = said.setdefault(row, decision)
            if (before.word, before.label) != (decision.word, decision.label):
                raise DataError(
                    f"{file}: lines {before.line} and {decision.line} decide differently on {paths[row]}",
                    hint="Keep one of them. Of equal pictures, each needs its own path.",
                )
    if missing:
        raise DataError(
            f"{file}: {len(missing):,} of {len(decisions):,} rows mean no picture of these data, the first in line "
            f"{missing[0].line}: {missing[0].path or missing[0].sha256}",
            hint="Was it made for other data? Rows of pictures that are gone can be taken out.",
        )
    return said, changed


def _target(data: ImageDataset, decision: Decision, file: Path) -> Target:
    """What a picture is to show from now on."""
    if data.task == "regression":
        try:
            number = float(decision.label)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise DataError(
                f"{file}: line {decision.line} relabels to '{decision.label}', which is no number"
            )
        return number
    if data.task == "multilabel":
        names = [name.strip() for name in decision.label.split(_SEPARATOR) if name.strip()]
        return tuple(sorted({_class(data, name, decision, file) for name in names}))
    return _class(data, decision.label, decision, file)


def _class(data: ImageDataset, name: str, decision: Decision, file: Path) -> int:
    for word in (name, name.strip()):
        if word in data.classes:
            return data.classes.index(word)
    near = difflib.get_close_matches(name, data.classes, n=1)
    raise DataError(
        f"{file}: line {decision.line} relabels to '{name}', which is no class of these data",
        hint=f"Did you mean {near[0]}?" if near else f"They are {', '.join(data.classes[:20])}.",
    )


def _require_pictures(roles: Roles, file: Path) -> None:
    """A class that is measured needs pictures to learn from; and what is measured on must be something."""
    if not len(roles.train) or not len(roles.held_out):
        empty = roles.held_out_name if len(roles.train) else "train"
        raise DataError(f"{file}: it leaves no picture in {empty}")
    require_learnt(roles.train.counts(), roles.held_out.counts(), roles.held_out_name, f"what {file} leaves")
