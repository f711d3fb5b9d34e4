"""scripts/torch_builds.py, against an index of small wheels on this machine, with and without range requests."""

from __future__ import annotations

import http.server
import io
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "torch_builds.py"


def a_wheel(name: str, version: str, needs: str = "", cuda: str | None = None) -> bytes:
    """A wheel as far as it is read."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as wheel:
        lines = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        lines += f"Requires-Dist: torch{needs}\n" if needs else ""
        wheel.writestr(f"{name}-{version}.dist-info/METADATA", lines)
        if name == "torch":
            wheel.writestr("torch/version.py", f"__version__ = '{version}'\ncuda: str | None = {cuda!r}\n")
            wheel.writestr("torch/lib/libtorch_python.so", os.urandom(2**21) + b"\0 sm_80 sm_90 sm_120\0")
    return content.getvalue()


WHEELS = {
    "torch": {
        "torch-9.1.0-cp312-cp312-manylinux_2_28_x86_64.whl": a_wheel("torch", "9.1.0", cuda="14.0"),
        "torch-9.1.0-cp313-cp313-manylinux_2_28_x86_64.whl": a_wheel("torch", "9.1.0", cuda="14.0"),
        "torch-9.1.0-cp313-cp313t-manylinux_2_28_x86_64.whl": b"",
        "torch-9.1.0-cp312-cp312-win_amd64.whl": a_wheel("torch", "9.1.0"),
    },
    "torchvision": {
        "torchvision-0.40.0-cp312-cp312-manylinux_2_34_x86_64.whl": a_wheel(
            "torchvision", "0.40.0", "==9.1.0"
        ),
        "torchvision-0.40.0-cp312-cp312-win_amd64.whl": a_wheel("torchvision", "0.40.0", "==9.1.0"),
    },
    "torchaudio": {"torchaudio-2.11.0-cp312-cp312-win_amd64.whl": a_wheel("torchaudio", "2.11.0")},
}


class Handler(http.server.BaseHTTPRequestHandler):
    """The JSON of a package index (PEP 691), and its files."""

    ranges = True
    sent = 0

    def do_GET(self) -> None:
        _, kind, name, *_ = [*self.path.split("/"), ""]
        if kind == "simple":
            files = [
                {"filename": file, "url": f"http://{self.headers['Host']}/file/{file}"}
                | {
                    "upload-time": "2031-02-03T04:05:06Z",
                    "requires-python": ">=3.12,!=3.13.1",
                    "yanked": False,
                }
                for file in WHEELS[name]
            ]
            self._answer(200, json.dumps({"files": files}).encode())
            return
        content = next(files[name] for files in WHEELS.values() if name in files)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked and self.ranges:
            first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
            self._answer(206, content[first : last + 1], f"bytes {first}-{last}/{len(content)}")
        else:
            self._answer(200, content)

    def _answer(self, code: int, body: bytes, part: str = "") -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        if part:
            self.send_header("Content-Range", part)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(params=["ranges", "whole files"])
def index(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("Own", (Handler,), {"ranges": request.param == "ranges"})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/simple"
        server.shutdown()


def run(*words: str, table: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *words, "--table", table]
    return subprocess.run(command, env=os.environ | changes, capture_output=True, text=True, check=False)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    copy = tmp_path / "torch_builds.json"
    copy.write_bytes((ROOT / "src/lensmith/machine/torch_builds.json").read_bytes())
    return copy


def test_a_release_that_the_table_lacks_is_told_and_added(index: str, table: Path) -> None:
    before = json.loads(table.read_text())
    done = run("--check", table=table, PIP_INDEX_URL=index)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == [
        "torch==9.1.0 for linux_x86_64 is not in the table",
        "torch==9.1.0 for win_amd64 is not in the table",
    ]
    assert json.loads(table.read_text()) == before

    assert run("--extend", table=table, PIP_INDEX_URL=index).returncode == 0
    after = json.loads(table.read_text())
    linux = next(row for row in after["builds"] if row["platform"] == "linux_x86_64")
    read = linux.pop("read")
    assert read >= "2026-11-25"
    assert linux == {
        "platform": "linux_x86_64",
        "index": "",
        "torch": "==9.1.0",
        "torchvision": "==0.40.0",
        "torchaudio": "",
        "cuda": "14.0",
        "capabilities": ["80", "90", "120"],
        "released": "2031-02-03",
        "python": ">=3.12,<3.14,!=3.13.1",
        "system": "2.34",
        "torchvision_python": ">=3.12,<3.13,!=3.13.1",
        "evidence": "opened",
    }
    assert [row for row in after["builds"] if row["torch"] != "==9.1.0"] == before["builds"]
    assert run("--check", table=table, PIP_INDEX_URL=index).returncode == 0


def test_words_that_say_nothing_to_do(table: Path) -> None:
    assert run(table=table).returncode == 2
    assert run("--check", "--extend", table=table).returncode == 2


@pytest.mark.network
@pytest.mark.slow
def test_the_table_says_what_the_wheels_say() -> None:
    table = ROOT / "src/lensmith/machine/torch_builds.json"
    done = run("--check", "2.15.0", "2.8.0", "1.13.1", table=table)
    assert done.returncode == 0, done.stdout + done.stderr
