"""Faults 37 to 40: what is sent to the real `lensmith serve`, and what becomes of its model meanwhile."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from command_line import COMMAND, environment, serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def url(trained_digits: Path) -> Iterator[str]:
    with serving(trained_digits / "runs/digits-001", "--quiet", cwd=trained_digits) as url:
        yield url


@pytest.fixture(scope="module")
def eight(trained_digits: Path) -> bytes:
    return sorted((trained_digits / "digits/8").iterdir())[0].read_bytes()


def said(url: str, content: bytes, then: bytes = b"", times: int = 0) -> bytes:
    """All that the server says to these bytes and, until it has answered, to more of them."""
    place = httpx.URL(url)
    with socket.create_connection((place.host, place.port), timeout=30) as line:
        try:
            line.sendall(content)
            for _ in range(times):
                line.sendall(then)
        except ConnectionError:
            pass  # it has answered and hung up
        answer = b""
        try:
            while chunk := line.recv(65536):
                answer += chunk
        except ConnectionError:
            pass
        return answer


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False, timeout=30)


def memory(url: str) -> float:
    """Megabytes that the server holds."""
    found = re.search(r"^process_resident_memory_bytes (\S+)$", get(f"{url}/metrics").text, re.M)
    return float(found[1]) / 2**20 if found else 0.0


def is_well(url: str, eight: bytes) -> bool:
    answer = httpx.post(f"{url}/v1/predict", content=eight, trust_env=False, timeout=30)
    return answer.status_code == 200 and answer.json()["label"] == "8"


@pytest.mark.fault(37)
def test_bodies_that_are_no_request_are_answered_and_take_no_memory(url: str, eight: bytes) -> None:
    assert is_well(url, eight)
    before = memory(url)
    parts = b"".join(b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" for _ in range(10_000))
    form = b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n" % len(parts)
    sent = {
        "too long": (said(url, HEAD + b"Content-Length: 1000000000\r\n\r\n"), 413),
        "without a length": (said(url, HEAD + b"Connection: close\r\n\r\n"), 400),
        "a length below nothing": (said(url, HEAD + b"Content-Length: -1\r\n\r\n"), 400),
        "two lengths": (said(url, HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), 400),
        "compressed": (said(url, HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"), 415),
        "10,000 parts": (said(url, HEAD + form + parts), 415),
        "empty": (said(url, HEAD + b"Content-Length: 0\r\nConnection: close\r\n\r\n"), 400),
        "chunks without an end": (said(url, CHUNKED, b"100000\r\n" + bytes(2**20) + b"\r\n", 300), 413),
        "a head without an end": (said(url, b"GET / HTTP/1.1\r\nX: ", b"a" * 65536, 300), 400),
    }
    for kind, (answer, status) in sent.items():
        assert answer.startswith(b"HTTP/1.1 %d " % status), (kind, answer[:200])
        assert b"Traceback" not in answer and b".py" not in answer, kind
    assert is_well(url, eight)
    assert memory(url) - before < 60, "300 MB were sent twice"


@pytest.mark.slow
@pytest.mark.fault(37)
def test_who_drips_a_head_or_a_body_is_told_and_cut_off(url: str, eight: bytes) -> None:
    """The limits of the real command: 10 s for a head, 20 s for a body."""

    def drip(content: bytes) -> bytes:
        place, answer = httpx.URL(url), b""
        with socket.create_connection((place.host, place.port), timeout=0.5) as line:
            line.sendall(content)
            until = time.monotonic() + 60
            while time.monotonic() < until and b"HTTP/1.1 " not in answer:
                try:
                    line.sendall(b"a")
                    answer += line.recv(65536)
                except TimeoutError:
                    continue
        return answer

    with ThreadPoolExecutor(2) as pool:
        heads = pool.submit(drip, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        bodies = pool.submit(drip, HEAD + b"Content-Length: 5000\r\n\r\n")
        assert is_well(url, eight)
        assert heads.result().startswith(b"HTTP/1.1 408 ") and bodies.result().startswith(b"HTTP/1.1 408 ")


@pytest.mark.fault(38)
def test_two_hundred_at_once_are_answered_rightly_or_told_to_come_back(
    url: str, trained_digits: Path
) -> None:
    files = [sorted((trained_digits / f"digits/{digit}").iterdir())[7] for digit in range(10)]
    alone = [
        httpx.post(f"{url}/v1/predict", content=file.read_bytes(), trust_env=False).json()["label"]
        for file in files
    ]
    together, place = threading.Barrier(200), httpx.URL(url)

    def ask(number: int) -> tuple[int, int, str | None, bytes]:
        line = http.client.HTTPConnection(place.host, place.port, timeout=60)
        together.wait()
        line.request("POST", "/v1/predict", files[number % 10].read_bytes())
        answer = line.getresponse()
        found = number % 10, answer.status, answer.headers["Retry-After"], answer.read()
        line.close()
        return found

    before = memory(url)
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(ask, range(200)))
    assert {status for _, status, _, _ in answers} <= {200, 503}
    served = [(digit, body) for digit, status, _, body in answers if status == 200]
    assert len(served) >= 64, "as many as may wait are served"
    assert all(json.loads(body)["label"] == alone[digit] for digit, body in served)
    assert all(again and int(again) >= 1 for _, status, again, _ in answers if status == 503)
    assert memory(url) - before < 100


@pytest.mark.fault(39)
def test_paths_that_climb_and_names_that_are_not_its_own_lead_nowhere(url: str, eight: bytes) -> None:
    for target in (
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/v1/model%00",
        "/..%5c",
    ):
        answer = said(url, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 404 ") and b"root:" not in answer, target
    for host in ("evil.example", "127.0.0.1.evil.example", "", "localhost@evil"):
        for path in ("/", "/v1/model", "/healthz"):
            assert get(f"{url}{path}", Host=host).status_code == 400, host
    for origin in ("http://evil.example", "null", "file://", "http://127.0.0.1:1"):
        headers = {"Origin": origin}
        answer = httpx.post(f"{url}/v1/predict", content=eight, headers=headers, trust_env=False)
        assert answer.status_code == 403, origin
    assert is_well(url, eight)


@pytest.mark.fault(39)
def test_other_machines_are_not_listened_to_and_without_a_token_never_can_be(
    url: str, trained_digits: Path
) -> None:
    assert httpx.URL(url).host == "127.0.0.1"
    # Every address of 127.0.0.0/8 leads to this machine; only the one that was said is listened to.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", httpx.URL(url).port), timeout=10)
    words = [*COMMAND, "serve", "last", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(
        words, cwd=trained_digits, env=environment(LENSMITH_TOKEN=None), capture_output=True, text=True
    )
    assert done.returncode == 2 and "LENSMITH_TOKEN" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.fault(40)
def test_a_model_that_is_damaged_or_deleted_while_it_is_served_answers_on(
    trained_digits: Path, eight: bytes, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained_digits / "runs/digits-001", tmp_path / "run"))
    with serving(run, "--quiet", cwd=tmp_path) as url:  # and ends with 0 when it is asked to
        weights = run / "model/weights.safetensors"
        os.truncate(weights, 1000)
        assert is_well(url, eight)
        (run / "model/bundle.json").write_text("{")
        until = time.monotonic() + 60
        while 'replacements_total{outcome="refused"} 1.0' not in get(f"{url}/metrics").text:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert is_well(url, eight)
        shutil.rmtree(run)
        assert is_well(url, eight)
        assert get(f"{url}/healthz").json() == {"alive": True}
        assert get(f"{url}/readyz").json() == {"ready": True}
