"""Writing a file that the user named and that is not there yet."""

from __future__ import annotations

from pathlib import Path

from lensmith.errors import UsageError


def write_new(file: Path, text: str) -> None:
    """Nothing is overwritten; UsageError where it cannot be written."""
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError as error:
        raise UsageError(
            f"{file} cannot be written: it already exists", hint="Give the name of a new file, or remove it."
        ) from error
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written ({error.strerror})", hint="Give the name of a new file."
        ) from error
