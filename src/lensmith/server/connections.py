"""Connections within limits: how many, and how large and slow the head of a request may be.

Uvicorn by itself waits for ever for a request's head, checks its size only where it is not yet whole, and for one
connection too many has an answer without Retry-After.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from lensmith.server.limits import Limits
from lensmith.server.metrics import Metrics

_LOG = logging.getLogger(__name__)
_LINGER_SECONDS = 1.0


class Door:
    """What the connections of one server share."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits = limits
        self.metrics = metrics
        self.leaving = 0
        """Connections that were answered and are given a moment to read it."""


class Connection(H11Protocol):
    """Uvicorn's protocol with deadlines.

    A head has to be whole `head_seconds` after the connection was made, or after its first byte came, and in its
    first `head_bytes`. An answer that nobody reads for `seconds` is cut off.
    """

    def __init__(self, *words: Any, door: Door, **options: Any) -> None:
        super().__init__(*words, **options)
        self._door = door
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._is_leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, or say that there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._door.limits.connections:
            self._door.metrics.refused("connections")
            self.connections.discard(self)
            self._leave(503, "busy", "too many connections at once", "Retry-After: 1\r\n")
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End its timers."""
        if self._is_leaving:
            self._door.leaving -= 1
            self._is_leaving = False
        for timer in (self._deadline, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on what came; of a head, in pieces."""
        while data and self._awaits_head() and not self._is_over():
            self._expect_head()
            # One byte above the limit, and h11 says no to a head that is still not whole.
            room = self._door.limits.head_bytes + 1 - self._head_bytes
            self._head_bytes += min(room, len(data))
            if room > 0:
                super().data_received(data[:room])
            else:
                self.send_400_response("")
            data = data[room:]
        if data and not self._is_over():
            super().data_received(data)
        if self._deadline is not None and not self._awaits_head():
            self._deadline.cancel()
            self._deadline = None

    def on_response_complete(self) -> None:
        """The next request, if one comes, has a deadline of its own."""
        self._head_bytes = 0
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP, or its head is too large."""
        if not self._awaits_head():
            if self.cycle.response_started:
                self.transport.close()
                return
            # To the app, whose answer nobody would hear, the caller has left in the middle of the body.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._leave(400, "bad_request", "not a request of HTTP/1.1, or its head is too large")

    def pause_writing(self) -> None:
        """Whoever asked has to read."""
        super().pause_writing()
        self._stall = self.loop.call_later(self._door.limits.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """They read."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _should_upgrade(self) -> bool:
        return False  # no WebSocket here; an answer in HTTP says so

    def _awaits_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _is_over(self) -> bool:
        return self._is_leaving or self.transport.is_closing()

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._door.limits.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._deadline = None
        if self._is_over() or not self._awaits_head():
            return
        if self._head_bytes:
            self._leave(408, "request_timeout", "the head of the request did not arrive in time")
        else:
            self.transport.close()  # browsers open connections that they may need later

    def _leave(self, status: int, code: str, message: str, header: str = "") -> None:
        """Answer and close. Closing at once, with bytes unread, would reset the connection and lose the answer."""
        fields = {"status": status, "code": code, "peer": "{}:{}".format(*self.client) if self.client else ""}
        _LOG.info("connection refused", extra={"fields": fields})
        self._door.metrics.request("other", status, 0.0)
        body = json.dumps({"error": {"code": code, "message": message}})
        head = (
            f"HTTP/1.1 {status} \r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{header}"
        )
        if self._door.leaving >= self._door.limits.connections:
            self.transport.abort()
            return
        self._is_leaving = True
        self._door.leaving += 1
        self.transport.write(f"{head}Connection: close\r\n\r\n{body}".encode())
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
