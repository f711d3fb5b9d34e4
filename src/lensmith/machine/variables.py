"""Environment variables that tell something about where and how a process runs; nothing of what is secret."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOLD = (
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH", "CUDA_LAUNCH_BLOCKING"),
    *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "PYTORCH_NVML_BASED_CUDA_CHECK"),
    *("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "TORCH_CUDA_ARCH_LIST", "OMP_NUM_THREADS"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONUSERBASE"),
    *("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_EXE", "MAMBA_EXE", "MAMBA_ROOT_PREFIX", "VIRTUAL_ENV"),
    *(
        "PIXI_PROJECT_ROOT",
        "PIXI_PROJECT_MANIFEST",
        "PIXI_ENVIRONMENT_NAME",
        "PIXI_EXE",
        "UV_PROJECT_ENVIRONMENT",
    ),
    *("SLURM_JOB_ID", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS", "SLURM_GPUS_ON_NODE"),
    *(
        "SLURM_NTASKS",
        "SLURM_CPUS_PER_TASK",
        "WSL_DISTRO_NAME",
        "COLAB_RELEASE_TAG",
        "KAGGLE_KERNEL_RUN_TYPE",
    ),
)
_THERE_OR_NOT = ("SSH_CONNECTION", "JPY_PARENT_PID", "KUBERNETES_SERVICE_HOST")
"""Of these, that they are set is all that is told: their values are addresses."""
_SECRETS = (
    (re.compile(r"(?<=://)[^\s/@]+(?=@)"), "***"),
    (re.compile(r"\b(?:hf_|gh[opsur]_|github_pat_|glpat-|sk-|xox[abp]-|AKIA|pypi-)[\w-]{8,}"), "***"),
    (re.compile(r"(?i)((?:token|secret|password|passwd|api_?key)[\w-]*\s*[=:]\s*)[^\s,;]+"), r"\1***"),
)


def read_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of the variables that tell something, each on one line."""
    told = {name: blot(" ".join(environment[name].split())) for name in _TOLD if name in environment}
    return told | {name: "set" for name in _THERE_OR_NOT if environment.get(name)}


def blot(text: str) -> str:
    """The text without what looks like a password or a token."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text
