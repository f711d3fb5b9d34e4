"""Objects out of somebody's own Python file, named `file.py:name`."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lensmith.errors import UsageError


def is_in_file(word: str) -> bool:
    """Whether a word names an object in a file."""
    return ".py:" in word


def read_object(word: str, field: str) -> Any:
    """The object that `file.py:name` names; the file is run. `field` is what it is for, in the messages.

    Raises `UsageError` where there is no such file or name, and for what the file raises.
    """
    path, _, name = word.rpartition(":")
    if not Path(path).is_file():
        raise UsageError(f"{field}={word}: there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"lensmith_own_{Path(path).stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{field}={word}: {path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for their module there
    with naming_faults(f"{field}={word}", path):
        spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if found is None:
        made = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise UsageError(
            f"{field}={word}: {path} has no {name}", hint=f"It has {', '.join(made) or 'nothing to call'}."
        )
    return found


@contextlib.contextmanager
def naming_faults(field: str, what: str, hint: str = "") -> Iterator[None]:
    """What the user's own code raises is told with the place where it was asked for."""
    try:
        yield
    except Exception as error:
        raise UsageError(f"{field}: {what} failed ({type(error).__name__}: {error})", hint=hint) from error
