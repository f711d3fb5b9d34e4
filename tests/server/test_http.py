from __future__ import annotations

import http.client
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from grey_server import GreyBundle, picture

from lensmith.server.limits import Limits

Start = Callable[..., httpx.Client]


def error_of(answer: httpx.Response, status: int) -> str:
    """The error's code, once the answer has the promised shape and gives nothing away."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message"} and error["message"]
    assert not any(word in answer.text for word in ("Traceback", "secret", ".py", "0x", "uvicorn"))
    return str(error["code"])


def raw(client: httpx.Client, content: bytes, seconds: float = 20.0) -> bytes:
    """Everything that the server says to these bytes, until it closes."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=seconds) as line:
        line.sendall(content)
        answer = b""
        while chunk := line.recv(65536):
            answer += chunk
        return answer


def is_well(client: httpx.Client) -> bool:
    answer = client.post("/v1/predict", content=picture(255))
    return answer.status_code == 200 and answer.json()["label"] == "light"


# ---- what it answers


@pytest.mark.parametrize("content_type", ["image/png", "application/x-www-form-urlencoded", None])
def test_a_picture_gets_its_prediction(client: httpx.Client, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = client.post("/v1/predict", content=picture(51), headers=headers)
    assert answer.status_code == 200
    facts = answer.json()
    assert facts["label"] == "dark" and facts["sure"] is True
    assert facts["probability"] == pytest.approx(0.8)
    assert facts["top"] == [["dark", pytest.approx(0.8)], ["light", pytest.approx(0.2)]]
    assert facts["model"] == GreyBundle.sha256


def test_a_chunked_body_is_read(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for byte in picture(255):
            yield bytes([byte])

    assert client.post("/v1/predict", content=chunks()).json()["label"] == "light"


def test_model_health_and_readiness(client: httpx.Client) -> None:
    assert client.get("/v1/model").json()["classes"] == ["dark", "light"]
    assert client.get("/healthz").json() == {"alive": True}
    assert client.get("/readyz").json() == {"ready": True}


def test_openapi_describes_the_raw_body(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    pictures = {"/v1/predict", "/v1/view", "/v1/explain"}
    assert set(paths) == {*pictures, "/v1/model", "/v1/page", "/metrics", "/healthz", "/readyz"}
    operation = paths["/v1/predict"]["post"]
    content = operation["requestBody"]["content"]
    assert content["application/octet-stream"]["schema"]["format"] == "binary"
    assert {"400", "401", "403", "408", "413", "415", "422", "503"} <= set(operation["responses"])
    # Pages that would load scripts from the net.
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


# ---- what it refuses


def test_bodies_that_hold_no_picture(client: httpx.Client) -> None:
    assert error_of(client.post("/v1/predict", content=b""), 400) == "empty_body"
    for content in (b"hello", b"<html></html>", picture(9)[:-30], b"\x00" * 5000):
        assert error_of(client.post("/v1/predict", content=content), 422) == "unreadable_picture"
    form = client.post("/v1/predict", files={"file": picture(9)})
    assert error_of(form, 415) == "unsupported_media_type"
    assert "--data-binary" in form.json()["error"]["message"]
    gzipped = client.post("/v1/predict", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert error_of(gzipped, 415) == "unsupported_media_type"
    assert is_well(client)


@pytest.mark.fault(39)
def test_paths_and_methods_that_are_not_there(client: httpx.Client) -> None:
    assert error_of(client.get("/nothing"), 404) == "not_found"
    assert error_of(client.post("/nothing", content=b"x" * 50_000), 404) == "not_found"
    wrong = client.get("/v1/predict")
    assert error_of(wrong, 405) == "method_not_allowed" and wrong.headers["Allow"] == "POST"
    for target in (
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/v1/model%00",
        "/v1/model/",
    ):
        answer = raw(
            client, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 404 "), target
    assert is_well(client)


def test_too_large_is_said_from_the_header_alone(client: httpx.Client) -> None:
    for length in ("100001", "9" * 12):
        head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        assert raw(client, head.encode()).startswith(b"HTTP/1.1 413 ")
    expect = f"{head[:-2]}Expect: 100-continue\r\n\r\n"
    assert raw(client, expect.encode()).startswith(b"HTTP/1.1 413 ")
    assert is_well(client)


def test_the_largest_body_that_is_taken(client: httpx.Client) -> None:
    content = picture(255)
    for size, status in ((100_000, 200), (100_001, 413)):
        answer = client.post("/v1/predict", content=content + bytes(size - len(content)))
        assert answer.status_code == status


@pytest.mark.fault(37)
def test_too_large_is_said_while_it_streams(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(50_000)

    # Whoever sends without an end is answered, then cut off.
    line = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=20)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        line.request("POST", "/v1/predict", body=endless(), encode_chunked=True)
    line.close()
    # Whoever sends it all before listening gets the answer too, not a reset connection.
    line = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=20)
    line.request("POST", "/v1/predict", body=bytes(5_000_000))
    answer = line.getresponse()
    assert answer.status == 413 and json.loads(answer.read())["error"]["code"] == "too_large"
    line.close()
    assert is_well(client)


@pytest.mark.fault(37)
def test_a_body_that_does_not_arrive(client: httpx.Client) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n"
    begun = time.monotonic()
    assert raw(client, head + b"abc").startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begun > 0.9
    assert is_well(client)


def test_a_body_that_is_cut_off_leaves_no_trace(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\nabc"
    for linger in (struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)):
        with socket.create_connection((client.base_url.host, client.base_url.port)) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            line.sendall(head)
            time.sleep(0.1)
    assert is_well(client)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


def test_bytes_that_are_not_http(client: httpx.Client) -> None:
    generator = random.Random(5)
    chunked = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
    for content in (
        generator.randbytes(300) + b"\r\n\r\n",
        chunked + b"zz\r\nhello\r\n0\r\n\r\n",
        chunked + b"-5\r\nhello\r\n0\r\n\r\n",
        head + b"-1\r\n\r\n",
        head + b"9" * 5000 + b"\r\n\r\n",
        head + b"5\r\nContent-Length: 6\r\n\r\nhello",
        b"GET /" + b"a" * 100_000,
    ):
        answer = raw(client, content)
        assert answer[:10] in (b"HTTP/1.1 4", b"")
    assert is_well(client)


# ---- who may ask


@pytest.mark.fault(39)
def test_only_the_name_that_it_is_bound_to(client: httpx.Client) -> None:
    for host in ("localhost", "127.0.0.1:8000", "[::1]:9", "LOCALHOST:80"):
        assert client.get("/v1/model", headers={"Host": host}).status_code == 200
    for host in (
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil:80",
        "x@localhost",
        "",
        "10.0.0.1",
    ):
        assert error_of(client.get("/healthz", headers={"Host": host}), 400) == "bad_host"
        answer = client.post("/v1/predict", content=picture(9), headers={"Host": host})
        assert error_of(answer, 400) == "bad_host"


@pytest.mark.fault(39)
def test_pages_of_other_origins_are_refused(client: httpx.Client) -> None:
    here = f"http://127.0.0.1:{client.base_url.port}"
    assert client.get("/v1/model", headers={"Origin": here}).status_code == 200
    on_80 = {"Host": "localhost", "Origin": "http://localhost"}
    assert client.get("/v1/model", headers=on_80).status_code == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"{here}.evil", "file://", ""):
        answer = client.post("/v1/predict", content=picture(9), headers={"Origin": origin})
        assert error_of(answer, 403) == "foreign_origin"


def test_the_token_guards_all_but_the_probes(start: Start) -> None:
    client = start(GreyBundle(), token="geheim-€", hosts=None)
    bearer = "Bearer geheim-€".encode()
    for given in (None, b"Bearer", b"Bearer wrong", b"Bearer geheim", b"Basic geheim", bearer + b"x"):
        headers = [(b"Authorization", given)] if given else []
        for answer in (
            client.post("/v1/predict", content=picture(9), headers=headers),
            client.get("/v1/model", headers=headers),
            client.get("/openapi.json", headers=headers),
            client.get("/nothing", headers=headers),
        ):
            assert error_of(answer, 401) == "unauthorized"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert client.get("/v1/model", headers=[(b"Authorization", bearer)]).status_code == 200
    # A token makes any name good: the machine may be known by many.
    for path in ("/healthz", "/readyz"):
        assert client.get(path, headers={"Host": "10.2.3.4:80"}).status_code == 200


# ---- under load and in trouble


def test_a_model_that_fails_is_not_explained_to_the_caller(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    client = start(GreyBundle())
    assert error_of(client.post("/v1/predict", content=picture(13)), 500) == "internal"
    assert "model.onnx broke" in caplog.text
    assert is_well(client)


def test_a_fault_of_ours_is_not_explained_to_the_caller(start: Start) -> None:
    class Faulty(GreyBundle):
        @property
        def preprocess(self) -> Any:
            raise ZeroDivisionError("secret")

    client = start(Faulty())
    assert error_of(client.post("/v1/predict", content=picture(9)), 500) == "internal"
    assert client.get("/readyz").status_code == 200


@pytest.mark.fault(38)
def test_a_full_queue_refuses_fast_and_answers_the_rest_rightly(start: Start) -> None:
    bundle = GreyBundle(seconds=0.3)
    client = start(bundle, limits=Limits(in_flight=4, batch=2))
    together = threading.Barrier(32)

    def ask(index: int) -> tuple[int, httpx.Response, float]:
        level = 7 * index
        together.wait()
        begun = time.monotonic()
        # Larger than the buffers between the two, so that an early answer meets a sender in the midst of it.
        content = picture(level) + bytes(400_000)
        answer = httpx.post(f"{client.base_url}/v1/predict", content=content, timeout=30, trust_env=False)
        return level, answer, time.monotonic() - begun

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, range(32)))
    refused = [answer for answer in answers if answer[1].status_code == 503]
    served = [answer for answer in answers if answer[1].status_code == 200]
    assert len(refused) + len(served) == 32 and len(served) >= 4 and len(refused) >= 8
    for _, answer, seconds in refused:
        assert error_of(answer, 503) == "busy"
        assert int(answer.headers["Retry-After"]) >= 1
        assert seconds < 10
    for level, answer, _ in served:
        assert dict(answer.json()["top"])["light"] == pytest.approx(level / 255)
    assert max(bundle.batches) <= 2
    assert is_well(client)


def test_a_model_that_hangs_does_not_hold_its_callers(start: Start) -> None:
    client = start(GreyBundle(seconds=2.0), limits=Limits(seconds=0.3))
    assert error_of(client.post("/v1/predict", content=picture(9)), 503) == "busy"
    assert client.get("/healthz").status_code == 200


def test_damaged_pictures_never_break_it(client: httpx.Client) -> None:
    generator = random.Random(1)
    whole = picture(77)
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(generator.randint(1, 4)):
            content[generator.randrange(len(content))] = generator.randrange(256)
        answer = client.post("/v1/predict", content=bytes(content[: generator.randint(1, len(content))]))
        if answer.status_code != 200:
            assert error_of(answer, 422) == "unreadable_picture"
    assert is_well(client)
