"""What is said about each request: its id, a line in the log, and the figures that are counted."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Collection
from contextvars import ContextVar
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lensmith.server.metrics import Metrics
from lensmith.server.refusal import Refusal

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered."""
HEADER = "X-Request-ID"

_LOG = logging.getLogger(__name__)
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_CHARACTERS = 200


class Journal:
    """ASGI middleware around all others: the request's id, its line in the log, its figures, and its faults.

    The id is the caller's where that is a plain word, and goes back in `X-Request-ID`. A fault that nobody foresaw
    is logged under it, and the caller is told no more than that. routes: the paths that are counted each by its
    own name. Logged are neither queries, which may hold a secret, nor any part of a body.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, routes: Callable[[], Collection[str]]) -> None:
        self.app = app
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _SANE.fullmatch(given) else uuid.uuid4().hex
        REQUEST_ID.set(request_id)  # each request has a task, and so a context, of its own
        seen = _Seen(request_id, receive, send)
        try:
            await self._answer(scope, seen)
        finally:
            self._write(scope, seen, time.perf_counter() - begun)

    async def _answer(self, scope: Scope, seen: _Seen) -> None:
        try:
            await self.app(scope, seen.receive, seen.send)
        except Exception:
            _LOG.exception("a fault of the server")
            if seen.status:
                raise  # half an answer is out: all that is left is to cut the connection
            message = "the server failed on this request; its log says how"
            refusal = Refusal(500, "internal", message, {"Connection": "close"})
            await refusal.response()(scope, seen.receive, seen.send)

    def _write(self, scope: Scope, seen: _Seen, seconds: float) -> None:
        path = scope["path"]
        self._metrics.request(path if path in self._routes() else "other", seen.status, seconds)
        if not _LOG.isEnabledFor(logging.INFO):
            return
        client = scope.get("client")
        fields: dict[str, Any] = {
            "method": scope["method"][:_MOST_CHARACTERS],
            "path": path[:_MOST_CHARACTERS],
            "status": seen.status,
            "ms": round(seconds * 1e3, 2),
            "bytes": seen.bytes,
            "pictures": scope.get("pictures", 0),
            "peer": f"{client[0]}:{client[1]}" if client else "",
        }
        _LOG.info("request", extra={"fields": fields})


class _Seen:
    """What passes to and fro."""

    def __init__(self, request_id: str, receive: Receive, send: Send) -> None:
        self.bytes = 0
        self.status = 0
        """0 where nobody was there any more to be answered."""
        self._id = request_id
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        """Count what comes."""
        message = await self._receive()
        self.bytes += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """Give the answer its id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ())]}
            MutableHeaders(scope=message)[HEADER] = self._id
        await self._send(message)
