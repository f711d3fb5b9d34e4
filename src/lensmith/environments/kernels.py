"""A Jupyter kernel for this interpreter: a folder with kernel.json where Jupyter looks for it.

Source: https://jupyter-client.readthedocs.io/en/stable/kernels.html
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lensmith.errors import MachineError, UsageError


@dataclass(frozen=True)
class Kernel:
    """A kernel in its folder. owner: the interpreter that it starts now; None where nothing is there yet."""

    name: str
    folder: Path
    owner: str | None

    @property
    def is_anothers(self) -> bool:
        """Whether the folder holds the kernel of another interpreter."""
        return self.owner is not None and self.owner != sys.executable


def find_kernel(name: str | None, prefix: Path | None) -> Kernel:
    """Where a kernel of this name lies, or would; by default it is called as the environment is.

    Errors: UsageError for a name that Jupyter does not take, or where no folder of the user is known.
    """
    word = name or default_name()
    if not re.fullmatch(r"[A-Za-z0-9._-]+", word) or set(word) == {"."}:
        raise UsageError(
            f"{word!r} is no name of a kernel",
            hint="Letters, digits, dots, hyphens and underscores are allowed.",
        )
    folder = _kernels(prefix) / word.lower()
    return Kernel(word.lower(), folder, _owner(folder))


def write_kernel(kernel: Kernel) -> Path:
    """Write its kernel.json. Errors: MachineError where this environment has no ipykernel."""
    if find_spec("ipykernel") is None:
        raise MachineError(
            "ipykernel is not installed here, and a kernel needs it", hint="Install it, then again."
        )
    content = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"{kernel.name} (Python {sys.version_info.major}.{sys.version_info.minor})",
        "language": "python",
        "metadata": {"debugger": True},
    }
    kernel.folder.mkdir(parents=True, exist_ok=True)
    file = kernel.folder / "kernel.json"
    beside = file.with_name("kernel.json.new")
    beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    beside.replace(file)
    return file


def default_name() -> str:
    """The environment's name: conda's, else of the folder that holds it."""
    prefix = Path(sys.prefix)
    name = prefix.parent.name if prefix.name in (".venv", "venv", "env") else prefix.name
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") or "python"


def _kernels(prefix: Path | None) -> Path:
    """The folder of kernels that Jupyter searches: under a prefix, or the user's own."""
    if prefix is not None:
        return prefix / "share" / "jupyter" / "kernels"
    if own := os.environ.get("JUPYTER_DATA_DIR"):
        return Path(own) / "kernels"
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Jupyter" / "kernels"
        if sys.platform == "win32":
            return (
                Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "jupyter" / "kernels"
            )
        share = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
        return Path(share) / "jupyter" / "kernels"
    except RuntimeError as error:
        raise UsageError("this account has no home folder", hint="Say where with --prefix.") from error


def _owner(folder: Path) -> str | None:
    """The program that the kernel there starts; a question mark where its file cannot be read."""
    file = folder / "kernel.json"
    if not file.exists():
        return None
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["argv"][0])
    except (OSError, ValueError, LookupError, TypeError):
        return "?"
