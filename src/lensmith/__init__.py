"""lensmith: from labelled pictures to a model you can trust.

    import lensmith as lm

    data = lm.load_data("photos")            # a folder per class
    run = lm.train(data, budget="2m")        # trains, measures, writes ./runs/photos-001
    run.report                               # how good it is, with intervals
    run.predict("dog.jpg")                   # Prediction(label="dog", probability=0.98, sure=True)
    run.export("dogs.onnx", ["dog.jpg"])     # one file, checked against its source

Importing does nothing: each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lensmith.batches.streamed import stream
    from lensmith.bundle.bundle import Bundle, load_model
    from lensmith.bundle.pack import pack
    from lensmith.data.dataset import ImageDataset
    from lensmith.data.sources import load_data
    from lensmith.errors import LensmithError
    from lensmith.evaluation.evaluate import evaluate
    from lensmith.evaluation.report import Report
    from lensmith.exports.export import export
    from lensmith.fitting.fit import fit
    from lensmith.models.activations import activation_sheet, activations
    from lensmith.models.summary import summary
    from lensmith.pictures.preprocess import Preprocess
    from lensmith.pictures.transforms import preprocess_of
    from lensmith.runs.recipe import Recipe
    from lensmith.searching.sweep import sweep
    from lensmith.training.resume import resume
    from lensmith.training.run import Run, load_run
    from lensmith.training.train import train
    from lensmith.types import Batch, Prediction

_HOME = {
    "Batch": "types",
    "Bundle": "bundle.bundle",
    "ImageDataset": "data.dataset",
    "LensmithError": "errors",
    "Prediction": "types",
    "Preprocess": "pictures.preprocess",
    "Recipe": "runs.recipe",
    "Report": "evaluation.report",
    "Run": "training.run",
    "activation_sheet": "models.activations",
    "activations": "models.activations",
    "evaluate": "evaluation.evaluate",
    "export": "exports.export",
    "fit": "fitting.fit",
    "load_data": "data.sources",
    "load_model": "bundle.bundle",
    "load_run": "training.run",
    "pack": "bundle.pack",
    "preprocess_of": "pictures.transforms",
    "stream": "batches.streamed",
    "resume": "training.resume",
    "summary": "models.summary",
    "sweep": "searching.sweep",
    "train": "training.train",
}

__all__ = [
    "Batch",
    "Bundle",
    "ImageDataset",
    "LensmithError",
    "Prediction",
    "Preprocess",
    "Recipe",
    "Report",
    "Run",
    "activation_sheet",
    "activations",
    "evaluate",
    "export",
    "fit",
    "load_data",
    "load_model",
    "load_run",
    "pack",
    "preprocess_of",
    "resume",
    "stream",
    "summary",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lensmith' has no attribute '{name}'")
    try:
        value = getattr(import_module(f"lensmith.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("lensmith"):
            raise
        from lensmith.errors import MachineError

        raise MachineError(
            f"lensmith.{name} needs {error.name}, which is not installed",
            hint="lensmith doctor --fix installs what fits this machine.",
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
