"""A real HTTP server on the loopback: pictures, redirects, and answers that never end."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


class PicturesServer:
    """`url` of the server, the `answers` that it has by path, what it was asked for."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.over = threading.Event()


@contextmanager
def serving_pictures(tls: ssl.SSLContext | None = None) -> Iterator[PicturesServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            answer = server.answers.get(self.path)
            if answer is None:
                self.send_error(404)
                return
            with suppress(OSError):  # whoever asked has hung up
                answer(self)

        def do_CONNECT(self) -> None:
            server.asked.append(f"CONNECT {self.path}")
            self.send_error(403)

        def log_message(self, *words: object) -> None:
            pass

    class Listener(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # whoever asked did not trust us

    listener = Listener(("127.0.0.1", 0), Handler)
    if tls is not None:
        listener.socket = tls.wrap_socket(listener.socket, server_side=True)
    server = PicturesServer(listener.server_port)
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        listener.shutdown()
        thread.join()
        listener.server_close()


def whole(content: bytes, *, says: int | None = None) -> Answer:
    """These bytes, after a length that may be a lie."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content) if says is None else says))
        request.end_headers()
        request.wfile.write(content)

    return answer


def leading_to(place: str, code: int = 302) -> Answer:
    """A redirect."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Location", place)
        request.end_headers()

    return answer


def endless(server: PicturesServer, *, head: bool, pause: float) -> Answer:
    """A body, or a head, that goes on for as long as the server does, a byte or a block at a time."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: " if head else b"HTTP/1.0 200 OK\r\n\r\n")
        while not server.over.wait(pause):
            request.wfile.write(b"a" if pause else bytes(1 << 16))

    return answer
