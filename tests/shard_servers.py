"""Real servers of a folder on the loopback: HTTP with its failings, and S3."""

from __future__ import annotations

import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image


@dataclass
class ShardServer:
    """asked: (path, range) of each request; breaks: answers that break off after so many bytes; pause: seconds before
    each kilobyte; busy: answers that are 503; tags: of ETag."""

    url: str
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    busy: int = 0
    pause: float = 0.0
    tag: str = '"1"'
    asked: list[tuple[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving_folder(root: Path, *, ranges: bool = True) -> Iterator[ShardServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            server.asked.append((self.path, asked))
            file = root / self.path.lstrip("/")
            if server.busy:
                server.busy -= 1
                self.send_error(503)
            elif not file.is_file():
                self.send_error(404)
            else:
                with suppress(OSError):  # whoever asked has hung up
                    self._give(file.read_bytes(), asked)

        def _give(self, content: bytes, asked: str) -> None:
            match = re.fullmatch(r"bytes=(\d+)-(\d+)", asked) if server.ranges else None
            whole = len(content)
            if match:
                content = content[int(match[1]) : int(match[2]) + 1]
                self.send_response(206)
                self.send_header(
                    "Content-Range", f"bytes {match[1]}-{int(match[1]) + len(content) - 1}/{whole}"
                )
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", server.tag)
            self.end_headers()
            if server.breaks:
                content = content[: server.breaks.pop(0)]
            step = 1024 if server.pause else len(content) or 1
            for at in range(0, len(content), step):
                if server.pause and server.over.wait(server.pause):
                    return
                self.wfile.write(content[at : at + step])

        def log_message(self, *words: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = ShardServer(f"http://127.0.0.1:{listener.server_port}", ranges)
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        listener.shutdown()
        thread.join()
        listener.server_close()


@contextmanager
def serving_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of a real S3 server, which the environment names to whoever asks."""
    pytest.importorskip("s3fs", reason="the extra shards is not installed")
    pytest.importorskip("flask_cors", reason="moto's server needs flask and flask-cors")
    server_of = pytest.importorskip("moto.server", reason="moto is not installed")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    urllib.request.urlopen(f"{endpoint}/moto-api/reset", b"").close()  # what an earlier one held
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        yield endpoint
    finally:
        server.stop()


def draw_photos(root: Path, count: int = 12, side: int = 40) -> Path:
    """JPEG files of two classes, every one different and small."""
    from drawn import noise

    for number in range(count):
        file = root / ("ants", "bees")[number % 2] / f"{number:02d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(side, side + number % 3, number)).save(file, quality=90)
    return root
