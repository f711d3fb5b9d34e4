"""Whether an environment is what it was meant to be: each import tried in it, torch on its device, clashes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from lensmith.diagnosis.messages import explain_message
from lensmith.diagnosis.quoting import paste
from lensmith.machine.facts import read_machine
from lensmith.machine.programs import Said
from lensmith.provisioning.plan import Plan
from lensmith.provisioning.uv import run_program, run_uv
from lensmith.repositories.reading import Fault

_LIMIT = 300.0
"""Seconds for one import: torch's first takes half a minute where the disk is slow."""
_ERROR = re.compile(r"[\w.]*(?:Error|Exception): |error: |fatal: ")
_ADVICE = re.compile(r"\s*hint:")
_TORCH = """
import json, torch
found = {"version": torch.__version__, "cuda": torch.version.cuda, "available": torch.cuda.is_available()}
device = "cuda" if found["available"] else "cpu"
found["device"] = torch.cuda.get_device_name(0) if found["available"] else "CPU"
found["sum"] = float((torch.ones(8, 8, device=device) @ torch.ones(8, 8, device=device)).sum())
try:
    import numpy
    found["numpy"] = bool((torch.ones(2).numpy() == 1).all())
except ImportError:
    found["numpy"] = None
print(json.dumps(found))
"""


def interpreter_of(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def check_environment(plan: Plan, environment: Path) -> Iterator[Fault]:
    """What is wrong with an environment, or `info` for what was tried and works. Runs the packages' own code."""
    installed = {canonicalize_name(one.name): one for one in _installed(environment)}
    for name in plan.distributions:
        package = installed.get(canonicalize_name(name))
        if package is None:
            yield Fault(
                "import",
                "error",
                f"{name} is imported and not installed",
                "Install it, or ask for it with a pin.",
            )
            continue
        yield from _try_imports(package, environment)
    if "torch" in installed:
        yield _try_torch(plan, environment)
    yield _clashes(environment)


def _installed(environment: Path) -> list[Distribution]:
    """Read from its files: nothing of the environment is run for this."""
    sites = [*environment.glob("lib/python3*/site-packages"), *environment.glob("Lib/site-packages")]
    return list(distributions(path=[str(site) for site in sites[:1]]))


def _modules(package: Distribution) -> list[str]:
    """The names that it is imported by."""
    said = (package.read_text("top_level.txt") or "").split()
    if not said:
        firsts = (Path(str(file)).parts for file in package.files or [])
        said = [
            parts[0].partition(".")[0] if len(parts) == 1 else parts[0]
            for parts in firsts
            if (len(parts) == 1 and parts[0].endswith((".py", ".so", ".pyd")))
            or parts[1:] == ("__init__.py",)
        ]
    return sorted(
        {name for name in said if name.isidentifier() and not name.startswith("_") and name != "tests"}
    )


def _try_imports(package: Distribution, environment: Path) -> Iterator[Fault]:
    for module in _modules(package):
        answer = _run(environment, f"import {module}")
        if not answer.ok:
            yield explain_failure(
                f"import {module}",
                f"{module} ({package.name} {package.version})",
                answer,
                interpreter_of(environment),
            )
            return
    yield Fault("import", "info", f"{package.name} {package.version} imports")


def _try_torch(plan: Plan, environment: Path) -> Fault:
    answer = _run(environment, _TORCH)
    if not answer.ok:
        return explain_failure("torch", "torch computes nothing here", answer, interpreter_of(environment))
    found = json.loads(answer.out.strip().splitlines()[-1])
    words = f"torch {found['version']} computes on {found['device']}"
    if plan.device and not found["available"]:
        words = f"torch {found['version']} does not see {plan.device}"
        return Fault("torch", "error", words, "Run `lensmith doctor`: it says what stands between them.")
    if found["numpy"] is False:
        return Fault("torch", "error", f"{words}, and its arrays are not numpy's", "Install numpy<2.")
    return Fault("torch", "info", words)


def _clashes(environment: Path) -> Fault:
    answer = run_uv(["pip", "check", "--python", str(interpreter_of(environment))], seconds=60.0)
    if answer.ok:
        return Fault("pip check", "info", "no package asks for what another excludes")
    clashes = [line.strip() for line in answer.err.splitlines() if " requires " in line]
    words = "; ".join(clashes[:8]) or answer.err.strip()[-300:]
    return Fault(
        "pip check", "warning", words, "It matters only where the code uses the package that complains."
    )


def _run(environment: Path, program: str) -> Said:
    # -I: neither the user's own site-packages nor PYTHON* variables reach it.
    return run_program([str(interpreter_of(environment)), "-I", "-c", program], environment, seconds=_LIMIT)


def explain_failure(name: str, what: str, answer: Said, python: Path) -> Fault:
    """What a program's last words say, with the cure that is known for such a text; commands are for `python`."""
    if answer.code is None:
        return Fault(name, "error", f"{what}: {answer.err}", "Try it by hand.")
    lines = [line.strip() for line in answer.err.splitlines() if line.strip() and not _ADVICE.match(line)]
    errors = [line for line in lines if _ERROR.match(line)]
    last = next(iter([*errors[-1:], *lines[-1:]]), f"ended with code {answer.code}")[:400]
    if answer.code < 0 or answer.code > 128:
        last = f"the process was ended by signal {-answer.code if answer.code < 0 else answer.code - 128}"
    machine = replace(read_machine(), executable=str(python), installer="uv")
    findings = explain_message(answer.err, machine)
    cures = [finding.cure for finding in findings if finding.cure]
    cures += [paste(command) for finding in findings for command in finding.commands]
    return Fault(name, "error", f"{what}: {last}", " ".join(cures))
