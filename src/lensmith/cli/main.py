"""Parse, run one command, turn what went wrong into words, a hint and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from types import FrameType
from typing import Annotated, Any

import typer

from lensmith.cli import show
from lensmith.cli.commands.cache import cache
from lensmith.cli.commands.doctor import doctor
from lensmith.cli.commands.evaluate import evaluate
from lensmith.cli.commands.export import export
from lensmith.cli.commands.inspect import inspect
from lensmith.cli.commands.predict import predict
from lensmith.cli.commands.sample import sample
from lensmith.cli.commands.serve import serve
from lensmith.cli.commands.train import train
from lensmith.errors import LensmithError

BEGAN = time.time()
"""About when the process began: the cold clock starts here."""

INTERRUPTED, TERMINATED, OUR_FAULT, USAGE = 130, 143, 70, 2

app = typer.Typer(
    name="lensmith",
    help="From labelled pictures to a model you can trust.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (doctor, inspect, train, evaluate, predict, export, serve, sample, cache):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        show.line(f"lensmith {version('lensmith')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From labelled pictures to a model you can trust."""


class Terminated(BaseException):
    """SIGTERM, as an exception, so that what is open is closed in order."""


def main() -> None:
    """The entry point of the `lensmith` command."""
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run one command line; returns its exit code. `--debug` anywhere shows tracebacks."""
    debug = "--debug" in words or bool(os.environ.get("LENSMITH_DEBUG"))
    words = [word for word in words if word != "--debug"]
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return _exit_code(app(words, standalone_mode=False))
    except KeyboardInterrupt:
        show.say("interrupted")
        return INTERRUPTED
    except Terminated:
        show.say("terminated")
        return TERMINATED
    except BrokenPipeError:
        # Whoever read our stdout has left (`lensmith predict ... | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except LensmithError as error:
        if debug:
            traceback.print_exc()
        show.error(error.message, error.hint)
        return error.exit_code
    except Exception as error:
        return _unexpected(error, debug)


def _exit_code(result: Any) -> int:
    return result if isinstance(result, int) else 0


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _unexpected(error: Exception, debug: bool) -> int:
    """A word that the parser refused, or a fault of ours."""
    message = getattr(error, "format_message", None)
    if message is not None:
        show.error(_lower_first(message()), _parser_hint(error))
        return USAGE
    if debug:
        traceback.print_exc()
    show.error(
        f"{type(error).__name__}: {error}",
        "This is a fault of lensmith. The same command with --debug shows where; please report it.",
    )
    return OUR_FAULT


def _parser_hint(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"See {getattr(context, 'command_path', 'lensmith')} --help."


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")
