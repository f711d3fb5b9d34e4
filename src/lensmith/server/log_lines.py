"""The server's log: one JSON object a line."""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from lensmith.server.journal import REQUEST_ID

_ROOM = "lensmith.server"
_ONE_A_REQUEST = ("lensmith.server.journal", "lensmith.server.connections")
_MOST_LINES = 10_000
_JOIN_SECONDS = 1.0


@contextmanager
def json_lines(stream: TextIO | None, *, requests: bool = True) -> Iterator[None]:
    """While the block runs, what is logged anywhere goes to `stream`, a JSON object a line; `None` keeps nothing.

    requests: a line for each request too, and not only for what goes wrong and for a model that is replaced.
    """
    handler = JsonLines(stream) if stream else logging.NullHandler()
    levels = {_ROOM: logging.INFO}
    if not requests:
        levels |= dict.fromkeys(_ONE_A_REQUEST, logging.WARNING)
    before = {name: logging.getLogger(name).level for name in levels}
    logging.getLogger().addHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
        logging.getLogger().removeHandler(handler)
        handler.close()


class JsonLines(logging.Handler):
    """Writes records as JSON from a thread of its own.

    Nobody waits for a log: where the stream's reader is slow, lines are kept, up to a number, and then dropped and
    counted; where it is gone, they are thrown away. What a caller chose (a path, an id) is escaped, so that it
    can neither begin a line of its own nor reach a terminal's controls.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST_LINES)
        self._dropped = 0
        self._writer = threading.Thread(target=self._write, name="lensmith-log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one line."""
        try:
            self._lines.put_nowait(line_of(record))
        except queue.Full:
            self._dropped += 1
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Write what is queued, for at most a moment."""
        try:
            self._lines.put(None, timeout=_JOIN_SECONDS)
        except queue.Full:
            return  # nobody reads, and the thread ends with the process
        self._writer.join(_JOIN_SECONDS)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            if dropped:
                line = f"{_dumped({'event': 'log lines were dropped', 'lines': dropped})}\n{line}"
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except (OSError, ValueError):  # ValueError: closed on this side
                continue


def line_of(record: logging.LogRecord) -> str:
    """A record as one line of JSON: time (UTC), level, event, request_id, and the fields that came with it."""
    facts = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "event": record.getMessage(),
    }
    if request_id := REQUEST_ID.get():
        facts["request_id"] = request_id
    facts |= getattr(record, "fields", {})
    if record.exc_info:
        facts["traceback"] = logging.Formatter().formatException(record.exc_info)
    return _dumped(facts)


def _dumped(facts: Mapping[str, object]) -> str:
    return json.dumps(facts, default=str)
