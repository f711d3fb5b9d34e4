"""Load for a server on this machine: pictures over a number of connections, or at a rate. Prints one JSON object.

    python bench/load.py URL FOLDER --connections 32 --count 1000       # each waits for its answer, then asks again
    python bench/load.py URL FOLDER --connections 200 --rate 250 --seconds 10   # whether there are answers or not

Requests are built before the clock starts, and answers parsed after it stops, so that little of the processor goes
to asking; what does is told. Only 127.0.0.1 is asked, for at most 60 seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MOST_SECONDS = 60.0
SUFFIXES = (".jpg", ".jpeg", ".png")


class Line(asyncio.Protocol):
    """A connection that asks one thing at a time."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] | None = None
        self.is_open = False
        self._got = b""
        self._need = -1

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.is_open = True

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        self.answer = asyncio.get_running_loop().create_future()
        self._got, self._need = b"", -1
        self._transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self._got += data
        if self._need < 0:
            head, end, _ = self._got.partition(b"\r\n\r\n")
            if not end:
                return
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if length:
                self._need = len(head) + 4 + int(length[0].partition(b":")[2])
        if 0 <= self._need <= len(self._got):
            self._done()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._done()

    def _done(self) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(self._got)

    def close(self) -> None:
        if self.is_open:
            self._transport.close()


def request(path: str, content: bytes, form: str) -> bytes:
    """A picture as the body of a POST, or as the file of a form's field of this name."""
    kind = "image/jpeg"
    if form:
        edge, kind = "picture-ends-here", "multipart/form-data; boundary=picture-ends-here"
        field = f'form-data; name="{form}"; filename="picture.jpg"'
        head = f"--{edge}\r\nContent-Disposition: {field}\r\nContent-Type: image/jpeg\r\n\r\n"
        content = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


class Load:
    """Asks, and remembers (index of the picture, status, seconds, answer)."""

    def __init__(self, url: str, pictures: list[bytes], form: str = "") -> None:
        place = urlsplit(url)
        assert place.hostname == "127.0.0.1" and place.port
        self._port = place.port
        self.requests = [request(place.path, content, form) for content in pictures]
        self.seen: list[tuple[int, int, float, bytes]] = []

    async def one(self, line: Line | None, index: int) -> Line | None:
        """One request; the connection, where it can be used again."""
        begun = time.perf_counter()
        try:
            if line is None or not line.is_open:
                _, line = await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", self._port)
            got = await line.ask(self.requests[index])
        except OSError:
            got = b""
        status = int(got[9:12] or 0)
        self.seen.append((index, status, time.perf_counter() - begun, got))
        if line is not None and (status != 200 or b"connection: close" in got.lower()):
            line.close()
            return None
        return line

    async def closed(self, connections: int, count: int) -> None:
        """Each connection asks again when it has its answer."""
        left = iter(range(count))
        until = time.monotonic() + MOST_SECONDS

        async def keep_asking() -> None:
            line = None
            for number in left:
                line = await self.one(line, number % len(self.requests))
                if time.monotonic() > until:
                    break
            if line:
                line.close()

        await asyncio.gather(*(keep_asking() for _ in range(connections)))

    async def open(self, connections: int, rate: float, seconds: float) -> int:
        """So many a second; returns how many were not asked, since every connection was waiting."""
        free: deque[Line | None] = deque([None] * connections)
        begun, number, skipped, asking = time.monotonic(), 0, 0, set()

        async def ask(index: int) -> None:
            free.append(await self.one(free.popleft(), index))

        while (now := time.monotonic() - begun) < min(seconds, MOST_SECONDS):
            while number < now * rate:
                if len(free) > 0:
                    task = asyncio.create_task(ask(number % len(self.requests)))
                    asking.add(task)
                    task.add_done_callback(asking.discard)
                    await asyncio.sleep(0)
                else:
                    skipped += 1
                number += 1
            await asyncio.sleep(0.001)
        await asyncio.wait_for(asyncio.gather(*asking), MOST_SECONDS)
        for line in free:
            if line:
                line.close()
        return skipped


def milliseconds(times: list[float]) -> dict[str, float]:
    """Median, 99th percentile and worst."""
    ranked = sorted(times)
    if not ranked:
        return {}
    at = {"p50": len(ranked) // 2, "p99": min(len(ranked) - 1, len(ranked) * 99 // 100), "most": -1}
    return {name: round(ranked[place] * 1e3, 1) for name, place in at.items()}


def label_of(got: bytes) -> str:
    return str(json.loads(got.partition(b"\r\n\r\n")[2])["label"])


def pictures_in(folder: Path, most: int) -> list[Path]:
    """The first pictures by name, from everywhere in a folder alike."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return found[:: max(1, len(found) // most)][:most]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("pictures", type=Path)
    parser.add_argument(
        "--most", type=int, default=128, help="pictures, which are asked about again and again"
    )
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument(
        "--form", default="", help="send each picture as the file of a form's field of this name"
    )
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seconds", type=float, default=10.0)
    words = parser.parse_args()
    files = pictures_in(words.pictures, words.most)
    load = Load(words.url, [file.read_bytes() for file in files], words.form)
    begun, used = time.perf_counter(), time.process_time()
    if words.rate:
        skipped = asyncio.run(load.open(words.connections, words.rate, words.seconds))
    else:
        skipped = 0
        asyncio.run(load.closed(words.connections, words.count))
    wall, used = time.perf_counter() - begun, time.process_time() - used
    facts = {
        "wall": wall,
        "own_cpu": used,
        "statuses": Counter(str(status) for _, status, _, _ in load.seen),
        "not_asked": skipped,
        "ms": milliseconds([seconds for _, status, seconds, _ in load.seen if status == 200]),
        "ms_503": milliseconds([seconds for _, status, seconds, _ in load.seen if status == 503]),
        "labels": {files[i].name: label_of(got) for i, status, _, got in load.seen if status == 200},
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
