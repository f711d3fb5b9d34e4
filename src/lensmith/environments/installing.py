"""The commands that make a proposed environment, for conda, pip and uv, and its environment.yml."""

from __future__ import annotations

import re
from typing import Any

import yaml

from lensmith.environments.proposal import Proposal


def install_commands(proposal: Proposal) -> dict[str, list[str]]:
    """The lines to type, for each package manager, on the described system."""
    python, index = _minor(proposal), proposal.build.index_url if proposal.build else ""
    wanted = " ".join(map(_quoted, proposal.requirements)) + (f" --index-url {index}" if index else "")
    if proposal.described.platform.startswith("win"):
        make, run = f"py -{python} -m venv .venv", r".venv\Scripts\python"
    else:
        make, run = f"python{python} -m venv .venv", ".venv/bin/python"
    name = environment_name(proposal)
    return {
        "uv": [f"uv venv --python {python}", f"uv pip install {wanted}"],
        "pip": [make, f"{run} -m pip install {wanted}"],
        "conda": [
            f"conda create --yes --name {name} --channel conda-forge python={python} pip",
            f"conda run --name {name} python -m pip install {wanted}",
        ],
    }


def environment_yml(proposal: Proposal) -> str:
    """The proposal as `conda env create -f` takes it: Python from conda-forge, torch as wheels.

    Wheels of PyTorch's own index carry it in their version, so that pip cannot take another index's.
    """
    build = proposal.build
    pins = list(proposal.requirements)
    if build and build.index:
        pins = [f"{pin}+{build.local}" if pin.startswith("torch") else pin for pin in pins]
        pins.insert(0, f"--extra-index-url {build.index_url}")
    content: dict[str, Any] = {
        "name": environment_name(proposal),
        "channels": ["conda-forge"],
        "dependencies": [f"python={_minor(proposal)}", "pip", {"pip": pins}],
    }
    return yaml.safe_dump(content, sort_keys=False)


def environment_name(proposal: Proposal) -> str:
    """`torch-2.11`."""
    version = proposal.build.version if proposal.build else None
    return f"torch-{version.major}.{version.minor}" if version else "torch"


def _minor(proposal: Proposal) -> str:
    """`3.11` of 3.11.7: the patch release is the manager's to choose."""
    return ".".join(proposal.python.split(".")[:2])


def _quoted(word: str) -> str:
    """In double quotes, which every shell knows, where a shell would read more than a word."""
    return word if re.fullmatch(r"[\w.=+-]+", word) else f'"{word}"'
