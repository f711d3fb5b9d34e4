"""`lensmith reproduce`."""

from __future__ import annotations

from datetime import date as Date
from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.cli.wish import STEPS, TIME_LIMIT, Wish
from lensmith.errors import UsageError


def reproduce(
    repository: Annotated[
        str,
        typer.Argument(help="A folder, a git URL, or a run of lensmith.", metavar="REPO", show_default=False),
    ],
    to: Annotated[str, typer.Option(help="The last step: read, plan, build or run.")] = "plan",
    command: Annotated[str | None, typer.Option(help="What to run [the README's].")] = None,
    claim: Annotated[
        str | None, typer.Option(help="accuracy=0.948, error=5.2%@10000, or one found: README.md:12.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder for it all [reproductions/NAME-001].")] = None,
    python: Annotated[str | None, typer.Option(help="The Python to plan with, such as 3.9.")] = None,
    date: Annotated[str | None, typer.Option(help="Packages as of this day [of the last commit].")] = None,
    time_limit: Annotated[str, typer.Option(help="For run: 90s, 30m, 2h.")] = TIME_LIMIT,
    memory_limit: Annotated[str | None, typer.Option(help="For run: 8G, 500M [3/4 of it].")] = None,
    network: Annotated[bool, typer.Option("--network", help="For run: leave the network open.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="The yes to running foreign code.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Somebody's repository: read it, plan and build its environment, run it, compare with what it claims.

    Reading and planning run and import nothing of it. Building installs packages into a folder of its own. Running is
    asked for by name, and runs foreign code with your rights.

    Examples:

    \b
      lensmith reproduce https://github.com/someone/paper
      lensmith reproduce paper/ --to run --claim accuracy=94.8%
      lensmith reproduce runs/photos-001 --to run
    """
    from lensmith.cli.repeating import reproduce_run
    from lensmith.cli.reproducing import reproduce_repository
    from lensmith.repositories.paper import pages_of_paper
    from lensmith.reproduction.of_run import run_named
    from lensmith.reproduction.sandbox import parse_limits

    if to not in STEPS:
        raise UsageError(f"--to {to} is no step", hint=f"The steps are {', '.join(STEPS)}.")
    wish = Wish(
        repository,
        STEPS.index(to),
        command,
        claim,
        out,
        python,
        _day(date),
        time_limit,
        memory_limit,
        parse_limits(time_limit, memory_limit, network),
        yes,
        as_json,
    )
    pages = None if Path(repository).exists() else pages_of_paper(repository)
    if pages is not None:
        return _print_pages(repository, pages, as_json)
    run = run_named(repository)
    return reproduce_repository(wish) if run is None else reproduce_run(wish, run)


def _day(text: str | None) -> Date | None:
    if text is None:
        return None
    try:
        return Date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--date {text} is no day ({error})", hint="Write it like 2021-03-04.") from None


def _print_pages(paper: str, pages: list[tuple[str, str]], as_json: bool) -> int:
    if as_json:
        show.data(
            {"paper": paper, "pages": [{"address": address, "look_for": words} for address, words in pages]}
        )
        return 0
    show.line(f"{paper} is a paper. Nothing was downloaded; where its code may be linked:")
    for address, words in pages:
        show.line(f"  {address}")
        show.line(f"      {words}")
    show.line("next  lensmith reproduce GIT-URL, with the repository that you find there")
    return 0
