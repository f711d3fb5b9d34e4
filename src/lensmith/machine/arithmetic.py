"""What of a machine decides how its sums are rounded: the same training elsewhere may end in other bits."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

from lensmith.machine.limits import cores

_CPUINFO = Path("/proc/cpuinfo")
_INSTRUCTIONS = (
    *(
        "sse4_2",
        "avx",
        "fma",
        "avx2",
        "f16c",
        "avx512f",
        "avx512bw",
        "avx512vl",
        "avx512_vnni",
        "avx512_bf16",
    ),
    *("avx512_fp16", "avx_vnni", "amx_tile", "amx_bf16", "amx_int8"),
    *("asimd", "fphp", "asimdhp", "asimddp", "sve", "sve2", "bf16", "i8mm"),
)
"""Those that the libraries under torch choose their kernels by."""
_VARIABLES = (
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "MKL_NUM_THREADS"),
    *("OMP_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE"),
)
"""Environment variables that choose otherwise."""


def arithmetic(device: str = "cpu") -> dict[str, str | int]:
    """The processor, its instructions, what torch uses of them, threads, the GPU, and variables that are set.

    Imports torch, which has to be there.
    """
    import torch

    name, instructions = processor()
    found: dict[str, str | int] = {
        "processor": name,
        "instructions": " ".join(instructions),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
    }
    if device.startswith("cuda"):
        major, minor = torch.cuda.get_device_capability(device)
        found["gpu"] = f"{torch.cuda.get_device_name(device)}, compute capability {major}.{minor}"
        found["cuda"] = str(torch.version.cuda or torch.version.hip)
        found["cudnn"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    elif device == "mps":
        found["gpu"] = "Apple's"
    return found | {name: os.environ[name] for name in _VARIABLES if name in os.environ}


def processor(cpuinfo: Path = _CPUINFO) -> tuple[str, list[str]]:
    """The processor's name and those of its instructions that matter; what the system does not tell is left out."""
    if sys.platform == "darwin":
        return _brand(), []
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return os.environ.get("PROCESSOR_IDENTIFIER") or platform.machine(), []
    name, instructions = parse_cpuinfo(text)
    return name or platform.machine(), instructions


def parse_cpuinfo(text: str) -> tuple[str, list[str]]:
    """/proc/cpuinfo -> the processor's name, and those of its instructions that matter."""
    said: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        said.setdefault(key.strip().lower(), value.strip())
    names = (said.get(key, "") for key in ("model name", "hardware", "cpu part"))
    flags = set((said.get("flags") or said.get("features") or "").split())
    return next(filter(None, names), ""), [one for one in _INSTRUCTIONS if one in flags]


def _brand() -> str:
    try:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return platform.machine()
    return done.stdout.strip() or platform.machine()
