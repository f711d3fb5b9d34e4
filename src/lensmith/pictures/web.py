"""A picture from the web: http and https, with a limit on size and time."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

from lensmith.errors import PictureError

MAX_BYTES = 50_000_000
SECONDS = 20.0
_BLOCK = 1 << 16


def is_url(word: str) -> bool:
    """Whether a word names something on the web."""
    return word.lower().startswith(("http://", "https://"))


def read_url(url: str) -> bytes:
    """The bytes behind a URL. Raises `PictureError` with the reason."""
    request = urllib.request.Request(url, headers={"User-Agent": "lensmith"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            content = bytearray()
            while block := answer.read(_BLOCK):
                content += block
                if len(content) > MAX_BYTES:
                    raise PictureError(url, f"more than {MAX_BYTES // 1_000_000} MB")
            return bytes(content)
    except urllib.error.HTTPError as error:
        raise PictureError(url, f"the server answers {error.code} {error.reason}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise PictureError(url, f"cannot be fetched ({reason})") from error
