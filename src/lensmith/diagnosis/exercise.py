"""A short computation on the best device, run as a program of its own: a JSON object on stdout for each step.

Each result is compared with the same in float64 on the CPU. It imports torch and nothing of lensmith, so that what
it meets is what any program of the user's would meet.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

Step = dict[str, Any]
_CHECKED = 512
"""Side of the matrices that are checked: float64 on one core takes 10 ms."""
_REPEATS = 20
_SECONDS = 0.4
"""For each timing; the fastest of its repeats counts, so that a busy neighbour matters less."""
_FIELDS = "clocks_throttle_reasons.active,power.draw,power.limit,temperature.gpu,clocks.sm,clocks.max.sm"


def exercise() -> Iterator[Step]:
    """Run it, a step at a time; what goes wrong goes up."""
    start = time.perf_counter()
    import torch

    device = find_device(torch)
    yield {"step": "import", "seconds": time.perf_counter() - start, "torch": torch.__version__}
    yield {"step": "device", **describe(torch, device)}
    torch.manual_seed(0)
    yield from multiply_all(torch, device)
    yield {"step": "convolution", **convolve(torch, device)}
    if device != "cpu":
        yield {"step": "copy", **copy(torch, device)}
    yield {"step": "end", "seconds": time.perf_counter() - start}


def find_device(torch: Any) -> str:
    """CUDA, then Apple's GPU, then the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def describe(torch: Any, device: str) -> Step:
    """What it is called, and the memory at hand in bytes."""
    if device != "cuda":
        return {"device": device, "name": device, "threads": torch.get_num_threads()}
    free, total = torch.cuda.mem_get_info()
    return {"device": device, "name": torch.cuda.get_device_name(), "free": free, "total": total}


def multiply_all(torch: Any, device: str) -> Iterator[Step]:
    """Matrix products in each precision that the device has in hardware; what older GPUs imitate is left out."""
    kinds = {"float32": (torch.float32, False)}
    if device == "cuda" and torch.cuda.get_device_capability()[0] >= 8:
        kinds["tf32"] = (torch.float32, True)
    if device == "cpu" or "tf32" in kinds:
        kinds["bfloat16"] = (torch.bfloat16, False)
    for name, (dtype, tensor_cores) in kinds.items():
        if device == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = tensor_cores
        yield {"step": name, **multiply(torch, device, dtype)}
    if device == "cuda":
        yield {"step": "load", **look_under_load(torch, dtype)}


def multiply(torch: Any, device: str, dtype: Any) -> Step:
    """Teraflops of a large product, and the relative error of a smaller one."""
    a, b = (torch.randn(_CHECKED, _CHECKED, dtype=torch.float64).to(dtype) for _ in range(2))
    error = differ(a.to(device) @ b.to(device), a.double() @ b.double())
    size = 8192 if device == "cuda" else 2048 if device == "mps" else 1024
    x, y = (torch.randn(size, size, device=device, dtype=torch.float32).to(dtype) for _ in range(2))
    before = time.process_time(), time.perf_counter()
    seconds = fastest(torch, device, lambda: x @ y)
    took = time.process_time() - before[0], time.perf_counter() - before[1]
    found = {"error": error, "tflops": 2 * size**3 / seconds / 1e12}
    # On the CPU: how much of its threads' time the system gave it, next to whatever else computes here.
    return found if device != "cpu" else {**found, "given": took[0] / took[1] / torch.get_num_threads()}


def convolve(torch: Any, device: str) -> Step:
    """Error and seconds of a convolution with its gradients, as a training step has them."""
    pictures = torch.randn(8, 32, 32, 32, dtype=torch.float64)
    layer = torch.nn.Conv2d(32, 64, 3, padding=1).double()

    def gradients(kind: Any, where: str) -> tuple[Any, Any, Any]:
        moved = deepcopy(layer).to(kind).to(where)
        given = pictures.clone().to(kind).to(where).detach().requires_grad_()
        out = moved(given)
        out.square().mean().backward()
        return out.detach(), given.grad, moved.weight.grad

    if device == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    exact = gradients(torch.float64, "cpu")
    errors = [differ(one, other) for one, other in zip(gradients(torch.float32, device), exact, strict=True)]
    return {
        "error": max(errors, key=lambda error: math.inf if math.isnan(error) else error),
        "seconds": fastest(torch, device, lambda: gradients(torch.float32, device)),
    }


def copy(torch: Any, device: str) -> Step:
    """Whether bytes come back as they went, and gigabytes a second there."""
    sent = torch.randint(0, 256, (256, 2**20), dtype=torch.uint8)
    back = sent.to(device).cpu()
    seconds = fastest(torch, device, lambda: sent.to(device))
    return {"error": 0.0 if torch.equal(sent, back) else math.inf, "gigabytes": sent.numel() / seconds / 1e9}


def look_under_load(torch: Any, dtype: Any) -> Step:
    """What nvidia-smi says of the GPU's clocks while it computes; empty where it says nothing."""
    x = torch.randn(8192, 8192, device="cuda").to(dtype)
    end = time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        for _ in range(20):
            x @ x
        torch.cuda.synchronize()
    for _ in range(200):  # queued, and at work while nvidia-smi looks
        x @ x
    index = str(torch.cuda.current_device())
    command = ["nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits", "-i", index]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    finally:
        torch.cuda.synchronize()
    values = [value.strip() for value in done.stdout.split(",")]
    return dict(zip(_FIELDS.split(","), values, strict=True)) if len(values) == _FIELDS.count(",") + 1 else {}


def fastest(torch: Any, device: str, work: Callable[[], object]) -> float:
    """Seconds of the fastest of some repeats, the first, which sets things up, left out."""

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()
        elif device == "mps":
            torch.mps.synchronize()

    work()
    wait()
    best, end = math.inf, time.perf_counter() + _SECONDS
    for _ in range(_REPEATS):
        start = time.perf_counter()
        work()
        wait()
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() > end:
            break
    return best


def differ(found: Any, exact: Any) -> float:
    """The largest difference, as a share of the largest exact value; NaN where the result holds one."""
    return float((found.cpu().double() - exact).abs().max() / exact.abs().max())


if __name__ == "__main__":
    for step in exercise():
        sys.stdout.write(json.dumps(step) + "\n")
        sys.stdout.flush()
