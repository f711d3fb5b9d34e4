"""A file from the network: whole, checked and under its name, or not there at all."""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from lensmith.errors import ModelFileError
from lensmith.runs.files import replacing
from lensmith.types import Event

_BLOCK = 1 << 20
_TIMEOUT = 30.0


def fetch(url: str, path: Path, tell: Callable[[Event], None] | None = None) -> Path:
    """Download `url` to `path` and return it; `tell` hears of each MiB.

    A name such as `resnet18-f37072fd.pth` holds the beginning of the file's sha256, as torch.hub has it,
    and is held to it. Raises `ModelFileError` that says which file to put where if it cannot be had
    whole.
    """
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "lensmith"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer, replacing(path) as file:
            total = int(answer.headers.get("Content-Length") or 0)
            digest, done = hashlib.sha256(), 0
            while block := answer.read(_BLOCK):
                file.write(block)
                digest.update(block)
                done += len(block)
                if tell:
                    tell(Event("download", f"MiB of {path.name}", done // _BLOCK, total // _BLOCK))
            if total and done != total:
                raise ValueError(f"{done:,} of {total:,} bytes came")
            begins = re.search(r"-([0-9a-f]{8,})\.\w+$", path.name)
            if begins and not digest.hexdigest().startswith(begins[1]):
                raise ValueError(f"its sha256 is {digest.hexdigest()[:12]}..., not {begins[1]}...")
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise ModelFileError(
            f"{url} cannot be fetched ({str(error) or type(error).__name__}): put it at {path}",
            hint="Or name a file that you have: weights=FILE",
        ) from error
    return path
