"""`lensmith report`."""

from __future__ import annotations

from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.cli.progress import follow
from lensmith.errors import ModelFileError


def report(
    run: Annotated[str, typer.Argument(help="A run, or last.", metavar="RUN")],
    full: Annotated[
        bool, typer.Option("--full", help="Make the studies that training had no time for, first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """The page of a run, written anew; --full adds what takes longer.

    Examples:

    \b
      lensmith report last
      lensmith report runs/photos-001 --full
    """
    from lensmith.evaluation.report import report_from
    from lensmith.report.page import write_page
    from lensmith.runs.directory import find_run
    from lensmith.runs.files import read_json

    directory = find_run(run)
    if not directory.report_file.exists():
        raise ModelFileError(f"{directory.path}: this run was not measured, so there is nothing to report")
    found = report_from(read_json(directory.report_file), str(directory.report_file))
    known = set(found.studies)
    if full:
        from lensmith.cli.torch import require_torch, spare_the_compiler

        require_torch("report --full")
        spare_the_compiler()
        from lensmith.studies.studied import study
        from lensmith.studies.subject import find_subject

        found = follow(study(find_subject(directory)))
    write_page(directory)
    if as_json:
        show.data(found.as_dict())
    else:
        show.line(found.verdict())
        for name, facts in found.studies.items():
            if name in known and "verdict" in facts:  # the others were told as they were made
                show.entry("study", facts["verdict"])
        for name, why in found.studies.get("left_out", {}).items():
            show.entry("left out", f"{name.replace('_', ' ')}: {why}")
    show.say(f"{directory.page_file}")
