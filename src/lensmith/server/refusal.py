"""How the server says no: one JSON shape, no internals, and an answer that arrives."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LINGER_SECONDS = 1.0


class Refusal(Exception):
    """A request that is not served; becomes `{"error": {"code":, "message":}}` with `status`."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def response(self) -> JSONResponse:
        """The refusal as it goes over the wire."""
        return JSONResponse(self.as_dict(), self.status, self.headers)

    def as_dict(self) -> dict[str, dict[str, str]]:
        """The JSON form."""
        return {"error": {"code": self.code, "message": self.message}}


async def answer_refusal(request: Request, refusal: Exception) -> JSONResponse:
    """Starlette's handler for `Refusal`."""
    assert isinstance(refusal, Refusal)
    return refusal.response()


async def answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for its own 404 and 405, in the shape of the others."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    code = status.phrase.lower().replace(" ", "_")
    return Refusal(status, code, f"{status.phrase.lower()}: see /openapi.json", headers).response()


class UnreadBody:
    """ASGI middleware: an answer that comes before the body is read gets through all the same.

    Closing a socket on unread bytes resets the connection, and a sender that is still sending never sees
    its 413 or 503. So the answer goes out first, and what arrives within a moment is thrown away; the
    connection then closes instead of reading a body that may have no end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _has_body(scope):
            await self.app(scope, receive, send)
            return
        unread = True

        async def receive_watched() -> Message:
            nonlocal unread
            message = await receive()
            unread = bool(message.get("more_body", False))
            return message

        async def send_first(message: Message) -> None:
            if unread and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            if unread and message["type"] == "http.response.body" and not message.get("more_body"):
                await send({**message, "more_body": True})
                await _discard(receive)
                message = {"type": "http.response.body"}
            await send(message)

        await self.app(scope, receive_watched, send_first)


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


async def _discard(receive: Receive) -> None:
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        return
