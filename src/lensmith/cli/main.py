"""Parse, run one command, turn what went wrong into words, a hint and an exit code."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated, Any

import typer

from lensmith.cli import several, show
from lensmith.cli.commands.cache import cache
from lensmith.cli.commands.calibrate import calibrate
from lensmith.cli.commands.compare import compare
from lensmith.cli.commands.doctor import doctor
from lensmith.cli.commands.env import env
from lensmith.cli.commands.evaluate import evaluate
from lensmith.cli.commands.explain import explain
from lensmith.cli.commands.export import export
from lensmith.cli.commands.inspect import inspect
from lensmith.cli.commands.pack import pack
from lensmith.cli.commands.predict import predict
from lensmith.cli.commands.report import report
from lensmith.cli.commands.reproduce import reproduce
from lensmith.cli.commands.resume import resume
from lensmith.cli.commands.sample import sample
from lensmith.cli.commands.serve import serve
from lensmith.cli.commands.shards import shards
from lensmith.cli.commands.split import split
from lensmith.cli.commands.status import status
from lensmith.cli.commands.stop import stop
from lensmith.cli.commands.sweep import sweep
from lensmith.cli.commands.tensorboard import tensorboard
from lensmith.cli.commands.train import train
from lensmith.errors import FULL, LensmithError
from lensmith.runs.recipe import Recipe

INTERRUPTED, OUR_FAULT, MACHINE, USAGE = 130, 70, 4, 2
BY_SIGNAL = 128
"""And the signal's number: 143 for SIGTERM, 129 for SIGHUP."""

_REFUSED = {
    errno.ENOSPC: "Free some space, or write to another disk.",
    errno.EDQUOT: "Free some space, or write to another disk.",
    errno.EFBIG: "A limit on the size of files stands in the way (ulimit -f).",
    errno.EROFS: "Write to another folder.",
    errno.EACCES: "This account lacks the right to it.",
    errno.EPERM: "This account lacks the right to it.",
    errno.EMFILE: "A limit on open files stands in the way (ulimit -n).",
    errno.EIO: "The disk may be failing.",
}
"""What the system refuses through no fault of ours, and what to do about it."""
_MORE_MEMORY = (
    "Close other programs, or ask for less: a smaller image_size, batch_size or model, or fewer pictures."
)

app = typer.Typer(
    name="lensmith",
    help="From labelled pictures to a model you can trust.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    doctor,
    inspect,
    split,
    train,
    resume,
    status,
    stop,
    evaluate,
    calibrate,
    compare,
    report,
    predict,
    explain,
    pack,
    export,
    serve,
    tensorboard,
    reproduce,
    sweep,
    sample,
    shards,
    cache,
):
    app.command()(command)
app.add_typer(env)


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
    """SIGTERM, or SIGHUP of a terminal that has gone, as an exception, so that what is open is closed in order."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.exit_code = BY_SIGNAL + number


def main() -> None:
    """The entry point of the `lensmith` command."""
    show.survive_narrow_encodings()
    code = run(sys.argv[1:])
    several.leave(code)
    if "triton" not in sys.modules:  # it complains of every object of its own that was not looked at
        gc.freeze()  # it all goes with the process: to look for cycles among torch's objects takes half a second
    sys.exit(code)


def run(words: list[str]) -> int:
    """Run one command line; returns its exit code. `--debug` anywhere shows tracebacks."""
    debug = "--debug" in words or bool(os.environ.get("LENSMITH_DEBUG"))
    words = [word for word in words if word != "--debug"]
    # ONNX Runtime else writes an identifier into the home folder and keeps events to send to its maker.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no second
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, _terminate)
    try:
        return _exit_code(_invoke(words))
    except (KeyboardInterrupt, typer.Abort) as stop:
        return _stopped("interrupted", stop, INTERRUPTED)
    except Terminated as stop:
        word = "terminated" if stop.number == signal.SIGTERM else "the terminal has gone"
        return _stopped(word, stop, stop.exit_code)
    except BrokenPipeError:
        # Whoever read our stdout has left (`lensmith predict ... | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except LensmithError as error:
        if not several.may_tell(error):
            return error.exit_code
        if debug:
            traceback.print_exc()
        return _expected(error, words[0])
    except Exception as error:
        return _unexpected(error, debug) if several.may_tell(error) else OUR_FAULT


def _invoke(words: list[str]) -> Any:
    """Parse and run. Typer's own way of running would end in its own words and codes, not in those above."""
    if "_LENSMITH_COMPLETE" in os.environ:
        return app(words, standalone_mode=False)  # a shell asks for completions
    command = typer.main.get_command(app)
    try:
        with command.make_context("lensmith", list(words), obj=words) as context:
            return command.invoke(context)
    except typer.Exit as end:
        return end.exit_code


def _stopped(word: str, stop: BaseException, code: int) -> int:
    if not several.is_first():
        return code
    show.say(word)
    for note in getattr(stop, "__notes__", []):
        show.say(f"  {note}")
    return code


def _exit_code(result: Any) -> int:
    return result if isinstance(result, int) else 0


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)


def _expected(error: LensmithError, command: str) -> int:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in FULL:
        show.error(error.message, _REFUSED[cause.errno])
        return MACHINE
    help_page = f"See lensmith {command} --help." if error.exit_code == USAGE else ""
    show.error(error.message, error.hint or help_page)
    return error.exit_code


def _unexpected(error: Exception, debug: bool) -> int:
    """A word that the parser refused, something that the system refused, or a fault of ours."""
    message = getattr(error, "format_message", None)
    if message is not None:
        if type(error).__name__ == "NoArgsIsHelpError":
            show.say(message())
        else:
            show.error(_lower_first(message()), _parser_hint(error))
        return USAGE
    if debug:
        traceback.print_exc()
    if isinstance(error, OSError) and error.errno in _REFUSED:
        name = f"{error.filename}: " if error.filename else ""
        show.error(f"{name}{_lower_first(error.strerror or str(error))}", _REFUSED[error.errno])
        return MACHINE
    if _is_out_of_memory(error):
        show.error(f"the memory is not enough ({_first_line(error)})", _MORE_MEMORY)
        return MACHINE
    show.error(
        f"{several.place_of(error)}{type(error).__name__}: {error}",
        "This is a fault of lensmith. The same command with --debug shows where; please report it.",
    )
    return OUR_FAULT


def _is_out_of_memory(error: Exception) -> bool:
    """Told by its name and words: to know torch's own class, torch would have to be imported."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _parser_hint(error: Exception) -> str:
    command = getattr(getattr(error, "ctx", None), "command_path", "lensmith")
    name = getattr(error, "option_name", "").lstrip("-").replace("-", "_")
    if command == "lensmith train" and name in Recipe.__dataclass_fields__:
        return f"{name} is a recipe field: write {name}=VALUE."
    return f"See {command} --help."


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")
