"""A Ray cluster that already runs, or one of this machine alone; joined in silence and left without a trace."""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import logging
import os
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lensmith.errors import LensmithError, MachineError, UsageError
from lensmith.machine.limits import cores

LOCAL, AUTO = "local", "auto"
_ANSWER = 5.0
"""Seconds in which the head of a cluster has to say that it speaks its protocol."""
_JOIN, _START = 30.0, 120.0
"""Seconds to join a cluster, or to start one on a machine that may be busy."""
_STORE = 256 << 20
"""Bytes of shared memory for a cluster of this machine: names of pictures, and answers on their way."""
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = 4
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # else a cluster that is begun here reports to its makers
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of what it will do one day
}


@contextlib.contextmanager
def joined(address: str) -> Iterator[Any]:
    """The module `ray`, connected to a cluster: `auto`, `HOST:PORT`, or `local` for this machine's cores.

    A process that is connected already stays so, whatever the address. Raises `MachineError` where Ray is not
    installed or no cluster answers, within seconds.
    """
    require_ray()
    check_address(address)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_variables(_QUIET))
        import ray
        import ray.data

        if not ray.is_initialized():
            stack.enter_context(_quiet_data_log())
            if address == LOCAL:
                _begin_here(ray, stack)
            else:
                _join(ray, stack, address)
        yield ray


def require_ray() -> None:
    """Raise `MachineError` where Ray Data is not installed."""
    for name in ("ray", "pyarrow", "pandas"):
        if importlib.util.find_spec(name) is None:
            raise MachineError(
                f"predicting on a cluster needs {name}, which is not installed",
                hint='pip install "lensmith[ray]", on each machine of the cluster.',
            )


def check_address(address: str) -> None:
    """Raises `UsageError` where no cluster can be called that."""
    if address in (LOCAL, AUTO):
        return
    if "://" in address:
        raise UsageError(
            f"{address}: a client's address, through which Ray Data does not run well",
            hint="Run this on a machine of the cluster: --ray auto, or ray job submit -- lensmith predict ...",
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UsageError(
            f"{address}: no address of a Ray cluster",
            hint="Write auto, local or HOST:PORT, such as 10.0.0.1:6379.",
        )


def _begin_here(ray: Any, stack: contextlib.ExitStack) -> None:
    """A cluster of one machine, in a folder of its own, with a password that no other knows."""
    # The paths of sockets in it may have about 100 letters; the folder that macOS names for such things has 50.
    short = "/tmp" if Path("/tmp").is_dir() else None
    place = tempfile.mkdtemp(prefix="lensmith-ray-", dir=short)
    stack.callback(shutil.rmtree, place, ignore_errors=True)
    # Of what did not start, some goes on writing until Ray ends it, which it does before what was registered earlier.
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    # Without one it would make a password and keep it in the home folder.
    stack.enter_context(_variables({"RAY_AUTH_TOKEN": _password()}, besides=["RAY_AUTH_MODE"]))
    failed = _connected(
        ray,
        stack,
        _START,
        address=LOCAL,
        num_cpus=cores(),
        num_gpus=0,
        object_store_memory=_STORE,
        include_dashboard=False,
        _temp_dir=place,
    )
    if failed is not None:
        raise MachineError(
            f"Ray cannot be started here ({_first_line(failed)})",
            hint="Try again when the machine is less busy.",
        ) from failed


@functools.cache
def _password() -> str:
    """One for this process: Ray reads it once."""
    return secrets.token_hex(32)


_SILENT: dict[str, Any] = {
    "log_to_driver": False,
    "logging_level": logging.ERROR,
    "configure_logging": False,
}


def _join(ray: Any, stack: contextlib.ExitStack, address: str) -> None:
    if address != AUTO:
        _ask_protocol(address)
    failed = _connected(ray, stack, _JOIN, address=address)
    if failed is not None:
        raise _unreachable(address, _first_line(failed)) from failed


def _connected(ray: Any, stack: contextlib.ExitStack, seconds: float, **how: Any) -> BaseException | None:
    """Call `ray.init`, which may wait for minutes or for ever; what it raised, or that it took too long.

    In a thread that can be left behind; and that lives on, since what it starts ends with it.
    """
    failed: list[BaseException] = []
    called, leave = threading.Event(), threading.Event()

    def connect() -> None:
        try:
            ray.init(**how, **_SILENT)
        except BaseException as error:  # whatever it is: it raises even plain ones
            failed.append(error)
        called.set()
        leave.wait()

    with _no_stderr():
        threading.Thread(target=connect, daemon=True).start()
        in_time = called.wait(seconds)
    stack.callback(leave.set)
    if not in_time:
        atexit.unregister(ray.shutdown)  # it would wait for the thread
        return TimeoutError(f"no answer within {seconds:g} s")
    if not failed:
        stack.callback(ray.shutdown)
    return failed[0] if failed else None


def _ask_protocol(address: str) -> None:
    """Raise `MachineError` where nobody speaks HTTP/2, as the head of a cluster does."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER) as connection:
            connection.sendall(_PREFACE)
            frame = connection.recv(9, socket.MSG_WAITALL)
    except OSError as error:
        raise _unreachable(address, error.strerror or str(error)) from error
    if len(frame) < 9 or frame[3] != _SETTINGS:
        raise _unreachable(address, "what answers there is no Ray cluster")


def _unreachable(address: str, reason: str) -> MachineError:
    return MachineError(
        f"no Ray cluster can be reached at {address} ({reason})",
        hint="Begin one with ray start --head, run this on one of its machines, or use --ray local.",
    )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")


@contextlib.contextmanager
def faults_in_words(ray: Any) -> Iterator[None]:
    """What a worker raised is raised here as it was; what Ray raises becomes a `MachineError`."""
    try:
        yield
    except ray.exceptions.RayError as error:
        causes = list(_causes(error))
        ours = next((cause for cause in causes if isinstance(cause, LensmithError)), None)
        if ours is not None:
            raise ours from error
        if missing := _missing_package(str(error)):
            raise MachineError(
                f"a machine of the cluster lacks {missing}",
                hint='pip install "lensmith[ray]", the same version on each machine of the cluster.',
            ) from error
        raise MachineError(
            f"the cluster gave up ({type(causes[-1]).__name__}: {_first_line(causes[-1])})",
            hint="What is answered is kept; the same command goes on from there.",
        ) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """It, and what led to it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        inner = getattr(cause, "cause", None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__


def _missing_package(words: str) -> str:
    _, found, rest = words.partition("ModuleNotFoundError: No module named '")
    return rest.partition("'")[0] if found else ""


@contextlib.contextmanager
def _variables(wanted: Mapping[str, str], besides: Sequence[str] = ()) -> Iterator[None]:
    """Variables for what is started meanwhile, unless the user has set them. besides: those that Ray sets."""
    new = [name for name in (*wanted, *besides) if name not in os.environ]
    os.environ.update({name: wanted[name] for name in new if name in wanted})
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _quiet_data_log() -> Iterator[None]:
    """Ray Data tells the console each step of a job."""
    handlers = [
        handler
        for handler in logging.getLogger("ray.data").handlers
        if isinstance(handler, logging.StreamHandler)
    ]
    levels = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for handler, level in zip(handlers, levels, strict=True):
            handler.setLevel(level)


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    """Ray's compiled part writes a line to stderr about each variable that keeps it from writing there."""
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
