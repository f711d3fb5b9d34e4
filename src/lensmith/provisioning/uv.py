"""uv, run so that nothing of a foreign repository reaches it: an empty folder, a chosen environment, a time limit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lensmith.machine.programs import Said, ask_program
from lensmith.machine.uv import require_uv

_KEPT = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "COMSPEC", "PATHEXT"),
    *("USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "NUMBER_OF_PROCESSORS"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "PYENV_ROOT", "CUDA_HOME", "CC", "CXX"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("UV_CACHE_DIR", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"),
    *("UV_NO_INDEX", "UV_OFFLINE", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES"),
    *("UV_INSECURE_HOST", "UV_PYTHON_INSTALL_DIR", "UV_PYTHON_INSTALL_MIRROR", "UV_LINK_MODE"),
)
"""What the user set for their network, indexes and places; the rest could change what is installed, or is secret."""


def run_uv(
    words: list[str], *, seconds: float, network: bool = True, files: Mapping[str, str] | None = None
) -> Said:
    """uv with these words, in a folder of its own that holds `files` alone, and no settings but the user's own."""
    with tempfile.TemporaryDirectory(prefix="lensmith-uv-") as folder:
        for name, text in (files or {}).items():
            Path(folder, name).write_text(text, encoding="utf-8")
        settings = _users_settings()
        guarded = ["--config-file", str(settings)] if settings else ["--no-config"]
        guarded += ["--no-progress", "--color", "never", *([] if network else ["--offline"])]
        return run_program([require_uv(), *words, *guarded], Path(folder), seconds=seconds)


def run_program(words: list[str], folder: Path, *, seconds: float) -> Said:
    """A program with the environment that uv gets; after `seconds` it is ended, and all that it started."""
    try:
        said = ask_program(words, seconds, folder=folder, variables=kept_environment(), encoding="utf-8")
    except OSError as error:
        return Said(127, "", f"{words[0]}: {error.strerror}")
    if said.code is None:
        return Said(None, "", f"did not end within {seconds:.0f} seconds")
    return said


def kept_environment() -> dict[str, str]:
    """The variables that uv, and what it starts, get to see."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    for name, value in os.environ.items():  # the names and passwords of the user's own indexes
        if name.startswith("UV_INDEX_") and name.endswith(("_USERNAME", "_PASSWORD")):
            kept[name] = value
    # pyenv's shims answer by a file in the folder that one stands in, and slowly; the Pythons behind them are known.
    places = kept.get("PATH", "").split(os.pathsep)
    kept["PATH"] = os.pathsep.join(place for place in places if Path(place).name != "shims")
    return {"UV_HTTP_RETRIES": "1", **kept, "PYTHONNOUSERSITE": "1", "GIT_TERMINAL_PROMPT": "0"}


def _users_settings() -> Path | None:
    """The user's own uv.toml, where uv itself would look for it."""
    if os.name == "nt":
        base = os.environ.get("APPDATA")
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or (
            str(Path(os.environ["HOME"], ".config")) if "HOME" in os.environ else None
        )
    place = Path(base, "uv", "uv.toml") if base else None
    return place if place is not None and place.is_file() else None
