"""`Bundle`: a network with its preprocessing, class names and threshold. Ask it for predictions; save it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lensmith.bundle.answers import answers, scores
from lensmith.bundle.engines import Engine, Logits, open_engine, torch_engine
from lensmith.bundle.facts import (
    FACTS,
    GRAPH,
    NEIGHBOURS,
    WEIGHTS,
    BundleFacts,
    digests,
    facts_from,
    fault_of,
)
from lensmith.bundle.neighbour_file import neighbours_bytes, neighbours_from
from lensmith.bundle.storage import check_files, locate, read_bundle, write_bundle
from lensmith.errors import ModelFileError, UsageError
from lensmith.evaluation.intervals import Floats
from lensmith.features.neighbours import Distances, Neighbours
from lensmith.pictures.decode import Pixels
from lensmith.pictures.preprocess import Preprocess
from lensmith.pictures.reading import pixels_of
from lensmith.types import Prediction, Task

if TYPE_CHECKING:
    from torch import nn


class Bundle:
    """A model that carries what it needs to answer.

    Made from any trained network, `Bundle(net, preprocess=Preprocess(224), classes=["ant", "bee"])`, or
    opened from disk by `load_model`. `predict` takes paths, bytes, Pillow images, arrays and tensors.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        preprocess: Preprocess,
        classes: Sequence[str],
        task: Task = "classification",
        name: str = "",
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        names = [str(word) for word in classes]
        facts = BundleFacts(names, preprocess, task, name, provenance=dict(provenance or {}))
        if fault := fault_of(facts):
            raise UsageError(fault, hint="Give each output a name of its own.")
        files = _files_of(model, preprocess, name)
        # What answers now is what will answer from the file, whoever goes on training this network.
        engine = None if GRAPH in files else torch_engine(copy.deepcopy(model), preprocess)
        self._begin(replace(facts, files=digests(files)), engine, files, None)
        self.logits(np.zeros((2, *preprocess.size, 3), np.uint8))

    def _begin(
        self, facts: BundleFacts, engine: Engine | None, files: dict[str, bytes], path: Path | None
    ) -> None:
        self.facts = facts
        self.path = path
        self._engine = engine
        self._files = files
        self.neighbours = neighbours_from(files.get(NEIGHBOURS), facts.unlike_above)

    @property
    def classes(self) -> list[str]:
        """The names of the outputs, in their order."""
        return self.facts.classes

    @property
    def task(self) -> Task:
        """classification, multilabel or regression."""
        return self.facts.task

    @property
    def preprocess(self) -> Preprocess:
        """How a picture becomes what the network sees."""
        return self.facts.preprocess

    @property
    def sha256(self) -> str:
        """Identity of what decides an answer."""
        return self.facts.sha256

    @property
    def files(self) -> Mapping[str, bytes]:
        """The files beside `bundle.json`: weights, the graph where the network could be traced, neighbours."""
        return self._files

    def contents(self) -> dict[str, bytes]:
        """All of it as bytes by the names of its files, `bundle.json` among them: what another machine needs."""
        return {**self._files, FACTS: self.facts.as_json()}

    @property
    def engine(self) -> Engine:
        """What computes its outputs; opened the first time that it is asked for."""
        if self._engine is None:
            self._engine = open_engine(self.facts, self._files)
        return self._engine

    @property
    def at_once(self) -> int:
        """How many prepared pictures are computed best together."""
        height, width = self.preprocess.size
        return max(1, self.engine.pixels // (height * width))

    def prepare(self, picture: Any, *, bgr: bool = False) -> Pixels:
        """A picture in any form -> uint8 [H, W, 3] as the network sees it. Raises `PictureError`."""
        return self.preprocess(pixels_of(picture, bgr=bgr, first_frame=True))

    def logits(self, pixels: Pixels) -> Logits:
        """Prepared pictures, uint8 [N, H, W, 3] -> the network's outputs, float32 [N, outputs]."""
        wanted = max(1, len(self.classes))
        outputs = [
            _checked(self.engine(part), len(part), wanted, self.path) for part in self.engine.parts(pixels)
        ]
        return np.concatenate(outputs) if outputs else np.empty((0, wanted), np.float32)

    def scores(self, pixels: Pixels) -> Floats:
        """Prepared pictures, uint8 [N, H, W, 3] -> probabilities, or numbers of a regression, [N, outputs]."""
        return scores(self.logits(pixels), self.facts)

    def look(self, pixels: Pixels) -> tuple[Logits, Distances | None]:
        """Prepared pictures, uint8 [N, H, W, 3] -> logits, and each one's distance to the training pictures, float32
        [N], or None where the bundle keeps no neighbours."""
        if self.neighbours is None or not len(pixels):
            none = None if self.neighbours is None else np.empty(0, np.float32)
            return self.logits(pixels), none
        logits, features = self._seen(pixels)
        width = self.neighbours.bank.shape[1]
        if features is None or features.shape != (len(logits), width):
            found = "shows none" if features is None else f"gives {features.shape} for {len(logits)} pictures"
            raise ModelFileError(f"its neighbours have {width} features, and the network {found}")
        return logits, self.neighbours.distances(features)

    def features(self, pixels: Pixels) -> Logits | None:
        """Prepared pictures, uint8 [N, H, W, 3] -> what goes into the last linear layer, float32 [N, D], or None of a
        network that does not end in one."""
        return self._seen(pixels)[1]

    def _seen(self, pixels: Pixels) -> tuple[Logits, Logits | None]:
        see, wanted = self.engine.see, max(1, len(self.classes))
        if see is None:
            return self.logits(pixels), None
        parts = [see(part) for part in self.engine.parts(pixels)]
        logits = [_checked(found, len(found), wanted, self.path) for found, _ in parts]
        features = [found for _, found in parts if found is not None]
        empty = np.empty((0, wanted), np.float32)
        return np.concatenate(logits or [empty]), np.concatenate(features) if features else None

    def predict_prepared(self, pixels: Pixels) -> list[Prediction]:
        """Prepared pictures, uint8 [N, H, W, 3] -> one `Prediction` each."""
        logits, distances = self.look(pixels)
        if distances is None or self.neighbours is None:
            return answers(logits, self.facts)
        return answers(logits, self.facts, self.neighbours.are_unlike(distances))

    def predict(self, pictures: Any, *, bgr: bool = False) -> Any:
        """One picture -> `Prediction`; a list or tuple -> a list of them. Raises `PictureError`."""
        if isinstance(pictures, list | tuple):
            prepared = [self.prepare(picture, bgr=bgr) for picture in pictures]
            return self.predict_prepared(np.stack(prepared)) if prepared else []
        return self.predict_prepared(self.prepare(pictures, bgr=bgr)[None])[0]

    def save(self, path: str | Path) -> Path:
        """Write a folder, or one `.lens` file by that suffix."""
        write_bundle(Path(path), self.facts, self._files)
        return Path(path)

    def with_facts(self, **changes: Any) -> Bundle:
        """The same model with other facts, such as a report or a threshold. Raises `UsageError` for what none has."""
        facts = replace(self.facts, **changes)
        if fault := fault_of(facts):
            raise UsageError(fault)
        bundle = Bundle.__new__(Bundle)
        bundle._begin(facts, self._engine, self._files, self.path)
        return bundle

    def with_neighbours(self, neighbours: Neighbours) -> Bundle:
        """The same model, which from now on marks pictures that are unlike these."""
        files = {**self._files, NEIGHBOURS: neighbours_bytes(neighbours)}
        bundle = Bundle.__new__(Bundle)
        facts = replace(self.facts, files=digests(files), unlike_above=neighbours.limit)
        bundle._begin(facts, self._engine, files, self.path)
        return bundle

    @property
    def origin(self) -> str:
        """Where the weights come from and under which licence, in words; "" where the provenance does not say."""
        weights = self.facts.provenance.get("weights")  # may be a stranger's: of any shape
        if not isinstance(weights, dict) or not isinstance(weights.get("source"), str):
            return ""
        version, licence = weights.get("version"), weights.get("licence")
        words = f"{weights['source']}, version {version}" if version else weights["source"]
        return f"{words}, licence {licence}" if licence else words

    def describe(self) -> dict[str, Any]:
        """What the bundle says of itself, as JSON holds it."""
        return {"sha256": self.sha256, **self.facts.as_dict()}

    def __repr__(self) -> str:
        height, width = self.preprocess.size
        place = f" from {self.path}" if self.path else ""
        shape = f"{height} x {width}, {self.preprocess.fit}"
        origin = f"; weights: {self.origin}" if self.origin else ""
        return f"Bundle({self.task}, {len(self.classes)} classes, {shape}{place}{origin})"


def load_model(word: str | Path) -> Bundle:
    """A bundle from a run directory, its `model/`, a `.lens` file or `last`; every file is checked.

    Nothing is unpickled, and torch is imported only where there is no graph or no ONNX Runtime.
    """
    path = locate(word)
    return _opened(*read_bundle(path), path)


def bundle_from(contents: Mapping[str, bytes]) -> Bundle:
    """A bundle from what `Bundle.contents` gave, on this machine or another; checked as `load_model` does."""
    files = {name: content for name, content in contents.items() if name != FACTS}
    facts = facts_from(contents[FACTS], FACTS)
    check_files(facts, files, "bundle")
    return _opened(facts, files, None)


def _opened(facts: BundleFacts, files: dict[str, bytes], path: Path | None) -> Bundle:
    bundle = Bundle.__new__(Bundle)
    bundle._begin(facts, None, files, path)
    return bundle


def _files_of(model: nn.Module, preprocess: Preprocess, name: str) -> dict[str, bytes]:
    """Weights, and the graph where torch's exporter can follow the network."""
    from lensmith.bundle.graph import trace
    from lensmith.models.weights import weights_bytes

    kinds = {str(p.dtype).removeprefix("torch.") for p in model.parameters() if p.is_floating_point()}
    if kinds - {"float32"}:
        raise UsageError(
            f"the network is in {', '.join(sorted(kinds))}, and a bundle computes in float32",
            hint="Give it as net.float().",
        )
    weights = weights_bytes(model)
    try:
        return {WEIGHTS: weights, GRAPH: trace(copy.deepcopy(model).cpu(), preprocess, weights)}
    except Exception as error:
        import warnings

        cause: BaseException = error
        while cause.__cause__ is not None:  # the exporter wraps what it met in its own advice
            cause = cause.__cause__
        reason = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
        later = (
            f"torch will run it, as {name}" if name else "without a model name no file of it can be opened"
        )
        warnings.warn(f"no ONNX graph could be made of this network ({reason}); {later}", stacklevel=3)
        return {WEIGHTS: weights}


def _checked(outputs: Logits, count: int, wanted: int, path: Path | None) -> Logits:
    if outputs.ndim != 2 or len(outputs) != count:
        raise ModelFileError(
            f"the network gives {outputs.shape} for {count} pictures, and [{count}, {wanted}] is needed"
        )
    if outputs.shape[1] == wanted:
        return outputs
    if path is not None:
        raise ModelFileError(f"{path}: the network has {outputs.shape[1]} outputs and {wanted} class names")
    raise UsageError(
        f"the network has {outputs.shape[1]} outputs and {wanted} class names are given",
        hint="Give one name per output, in their order.",
    )
