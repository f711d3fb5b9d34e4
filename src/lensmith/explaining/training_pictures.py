"""The pictures that a run learned from, found again by what the run says of them."""

from __future__ import annotations

from pathlib import Path

from lensmith.data.by_recipe import roles_of
from lensmith.data.dataset import ImageDataset
from lensmith.data.sources import load_data
from lensmith.errors import LensmithError
from lensmith.runs.directory import RunDirectory


def training_pictures(run: RunDirectory) -> tuple[ImageDataset | None, str]:
    """The training split of a run, split as the run has it, or why it is not to be had."""
    try:
        said = run.facts()["data"]
        source, recipe = str(said["source"]), run.recipe()
    except (LensmithError, OSError, KeyError, TypeError) as error:
        return None, f"the run does not say what it learned from ({error})"
    try:
        return roles_of(source, recipe).train, ""
    except LensmithError as error:
        return None, f"what it learned from, {source}, is not there any more ({error.message})"


def labelled_pictures(source: str) -> ImageDataset:
    """Labelled pictures that are named in the place of a run's own: their train split, where they have one. Raises
    `DataError`."""
    data = load_data(source)
    return data.split("train") if "train" in data.splits else data


def run_of(path: Path | None) -> RunDirectory | None:
    """The run that a bundle lies in, if it lies in one."""
    if path is None or path.name != "model" or not (path.parent / "facts.json").exists():
        return None
    return RunDirectory(path.parent)
