"""Where a run stands, as a person reads it."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from lensmith.cli import show
from lensmith.runs.standing import Standing, read_standing
from lensmith.types import Event

_PAUSE = 0.5
_STAGE = 10
_NO_FIGURES = ("index", "lr", "seconds", "steps")
"""What a line of the metrics holds besides figures."""


def show_standing(standing: Standing) -> None:
    """On stdout: the state, how far it is, the newest figures, who works on it, what can be done."""
    for stage, words in _rows(standing):
        show.line(f"{stage:>{_STAGE}}  {words}")


def watch_standing(standing: Standing) -> Standing:
    """Show what the run says, and how far it is, until it ends. To interrupt this ends nothing else."""
    log: BinaryIO | None = None
    stage = ""
    try:
        with ExitStack() as opened:
            while True:
                if log is not None:
                    show.repeat(log)
                elif standing.run.output_file.exists():
                    log = opened.enter_context(_last_lines(standing))
                if standing.state != "running":
                    return dataclasses.replace(standing, lines=[])
                event = _event(standing.progress)
                if log is None and event.stage != stage:
                    show.entry(event.stage, "begins")
                stage = event.stage
                if event.done < event.total:
                    show.Progress.show(event)
                time.sleep(_PAUSE)
                standing = read_standing(standing.run)
    except KeyboardInterrupt as stop:
        stop.add_note(f"the run goes on; to end it: lensmith stop {_short(standing)}")
        raise
    finally:
        show.Progress.clear()


def _last_lines(standing: Standing) -> BinaryIO:
    """The log, its last lines said, open where they end."""
    log = standing.run.output_file.open("rb")
    for row in log.read().splitlines()[-len(standing.lines) or None :]:
        show.say(row.decode("utf-8", errors="replace").rstrip())
    return log


def _short(standing: Standing) -> str:
    """The run's directory, from here where it lies below, as words of a command line."""
    path = standing.run.path
    with contextlib.suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))


def _event(progress: dict[str, Any]) -> Event:
    """The bar of what was reached."""
    step, steps = _whole(progress.get("step")), _whole(progress.get("steps"))
    left = progress.get("left")
    words = "steps" + (f", about {_time(left)} left" if isinstance(left, int | float) else "")
    return Event(str(progress.get("stage", "")), words, step, steps)


def _rows(standing: Standing) -> Iterator[tuple[str, str]]:
    path = _short(standing)
    yield "run", f"{path}: {_state(standing)}"
    if standing.progress:
        yield "reached", _reached(standing)
    if standing.figures:
        named = {k: v for k, v in standing.figures.items() if k not in _NO_FIGURES}
        shown = [f"{name.replace('_', ' ')} {v:.4f}" for name, v in named.items() if _is_number(v)]
        yield "figures", f"epoch {standing.figures.get('index')}: {', '.join(shown)}"
    if standing.checkpoint is not None:
        kept = standing.checkpoint
        yield "checkpoint", f"step {kept['step']:,}" + (f", epoch {kept['epoch']}" if kept["epoch"] else "")
    if standing.holder is not None:
        yield "held by", f"{standing.holder}{'' if standing.alive is not False else ', which is gone'}"
    stage = "log"
    for line in standing.lines:
        yield stage, line
        stage = ""
    stage = "you can"
    for words in _next_steps(standing):
        yield stage, words
        stage = ""


def _state(standing: Standing) -> str:
    if standing.state == "running" and standing.alive is None:
        return "running, as far as can be told from here: its process is of another machine or container"
    if standing.state == "killed":
        return "killed: its process is gone without a word (SIGKILL, too little memory, a power cut)"
    error = standing.progress.get("error")
    words = f"{standing.state}: {error}" if error else standing.state
    if standing.state == "crashed" and standing.run.crash_file.exists():
        words += f" ({standing.run.crash_file})"
    return words


def _reached(standing: Standing) -> str:
    told = standing.progress
    words = []
    if standing.state == "running" or not _whole(told.get("steps")):
        words.append(str(told.get("stage") or "it begins"))
    if _whole(told.get("steps")):
        words.append(f"epoch {_whole(told.get('epoch')):,} of {math.ceil(_number(told.get('epochs'))):,}")
        words.append(f"step {_whole(told.get('step')):,} of {_whole(told.get('steps')):,}")
    words.append(f"{_time(_number(told.get('seconds')))} spent")
    if standing.state == "running" and _is_number(told.get("left")):
        words.append(f"about {_time(told['left'])} of training left")
    return ", ".join(words)


def _next_steps(standing: Standing) -> Iterator[str]:
    path = _short(standing)
    if standing.state == "running":
        yield f"lensmith status {path} --follow"
        yield f"lensmith stop {path}"
    elif standing.resumes_from is not None:
        place = f"step {standing.resumes_from:,}" if standing.resumes_from else "its beginning"
        yield f"lensmith resume {path}  # from {place}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _number(value: Any) -> float:
    return float(value) if _is_number(value) else 0.0


def _whole(value: Any) -> int:
    return int(_number(value))
