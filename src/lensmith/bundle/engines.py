"""What computes a bundle's outputs: uint8 [N, H, W, 3] -> logits, float32 [N, outputs].

ONNX Runtime wherever it can. By CPU seconds in float32 on a processor with AVX-512, nothing took 5 % less on
ResNet-18 or EfficientNet-Lite0 (torch as it is or compiled, OpenVINO); on our net for 32 x 32 pictures OpenVINO and
compiled torch took a tenth less. Taking it everywhere, what measures is what predicts.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensmith.bundle.facts import GRAPH, WEIGHTS, BundleFacts
from lensmith.errors import MachineError, ModelFileError
from lensmith.machine.limits import compute_threads, host_threads, processes_here
from lensmith.pictures.decode import Pixels

if TYPE_CHECKING:
    from torch import nn

    from lensmith.pictures.preprocess import Preprocess

Logits = NDArray[np.float32]

_OF_A_THREAD = 2 * 224 * 224
"""Pixels whose maps stay in a core's share of the cache: on 2 threads, 4 pictures at once of EfficientNet-Lite0
take a quarter less time each than 64 do, and of ResNet-18 no more."""
_OF_A_GPU = 64 * 224 * 224


@dataclass(frozen=True)
class Engine:
    """Computes logits. `name` and `threads` are for reports; `pixels` is how many it computes best at once.

    see: logits, and what goes into the last linear layer, float32 [N, D], or None of a network without one.
    """

    name: str
    threads: int
    pixels: int
    run: Callable[[Pixels], Logits]
    see: Callable[[Pixels], tuple[Logits, Logits | None]] | None = None

    def __call__(self, pictures: Pixels) -> Logits:
        """uint8 [N, H, W, 3] -> float32 [N, outputs], all of them at once."""
        return self.run(pictures)

    def at_once(self, height: int, width: int) -> int:
        """How many pictures of this size are best computed at once."""
        return max(1, self.pixels // (height * width))

    def parts(self, pictures: Pixels) -> Iterator[Pixels]:
        """uint8 [N, H, W, 3] in as many as are best computed at once."""
        step = self.at_once(*pictures.shape[1:3])
        for start in range(0, len(pictures), step):
            yield pictures[start : start + step]


def open_engine(facts: BundleFacts, files: Mapping[str, bytes]) -> Engine:
    """ONNX Runtime where it is installed and the bundle holds a graph, else torch and the model's code.

    Raises `MachineError` where neither is at hand.
    """
    if GRAPH in files and importlib.util.find_spec("onnxruntime") is not None:
        return onnx_engine(files[GRAPH], files[WEIGHTS])
    if importlib.util.find_spec("torch") is None:
        raise MachineError(
            "neither ONNX Runtime nor torch is installed",
            hint='pip install "lensmith[serve]" brings ONNX Runtime.',
        )
    if GRAPH not in files and not facts.model:
        raise ModelFileError(
            "the bundle holds neither a graph nor its model's name, so nothing can compute it",
            hint="Say where torch finds the network: Bundle(net, ..., name='net.py:Net'), or model= in train.",
        )
    if not facts.model:
        raise MachineError(
            "this bundle computes by its ONNX graph, and ONNX Runtime is not installed",
            hint='pip install "lensmith[serve]"',
        )
    return torch_engine(torch_network(facts, files), facts.preprocess)


def torch_network(facts: BundleFacts, files: Mapping[str, bytes]) -> nn.Module:
    """The bundle's network, built by its name and filled with its weights. Raises `ModelFileError` without one."""
    from lensmith.models.build import build
    from lensmith.models.weights import load_weights

    if not facts.model:
        raise ModelFileError(
            "the bundle does not say where torch finds its network",
            hint="It was made without one: Bundle(net, ..., name='net.py:Net'), or model= in train.",
        )
    model = build(facts.model, len(facts.classes) or 1, facts.preprocess.size[0])
    load_weights(model, files[WEIGHTS], WEIGHTS)
    return model


def import_onnxruntime() -> Any:
    """ONNX Runtime, which would otherwise write a device's identity into the home folder and report home."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, when it is imported
    import onnxruntime

    return onnxruntime


def onnx_engine(graph: bytes, weights: bytes | None = None) -> Engine:
    """A graph run by ONNX Runtime on the CPU; `weights` is the safetensors file that it points into."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Its own other format, which it would else tell by content, is nothing that a bundle holds or that was looked at.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Left to itself it binds each thread to a core, even to one that this process may not use or a neighbour has.
    options.intra_op_num_threads = threads = compute_threads()
    # Threads that spin while they wait gain 1 to 4 % on a quiet machine, and lose half where a neighbour works.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if weights is not None:
        options.add_external_initializers_from_files_in_memory([WEIGHTS], [weights], [len(weights)])
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelFileError(f"ONNX Runtime cannot load the graph ({error})") from error

    def outputs(pixels: Pixels, *names: str) -> list[Logits]:
        try:
            found: list[Logits] = session.run(names, {"images": pixels})
        except Exception as error:
            raise ModelFileError(f"ONNX Runtime cannot run the graph ({error})") from error
        return found

    def see(pixels: Pixels) -> tuple[Logits, Logits | None]:
        logits, features = outputs(pixels, "logits", "features")
        return logits, features

    sees = any(output.name == "features" for output in session.get_outputs())
    return Engine(
        "onnxruntime",
        threads,
        host_threads() * _OF_A_THREAD,
        lambda pixels: outputs(pixels, "logits")[0],
        see if sees else None,
    )


def torch_engine(model: nn.Module, preprocess: Preprocess) -> Engine:
    """A network run by torch where its parameters lie; it is put in eval mode at every call."""
    import torch

    from lensmith.batches.batches import normalised
    from lensmith.models.heads import outputs_and_features

    def device() -> torch.device:
        return next((p.device for p in model.parameters()), torch.device("cpu"))

    def outputs(pixels: Pixels, compute: Callable[[torch.Tensor], Any]) -> Any:
        model.eval()
        with torch.inference_mode():
            images = torch.from_numpy(np.ascontiguousarray(pixels)).to(device())
            try:
                return compute(normalised(images, preprocess).contiguous())
            except Exception as error:
                size = list(pixels.shape[:3])
                raise ModelFileError(f"the network fails on pictures of {size} ({error})") from error

    def numbers(found: Any) -> Logits:
        if not isinstance(found, torch.Tensor):
            raise ModelFileError(f"the network gives a {type(found).__name__}, and a tensor is needed")
        return np.asarray(found.float().cpu().numpy(), np.float32)

    def run(pixels: Pixels) -> Logits:
        return numbers(outputs(pixels, model))

    def see(pixels: Pixels) -> tuple[Logits, Logits | None]:
        logits, features = outputs(pixels, lambda images: outputs_and_features(model, images))
        return numbers(logits), None if features is None else numbers(features)

    threads = torch.get_num_threads()
    # The same batches, and so the same bits, however many processes share the host.
    batched = threads if processes_here() == 1 else host_threads()
    at_once = batched * _OF_A_THREAD if device().type == "cpu" else _OF_A_GPU
    return Engine("torch", threads, at_once, run, see)
