"""Beginnings of a command line that take something away from the process: rights, a home, the right to write."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest


def without_root_s_rights() -> list[str]:
    """An account that may open only what the modes of files let it."""
    if sys.platform == "win32":
        pytest.skip("rights work otherwise there")
    if os.geteuid():
        return []
    return _tried("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")


def without_a_home() -> list[str]:
    """An account that the system does not know, with no variables but a path, and letters of ASCII alone."""
    words = ["unshare", "--user", "--map-user=12345", "env", "-i", f"PATH={os.environ['PATH']}", "LANG=C"]
    return _tried(*words, f"PYTHONPATH={os.pathsep.join(filter(None, sys.path))}")


def with_mounted(script: str) -> list[str]:
    """Mounts that the command alone sees, made by a line of shell."""
    return _tried("unshare", "--mount", "sh", "-c", f'{script} && exec "$@"', "sh")


def with_files_of_at_most(kilobytes: int) -> list[str]:
    """A limit on the size of each file, as a full disk gives it."""
    return ["sh", "-c", f'ulimit -f {2 * kilobytes}; exec "$@"', "sh"]


def _tried(*words: str) -> list[str]:
    if not _works(words):
        pytest.skip(f"{words[0]} cannot take that away here")
    return list(words)


@functools.cache
def _works(words: Sequence[str]) -> bool:
    if not shutil.which(words[0]):
        return False
    return subprocess.run([*words, sys.executable, "-c", ""], capture_output=True).returncode == 0


def read_only(folder: Path) -> list[str]:
    """A file system on which nothing can be written, where `folder` is."""
    return with_mounted(f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}'")
