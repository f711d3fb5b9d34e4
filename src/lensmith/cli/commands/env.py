"""`lensmith env plan | export | check | kernel`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lensmith.cli import show
from lensmith.errors import MachineError, UsageError

if TYPE_CHECKING:
    from lensmith.environments.proposal import Proposal

env = typer.Typer(
    name="env",
    help="The right torch for a machine; environments as files that load elsewhere.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_LOADED_BY = {"requirements": "pip install -r", "conda": "conda env create -f", "lock": "uv pip install -r"}


@env.command()
def plan(
    words: Annotated[
        list[str] | None,
        typer.Argument(help='"RTX 5090, driver 570, Python 3.11" torch==2.7.1; this machine if nothing.'),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write environment.yml here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Which torch, torchvision and torchaudio run on a machine, and the commands for conda, pip and uv."""
    from lensmith.cli.new_file import write_new
    from lensmith.environments.described import describe_machine
    from lensmith.environments.installing import environment_yml, install_commands
    from lensmith.environments.proposal import propose_environment
    from lensmith.machine.facts import read_machine

    described = describe_machine(" ".join(words or []), read_machine)
    proposal = propose_environment(described)
    if proposal.build and out:
        write_new(out, environment_yml(proposal))
    if as_json:
        made = {"commands": install_commands(proposal), "environment_yml": environment_yml(proposal)}
        show.data({**proposal.as_dict(), **(made if proposal.build else {})})
    elif proposal.build:
        _show_plan(proposal, out)
    else:
        _show_refusal(proposal)
    return 0 if proposal.build else 1


@env.command()
def export(
    run: Annotated[str | None, typer.Argument(help="A run, or last; this environment if nothing.")] = None,
    form: Annotated[str, typer.Option("--to", help=f"{', '.join(_LOADED_BY)}.")] = "requirements",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it here; stdout if nothing.")] = None,
    hashes: Annotated[bool, typer.Option(help="Hashes of the wheels, asked of the package index.")] = True,
) -> int:
    """What a run used, as requirements.txt, environment.yml or pylock.toml."""
    from lensmith.cli.new_file import write_new
    from lensmith.environments.locks import export_environment
    from lensmith.environments.used import read_used
    from lensmith.runs.directory import find_run

    if form not in _LOADED_BY:
        raise UsageError(f"--to {form}: no such form", hint=f"One of: {', '.join(_LOADED_BY)}.")
    exported = export_environment(read_used(find_run(run) if run else None), form, hashed=hashes)
    for note in exported.notes:
        show.say(f"note: {note}")
    if out is None:
        show.line(exported.text.rstrip("\n"))
        return 0
    write_new(out, exported.text)
    show.say(f"{out}: {_LOADED_BY[form]} {out}")
    return 0


@env.command()
def check(
    run: Annotated[str, typer.Argument(help="A run, or last.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """What differs here from what a run used, and whether it matters; exit 1 if it does."""
    from lensmith.environments.consequences import find_consequences, verdict_of
    from lensmith.machine.facts import read_machine
    from lensmith.runs.directory import find_run

    found = find_consequences(find_run(run), read_machine())
    level, words = verdict_of(found)
    if as_json:
        told = [one.as_dict() for one in found]
        show.data({"run": run, "verdict": level, "words": words, "differences": told})
    else:
        for one in found:
            show.line(f"{one.level:<8} {one.name}: {one.there} there, {one.here or 'none'} here; {one.why}")
        show.line(f"{run}: {words}")
    return 0 if level == "nothing" else 1


@env.command()
def kernel(
    name: Annotated[str | None, typer.Argument(help="Its name; that of the environment if nothing.")] = None,
    prefix: Annotated[
        Path | None, typer.Option(help="Write under this folder, not under the user's.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Replace another environment's kernel.")] = False,
) -> int:
    """Register a Jupyter kernel for this interpreter."""
    from lensmith.diagnosis.cures import install
    from lensmith.diagnosis.quoting import paste
    from lensmith.environments.kernels import find_kernel, write_kernel
    from lensmith.machine.facts import read_machine

    found = find_kernel(name, prefix)
    if found.is_anothers and not yes and not _may_replace(f"{found.folder} starts {found.owner}"):
        raise UsageError(
            f"{found.folder} is the kernel of another interpreter, {found.owner}",
            hint="Give another name, or --yes to replace it.",
        )
    try:
        file = write_kernel(found)
    except MachineError as error:
        raise MachineError(
            error.message, hint=f"Install it: {paste(install(read_machine(), 'ipykernel'))}"
        ) from error
    show.line(str(file))
    show.say(f"Remove it: jupyter kernelspec uninstall {found.name}, or remove the folder {found.folder}")
    return 0


def _may_replace(words: str) -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        return typer.confirm(f"{words}. Replace it?", err=True)
    except typer.Abort:
        return False


def _show_plan(proposal: Proposal, out: Path | None) -> None:
    from lensmith.environments.installing import environment_yml, install_commands
    from lensmith.environments.proposal import parts

    build = proposal.build
    assert build is not None
    found = parts(build, proposal.python)
    names = ", ".join(f"{name} {version.removeprefix('==')}" for name, version in found.items() if version)
    show.line(f"{names}, on Python {proposal.python}")
    for reason in proposal.reasons:
        show.line(f"  {reason}")
    for caveat in proposal.caveats:
        show.line(f"note: {caveat}")
    for manager, lines in install_commands(proposal).items():
        if proposal.described.manager in ("", manager):
            show.line(f"\n{manager}")
            for line in lines:
                show.line(f"  {line}")
    if out:
        show.line(f"\nconda env create -f {out}")
    elif proposal.described.manager in ("", "conda"):
        show.line("\nenvironment.yml")
        for line in environment_yml(proposal).splitlines():
            show.line(f"  {line}")


def _show_refusal(proposal: Proposal) -> None:
    asked = f"torch{proposal.described.torch}" if proposal.described.torch else "torch"
    show.line(f"No {asked} that is known here runs there, with Python {proposal.python}.")
    for reason in proposal.refused:
        show.line(f"  {reason}")
    for note in proposal.described.notes:
        show.line(f"note: {note}")
    if proposal.nearest:
        show.line("\nNearest:")
        for one in proposal.nearest:
            show.line(f"  {one}")
