"""A picture from the web: http and https, with limits on size and time, and on where a request may lead.

What the user typed may lie in his own network. What a table names or a server redirects to may not: it could make
this machine ask for what only this machine can reach.
"""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lensmith.errors import PictureError
from lensmith.pictures.connection import Address, Connection, Host, is_public, proxy_for, resolved

MAX_BYTES = 50_000_000
SECONDS = 30.0
"""For all of it: name, connection, redirects and body."""
_LOOK_UP = 5.0
"""Seconds for a name that a proxy could look up as well."""
_REDIRECTS = 5
_BLOCK = 1 << 16
_PLAIN = "/%:@!$&'()*+,;=~"


def read_url(url: str, *, typed: bool = True, seconds: float = SECONDS, most: int = MAX_BYTES) -> bytes:
    """The bytes behind a URL, `most` of them and in so many seconds. Raises `PictureError` with the reason.

    typed: whether the user named it himself, so that it may lie in his own network.
    """
    try:
        with _Fetch(url, time.monotonic() + seconds).answer(typed) as answer:
            return read_body(answer, url, most)
    except TimeoutError as error:
        raise PictureError(url, f"no whole answer within {seconds:g} s") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise PictureError(url, f"cannot be fetched ({error or type(error).__name__})") from error


def ask(
    url: str, headers: Mapping[str, str], seconds: float
) -> contextlib.AbstractContextManager[http.client.HTTPResponse]:
    """What a server answers to a URL that the user named, wherever it leads; the body is still to be read, in as
    many seconds. Raises `OSError`, `ValueError`, `http.client.HTTPException` and `PictureError`."""
    return _Fetch(url, time.monotonic() + seconds, headers).answer(typed=True)


@dataclass
class _Fetch:
    """One URL and where it leads; `known` are the hosts already looked up and checked."""

    url: str
    deadline: float
    headers: Mapping[str, str] = field(default_factory=dict)
    known: dict[Host, list[Address]] = field(default_factory=dict)

    @contextlib.contextmanager
    def answer(self, typed: bool) -> Iterator[http.client.HTTPResponse]:
        """The answer that is no redirect; its connection ends with the block."""
        url = self.url
        for _ in range(_REDIRECTS + 1):
            parts = _split(url)
            connection = self._connection(parts, typed)
            try:
                answer = connection.get(_target(parts), self.headers)
                place = answer.headers.get("Location") if answer.status in (301, 302, 303, 307, 308) else None
                if place is None:
                    yield answer
                    return
            finally:
                connection.hang_up()
            # headers arrive as latin-1, whatever the server wrote
            url, typed = urllib.parse.urljoin(url, place.encode("latin-1").decode("utf-8", "replace")), False
        raise PictureError(self.url, f"more than {_REDIRECTS} redirects")

    def _connection(self, parts: urllib.parse.SplitResult, typed: bool) -> Connection:
        secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        proxy = proxy_for(parts.scheme, host)
        if (host, port) not in self.known:
            self.known[host, port] = self._addresses(host, port, typed, proxied=proxy is not None)
        addresses = self.known[host, port]
        if any(not is_public(address.ip) for address in addresses):
            proxy = None  # a host of one's own network is next door
        if proxy is not None:
            addresses = resolved(*proxy.host, self.deadline)
        return Connection((host, port), addresses, self.deadline, secure=secure, proxy=proxy)

    def _addresses(self, host: str, port: int, typed: bool, *, proxied: bool) -> list[Address]:
        """Where a host lies; empty where only the proxy can know."""
        try:
            deadline = min(self.deadline, time.monotonic() + _LOOK_UP) if proxied else self.deadline
            addresses = resolved(host, port, deadline)
        except OSError:
            if not proxied:
                raise
            return []
        allowed = addresses if typed else [one for one in addresses if is_public(one.ip)]
        if not allowed:
            raise PictureError(
                self.url,
                f"leads to {host} ({addresses[0].ip}), which is not on the open internet",
                hint="Only what you type yourself may lie in your own network: name that URL on the command line.",
            )
        return allowed


def read_body(answer: http.client.HTTPResponse, url: str, most: int) -> bytes:
    """All of an answer's body, which has to say 200. Raises `PictureError`, and what `ask` raises."""
    if answer.status != 200:
        raise PictureError(url, f"the server answers {answer.status} {answer.reason}".rstrip())
    length, content = answer.length, bytearray()
    while max(len(content), length or 0) <= most and (block := answer.read(_BLOCK)):
        content += block
    if max(len(content), length or 0) > most:
        raise PictureError(url, f"more than {most / 1e6:g} MB")
    if length is not None and len(content) < length:
        raise PictureError(url, f"cut off after {len(content):,} of {length:,} bytes")
    return bytes(content)


def _split(url: str) -> urllib.parse.SplitResult:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"it leads to {url[:80]}, which is no http or https address")
    if parts.username is not None:
        raise ValueError("a name and a password in a URL are not supported")
    return parts


def _target(parts: urllib.parse.SplitResult) -> str:
    """What is asked of the server; spaces and letters beyond ASCII as %XX."""
    query = f"?{urllib.parse.quote(parts.query, safe=_PLAIN + '?')}" if parts.query else ""
    return (urllib.parse.quote(parts.path, safe=_PLAIN) or "/") + query
