"""`bundle.json`: everything about a model that is not its weights."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from lensmith.errors import LensmithError, ModelFileError
from lensmith.pictures.preprocess import Preprocess, preprocess_from
from lensmith.types import Task

FORMAT = 1
MOST_FACTS = 64 * 2**20
"""Bytes of `bundle.json`: a report on a thousand classes takes 12 million."""
WEIGHTS, GRAPH, FACTS = "weights.safetensors", "graph.onnx", "bundle.json"
NEIGHBOURS = "neighbours.safetensors"
FILES = (WEIGHTS, GRAPH, NEIGHBOURS)
"""What a bundle may hold beside `bundle.json`."""


@dataclass(frozen=True)
class BundleFacts:
    """What a bundle says of itself.

    model: its name for `models.build`; "" where only the graph tells how it computes.
    temperature: what logits are divided by; threshold: an answer below this probability is "not sure".
    label_thresholds: of several labels, the probability from which on each is said; None for one half.
    unlike_above: a picture that is farther from its neighbours among the training pictures is unlike them; None where
    no neighbours are kept.
    files: sha256 of each other file. provenance: where the model comes from.
    """

    classes: list[str]
    preprocess: Preprocess
    task: Task = "classification"
    model: str = ""
    temperature: float = 1.0
    threshold: float = 0.5
    label_thresholds: list[float] | None = None
    unlike_above: float | None = None
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
        """The JSON form. Limits that there are not are left out, so that they change no identity."""
        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name in ("label_thresholds", "unlike_above"):
            if facts[name] is None:
                del facts[name]
        return {"format": FORMAT, **facts, "preprocess": self.preprocess.as_dict()}

    def as_json(self) -> bytes:
        """The content of `bundle.json`; a number of the report that JSON has no word for becomes null."""
        facts = self.as_dict()
        facts |= {name: _without_nan(facts[name]) for name in ("report", "provenance")}
        text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        # Names of files that are not UTF-8 come as lone surrogates, which JSON can write as escapes.
        return text.encode("utf-8", "backslashreplace")


def facts_from(content: bytes, name: str) -> BundleFacts:
    """The facts from `bundle.json`. Raises `ModelFileError` for another format, for a field that is not known, and
    for a value that cannot be."""
    try:
        table = _strict_json(content)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{name}: {FACTS} is damaged ({error})", hint="Copy it again.") from error
    if not isinstance(table, dict) or "format" not in table:
        raise ModelFileError(f"{name}: no bundle of lensmith")
    _refuse_other_format(table["format"], name)
    known = {field.name for field in dataclasses.fields(BundleFacts)}
    unknown = sorted(set(table) - {*known, "format"})
    if unknown:
        raise ModelFileError(
            f"{name}: {FACTS} has a field that format {FORMAT} lacks, {unknown[0]!r}",
            hint="What it means for the answers is not known, so it is not read. Upgrade lensmith.",
        )
    try:
        fields = {key: value for key, value in table.items() if key != "format"}
        facts = BundleFacts(**{**fields, "preprocess": preprocess_from(fields["preprocess"])})
        _refuse_other_types(facts)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, LensmithError) as error:
        raise ModelFileError(f"{name}: its facts are damaged ({error})") from error
    if fault := fault_of(facts):
        raise ModelFileError(f"{name}: {fault}")
    # As numbers of one kind, so that who wrote 1 and who wrote 1.0 get one identity.
    limit = None if facts.unlike_above is None else float(facts.unlike_above)
    said_from = None if facts.label_thresholds is None else [float(one) for one in facts.label_thresholds]
    return dataclasses.replace(
        facts,
        temperature=float(facts.temperature),
        threshold=float(facts.threshold),
        label_thresholds=said_from,
        unlike_above=limit,
    )


def fault_of(facts: BundleFacts) -> str:
    """Why no model can be described so, or nothing."""
    if facts.task not in get_args(Task):
        return f"task {facts.task!r} is not one of {', '.join(get_args(Task))}"
    if twice := next((word for word, count in Counter(facts.classes).items() if count > 1), ""):
        return f"two outputs are called {twice!r}"
    if bool(facts.classes) == (facts.task == "regression"):
        return "a regression names no outputs" if facts.classes else "no output has a name"
    if facts.precision != "float32":
        return f"precision {facts.precision!r}, and format {FORMAT} computes in float32"
    if not (1e-6 <= facts.temperature <= 1e6 and 0 <= facts.threshold <= 1):
        return f"temperature {facts.temperature}, threshold {facts.threshold}"
    if (said_from := facts.label_thresholds) is not None and not (
        facts.task == "multilabel"
        and len(said_from) == len(facts.classes)
        and all(0 <= one <= 1 for one in said_from)
    ):
        return f"label_thresholds {said_from}, and {facts.task} with {len(facts.classes)} outputs"
    if (facts.unlike_above is None) == (NEIGHBOURS in facts.files):
        return f"unlike_above and {NEIGHBOURS} are there together, or neither is"
    if facts.unlike_above is not None and not 0 < facts.unlike_above <= 2:
        return f"unlike_above {facts.unlike_above}, and a distance is above 0 and at most 2"
    return ""


def _strict_json(content: bytes) -> Any:
    """JSON as its standard has it: no NaN, and no key twice, which readers would read differently."""
    if len(content) > MOST_FACTS:
        raise ValueError(f"more than {MOST_FACTS >> 20} MiB")
    return json.loads(
        content.decode("utf-8"), object_pairs_hook=_once, parse_float=_finite, parse_constant=_refuse
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"it says {key!r} twice")
    return table


def _finite(word: str) -> float:
    return _refuse(word) if math.isinf(number := float(word)) else number


def _refuse(word: str) -> float:
    raise ValueError(f"{word[:20]} is no number of JSON or beyond a double")


def _refuse_other_format(given: Any, name: str) -> None:
    if type(given) is int and given == FORMAT:
        return
    is_newer = type(given) is int and given > FORMAT
    raise ModelFileError(
        f"{name}: bundle format {given!r}, and this lensmith reads {FORMAT}",
        hint="Upgrade lensmith: pip install -U lensmith" if is_newer else "",
    )


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
    if not isinstance(facts.label_thresholds, list | None):
        raise TypeError("label_thresholds is no list")
    numbers = (facts.temperature, facts.threshold, facts.unlike_above or 0, *(facts.label_thresholds or []))
    if not all(type(number) in (int, float) for number in numbers):
        raise TypeError("a word where a number has to be")
    strange = sorted(set(facts.files) - set(FILES))
    if strange:
        raise ValueError(f"{strange[0]!r} is no part of a bundle")
