"""Where a study of Optuna lies: opened, kept alive, and its faults told with its name."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lensmith.errors import LensmithError, MachineError, UsageError

if TYPE_CHECKING:
    import optuna

BEAT, GRACE = 20, 120
"""Seconds between two signs of life of a trial, and without any until it is given up."""
_WAIT = 60
"""Seconds that a process waits while another one writes into a file of SQLite."""


def require_optuna() -> None:
    """Raise `MachineError` (exit 4) where Optuna is not installed."""
    import importlib.util

    if importlib.util.find_spec("optuna") is None:
        raise MachineError(
            "lensmith sweep needs optuna, which is not installed", hint='pip install "lensmith[sweep]"'
        )


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """A database of studies. Raises `MachineError` where it cannot be reached."""
    import optuna

    with naming_faults(hidden(url)), quiet():
        return optuna.storages.RDBStorage(
            url,
            engine_kwargs={"connect_args": {"timeout": _WAIT}} if url.startswith("sqlite") else {},
            heartbeat_interval=BEAT,
            grace_period=GRACE,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=1),
        )


@contextlib.contextmanager
def naming_faults(place: str) -> Iterator[None]:
    """What goes wrong with a storage is told with its name."""
    import optuna
    import sqlalchemy.exc

    try:
        yield
    except LensmithError:
        raise
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError, ImportError) as error:
        first = str(error.__cause__ or error).splitlines()[0]
        raise MachineError(
            f"{place}: no storage can be opened there ({first})",
            hint="It is a database URL such as mysql+pymysql://USER@HOST/NAME, and its driver a package of Python.",
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        words = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
        hint = "The server has to run, and let this account in."
        if "full" in words or "I/O" in words:
            hint = "Free some space, then start the sweep again with the same --out: what is done is kept."
        elif place.startswith("sqlite"):
            hint = "Its folder has to be there, and this account allowed to write into it."
        raise MachineError(f"{place}: the storage cannot be used ({words})", hint=hint) from error


def hidden(url: str) -> str:
    """A database URL without its password. Raises `UsageError` for what is none."""
    import sqlalchemy

    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        raise UsageError(
            "--storage is no database URL", hint="Write it like mysql+pymysql://USER:PASSWORD@HOST/NAME."
        ) from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Optuna calls what it has had for years experimental, and tells of each trial on stderr."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextlib.contextmanager
def beating(study: optuna.Study, trial: optuna.Trial) -> Iterator[None]:
    """Signs of life of a trial, by which another machine tells that it is not given up."""
    storage, over = study._storage, threading.Event()

    def beat() -> None:
        while True:
            with contextlib.suppress(Exception):  # what is wrong with the storage is told where it matters
                storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
            if over.wait(BEAT):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
