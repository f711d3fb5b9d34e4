"""The errors that lensmith raises, and the exit code that each becomes on the command line.

    LensmithError        70   a fault of ours, or the parent of the ones below
    ├── AnswerIsNo        1   the question was answered, and the answer is no (doctor, inspect, parity)
    ├── UsageError        2   a word, option or argument that cannot be used
    ├── DataError         3   the pictures, labels or tables
    │   └── PictureError  3   one picture that cannot be read; `reason` is the part after its name
    ├── MachineError      4   this machine or its packages
    │   └── ProcessLost   4   one of several processes is gone; another may know why
    └── ModelFileError    5   a bundle, a weights file, a run directory

An error names the thing and its value; `hint` says what to do next. Besides them, 130 is Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import errno

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What no other name for a file would mend."""
REFUSALS = (*FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.EIO)
"""What the system refuses through no fault of ours."""


class LensmithError(Exception):
    """Something went wrong that has a name, and usually a next step."""

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class AnswerIsNo(LensmithError):
    """The check ran, and what it checked does not hold."""

    exit_code = 1


class UsageError(LensmithError):
    """A word, option or argument that cannot be used as given."""

    exit_code = 2


class DataError(LensmithError):
    """Pictures, labels or tables that cannot be used as they are."""

    exit_code = 3


class PictureError(DataError):
    """One picture that cannot be read."""

    def __init__(self, name: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{name}: {reason}", hint=hint)
        self.name = name
        self.reason = reason


class MachineError(LensmithError):
    """Something that this machine or its Python lacks."""

    exit_code = 4


class ProcessLost(MachineError):
    """One of several processes that work together is gone. Another one may know why."""


class ModelFileError(LensmithError):
    """A bundle, a weights file or a run directory that cannot be used."""

    exit_code = 5


def exit_code_of(stop: BaseException) -> int:
    """The exit code that an exception becomes when it ends a program."""
    if isinstance(stop, KeyboardInterrupt | GeneratorExit):
        return 130
    refused = stop.__cause__ if isinstance(stop, LensmithError) else None
    if isinstance(refused, OSError) and refused.errno in FULL:
        return MachineError.exit_code
    if isinstance(stop, OSError) and stop.errno in REFUSALS:
        return MachineError.exit_code
    code = getattr(stop, "exit_code", LensmithError.exit_code)
    return code if isinstance(code, int) else LensmithError.exit_code
