"""A built environment as files that a colleague can load: a lock with hashes, environment.yml, facts, three lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lensmith.provisioning.plan import Plan
from lensmith.repositories.reading import Fault

LOCK = "requirements.lock"
PINS = "constraints.txt"
FACTS = "environment.json"
_TO_BUILD = "requirements-to-build.txt"


def write_files(plan: Plan, folder: Path) -> None:
    """What the environment is made from: written before it is made, and the same whether that succeeds."""
    index = f"--extra-index-url {plan.index}\n" if plan.index else ""
    _write(folder / LOCK, index + "".join(f"{_folded(line)}\n" for line in plan.requirements))
    _write(folder / PINS, "".join(f"{line.split(' --hash')[0]}\n" for line in plan.requirements))
    if plan.to_build:
        _write(folder / _TO_BUILD, "".join(f"{line}\n" for line in plan.to_build))
    _write(folder / "environment.yml", _conda(plan))
    _write(folder / "README.md", _readme(plan))


def write_facts(plan: Plan, folder: Path, checks: Iterable[Fault], digest: str) -> None:
    """What was built and what trying it found: the last file, so that its absence means an unfinished build."""
    facts: dict[str, Any] = {"plan": digest, **plan.as_dict()}
    facts["checks"] = [{"name": one.name, "severity": one.severity, "detail": one.detail} for one in checks]
    _write(folder / FACTS, json.dumps(facts, indent=2) + "\n")


def _folded(line: str) -> str:
    """One hash a line, as pip's own tools write it."""
    return line.replace(" --hash", " \\\n    --hash")


def _conda(plan: Plan) -> str:
    return (
        "name: reproduction\nchannels:\n  - conda-forge\n  - nodefaults\ndependencies:\n"
        f"  - python={plan.python.minor}\n  - pip\n  - pip:\n    - -r {LOCK}\n"
    )


def _readme(plan: Plan) -> str:
    day = f", packages as of {plan.before}" if plan.before else ""
    built = (
        f" Then `uv pip install --python env -c {PINS} -r {_TO_BUILD}`, which runs build steps."
        if plan.to_build
        else ""
    )
    own = " Then `uv pip install --python env --no-deps REPOSITORY`." if plan.own else ""
    return (
        f"An environment for {plan.root.name}: Python {plan.python.version}{day}.\n"
        f"Make it with `uv venv --python {plan.python.minor} env` and `uv pip install --python env --require-hashes"
        f" -r {LOCK}`, or with `conda env create -f environment.yml`.{built}{own}\n"
        f"What was found when it was tried stands in `{FACTS}`.\n"
    )


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    part.replace(path)
