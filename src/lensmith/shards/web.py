"""Shards behind http and https: ranges of them, asked for again where a connection breaks."""

from __future__ import annotations

import contextlib
import http.client
import re
import tempfile
import threading
import time
import urllib.parse
from collections import OrderedDict
from collections.abc import Iterator
from typing import IO

from lensmith.errors import DataError, PictureError
from lensmith.pictures.web import ask, read_body
from lensmith.shards.places import Facts

TRIES = 5
"""Answers in a row that bring nothing; one that brings something is no failure, however early it breaks off."""
PAUSE = 0.5
"""Seconds before the second try; twice as many before each one after it."""
SECONDS = 30.0
"""That an answer may take, and one more for each `_SLOWEST` bytes."""
_SLOWEST = 100_000
_BLOCK = 1 << 18
_WHOLE = 4
"""Shards of a server without ranges that are kept whole in files without a name."""
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class _Broken(Exception):
    """An answer that broke off, or none; another may do better."""


class Web:
    """What lies below a URL."""

    is_near = False

    def __init__(self, word: str) -> None:
        parts = urllib.parse.urlsplit(word)
        self._word, self._query = word.partition("?")[0].rstrip("/"), f"?{parts.query}" if parts.query else ""
        self._turn = threading.Lock()
        self._whole: OrderedDict[str, IO[bytes]] = OrderedDict()
        self._lacks_ranges = False

    def __del__(self) -> None:
        for file in self._whole.values():
            file.close()

    def called(self, name: str) -> str:
        """Its URL."""
        return f"{self._word}/{urllib.parse.quote(name)}{self._query}" if name else self._word

    def names(self) -> None:
        """A web server lists nothing that could be relied on."""
        return

    def facts(self, name: str) -> Facts:
        """Asked for its first byte."""
        with self._asking(name, 0, 1) as answer:
            return _facts(answer)

    def read(self, name: str, start: int, size: int, facts: Facts) -> bytes:
        """A range; of a server that knows none, of the whole file, fetched once."""
        if not self._lacks_ranges:
            content = self._ranged(name, start, size, facts)
            if content is not None:
                return content
            self._lacks_ranges = True
        with self._turn:
            file = self._fetched(name, facts)
            file.seek(start)
            return file.read(size)

    def whole(self, name: str, most: int) -> bytes | None:
        """All of a small file."""
        for tried in self._tries(name, 0):
            try:
                with ask(self.called(name), {}, SECONDS + most / _SLOWEST) as answer:
                    if answer.status in (404, 410):
                        return None
                    return read_body(answer, self.called(name), most)
            except (OSError, http.client.HTTPException, PictureError) as error:
                tried.append(error)
        raise AssertionError

    def _ranged(self, name: str, start: int, size: int, facts: Facts) -> bytes | None:
        """None where the server gives the whole file instead."""
        content = bytearray()
        for tried in self._tries(name, size):
            before = len(content)
            try:
                with self._asking(name, start + before, start + size) as answer:
                    if answer.status == 200:
                        self._check(name, _facts(answer), facts)
                        return None
                    self._check(name, _facts(answer), facts)
                    _append(answer, content, size)
                    if len(content) == before:
                        raise _Broken("an answer without content")
            except (_Broken, OSError, http.client.HTTPException, PictureError) as error:
                tried.append(error)
            if len(content) == size:
                return bytes(content)
            if len(content) > before:
                tried.clear()
        raise AssertionError

    @contextlib.contextmanager
    def _asking(self, name: str, start: int, end: int) -> Iterator[http.client.HTTPResponse]:
        """The answer for a range, from byte `start` to before `end`: 206, or 200 with everything."""
        seconds = SECONDS + (end - start) / _SLOWEST
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        with ask(self.called(name), headers, seconds) as answer:
            if answer.status not in (200, 206):
                told = DataError(
                    f"{self.called(name)}: the server answers {answer.status} {answer.reason}".rstrip(),
                    hint="Is the shard there, and may you read it?",
                )
                if answer.status in (408, 425, 429) or answer.status >= 500:
                    raise _Broken(f"the server answers {answer.status}")
                raise told
            if answer.status == 206 and not _starts_at(answer, start):
                raise _Broken(f"it gave {answer.headers.get('Content-Range')} for {headers['Range']}")
            yield answer

    def _check(self, name: str, now: Facts, facts: Facts) -> None:
        """Raise `DataError` where what the server says of a shard is not what was said of it first."""
        size_differs = now.size >= 0 and now.size != facts.size
        if size_differs or (facts.version and now.version and facts.version != now.version):
            raise DataError(
                f"{self.called(name)}: the shard changed (it has {now.size:,} bytes of version {now.version}; it had "
                f"{facts.size:,} of {facts.version or 'another'})",
                hint="Begin anew with the shards as they are now.",
            )

    def _fetched(self, name: str, facts: Facts) -> IO[bytes]:
        """The whole shard in a file without a name, which goes with the process."""
        if name in self._whole:
            self._whole.move_to_end(name)
            return self._whole[name]
        for tried in self._tries(name, facts.size):
            file = tempfile.TemporaryFile(prefix="lensmith-")  # noqa: SIM115  # kept open
            try:
                with ask(self.called(name), {}, SECONDS + facts.size / _SLOWEST) as answer:
                    self._check(name, _facts(answer), facts)
                    while block := answer.read(_BLOCK):
                        file.write(block)
                    if file.tell() != facts.size:
                        raise _Broken(f"it broke off after {file.tell():,} of {facts.size:,} bytes")
            except (_Broken, OSError, http.client.HTTPException, PictureError) as error:
                file.close()
                tried.append(error)
                continue
            break
        self._whole[name] = file
        while len(self._whole) > _WHOLE:
            self._whole.popitem(last=False)[1].close()
        return file

    def _tries(self, name: str, size: int) -> Iterator[list[Exception]]:
        """What went wrong in a row so far, to be added to. It ends in an error, after some tries that brought nothing
        or where all of them together take far too long."""
        failed: list[Exception] = []
        until = time.monotonic() + TRIES * (SECONDS + size / _SLOWEST)
        while True:
            yield failed
            if len(failed) >= TRIES or time.monotonic() > until:
                last = failed[-1] if failed else _Broken("it sends too little")
                words = getattr(last, "reason", "") or str(last) or "no whole answer in time"
                raise DataError(
                    f"{self.called(name)}: cannot be fetched, after {TRIES} tries ({words})",
                    hint="The same command can be given again when the server answers.",
                ) from last
            if failed:
                time.sleep(PAUSE * 2 ** (len(failed) - 1))


def _append(answer: http.client.HTTPResponse, content: bytearray, size: int) -> None:
    """What of an answer arrives is kept, wherever it breaks off."""
    while len(content) < size and (block := answer.read1(min(_BLOCK, size - len(content)))):
        content += block


def _starts_at(answer: http.client.HTTPResponse, start: int) -> bool:
    match = _RANGE.match(answer.headers.get("Content-Range", ""))
    return match is not None and int(match[1]) == start


def _facts(answer: http.client.HTTPResponse) -> Facts:
    """Size -1 where it is not told."""
    headers = answer.headers
    match = _RANGE.match(headers.get("Content-Range", ""))
    told = match[3] if match else headers.get("Content-Length", "")
    version = headers.get("ETag") or headers.get("Last-Modified") or ""
    return Facts(int(told) if told.isdigit() else -1, version)
