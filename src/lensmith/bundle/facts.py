"""`bundle.json`: everything about a model that is not its weights."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from lensmith.errors import LensmithError, ModelFileError
from lensmith.pictures.preprocess import Preprocess, preprocess_from
from lensmith.types import Task

FORMAT = 1
WEIGHTS, GRAPH, FACTS = "weights.safetensors", "graph.onnx", "bundle.json"


@dataclass(frozen=True)
class BundleFacts:
    """What a bundle says of itself.

    model: its name for `models.build`; "" where only the graph tells how it computes.
    temperature: what logits are divided by; threshold: an answer below this probability is "not sure".
    files: sha256 of each other file. provenance: where the model comes from.
    """

    classes: list[str]
    preprocess: Preprocess
    task: Task = "classification"
    model: str = ""
    temperature: float = 1.0
    threshold: float = 0.5
    precision: str = "float32"
    report: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Identity of what decides an answer: not of the report or the provenance."""
        facts = self.as_dict()
        deciding = {name: value for name, value in facts.items() if name not in ("report", "provenance")}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {"format": FORMAT, **facts, "preprocess": self.preprocess.as_dict()}


def facts_from(table: Any, name: str) -> BundleFacts:
    """The facts from their JSON form. Raises `ModelFileError` for another format or a damaged one."""
    if not isinstance(table, dict) or "format" not in table:
        raise ModelFileError(f"{name}: no bundle of lensmith")
    if table["format"] != FORMAT:
        raise ModelFileError(
            f"{name}: bundle format {table['format']}, and this lensmith reads {FORMAT}",
            hint="Upgrade lensmith: pip install -U lensmith",
        )
    fields = {key: value for key, value in table.items() if key != "format"}
    try:
        facts = BundleFacts(**{**fields, "preprocess": preprocess_from(fields["preprocess"])})
        _refuse_other_types(facts)
    except (AttributeError, KeyError, TypeError, ValueError, LensmithError) as error:
        raise ModelFileError(f"{name}: its facts are damaged ({error})") from error
    return facts


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """sha256 of each file."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _refuse_other_types(facts: BundleFacts) -> None:
    for name, kind in (("classes", list), ("report", dict), ("provenance", dict), ("files", dict)):
        if not isinstance(getattr(facts, name), kind):
            raise TypeError(f"{name} is no {kind.__name__}")
    words = (facts.task, facts.model, facts.precision, *facts.classes, *facts.files.values())
    if not all(isinstance(word, str) for word in words):
        raise TypeError("a number where a word has to be")
    if not (facts.temperature > 0 and facts.threshold >= 0):
        raise ValueError(f"temperature {facts.temperature}, threshold {facts.threshold}")
    if any(PurePath(name).name != name for name in facts.files):
        raise ValueError("a file elsewhere")
