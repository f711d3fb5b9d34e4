"""One of several processes that torchrun has started: which of them talks. Loads nothing where there is but one."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from lensmith.machine.processes import Processes


def are() -> bool:
    """Whether torchrun has started this process beside others."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


def is_first() -> bool:
    """Whether this process is the one that shows what is found."""
    return not are() or os.environ.get("RANK", "0") == "0"


def may_tell(error: BaseException) -> bool:
    """Whether this process is the one to say what went wrong: of the same error of all, one speaks."""
    if not are():
        return True
    from lensmith.machine.processes import may_tell

    try:
        return may_tell(error)
    except BaseException:  # a signal: torchrun ends all, since another one has failed and said why
        return False


def place_of(error: BaseException) -> str:
    """Which process it was, and in which line of which file; "" where there is but one."""
    if not are():
        return ""
    rank, count = int(os.environ.get("RANK", "0")), os.environ["WORLD_SIZE"]
    frames = traceback.extract_tb(error.__traceback__)
    where = f", {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"process {rank + 1} of {count}{where}: "


def leave(code: int) -> None:
    """Part from the others in order, where all went well; else the end of this process ends their waiting."""
    if are() and code == 0:
        from lensmith.machine.processes import leave_processes

        leave_processes()


def join() -> Processes:
    """Meet the others, where there are any, and divide the host's threads with those on it; alone without them."""
    from lensmith.machine.processes import ALONE, join_processes

    if not are():
        return ALONE
    import torch

    from lensmith.machine.limits import compute_threads

    torch.set_num_threads(compute_threads())
    return join_processes()


def end_unless_first() -> None:
    """Only the first has something to show."""
    if not is_first():
        raise typer.Exit


def start(count: int | None, *, dry_run: bool = False) -> None:
    """Where several processes are asked for and torchrun has started none: let it start them with this very command,
    and end as they do. Returns where there is nothing to start. A dry run is made by one of them."""
    if dry_run:
        end_unless_first()
        return
    if (count or 1) == 1 or "TORCHELASTIC_RUN_ID" in os.environ or are():
        return
    from lensmith.machine.launching import launch

    raise typer.Exit(launch([sys.executable, "-m", "lensmith", *sys.argv[1:]], count or 1))
