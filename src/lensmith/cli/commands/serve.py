"""`lensmith serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.errors import MachineError


def serve(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, a bundle, or 'last'.")],
    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine with a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8000,
    token: Annotated[
        str | None, typer.Option(help="What callers must send as a bearer token.", envvar="LENSMITH_TOKEN")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log no requests, only what goes wrong.")] = False,
    feedback: Annotated[
        Path | None,
        typer.Option(help="Keep pictures that the page's users mark as wrong here.", metavar="DIR"),
    ] = None,
) -> None:
    """Answer pictures over HTTP, and by a page.

    Examples:

    \b
      lensmith serve last
      lensmith serve last --feedback wrong/    # train takes that folder as it is
    """
    try:
        import lensmith.server.run as server
        from lensmith.server.page import PageOptions, report_beside
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in (
            "fastapi",
            "prometheus_client",
            "starlette",
            "uvicorn",
        ):
            raise
        raise MachineError(f"serving needs {error.name}", hint='pip install "lensmith[serve]"') from error
    from lensmith.bundle.bundle import load_model
    from lensmith.machine.remote import ways_to
    from lensmith.server.log_lines import json_lines
    from lensmith.server.replacement import Source

    def say_ready(url: str) -> None:
        show.say(f"serving {run} at {url} (stop with Ctrl-C)")
        show.say(f"try: curl {_header(token)}--data-binary @picture.jpg {url}/v1/predict")
        for line in ways_to(url, os.environ):
            show.say(line)

    bundle = load_model(run)
    source = Source(bundle.path, load_model) if bundle.path else None
    page = PageOptions(report_beside(bundle.path), feedback)
    with json_lines(sys.stderr, requests=not quiet):
        server.serve(bundle, host, port, token, source=source, on_ready=say_ready, page=page)
    show.say("stopped")


def _header(token: str | None) -> str:
    # The token itself belongs on no screen and in no log.
    return '-H "Authorization: Bearer $LENSMITH_TOKEN" ' if token else ""
