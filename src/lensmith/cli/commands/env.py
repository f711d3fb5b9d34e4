"""`lensmith env plan | export | check | kernel`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.environments.described import describe_machine
from lensmith.environments.installing import environment_yml, install_commands
from lensmith.environments.proposal import Proposal, parts, propose_environment
from lensmith.errors import UsageError
from lensmith.machine.facts import read_machine

env = typer.Typer(
    name="env",
    help="The right torch for a machine; environments as files that load elsewhere.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@env.command()
def plan(
    words: Annotated[
        list[str] | None,
        typer.Argument(help='"RTX 5090, driver 570, Python 3.11" torch==2.7.1; this machine if nothing.'),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write environment.yml here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Which torch, torchvision and torchaudio run on a machine, and the commands for conda, pip and uv."""
    described = describe_machine(" ".join(words or []), read_machine())
    proposal = propose_environment(described)
    if proposal.build and out:
        _write_new(out, environment_yml(proposal))
    if as_json:
        made = {"commands": install_commands(proposal), "environment_yml": environment_yml(proposal)}
        show.data({**proposal.as_dict(), **(made if proposal.build else {})})
    elif proposal.build:
        _show_plan(proposal, out)
    else:
        _show_refusal(proposal)
    return 0 if proposal.build else 1


def _show_plan(proposal: Proposal, out: Path | None) -> None:
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


def _write_new(file: Path, text: str) -> None:
    """Write a file that is not there yet."""
    if file.exists():
        raise UsageError(f"{file} already exists", hint="Give another name with --out, or remove it.")
    file.write_text(text, encoding="utf-8")
