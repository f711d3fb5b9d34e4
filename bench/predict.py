"""How many pictures a second a ResNet-18 computes in float32: 224 x 224, uint8, already decoded.

    python bench/predict.py lensmith|eager|channels_last|compiled|onnxruntime|openvino [--count 512]

Each side but lensmith, which takes what it takes by itself, tries batches of several sizes on some of the pictures
and goes on with the best. Outputs are compared with those of plain torch. Prints one JSON object: pictures a second
over all of them, milliseconds of one picture alone, and the parts of the time.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BEGAN = float(os.environ.get("LENSMITH_BENCH_BEGAN", time.time()))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torchvision  # noqa: E402
from torch import Tensor, nn  # noqa: E402

SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
TRIED = 64
Compute = Callable[[Any], Any]
"""uint8 [N, 224, 224, 3] -> float32 [N, 1000]."""


class Normalised(nn.Module):
    """A network that takes pixels as they were decoded."""

    def __init__(self, net: nn.Module, layout: torch.memory_format) -> None:
        super().__init__()
        self.net = net.to(memory_format=layout)
        self.layout = layout
        self.register_buffer("scale", 1 / (255 * torch.tensor(STD).view(1, 3, 1, 1)))
        self.register_buffer(
            "offset", -torch.tensor(MEAN).view(1, 3, 1, 1) / torch.tensor(STD).view(1, 3, 1, 1)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        images = pixels.permute(0, 3, 1, 2).float() * self.scale + self.offset
        return self.net(images.contiguous(memory_format=self.layout))


def resnet() -> nn.Module:
    """Random filters, with statistics that fit them: no output overflows or vanishes."""
    torch.manual_seed(0)
    net = torchvision.models.resnet18()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(16, 3, SIZE, SIZE))
    return net.eval()


def lensmith(net: nn.Module) -> Compute:
    from lensmith.bundle.bundle import Bundle
    from lensmith.pictures.preprocess import Preprocess

    names = [str(number) for number in range(1000)]
    return Bundle(net, preprocess=Preprocess(SIZE, mean=MEAN, std=STD), classes=names).logits


def eager(net: nn.Module, layout: torch.memory_format = torch.contiguous_format) -> Compute:
    model = Normalised(net, layout).eval()

    def run(pixels: Any) -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(pixels)).numpy()

    return run


def channels_last(net: nn.Module) -> Compute:
    return eager(net, torch.channels_last)


def compiled(net: nn.Module) -> Compute:
    """With weights frozen into the code, as torch's documentation advises for inference on CPUs."""
    import torch._inductor.config

    torch._inductor.config.freezing = True
    model = torch.compile(Normalised(net, torch.channels_last).eval(), dynamic=False)

    def run(pixels: Any) -> Any:
        with torch.no_grad():
            return model(torch.from_numpy(pixels)).numpy()

    return run


def exported(net: nn.Module, place: str) -> str:
    """The graph by torch's exporter, with the batch left open."""
    file = str(Path(place) / "net.onnx")
    example = torch.zeros((2, SIZE, SIZE, 3), dtype=torch.uint8)
    torch.onnx.export(
        Normalised(net, torch.contiguous_format).eval(),
        (example,),
        file,
        input_names=["pixels"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        dynamo=True,
        verbose=False,
    )
    return file


def onnxruntime(net: nn.Module) -> Compute:
    """Its own defaults: every optimisation, a thread for each core, threads that spin."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as place:
        session = onnxruntime.InferenceSession(exported(net, place), providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(["logits"], {"pixels": pixels})[0]


def openvino(net: nn.Module) -> Compute:
    """In float32, which it leaves by itself where the processor has bfloat16; several requests at a time."""
    import openvino

    with tempfile.TemporaryDirectory() as place:
        core = openvino.Core()
        hints = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
        model = core.compile_model(core.read_model(exported(net, place)), "CPU", hints)
    requests = openvino.AsyncInferQueue(model)

    def run(pixels: Any) -> Any:
        answers: dict[int, Any] = {}
        requests.set_callback(
            lambda request, at: answers.update({at: request.get_output_tensor().data.copy()})
        )
        step = max(1, len(pixels) // len(requests))
        for start in range(0, len(pixels), step):
            requests.start_async([pixels[start : start + step]], start)
        requests.wait_all()
        return np.concatenate([answers[at] for at in sorted(answers)])

    return run


SIDES = {side.__name__: side for side in (lensmith, eager, channels_last, compiled, onnxruntime, openvino)}


def computed(compute: Compute, pixels: Any, batch: int) -> float:
    """Seconds for all of them, whole batches only."""
    before = time.perf_counter()
    for start in range(0, len(pixels) - batch + 1, batch):
        compute(pixels[start : start + batch])
    return time.perf_counter() - before


def best_batch(compute: Compute, pixels: Any, count: int) -> int:
    """The batch that some of the pictures go fastest in; each size is warmed up, and may be compiled for."""
    taken = {}
    for batch in (one for one in BATCHES if count % one == 0):
        compute(pixels[:batch])
        taken[batch] = min(
            computed(compute, pixels[: max(batch, min(TRIED, count))], batch) for _ in range(2)
        )
    return min(taken, key=lambda batch: taken[batch])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--count", type=int, default=512)
    arguments = parser.parse_args()
    pixels = np.random.default_rng(0).integers(0, 256, (arguments.count, SIZE, SIZE, 3), np.uint8)
    imported = time.time()
    net = resnet()
    wanted = eager(copy.deepcopy(net))(pixels[:16])
    begun = time.time()
    compute = SIDES[arguments.side](net)
    found = np.concatenate([compute(pixels[:8]), compute(pixels[8:16])])
    if np.abs(found - wanted).max() > 1e-4 * np.abs(wanted).max():
        raise SystemExit(f"other outputs than torch's, by {np.abs(found - wanted).max():.2g}")
    ready = time.time()
    ours = arguments.side == "lensmith"
    batch = arguments.count if ours else best_batch(compute, pixels, arguments.count)
    used = time.process_time()
    times = [computed(compute, pixels, batch) for _ in range(3)]
    used = (time.process_time() - used) / len(times)
    seconds = statistics.median(times)
    compute(pixels[:1])
    alone = statistics.median(computed(compute, pixels[:1], 1) for _ in range(20))
    figures = {
        "pictures a second": arguments.count / seconds,
        "ms of one": alone * 1e3,
        "CPU ms of each": used / arguments.count * 1e3,
    }
    parts = {"import": imported - BEGAN, "ready": ready - begun, "compute": seconds}
    words = f"batch {'its own' if ours else batch}, {torch.get_num_threads()} threads of torch"
    print(json.dumps({"figures": figures, "seconds": parts, "words": words}))


if __name__ == "__main__":
    main()
