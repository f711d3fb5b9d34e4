"""A package index on this machine: wheels and sources made on the spot, each with the day of its upload."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class PackageIndex:
    """Files by project, as PEP 691 tells them; `asked` are the projects that somebody asked for."""

    url: str
    files: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add_wheel(
        self,
        name: str,
        version: str,
        *,
        day: str = "2023-01-01",
        requires: Sequence[str] = (),
        files: Mapping[str, str] | None = None,
        tag: str = "py3-none-any",
        yanked: str = "",
    ) -> None:
        """A wheel; without `files` it holds a module of its name."""
        module = name.replace("-", "_")
        content = dict(files or {f"{module}/__init__.py": f"__version__ = {version!r}\n"})
        told = f"{module}-{version}.dist-info"
        content[f"{told}/METADATA"] = _metadata(name, version, requires)
        content[f"{told}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
        record = "".join(f"{path},{_digest(text)},{len(text.encode())}\n" for path, text in content.items())
        content[f"{told}/RECORD"] = f"{record}{told}/RECORD,,\n"
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            for path, text in content.items():
                archive.writestr(path, text)
        self._add(name, f"{module}-{version}-{tag}.whl", written.getvalue(), day, yanked)

    def add_source(self, name: str, version: str, *, day: str = "2023-01-01", setup: str = "") -> None:
        """A source archive whose setup.py is `setup`, else one that makes a module of its name."""
        module = name.replace("-", "_")
        words = f"name={name!r}, version={version!r}, py_modules=[{module!r}]"
        default = f"from setuptools import setup\nsetup({words})\n"
        written = io.BytesIO()
        with tarfile.open(fileobj=written, mode="w:gz") as archive:
            for path, text in {
                "setup.py": setup or default,
                f"{module}.py": f"__version__ = {version!r}\n",
                "PKG-INFO": _metadata(name, version, ()),
            }.items():
                info = tarfile.TarInfo(f"{module}-{version}/{path}")
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))
        self._add(name, f"{module}-{version}.tar.gz", written.getvalue(), day, "")

    def _add(self, name: str, file: str, content: bytes, day: str, yanked: str) -> None:
        self.content[file] = content
        row = {
            "filename": file,
            "url": f"{self.url}/files/{file}",
            "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            "upload-time": f"{day}T12:00:00Z",
            "yanked": yanked or False,
        }
        self.files.setdefault(name, []).append(row)


@contextmanager
def served_index() -> Iterator[PackageIndex]:
    """An index that answers at `index.url`/simple while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, name = self.path.strip("/").split("/")[-2:]
            if kind == "files" and name in index.content:
                self._answer(index.content[name], "application/octet-stream")
            elif kind == "simple" and name in index.files:
                page = {"meta": {"api-version": "1.1"}, "name": name, "files": index.files[name]}
                index.asked.append(name)
                self._answer(json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")
            else:
                index.asked.append(name)
                self.send_error(404)

        do_HEAD = do_GET

        def _answer(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # An address of its own: uv keeps what it learned by address, beyond the life of a port.
    index = PackageIndex(f"http://127.0.0.1:{server.server_address[1]}/{uuid.uuid4().hex}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _metadata(name: str, version: str, requires: Sequence[str]) -> str:
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"
