"""A bundle's network in 8 bits, by ONNX Runtime's static quantisation; refused where it costs too much.

Weights get a scale for each channel and activations one for each map, found on training pictures (Jacob et al.,
2018, arXiv:1712.05877). The last layer stays in float: its errors are those of the answer, and it takes no time.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.engines import Engine, Logits, import_onnxruntime, onnx_engine
from lensmith.errors import AnswerIsNo
from lensmith.evaluation.metrics import measure
from lensmith.exports.assembly import network_graph
from lensmith.exports.calibration import Calibration
from lensmith.pictures.decode import Pixels

LIMIT = 0.01
"""What may be lost: of accuracy or mean average precision; of regression's mean error, as a share of it."""
OTHERS = 0.05
"""The share of pictures that may get another label than from the source where that was decided."""

_HEAVY = ["Conv", "Gemm", "MatMul"]
_WITH_THEM = ["Relu", "Clip"]
"""What a layer ends in is computed with it. All else in 8 bits, sums and pools, would cost a third of the speed."""
_SECONDS = 0.5


@dataclass(frozen=True)
class Quantised:
    """The network in 8 bits. loss: in parts of one; others: share of other labels that an export lets through;
    faster: its pictures a second, by those of the source."""

    graph: onnx.ModelProto
    loss: float
    count: int
    where: str
    faster: float
    others: float = OTHERS

    def __str__(self) -> str:
        return (
            f"8 bits lose {100 * self.loss:.2f} points on {self.count:,} {self.where}"
            f" and compute {self.faster:.1f} times as many pictures a second here"
        )


def quantise(bundle: Bundle, calibration: Calibration) -> Quantised:
    """The network in 8 bits. Raises `AnswerIsNo` where that loses more than `LIMIT`."""
    graph = network_graph(bundle)
    small = _quantised(graph, calibration.pixels)
    engine = onnx_engine(small.SerializeToString())
    before = _figure(bundle, bundle.engine, calibration)
    after = _figure(bundle, engine, calibration)
    loss = (after - before) / max(before, 1e-12) if bundle.task == "regression" else before - after
    if not loss <= LIMIT:
        raise AnswerIsNo(
            f"8 bits lose {100 * loss:.2f} points on {len(calibration.kept):,} {calibration.where}"
            f" ({before:.4f} before, {after:.4f} after)",
            hint=f"At most {100 * LIMIT:g} is let through. Nothing was written. Without --int8 it exports as it is.",
        )
    faster = _rate(engine, calibration.kept) / _rate(bundle.engine, calibration.kept)
    return Quantised(small, loss, len(calibration.kept), calibration.where, faster)


def _figure(bundle: Bundle, engine: Engine, calibration: Calibration) -> float:
    logits: Logits = np.concatenate([engine(part) for part in engine.parts(calibration.kept)])
    scaled = logits / np.float32(bundle.facts.temperature)
    report = measure(scaled, calibration.targets, bundle.classes, bundle.task)
    return float(report[report.main].value)


def _rate(engine: Engine, pixels: Pixels) -> float:
    """Pictures a second."""
    part = next(engine.parts(pixels))
    engine(part)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < _SECONDS:
        count += len(engine(part))
    return count / (time.perf_counter() - start)


class _Reader:
    """Calibration pictures as ONNX Runtime asks for them."""

    def __init__(self, pixels: Pixels) -> None:
        step = max(1, 64 * 64 * 64 // (pixels.shape[1] * pixels.shape[2]))
        self._parts = iter([pixels[start : start + step] for start in range(0, len(pixels), step)])

    def get_next(self) -> dict[str, Pixels] | None:
        part = next(self._parts, None)
        return None if part is None else {"images": part}


def _quantised(graph: onnx.ModelProto, pixels: Pixels) -> onnx.ModelProto:
    import_onnxruntime()
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as place, _quiet():
        given, ready, done = (Path(place) / f"{name}.onnx" for name in ("given", "ready", "done"))
        onnx.save(graph, given)
        # Norms are folded into the layers before them, which 8 bits have to know of.
        quant_pre_process(str(given), str(ready), skip_symbolic_shape=True)
        folded = onnx.load(ready)
        for number, node in enumerate(folded.graph.node):
            node.name = f"{node.op_type}_{number}"
        heavy = [node.name for node in folded.graph.node if node.op_type in _HEAVY]
        quantize_static(
            folded,
            str(done),
            _Reader(pixels),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=[*_HEAVY, *_WITH_THEM],
            nodes_to_exclude=heavy[-1:] if len(heavy) > 1 else [],
        )
        result: onnx.ModelProto = onnx.load(done)
    return result


@contextmanager
def _quiet() -> Iterator[None]:
    """It gives advice through the root logger, about steps that were taken already."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
