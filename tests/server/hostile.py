"""Requests that a server may not stumble over, drawn by a seed, and how each may be answered."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import random
import socket
import string
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from lensmith.server.limits import Limits

READ = frozenset({200, 422})
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
SECONDS = 30.0


@dataclass(frozen=True)
class Hostile:
    """What is sent, in pieces with a pause between them, and the statuses that may answer; 0 stands for none."""

    kind: str
    pieces: list[bytes]
    statuses: frozenset[int]
    pause: float = 0.0


def drawn_picture(draw: random.Random) -> bytes:
    """A small picture of any format, mode and size."""
    kind = draw.choice(FORMATS)
    modes = {"JPEG": ["RGB", "L", "CMYK"], "PNG": ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"]}
    mode = draw.choice(modes.get(kind, ["RGB", "L"]))
    height, width = draw.randint(1, 90), draw.randint(1, 90)
    pixels = np.frombuffer(draw.randbytes(height * width * 3), np.uint8).reshape(height, width, 3)
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    (image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)).save(file, kind)
    return file.getvalue()


def damaged(draw: random.Random, content: bytes) -> bytes:
    """Bytes changed, cut out, doubled, or cut off."""
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 16, 64))):
        at = draw.randrange(len(found) or 1)
        match draw.randrange(5):
            case 0 if found:
                found[at] = draw.randrange(256)
            case 1 if found:
                found[at] ^= 1 << draw.randrange(8)
            case 2:
                del found[at : at + draw.randint(1, 40)]
            case 3:
                found[at:at] = found[at : at + 40]
            case 4 if draw.random() < 0.3:
                del found[at:]
    return bytes(found) or b"\0"


def hostile(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    """One of them."""
    return draw.choices(list(_KINDS), list(_KINDS.values()))[0](draw, limits, picture)


def post(body: bytes, *headers: str, target: str = "/v1/predict", length: str | None = None) -> bytes:
    size = str(len(body)) if length is None else length
    lines = [
        f"POST {target} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        f"Content-Length: {size}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def get(target: str, *headers: str, host: str = "127.0.0.1", method: str = "GET") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def a_damaged_picture(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    return Hostile("damaged picture", [post(damaged(draw, picture))], READ)


def several(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    words = [base64.b64encode(damaged(draw, picture)).decode() for _ in range(draw.randint(1, 4))]
    body = json.dumps({"pictures": words}).encode()
    if draw.random() < 0.5:
        body = damaged(draw, body)
    return Hostile("several", [post(body, "Content-Type: application/json")], READ | {400, 413})


def some_json(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    def value(depth: int) -> Any:
        match draw.randrange(7 if depth else 4):
            case 0:
                return draw.choice([None, True, 0, -1, 1e308, 10**30, "", "aGk=", "\ud800", "\0", "ä" * 40])
            case 1:
                return "".join(draw.choices(string.printable, k=draw.randint(0, 60)))
            case 2:
                return draw.random()
            case 3:
                return draw.randint(-(2**70), 2**70)
            case 4:
                return [value(depth - 1) for _ in range(draw.randint(0, 60))]
            case 5:
                return {"pictures": value(depth - 1), **({"x": 1} if draw.random() < 0.3 else {})}
            case _:
                return {str(value(0)): value(depth - 1)}

    body = json.dumps(value(3)).encode()
    return Hostile("some JSON", [post(body, "Content-Type: application/json")], READ | {400, 413})


def many_brackets(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    part = draw.choice([b"[", b"{", b"[],", b'{"":', b"0,", b'"",', b"-", b"1e", b"\\u0000"])
    body = b'{"pictures":[' + part * (draw.randint(1, min(200_000, limits.body_bytes // 2)) // len(part))
    return Hostile(
        "many brackets", [post(body, "Content-Type: application/json")], frozenset({400, 413, 422})
    )


def oversized(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    size = draw.choice([limits.body_bytes + 1, 10**12, 10**15, 10**17, 10**60])
    statuses = frozenset({413} if size < 10**20 else {400})  # more digits than HTTP libraries read
    return Hostile("oversized", [post(picture, length=str(size))], statuses)


def chunks(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    parts, at = [], 0
    while at < len(picture):
        part = picture[at : at + draw.randint(1, 5000)]
        extension = draw.choice(["", "", ";a=b", ";" + "x" * 300])
        parts.append(f"{len(part):x}{extension}\r\n".encode() + part + b"\r\n")
        at += len(part)
    end = draw.choice([b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n"])
    head = post(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    if draw.random() < 0.5:
        return Hostile("chunks", [head, *parts, end], READ)
    return Hostile("damaged chunks", [head, damaged(draw, b"".join(parts) + end)], READ | {0, 400})


def encodings(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    if draw.random() < 0.5:
        word = draw.choice(["gzip", "deflate", "br", "identity, gzip", "x" * 99])
        return Hostile(
            "Content-Encoding", [post(b"\x1f\x8b" + picture, f"Content-Encoding: {word}")], frozenset({415})
        )
    word = draw.choice(["gzip", "gzip, chunked", "identity", "chunked, chunked", ","])
    return Hostile("Transfer-Encoding", [post(b"5\r\nhello", f"Transfer-Encoding: {word}")], frozenset({400}))


def forms(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    kind = draw.choice(["multipart/form-data", "multipart/form-data; boundary=x", "MULTIPART/mixed"])
    return Hostile("form", [post(picture, f"Content-Type: {kind}")], frozenset({415}))


def paths(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    parts = [
        "..",
        "%2e%2e",
        "%2f",
        "etc",
        "passwd",
        ".",
        "%00",
        "v1",
        "%5c..",
        "\\..",
        "%ff",
        "a" * 500,
        ";",
        "~root",
    ]
    target = draw.choice(["/", "//", "http://evil/", "*/"]) + "/".join(
        draw.choices(parts, k=draw.randint(1, 8))
    )
    kind = draw.choice([get(target), post(picture, target=target)])
    return Hostile("path", [kind], frozenset({400, 404, 405}))


def queries(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    query = "".join(draw.choices("%&=?;+[]'\"<>{}|\\^`abc0" + "\xe4", k=draw.randint(0, 200)))
    return Hostile("query", [post(picture, target=f"/v1/predict?{query}")], READ | {400})


def hosts(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    host = draw.choice(
        ["evil.example", "127.0.0.1.evil", "", "[::1", "a b", "127.0.0.1:x", "x@127.0.0.1", "é", "0"]
    )
    origin = draw.choice([[], ["Origin: http://evil.example"]])
    return Hostile("Host", [get("/v1/model", *origin, host=host)], frozenset({400}))


def origins(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    origin = draw.choice(["null", "http://evil.example", "http://127.0.0.1:1", "file://", "é", "http://"])
    return Hostile("Origin", [post(picture, f"Origin: {origin}")], frozenset({403}))


def methods(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    method = draw.choice(["PUT", "DELETE", "TRACE", "OPTIONS", "PROPFIND", "get", "X" * 900, "HEAD", "PATCH"])
    return Hostile("method", [get("/v1/predict", method=method)], frozenset({400, 405}))


def floods(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    many = [f"X-{n}: {'a' * draw.randint(0, 60)}" for n in range(draw.randint(120, 3000))]
    large = [f"X: {'a' * draw.randint(limits.head_bytes, 20 * limits.head_bytes)}"]
    return Hostile("header flood", [get("/v1/model", *draw.choice([many, large]))], frozenset({400, 431}))


def odd_headers(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    line = "".join(draw.choices("abcX-:; \t\x01\x7f\xff\"'", k=draw.randint(1, 80)))
    names = [
        "Content-Type",
        "X-Request-ID",
        "Authorization",
        "Accept",
        "Cookie",
        "Range",
        "If-None-Match",
        "Upgrade",
    ]
    return Hostile("odd header", [post(picture, f"{draw.choice(names)}: {line}")], READ | {400, 415})


def lengths(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    length = draw.choice(
        ["-1", "+5", "abc", "5.0", "0x5", "1e3", "", "5 5", "5, 6", "\xb2", "5\r\nContent-Length: 6"]
    )
    return Hostile("Content-Length", [post(picture, length=length)], frozenset({400}))


def raw_bytes(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    some = draw.choice(
        [draw.randbytes(draw.randint(1, 3000)), damaged(draw, post(picture)[:150]), b"\x16\x03\x01\x02"]
    )
    return Hostile("bytes", [some], frozenset({0, 200, 400, 403, 404, 405, 408, 413, 415, 422, 431}))


def slow(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    content = post(picture)
    step = max(1, len(content) // 12)
    return Hostile("slow", [content[at : at + step] for at in range(0, len(content), step)], READ, 0.02)


def cut_off(draw: random.Random, limits: Limits, picture: bytes) -> Hostile:
    content = post(picture)
    return Hostile("cut off", [content[: draw.randrange(1, len(content))]], frozenset({0, 400}))


_KINDS: dict[Callable[[random.Random, Limits, bytes], Hostile], int] = {
    a_damaged_picture: 30,
    several: 10,
    some_json: 10,
    many_brackets: 3,
    oversized: 3,
    chunks: 8,
    encodings: 3,
    forms: 2,
    paths: 8,
    queries: 4,
    hosts: 4,
    origins: 2,
    methods: 3,
    floods: 3,
    odd_headers: 6,
    lengths: 4,
    raw_bytes: 6,
    slow: 2,
    cut_off: 4,
}


def answer_to(port: int, sent: Hostile) -> bytes:
    """All that the server says, until it closes. Raises `TimeoutError` where it does neither."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as line:
        with contextlib.suppress(ConnectionError):
            for piece in sent.pieces:
                line.sendall(piece)
                time.sleep(sent.pause)
            if 0 in sent.statuses:
                line.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while part := line.recv(65536):
                got += part
    return got


def fault_in(sent: Hostile, got: bytes) -> str:
    """What is wrong with an answer, or nothing."""
    head, _, body = got.partition(b"\r\n\r\n")
    status = int(got[9:12]) if got[:9] == b"HTTP/1.1 " else 0
    if got and not status:
        return f"{sent.kind}: no HTTP comes back: {got[:60]!r}"
    if status not in sent.statuses:
        return f"{sent.kind}: {status} {body[:200]!r}, and {sorted(sent.statuses)} are allowed"
    if status >= 400 and not head.startswith(b"HTTP/1.1 405") and b"HEAD" not in sent.pieces[0][:5]:
        error = json.loads(body)["error"]
        if set(error) != {"code", "message"}:
            return f"{sent.kind}: {body!r}"
    if any(word in body for word in (b"Traceback", b".py", b"0x", b"/home", b"/work", b"uvicorn")):
        return f"{sent.kind}: it tells of its insides: {body!r}"
    return ""
