"""`from=RUN`: a trained model that a training goes on from, and what is known of the pictures behind it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load
from torch import Tensor, nn

from lensmith.audit.inspect import Issue
from lensmith.bundle.facts import WEIGHTS, BundleFacts
from lensmith.bundle.storage import locate, read_bundle
from lensmith.data.dataset import ImageDataset
from lensmith.data.splitting import Roles
from lensmith.errors import LensmithError, ModelFileError, UsageError
from lensmith.models.taking_over import Taken, take_over
from lensmith.runs.directory import RunDirectory
from lensmith.runs.predictions import FOLD, read_predictions
from lensmith.runs.recipe import Recipe
from lensmith.runs.user_code import is_in_file

_FEW = 5
"""Up to so many classes are named in a line."""


@dataclass(frozen=True)
class StartingPoint:
    """word: the run or the file, as it can be named again; parts_of: which split of its run each picture was in, by
    sha256, where the run tells."""

    word: str
    facts: BundleFacts
    state: Mapping[str, Tensor]
    parts_of: Mapping[str, str] = field(default_factory=dict)

    def put_into(self, model: nn.Module, classes: list[str]) -> tuple[Taken, dict[str, Any]]:
        """Give a network these weights. Returns which classes they knew, and the facts about them."""
        taken = take_over(model, self.state, self.facts.classes, classes, self.word)
        before = self.facts.provenance.get("weights")
        known = before if isinstance(before, dict) else {}
        return taken, {"source": "not known"} | known

    def origin(self) -> dict[str, Any]:
        """Which model it is, for the provenance of the next."""
        names = {"name": Path(self.word).name, "sha256": self.facts.sha256}
        return names | {"weights": self.facts.files.get(WEIGHTS, ""), "classes": self.facts.classes}

    def require_task(self, data: ImageDataset) -> None:
        """Raise `UsageError` where the data are for something else."""
        if data.task != self.facts.task:
            raise UsageError(
                f"{self.word} is for {self.facts.task}, and {data.name} for {data.task}",
                hint=f"If its labels can be read so, say --task {self.facts.task}; else train anew, without from=.",
            )

    def settled(self, recipe: Recipe) -> Recipe:
        """The recipe with its network. Raises `UsageError` for what says otherwise."""
        said: dict[str, Any] = {"weights": recipe.weights, "preprocess": recipe.preprocess}
        said |= {"pretrained": recipe.pretrained if recipe.pretrained is False else None}
        for name, value in said.items():
            if value is not None:
                raise UsageError(
                    f"{name}={value}, and from={self.word} brings its own",
                    hint="Leave one of the two out.",
                )
        preprocess = self.facts.preprocess
        seen: dict[str, Any] = {"image_size": preprocess.size[0], "fit": preprocess.fit}
        for name, value in seen.items():
            if getattr(recipe, name) not in (None, value):
                raise UsageError(
                    f"{name}={getattr(recipe, name)}, and {self.word} sees pictures with {name}={value}",
                    hint="Leave it out: what goes on sees pictures as before.",
                )
        model = recipe.model or self.facts.model
        if not model:
            raise ModelFileError(
                f"{self.word} holds a graph and weights, and no network that can learn goes by its name",
                hint="Give the network that they belong to: --model net.py:Net, or model=net in Python.",
            )
        if is_in_file(model) and not Path(model.rpartition(":")[0]).is_file():
            raise UsageError(
                f"{self.word}: its network is {model}, and there is no such file here",
                hint=f"Say where it is: --model path/to/{Path(model.rpartition(':')[0]).name}:"
                f"{model.rpartition(':')[2]}",
            )
        return recipe.changed(model=model, from_run=self.word)


def read_starting_point(word: str) -> StartingPoint:
    """The model of a run, a bundle's folder or a `.lens` file. Raises `ModelFileError` where there is none."""
    path = locate(word)
    facts, files = read_bundle(path)
    run = RunDirectory(path.parent) if path.name == "model" else None
    if run is None or not run.recipe_file.is_file():
        return StartingPoint(str(path), facts, load(files[WEIGHTS]))
    return StartingPoint(str(run.path), facts, load(files[WEIGHTS]), _parts_of(run))


def _parts_of(run: RunDirectory) -> dict[str, str]:
    """The split of each picture that a run knew, by sha256: those measured, and all where it wrote that down."""
    found: dict[str, str] = {}
    try:
        measured = read_predictions(run.predictions_file)
        # A model of a fold had not seen its pictures; the run's own has learned from them all.
        splits = ["train" if split.startswith(FOLD) else split for split in measured.splits.tolist()]
        found |= dict(zip(measured.ids.tolist(), splits, strict=True))
        with (run.path / "splits.csv").open(newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = [(row.get("sha256") or "", row.get("split") or "") for row in csv.DictReader(file)]
    except (LensmithError, OSError, csv.Error):
        return found
    return {name: split for name, split in rows if name and split} | found


def class_words(taken: Taken) -> str:
    """Which classes came along, are new, and are gone."""
    parts = {
        "kept": taken.kept,
        "new": taken.new,
        "dropped, for there are no pictures of them": taken.dropped,
    }
    return "; ".join(f"{word}: {_named(names)}" for word, names in parts.items() if names)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more


def crossings(start: StartingPoint, roles: Roles) -> list[Issue]:
    """Pictures that are on another side now than in the run that this one goes on from."""
    if not start.parts_of:
        detail = f"{start.word} does not say which pictures it knew: those held out here may be among them"
        return [Issue("leak", "info", detail)]
    learned = {name for name, split in start.parts_of.items() if split == "train"}
    chosen = {name for name, split in start.parts_of.items() if split == "val"} if learned else set()
    measured = set(start.parts_of) - learned
    issues = []
    if files := _among(roles.held_out, learned):
        words = "pictures held out here had been learned from by"
        issues.append(_crossing(files, words, start.word, "the figure is better than the model", "error"))
    if files := _among(roles.train, measured - chosen or measured):
        words = "pictures to train on are among those held out by"
        issues.append(
            _crossing(files, words, start.word, "comparing the two models on them means nothing", "warning")
        )
    if not learned:
        detail = (
            f"{start.word} does not say what it had learned from: whether that is held out here is not known"
        )
        issues.append(Issue("leak", "info", detail))
    return issues


def _crossing(files: list[list[str]], words: str, name: str, so: str, severity: Any) -> Issue:
    advice = f"give each picture the split that it had: splits={name}/splits.csv"
    return Issue("leak", severity, f"{len(files):,} {words} {name}: {so}; {advice}", files)


def _among(data: ImageDataset, names: set[str]) -> list[list[str]]:
    pairs = zip(data.ids, data.examples, strict=True)
    return [[str(example.source)] for name, example in pairs if name in names]
