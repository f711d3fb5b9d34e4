"""`lensmith serve`."""

from __future__ import annotations

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
) -> None:
    """Answer pictures over HTTP."""
    try:
        import lensmith.server.run as server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("fastapi", "starlette", "uvicorn"):
            raise
        raise MachineError(f"serving needs {error.name}", hint='pip install "lensmith[serve]"') from error
    from lensmith.bundle.bundle import load_model

    def say_ready(url: str) -> None:
        show.say(f"serving {run} at {url} (stop with Ctrl-C)")
        show.say(f"try: curl {_header(token)}--data-binary @picture.jpg {url}/v1/predict")

    server.serve(load_model(run), host, port, token, on_ready=say_ready)
    show.say("stopped")


def _header(token: str | None) -> str:
    # The token itself belongs on no screen and in no log.
    return '-H "Authorization: Bearer $LENSMITH_TOKEN" ' if token else ""
