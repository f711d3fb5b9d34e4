"""What the server says of each request: an id, a line in the log, figures that are counted."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from grey_server import GreyBundle, picture
from test_http import error_of, is_well, raw

from lensmith.server.limits import Limits
from lensmith.server.log_lines import json_lines

Start = Callable[..., httpx.Client]
HEX = re.compile(r"[0-9a-f]{32}")


def logged(place: Path, work: Callable[[], object], count: int, **options: Any) -> list[dict[str, Any]]:
    """What the log holds of `work`, at least `count` lines; each line has to be JSON."""
    with place.open("w") as stream, json_lines(stream, **options):
        work()
        until = time.monotonic() + 20
        # A line is written when its answer is out, which may already be here.
        while len(place.read_text().splitlines()) < count and time.monotonic() < until:
            time.sleep(0.01)
    return [json.loads(line) for line in place.read_text().splitlines()]


def test_a_request_is_one_line_without_what_it_carried(start: Start, tmp_path: Path) -> None:
    client = start(GreyBundle(), token="geheim")
    headers = {"Authorization": "Bearer geheim", "X-Request-ID": "my-id.7"}
    content = picture(255)

    def work() -> None:
        answer = client.post("/v1/predict?token=geheim", content=content, headers=headers)
        assert answer.headers["X-Request-ID"] == "my-id.7"
        client.post("/v1/predict", json={"pictures": ["aGk="] * 3}, headers=headers)
        client.get("/nothing")

    one, several, refused = logged(tmp_path / "log", work, 3)
    assert {**one, "time": "", "ms": 0, "peer": ""} == {
        "time": "",
        "level": "info",
        "event": "request",
        "request_id": "my-id.7",
        "method": "POST",
        "path": "/v1/predict",
        "status": 200,
        "ms": 0,
        "bytes": len(content),
        "pictures": 1,
        "peer": "",
    }
    assert one["ms"] > 0 and one["peer"].startswith("127.0.0.1:")
    assert several["pictures"] == 3
    assert refused["status"] == 401 and HEX.fullmatch(refused["request_id"])
    assert "geheim" not in (tmp_path / "log").read_text()


def test_what_a_caller_chose_stays_inside_its_line(client: httpx.Client, tmp_path: Path) -> None:
    target = "/%0a{%22level%22:%22info%22}%1b[31m%E2%80%A8" + "a" * 3000

    def work() -> None:
        client.get(target)
        for given in ("a b", "x" * 65, "", "-", 'a"b', "ä"):
            answer = client.get("/healthz", headers={"X-Request-ID": given.encode()})
            assert HEX.fullmatch(answer.headers["X-Request-ID"]), given
        raw(client, b"GET /\x1b[31m\nevil HTTP/1.1\r\n\r\n")

    lines = logged(tmp_path / "log", work, 8)
    assert len(lines) == 8
    assert lines[0]["path"].startswith('/\n{"level":"info"}\x1b[31m\u2028aaa')
    assert len(lines[0]["path"]) == 200
    assert lines[-1]["event"] == "connection refused" and lines[-1]["status"] == 400
    text = (tmp_path / "log").read_bytes()
    assert b"\x1b" not in text and max(text) < 128


def test_faults_are_logged_under_the_id_that_the_caller_got(start: Start, tmp_path: Path) -> None:
    class Faulty(GreyBundle):
        @property
        def preprocess(self) -> Any:
            raise ZeroDivisionError("secret")

    for bundle, content, words in (
        (Faulty(), picture(9), "secret"),
        (GreyBundle(), picture(13), "onnx broke"),
    ):
        client = start(bundle)
        answers = []
        lines = logged(
            tmp_path / "log",
            lambda content=content, client=client, answers=answers: answers.append(
                client.post("/v1/predict", content=content)
            ),
            1,
            requests=False,
        )
        assert error_of(answers[0], 500) == "internal"
        (fault,) = [line for line in lines if line["level"] == "error"]
        assert fault["request_id"] == answers[0].headers["X-Request-ID"]
        assert words in fault["traceback"] and "Traceback" in fault["traceback"]


def test_quiet_is_quiet(client: httpx.Client, tmp_path: Path) -> None:
    assert logged(tmp_path / "log", lambda: client.get("/healthz"), 0, requests=False) == []


def test_a_log_that_nobody_reads_holds_up_nobody(client: httpx.Client) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        with json_lines(stream):
            for _ in range(11_000):  # more than a pipe holds, and more than is kept
                logging.getLogger("lensmith.server").info("x" * 200)
            assert is_well(client)
        # Whoever could read has gone, which ends the writer's wait.
        os.close(reader)
        stream.write("")
        with contextlib.suppress(BrokenPipeError):
            stream.close()


def figures(client: httpx.Client) -> dict[str, float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_count_what_happened(start: Start) -> None:
    client = start(GreyBundle(), limits=Limits(in_flight=4))
    for _ in range(3):
        assert is_well(client)
    client.post("/v1/predict", content=b"no picture")
    client.post("/v1/predict", json={"pictures": ["aGk="] * 5})
    for path in ("/nothing", "/v1/predict/x", "/%22%0a"):
        client.get(path)
    seen = figures(client)
    assert seen['lensmith_requests_total{route="/v1/predict",status="200"}'] == 3
    assert seen['lensmith_requests_total{route="/v1/predict",status="422"}'] == 1
    assert seen['lensmith_requests_total{route="/v1/predict",status="503"}'] == 1
    assert seen['lensmith_requests_total{route="other",status="404"}'] == 3
    assert seen['lensmith_request_seconds_count{route="/v1/predict"}'] == 5
    assert seen["lensmith_batch_pictures_sum"] == 3
    assert seen['lensmith_refused_total{limit="in_flight"}'] == 1
    assert seen["lensmith_in_flight_pictures"] == seen["lensmith_queue_pictures"] == 0
    assert seen[f'lensmith_model_info{{sha256="{GreyBundle.sha256}"}}'] == 1


def test_metrics_need_the_token(start: Start) -> None:
    client = start(GreyBundle(), token="geheim")
    assert error_of(client.get("/metrics"), 401) == "unauthorized"
    assert client.get("/metrics", headers={"Authorization": "Bearer geheim"}).status_code == 200


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="memory is told so on Linux")
def test_metrics_tell_the_memory(client: httpx.Client) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("no /proc")
    assert figures(client)["process_resident_memory_bytes"] > 1e7


def test_model_facts_name_no_file_of_whoever_trained_it(client: httpx.Client) -> None:
    answer = client.get("/v1/model")
    assert answer.json()["sha256"] == GreyBundle.sha256
    assert answer.json()["licence"] == "MIT"
    assert "provenance" not in answer.json() and "secret" not in answer.text and "files" not in answer.json()
