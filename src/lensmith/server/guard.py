"""Who may ask: the Host and Origin headers, and the token, checked before anything else."""

from __future__ import annotations

import hmac
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from lensmith.server.refusal import Refusal

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

PROBES = ("/healthz", "/readyz")
"""Asked by machines that hold no token; they say nothing about the model. Prometheus can hold one, and /metrics
tells how much the server is used and by which model, so it is none of them."""
MOST_HEADERS = 100

PAGE = ("/", "/page/")
"""The page and its files, the same for every model; it asks for the token itself."""
REPORT = "/report"
"""A link cannot send a header, so with a token the page posts it, and the route compares it."""

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(?::(?P<port>\d{1,5}))?")
_PORTS = {"http": 80, "https": 443}


class Guard:
    """ASGI middleware that lets through only requests from where they may come.

    hosts: names that the Host header may bear, without port; `None` for any. A server on loopback needs
        them: a web page can point its own name at 127.0.0.1 (DNS rebinding) and read the answers.
    token: what `Authorization: Bearer` must hold; `None` where none is asked for.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] | None, token: str | None) -> None:
        self.app = app
        self.hosts = hosts
        self.token = token.encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "http":
            try:
                self._check(scope, Headers(scope=scope))
            except Refusal as refusal:
                await refusal.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        if len(headers.raw) > MOST_HEADERS:
            raise Refusal(431, "too_many_headers", f"more than {MOST_HEADERS} headers")
        host = _HOST.fullmatch(headers.get("host", "").lower())
        if host is None or (self.hosts is not None and host["name"] not in self.hosts):
            raise Refusal(400, "bad_host", "the Host header names another server")
        origin = headers.get("origin")
        if origin is not None and not _is_same_place(origin.lower(), host):
            raise Refusal(403, "foreign_origin", "a page of another origin may not ask this server")
        if self.token is not None and not _is_open(scope["method"], scope["path"]):
            self._check_token(headers.get("authorization", ""))

    def _check_token(self, authorization: str) -> None:
        scheme, _, given = authorization.partition(" ")
        # Starlette decodes headers as latin-1, which gives the sent bytes back. Compared in constant time.
        same = hmac.compare_digest(given.strip().encode("latin-1"), self.token or b"")
        if scheme.lower() != "bearer" or not same:
            raise no_token()


def no_token() -> Refusal:
    """What a caller is told whose token is missing or wrong."""
    message = "send the token as 'Authorization: Bearer TOKEN'"
    return Refusal(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})


def _is_open(method: str, path: str) -> bool:
    if path in PROBES or path == PAGE[0] or path.startswith(PAGE[1]):
        return True
    return (method, path) == ("POST", REPORT)


def _is_same_place(origin: str, host: re.Match[str]) -> bool:
    scheme, _, place = origin.partition("://")
    match = _HOST.fullmatch(place)
    if match is None or scheme not in _PORTS:
        return False
    # A proxy may have ended TLS, so the scheme is not compared, only what it says of the port.
    default = _PORTS[scheme]
    ports = [int(part["port"] or default) for part in (match, host)]
    return match["name"] == host["name"] and ports[0] == ports[1]
