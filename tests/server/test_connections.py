"""Connections that are too many, too slow or too large, on real sockets."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from grey_server import GreyBundle, picture, running
from test_http import is_well, raw

from lensmith.server.limits import Limits

Start = Callable[..., httpx.Client]
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def hasty() -> Iterator[httpx.Client]:
    with running(GreyBundle(), limits=Limits(head_seconds=0.5, connections=20, idle_seconds=1)) as client:
        yield client


def connect(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=20)


def until_closed(line: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionError):
        while chunk := line.recv(65536):
            answer += chunk
    return answer


def test_a_connection_that_says_nothing_is_closed(hasty: httpx.Client) -> None:
    with connect(hasty) as line:
        assert until_closed(line) == b""


@pytest.mark.fault(37)
@pytest.mark.parametrize("before", [b"", HEAD + b"\r\n"], ids=["first", "second"])
def test_a_head_that_drips_is_cut_off(hasty: httpx.Client, before: bytes) -> None:
    with connect(hasty) as line:
        line.settimeout(0.1)
        line.sendall(before)
        begun = time.monotonic()
        answer = b""
        dripping = iter((HEAD + b"X-Slow: " + b"a" * 500).decode())
        # Each byte comes well within any pause that a server allows between two of them.
        while time.monotonic() < begun + 10 and b" 408 " not in answer:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                line.sendall(next(dripping).encode())
            with contextlib.suppress(TimeoutError):
                answer += line.recv(65536)
    assert answer.count(b"HTTP/1.1 200 ") == bool(before)
    assert b"HTTP/1.1 408 " in answer and b'"request_timeout"' in answer
    assert is_well(hasty)


def test_a_slow_answer_is_not_taken_for_a_slow_head(start: Start) -> None:
    client = start(GreyBundle(seconds=0.6), limits=Limits(head_seconds=0.2, idle_seconds=1))
    for _ in range(2):
        assert is_well(client)


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X: " + b"a" * 17_000 + b"\r\n\r\n",
        HEAD + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
        HEAD + b"a: b\r\n" * 40_000 + b"\r\n",
        HEAD + b"X: " + b"a" * 2_000_000,
        b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["17 kB", "200 kB", "40,000 headers", "2 MB", "a long path"],
)
def test_a_head_that_is_too_large_is_refused(hasty: httpx.Client, head: bytes) -> None:
    with connect(hasty) as line:
        with contextlib.suppress(ConnectionError):
            line.sendall(head)
        assert until_closed(line).startswith(b"HTTP/1.1 400 ")
    assert is_well(hasty)


def test_a_head_within_the_limits_is_taken_with_its_body(hasty: httpx.Client) -> None:
    # Larger than one piece of a head and with a long body right behind it: all in one write.
    body = picture(255) + bytes(150_000)
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + b"a" * 15_000
    answer = raw(hasty, head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 200 ") and b'"light"' in answer


def test_too_many_headers_are_refused(hasty: httpx.Client) -> None:
    head = HEAD + b"Connection: close\r\n"
    assert raw(hasty, head + b"a: b\r\n" * 99 + b"\r\n").startswith(b"HTTP/1.1 431 ")
    assert raw(hasty, head + b"a: b\r\n" * 98 + b"\r\n").startswith(b"HTTP/1.1 200 ")


def test_connections_are_bounded_and_the_one_too_many_is_told(start: Start) -> None:
    client = start(GreyBundle(), limits=Limits(connections=5))
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connect(client))
        for _ in range(7):
            answer = raw(client, b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 1" in answer and b'"busy"' in answer
    for _ in range(100):
        with contextlib.suppress(httpx.HTTPError):
            if client.get("/healthz").status_code == 200:
                break
        time.sleep(0.05)
    assert is_well(client)
    assert 'refused_total{limit="connections"} 7' in client.get("/metrics").text


@pytest.mark.parametrize("length", ["-1", "+5", "abc", "5.0", "0x5", "1e3", "", "5 5", "²", "5, 6"])
def test_content_lengths_that_are_no_number(hasty: httpx.Client, length: str) -> None:
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\nhello"
    assert raw(hasty, head.encode("latin-1")).startswith(b"HTTP/1.1 400 ")
    assert is_well(hasty)


def test_a_body_that_breaks_off_in_its_chunks_is_told(hasty: httpx.Client) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    for body in (b"zz\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n-5\r\n", b"5\r\nhelloXX"):
        assert raw(hasty, head + body).startswith(b"HTTP/1.1 400 ")
    assert is_well(hasty)


def test_an_upgrade_is_answered_in_http(hasty: httpx.Client) -> None:
    head = HEAD + b"Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
    assert raw(hasty, head).startswith(b"HTTP/1.1 200 ")


def test_an_answer_that_nobody_reads_is_cut_off(start: Start) -> None:
    class Wordy(GreyBundle):
        def describe(self) -> dict[str, object]:
            return {**super().describe(), "report": {"words": "a" * 20_000_000}}

    client = start(Wordy(), limits=Limits(seconds=0.5))
    with connect(client) as line:
        line.sendall(HEAD.replace(b"/healthz", b"/v1/model") + b"\r\n")
        time.sleep(1.5)
        answer = until_closed(line)
    assert answer.startswith(b"HTTP/1.1 200 ") and len(answer) < 20_000_000
    assert is_well(client)
