"""A repository by its address: cloned by git with everything off that runs or fetches more than the files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from lensmith.errors import DataError, MachineError, UsageError
from lensmith.machine.programs import find_program
from lensmith.repositories.tree import shown

SECONDS = 600.0
MOST_BYTES = 2 << 30
_SAFE = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.symlinks": "false",
    "core.protectNTFS": "true",
    "core.protectHFS": "true",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "filter.lfs.smudge": "",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
    "credential.helper": "",
    "gc.auto": "0",
    "init.templateDir": "",
}
_SCP = re.compile(r"[\w.-]+@[\w.-]+:[\w./~-]+")
_WORDS = "Give an address that begins with https:// or ssh://, or a folder."


def is_address(text: str) -> bool:
    """Whether it names a repository elsewhere, not a folder here."""
    return bool(re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE)) or (
        _SCP.fullmatch(text) is not None and not Path(text).exists()
    )


def fetch_repository(url: str, into: Path) -> Path:
    """Clone the newest commit of `url` to a new folder `into`; returns it.

    Nothing of it runs: no hooks, submodules, filters, LFS or templates, no settings of this machine; links arrive as
    small files. Raises `UsageError` for an address of another kind, `DataError` where it cannot be fetched within
    10 minutes and 2 GiB, `MachineError` without git.
    """
    scheme = _checked(url)
    program = find_program("git")
    if program is None:
        raise MachineError(
            "git is not installed", hint="Install git, or download the repository and give its folder."
        )
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UsageError(f"{into} already holds something", hint="Give an empty or new folder.")
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".clone-", dir=into.parent) as private:
        place = Path(private) / "repository"
        settings = {**_SAFE, **({"protocol.file.allow": "always"} if scheme == "file" else {})}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        words = [
            "clone",
            "--depth=1",
            "--single-branch",
            "--no-tags",
            "--no-recurse-submodules",
            "--template=",
            "--quiet",
            "--",
            url,
        ]
        _run([program, *options, *words, str(place)], Path(private), url)
        if into.exists():
            into.rmdir()
        place.rename(into)
    return into


def _checked(url: str) -> str:
    """The scheme of an address that may be given to git."""
    if url.startswith("-") or not url.isprintable() or any(c.isspace() for c in url):
        raise UsageError(f"{shown(url)} is no address of a repository", hint=_WORDS)
    if _SCP.fullmatch(url):
        return "ssh"
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("https", "ssh", "file"):
        raise UsageError(f"{shown(url)}: git is not asked to use {parts.scheme or 'this'}", hint=_WORDS)
    if (
        (parts.hostname or "").startswith("-")
        or parts.netloc.startswith("-")
        or (parts.username or "").startswith("-")
    ):
        raise UsageError(f"{shown(url)} is no address of a repository", hint=_WORDS)
    if parts.password:
        raise UsageError(
            "the address holds a password, which others on this machine could see",
            hint="Leave it to git's own login.",
        )
    return parts.scheme.lower()


def _environment(home: Path) -> dict[str, str]:
    """No settings of the user or the machine, and nobody is asked anything; of git's variables none is passed on."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("GIT_", "SSH_ASKPASS"))
    }
    return {
        **kept,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=20",
        "GIT_CEILING_DIRECTORIES": str(home),
        "LC_ALL": "C",
    }


def _run(command: list[str], private: Path, url: str) -> None:
    """git, with limits on time and on what it writes."""
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command,
            cwd=private,
            env=_environment(private),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            start_new_session=True,
        )
        try:
            reason = _watch(process, private)
        finally:
            _end(process)
        words.seek(0)
        said = words.read(4000).decode("utf-8", "replace").strip().splitlines()
    if reason or process.returncode:
        first = next(
            (line for line in said if line.startswith(("fatal:", "error:"))), said[-1] if said else ""
        )
        why = reason or shown(first or f"git ended with exit code {process.returncode}")[:300]
        raise DataError(
            f"{shown(url)} cannot be fetched: {why}",
            hint="Look at the address, or download it and give its folder.",
        )


def _watch(process: subprocess.Popen[bytes], private: Path) -> str:
    """Wait for the end; returns why it was not waited for any longer, or nothing."""
    until, wait = time.monotonic() + SECONDS, 0.05
    while process.poll() is None:
        if time.monotonic() > until:
            return f"it takes more than {SECONDS / 60:.0f} minutes"
        if _size(private) > MOST_BYTES:
            return f"it is larger than {MOST_BYTES >> 30} GiB"
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            wait = min(2 * wait, 2.0)
    return ""


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 (thousands of times a second)
            except OSError:
                continue
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
