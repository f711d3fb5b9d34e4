"""`Run`: a finished training, as a directory with what one wants of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.errors import ModelFileError
from lensmith.evaluation.report import Report, report_from
from lensmith.runs.directory import RunDirectory, find_run
from lensmith.runs.files import read_json
from lensmith.runs.predictions import read_predictions
from lensmith.training.log import open_writer

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_CHECKED = 100
"""Pictures that an export is compared on."""


class Run:
    """A training that was measured. `.report` says how good it is, `.predict` asks it."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.directory.path

    @cached_property
    def report(self) -> Report:
        """How good it is on the held-out pictures."""
        file = self.directory.report_file
        return report_from(read_json(file), str(file))

    @cached_property
    def bundle(self) -> Bundle:
        """Its model, opened from disk."""
        return load_model(self.directory.model)

    @cached_property
    def writer(self) -> SummaryWriter:
        """An ordinary SummaryWriter on the run's curves, for own scalars and pictures."""
        return open_writer(self.directory.tensorboard)

    def predict(self, pictures: Any) -> Any:
        """One picture -> `Prediction`; a list -> a list of them."""
        return self.bundle.predict(pictures)

    def export(self, path: str | Path, pictures: Sequence[Any] = ()) -> Path:
        """Write the model as `.onnx`, `.pt2` or `.lens`, checked on `pictures`: those held out, if none are given."""
        from lensmith.exports.export import export

        if not len(pictures):
            measured = map(Path, read_predictions(self.directory.predictions_file).files.tolist())
            pictures = [file for file in measured if file.is_file()][:_CHECKED]
        export(self.bundle, path, pictures)
        return Path(path)

    def __repr__(self) -> str:
        return f"Run({self.path}: {self.report.verdict()})"

    def _repr_html_(self) -> str:
        return f"<p>Run <code>{html.escape(str(self.path))}</code></p>{self.report._repr_html_()}"


def load_run(word: str | Path) -> Run:
    """A run by its directory, or `last` for the newest under ./runs. Raises `ModelFileError`."""
    directory = find_run(word)
    if not directory.is_complete():
        raise ModelFileError(
            f"{directory.path}: the run is not complete", hint="It was stopped before it was measured."
        )
    return Run(directory)
