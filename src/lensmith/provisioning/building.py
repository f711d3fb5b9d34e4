"""A plan's environment, built beside its place and named when it is whole; nothing outside its folder changes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from lensmith.errors import MachineError, UsageError
from lensmith.machine.programs import Said
from lensmith.machine.uv import require_uv
from lensmith.provisioning.checking import check_environment, explain_failure, interpreter_of
from lensmith.provisioning.handover import FACTS, LOCK, PINS, write_facts, write_files
from lensmith.provisioning.plan import Plan
from lensmith.provisioning.uv import run_uv
from lensmith.repositories.reading import Fault

_INSTALL_LIMIT = 3600.0
_BUILD_LIMIT = 1800.0
_MIB = 2**20
_SIZES = {"torch with CUDA": 6144 * _MIB, "torch": 1024 * _MIB, "base": 200 * _MIB, "package": 30 * _MIB}
"""Measured: torch 2.15 with CUDA takes 5.2 GiB, a CPU build 0.7; the packages of a scientific stack 30 MiB each."""
_MARK = "plan.sha256"
_UNFINISHED = "env.part"
_SOURCE = "source.part"


@dataclass(frozen=True)
class Built:
    """A built environment: its Python, and what trying it found (`info`: tried, and works)."""

    python: Path
    checks: tuple[Fault, ...]

    @property
    def is_sound(self) -> bool:
        """Whether everything that was tried works."""
        return all(check.severity != "error" for check in self.checks)


def build_environment(plan: Plan, folder: Path, *, agreed: bool = False) -> Generator[str, None, Built]:
    """Build a plan's environment in `folder/env`, saying in words what it is at, and try it.

    agreed: that build steps may run, which are foreign code; without it a plan that needs them is a UsageError.
    A second call goes on where a first was interrupted, and only tries again what is there whole. MachineError where
    uv, room on the disk, or a package is not to be had.
    """
    require_uv()
    _refuse(plan, agreed)
    folder = folder.absolute()
    place, digest = folder / "env", digest_of(plan)
    if not _is_there(folder, digest):
        folder.mkdir(parents=True, exist_ok=True)
        failed = yield from _install(plan, folder, digest)
    else:
        yield f"{place} is there already"
        failed = []
    yield "trying what was installed"
    unfinished = folder / _UNFINISHED
    tried = unfinished if unfinished.is_dir() else place
    checks = (*failed, *check_environment(plan, tried))
    if tried is unfinished:
        unfinished.rename(place)
    write_facts(plan, folder, checks, digest)
    return Built(interpreter_of(place), checks)


def digest_of(plan: Plan) -> str:
    """What two plans share whose environments are the same."""
    told = [plan.python.version, *plan.requirements, *plan.to_build, str(plan.own and plan.root), plan.index]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _refuse(plan: Plan, agreed: bool) -> None:
    if not plan.resolved:
        cause = next((one for one in plan.faults if one.name in ("uv", "network", "time", "conflict")), None)
        hint = (cause.cure if cause else "") or "See the faults of the plan."
        raise MachineError(cause.detail if cause else "the plan has no versions to install", hint=hint)
    if plan.runs_foreign_code and not agreed:
        what = ", ".join([*plan.to_build, *(["the repository itself"] if plan.own else [])])
        raise UsageError(
            f"building {what} runs its build step, which is foreign code",
            hint="Agree with --yes, where you trust the repository and what it asks for.",
        )


def _is_there(folder: Path, digest: str) -> bool:
    """Whether the folder holds this very environment, whole; UsageError where it holds something else."""
    if not folder.exists():
        return False
    if (folder / "env").exists():
        facts = folder / FACTS
        known = json.loads(facts.read_text(encoding="utf-8")).get("plan") if facts.is_file() else None
        if known == digest:
            return True
        raise UsageError(f"{folder} holds another environment", hint="Give another folder with --out.")
    return False


def _install(plan: Plan, folder: Path, digest: str) -> Generator[str, None, list[Fault]]:
    _make_room(plan, folder)
    unfinished = folder / _UNFINISHED
    mark = unfinished / _MARK
    if mark.is_file() and mark.read_text() == digest:
        yield "going on with what was begun"
    else:
        shutil.rmtree(unfinished, ignore_errors=True)
        yield f"making an environment with Python {plan.python.version}"
        _must(
            _make_venv(plan, unfinished),
            f"no environment with Python {plan.python.version} can be made",
            unfinished,
        )
        mark.write_text(digest)
    write_files(plan, folder)
    yield f"installing {len(plan.requirements)} packages"
    words = ["-r", str(folder / LOCK), "--require-hashes", "--no-deps", "--no-build", *_indexes(plan)]
    done = _pip_install(unfinished, words, _INSTALL_LIMIT)
    _must(done, "packages cannot be installed", unfinished)
    failed = []
    for what, words in _build_steps(plan, folder):
        yield f"building {what}: its own code runs"
        answer = _pip_install(unfinished, words, _BUILD_LIMIT)
        if not answer.ok and _wants_what_is_installed(answer):
            answer = _pip_install(unfinished, [*words, "--no-build-isolation"], _BUILD_LIMIT)
        if not answer.ok:
            failed.append(explain_failure("build step", what, answer, interpreter_of(folder / "env")))
    shutil.rmtree(folder / _SOURCE, ignore_errors=True)
    return failed


def _make_venv(plan: Plan, place: Path) -> Said:
    words = [
        "venv",
        str(place),
        "--relocatable",
        "--prompt",
        plan.root.name,
        "--python",
        str(plan.python.path or plan.python.version),
    ]
    return run_uv(words, seconds=_INSTALL_LIMIT)


def _indexes(plan: Plan) -> list[str]:
    """Where packages may come from; which file each is, its hash decides."""
    return ["--index", plan.index, "--index-strategy", "unsafe-best-match"] if plan.index else []


def _pip_install(environment: Path, words: list[str], seconds: float) -> Said:
    python = ["--python", str(interpreter_of(environment)), "--keyring-provider", "disabled", "--no-sources"]
    return run_uv(["pip", "install", *python, *words], seconds=seconds)


def _build_steps(plan: Plan, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """What each build step is of, and the words that run it; what is installed by then stays as it is."""
    kept = ["--constraints", str(folder / PINS), *_indexes(plan)]
    # What builds a package of that day is of that day, too.
    day = ["--exclude-newer", plan.before.isoformat()] if plan.before else []
    for requirement in plan.to_build:
        yield requirement, [requirement, *kept, *day]
    if plan.own:
        copy = folder / _SOURCE
        shutil.rmtree(copy, ignore_errors=True)
        # A copy: a build step leaves files beside the source.
        shutil.copytree(plan.root, copy, symlinks=True, ignore=_leave_out(folder))
        yield "the repository itself", [str(copy), "--no-deps", *day]


def _leave_out(folder: Path) -> Callable[[str, list[str]], set[str]]:
    """What of a repository is not copied: git's own, what this build writes, and links, which may lead out of it."""

    def ignored(place: str, names: list[str]) -> set[str]:
        paths = {name: Path(place, name) for name in names}
        return {
            name
            for name, path in paths.items()
            if name == ".git" or path.is_symlink() or path.absolute() == folder
        }

    return ignored


def _wants_what_is_installed(answer: Said) -> bool:
    """A build step that imports torch or the like, which an isolated one does not see."""
    return "No module named" in answer.err or "ModuleNotFoundError" in answer.err


def _must(answer: Said, what: str, environment: Path) -> None:
    if answer.ok:
        return
    fault = explain_failure("install", what, answer, interpreter_of(environment))
    raise MachineError(fault.detail, hint=fault.cure or "Call it again: it goes on from here.")


def _make_room(plan: Plan, folder: Path) -> None:
    names = {requirement.partition("==")[0] for requirement in plan.requirements}
    needed = _SIZES["base"] + _SIZES["package"] * len(names)
    if "torch" in names:
        with_cuda = plan.build is None or plan.build.cuda is not None
        needed += _SIZES["torch with CUDA" if with_cuda else "torch"]
    free = shutil.disk_usage(folder).free
    if free < needed:
        words = f"{free / 2**30:.1f} GiB are free at {folder}, and the environment takes about {needed / 2**30:.1f}"
        raise MachineError(words, hint="Make room, or give a folder on another disk with --out.")
