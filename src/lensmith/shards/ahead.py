"""Members read together and ahead: those that lie side by side in one request, several requests on their way."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from lensmith.shards.member import Member, Shard

_SPAN = 4 << 20
"""Bytes asked for at once, about."""
_GAP = 128 << 10
"""Bytes between two members that are read along rather than asked for anew."""
_AHEAD = 32 << 20
"""Bytes on their way or waiting, beside those that are asked for."""
_REQUESTS = 8


@dataclass
class _Span:
    """Members of one shard from `start` to `end`; left: how many were not taken yet."""

    shard: Shard
    start: int
    end: int
    left: int = 0
    content: Future[bytes] | None = field(default=None)


class Ahead:
    """The bytes of members that are taken about in their order, each once.

    Near ones are read when they are taken. Of far ones those next to each other come in one request, and requests for
    the following ones are under way; a member that is taken long after its neighbours keeps their bytes in memory.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._spans: list[_Span] = []
        self._span_of: list[int] = []
        self._next = self._held = 0
        if members and not all(member.shard.place.is_near for member in members):
            self._spans, self._span_of = _spans(members)
            self._pool = ThreadPoolExecutor(_REQUESTS)

    def take(self, at: int) -> bytes:
        """The bytes of a member. Raises `DataError`."""
        member = self._members[at]
        if self._pool is None:
            return member.read()
        span = self._spans[self._span_of[at]]
        with self._lock:
            self._ask_up_to(self._span_of[at])
            coming = span.content
        assert coming is not None
        whole = coming.result()
        content = whole[member.offset - span.start : member.offset - span.start + member.size]
        with self._lock:
            span.left -= 1
            if not span.left:
                span.content = None
                self._held -= span.end - span.start
        return content

    def close(self) -> None:
        """Wait for nothing that is still on its way."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask_up_to(self, number: int) -> None:
        """Ask for a span, those before it, and so many after it as there is room for."""
        assert self._pool is not None
        while self._next < len(self._spans) and (self._next <= number or self._held < _AHEAD):
            span = self._spans[self._next]
            span.content = self._pool.submit(span.shard.read, span.start, span.end - span.start)
            self._held += span.end - span.start
            self._next += 1


def _spans(members: Sequence[Member]) -> tuple[list[_Span], list[int]]:
    """What to ask for, and which of it holds each member."""
    spans: list[_Span] = []
    found: list[int] = []
    for member in members:
        end = member.offset + member.size
        last = spans[-1] if spans else None
        if (
            last is None
            or last.shard is not member.shard
            or not 0 <= member.offset - last.end <= _GAP
            or end - last.start > _SPAN
        ):
            spans.append(_Span(member.shard, member.offset, end))
        else:
            last.end = end
        spans[-1].left += 1
        found.append(len(spans) - 1)
    return spans, found
