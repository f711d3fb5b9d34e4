from __future__ import annotations

import getpass
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from grey_server import picture

from lensmith.errors import UsageError
from lensmith.server.run import listen, url_of

BUNDLE = """
import sys, time, types
import numpy as np
from lensmith.types import Prediction

class Bundle:
    sha256, path, at_once = "cd" * 32, None, 4
    def describe(self): return {"classes": ["a"]}
    def preprocess(self, pixels, /): return np.zeros((4, 4, 3), np.uint8)
    def predict_prepared(self, images, /):
        time.sleep(0.5)
        return [Prediction("a", 1.0, True)] * len(images)
"""
# The command as a person runs it, but for the bundle, which answers slowly and always the same.
SERVE = f"""{BUNDLE}
module = types.ModuleType("lensmith.bundle.bundle")
module.load_model = lambda word: Bundle()
sys.modules["lensmith.bundle.bundle"] = module

from lensmith.cli.commands.serve import serve
from lensmith.cli.main import app, run
app.command()(serve)
sys.exit(run(["serve", "last", *sys.argv[1:]]))
"""


def clean_environment(**more: str) -> dict[str, str]:
    return {**{k: v for k, v in os.environ.items() if k not in ("LENSMITH_TOKEN", "SSH_CONNECTION")}, **more}


@contextmanager
def serving(
    *words: str, program: str = SERVE, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """The process, its URL and the first lines that it said."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(**environment),
    )
    try:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(2)]
        found = re.search(r"http://\S+", said[0])
        assert found, said
        yield process, found[0], said
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.fault(40)
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_drains_then_ends(number: signal.Signals, code: int) -> None:
    with serving("--port", "0") as (process, url, said):
        assert said[1].startswith("try: curl --data-binary @picture.jpg http://127.0.0.1:")
        answers: list[httpx.Response] = []

        def ask() -> None:
            answer = httpx.post(f"{url}/v1/predict", content=picture(9), timeout=30, trust_env=False)
            answers.append(answer)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.25)  # The request is with the model now, which takes 0.5 s.
        process.send_signal(number)
        asking.join()
        assert answers[0].json()["label"] == "a"
        assert process.wait(30) == code
        assert process.stderr is not None
        rest = process.stderr.read()
        assert "Traceback" not in rest and ("stopped" in rest or code)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz", trust_env=False)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_body_that_never_ends_does_not_keep_it_from_ending() -> None:
    program = f"""{BUNDLE}
from lensmith.server.limits import Limits
from lensmith.server.run import serve
say = lambda url: print(url, file=sys.stderr, end="\\n\\n", flush=True)
serve(Bundle(), port=0, limits=Limits(drain_seconds=1), on_ready=say)
"""
    with serving(program=program) as (process, url, _):
        port = httpx.URL(url).port
        assert port is not None
        with (
            socket.create_connection(("127.0.0.1", port)) as line,
            socket.create_connection(("127.0.0.1", port)),
        ):
            line.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\nabc")
            time.sleep(0.2)
            process.terminate()
            assert process.wait(60) == 0


def test_the_token_comes_from_the_environment_and_is_never_shown() -> None:
    with serving("--port", "0", "--host", "0.0.0.0", LENSMITH_TOKEN="geheim") as (_, url, said):
        assert "geheim" not in "".join(said)
        assert '-H "Authorization: Bearer $LENSMITH_TOKEN"' in said[1]
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/v1/model", trust_env=False).status_code == 401
        headers = {"Authorization": "Bearer geheim"}
        assert httpx.get(f"{url}/v1/model", headers=headers, trust_env=False).json() == {"classes": ["a"]}


def run_serve(*words: str, prelude: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(prelude) + SERVE, *words],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=60,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_port_in_use_is_named_with_the_next_step() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        code, said = run_serve("--port", str(port))
    assert code == 2
    assert f"port {port} on 127.0.0.1 is in use" in said and "--port" in said
    assert "Traceback" not in said


@pytest.mark.fault(39)
def test_beyond_this_machine_only_with_a_token() -> None:
    code, said = run_serve("--host", "0.0.0.0", "--port", "0")
    assert code == 2
    assert "--token" in said and "LENSMITH_TOKEN" in said
    for token in (None, ""):
        with pytest.raises(UsageError, match="no token"):
            listen("0.0.0.0", 0, token=token)
    with pytest.raises(UsageError, match="no such address"):
        listen("no.such.host.invalid", 0)


def test_missing_packages_end_in_the_line_that_installs_them() -> None:
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        code, said = run_serve(prelude=f"import sys; sys.modules[{package!r}] = None\n")
        assert code == 4
        assert package in said and 'pip install "lensmith[serve]"' in said


def test_who_came_by_ssh_is_told_of_a_tunnel() -> None:
    with serving("--port", "0", SSH_CONNECTION="203.0.113.9 50000 198.51.100.7 22") as (process, url, _):
        assert process.stderr is not None
        port = httpx.URL(url).port
        expected = f"on your own computer: ssh -L {port}:127.0.0.1:{port} {getpass.getuser()}@198.51.100.7\n"
        assert process.stderr.readline() == expected


def test_loopback_names_and_addresses() -> None:
    for host in ("127.0.0.1", "localhost"):
        with listen(host, 0) as listener:
            assert re.fullmatch(r"http://(127\.0\.0\.1|\[::1\]):\d+", url_of(listener))


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6_loopback() -> None:
    try:
        listener = listen("::1", 0)
    except UsageError:
        pytest.skip("no IPv6 on this machine")
    with listener:
        assert url_of(listener).startswith("http://[::1]:")


def test_serving_loads_no_torch_and_no_training() -> None:
    code = (
        "import sys, lensmith.server.run\n"
        "bad = [n for n in sys.modules if n.split('.')[0] == 'torch' or n.startswith('lensmith.training')]\n"
        "sys.exit(len(bad))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
