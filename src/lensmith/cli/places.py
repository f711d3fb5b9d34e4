"""Places that a person named to be written to."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lensmith.errors import UsageError

_NOT_THE_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE)


@contextmanager
def writing_to(place: Path, word: str) -> Iterator[None]:
    """Raise `UsageError` where `place` cannot be written; `word` is the argument that names it.

    What another place on the same disk would not mend is passed on.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NOT_THE_PLACE:
            raise
        raise UsageError(
            f"{place}: cannot be written ({error.strerror or error})", hint=f"Give another {word}."
        ) from error
