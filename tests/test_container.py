"""The image that serves a model. There is no docker here: each RUN line of the Dockerfile is executed in an empty
folder in the place of the image's root, and what it says to start is started."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from drawn import encoded, noise
from frozen.update import commands, options
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
MOST_BYTES = 350 * 2**20
"""What the image adds to python:slim."""
TOKEN = "correct horse"


def instructions() -> list[tuple[str, str]]:
    """`(word, arguments)` of each instruction of the Dockerfile, in order."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    found = [line.strip().split(maxsplit=1) for line in whole.splitlines() if line.strip()]
    return [(word, arguments) for word, arguments in found]


def said(word: str) -> list[str]:
    return [arguments for name, arguments in instructions() if name == word]


def started() -> list[str]:
    """What the container runs."""
    return [*json.loads(said("ENTRYPOINT")[0]), *json.loads(said("CMD")[0])]


def asked_for_health() -> list[str]:
    found: list[str] = json.loads(said("HEALTHCHECK")[0].partition("CMD")[2])
    return found


def project() -> dict[str, Any]:
    facts: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return facts


def test_its_python_is_one_that_is_supported() -> None:
    versions = {re.fullmatch(r"python:(3\.\d+)-slim(?: AS build)?", one) for one in said("FROM")}
    assert len({found and found[1] for found in versions}) == 1
    (version,) = {found[1] for found in versions if found}
    assert version in SpecifierSet(project()["requires-python"])
    assert f"Programming Language :: Python :: {version}" in project()["classifiers"]


def test_what_it_copies_is_there_and_nothing_else_is_sent() -> None:
    copied = {word for line in said("COPY") if "--from" not in line for word in line.split()[:-1]}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    sent = {word.removeprefix("!") for word in ignored if word.startswith("!")}
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)
    needed = {"pyproject.toml", "src", project()["readme"], *project()["license-files"]}
    assert needed <= copied
    assert "*" in ignored and not any(fnmatch.fnmatch("photos", word) for word in sent)


def test_it_installs_what_serves_and_no_torch() -> None:
    (install,) = [line for line in said("RUN") if " install " in line]
    assert shlex.split(install)[-1] == ".[serve]"
    serve = [*project()["dependencies"], *project()["optional-dependencies"]["serve"]]
    assert not [line for line in serve if re.match(r"(torch|onnx\b|nvidia|timm)", line)]


def test_it_is_started_as_the_command_is() -> None:
    program, command, model, *words = started()
    assert (program, command) == ("lensmith", "serve")
    known = {spelling for option in options(dict(commands())["serve"]) for spelling in option.split("/")}
    assert {word for word in words if word.startswith("-")} <= known
    assert Path(model).is_absolute() and model.endswith(".lens")
    assert f"{model}:ro lensmith" in (ROOT / "docs/http.md").read_text(encoding="utf-8")


def test_its_health_is_asked_where_it_answers_without_a_token() -> None:
    from lensmith.server.guard import PROBES

    url = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", " ".join(asked_for_health()))
    assert url and url[2] in PROBES
    serve = dict(commands())["serve"]
    (port,) = [option.default for option in serve.params if option.name == "port"]
    assert said("EXPOSE") == [url[1]] == [str(port)]


def test_it_runs_as_nobody_who_owns_anything() -> None:
    words = [word for word, _ in instructions()]
    (user,) = said("USER")
    assert all(number.isdigit() and int(number) > 0 for number in user.split(":"))
    assert words.index("USER") < words.index("ENTRYPOINT") and "RUN" not in words[words.index("USER") :]


@dataclass(frozen=True)
class Image:
    """The folder in the place of the image's root."""

    root: Path

    @property
    def place(self) -> Path:
        """`/opt/lensmith` of the image."""
        return self.root / "opt/lensmith"

    def variables(self) -> dict[str, str]:
        """The environment of the container, and nothing of this one but where the packages' index is."""
        path = f"{self.place / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
        given = dict(word.split("=", 1) for word in shlex.split(said("ENV")[0]))
        return {**given, "PATH": path, "HOME": str(self.root / "tmp")}

    def words(self, line: list[str]) -> list[str]:
        """A command of the image, its paths those of this folder."""
        return [word.replace("/opt/lensmith", str(self.place)) for word in line]


@pytest.fixture(scope="module")
def image(index: None, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What the RUN lines make of the files that COPY brings."""
    image = Image(tmp_path_factory.mktemp("root"))
    source = image.root / said("WORKDIR")[0].lstrip("/")
    source.mkdir(parents=True)
    (image.root / "tmp").mkdir()
    for line in said("COPY"):
        for word in line.split()[:-1]:
            if "--from" in line:
                continue
            if (ROOT / word).is_dir():
                shutil.copytree(ROOT / word, source / word, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / word, source)
    for line in said("RUN"):
        words = image.words(shlex.split(line))
        words[0] = sys.executable if words[0] == "python" else words[0]
        done = subprocess.run(words, cwd=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    shutil.rmtree(source)  # only /opt/lensmith is copied into the image
    return image


@contextmanager
def running(image: Image, model: Path, *before: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """ENTRYPOINT and CMD, on a free port: the process and its URL."""
    program, *words = [str(model) if word == "/model.lens" else word for word in started()]
    process = subprocess.Popen(
        [*before, str(image.place / "bin" / program), *words, "--port", "0"],
        cwd=image.root,
        env={**image.variables(), "LENSMITH_TOKEN": TOKEN},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        heard = ""
        while not (url := re.search(r"http://127\.0\.0\.1:\d+", heard)) and (
            line := process.stderr.readline()
        ):
            heard += line
        assert url, heard
        yield process, url[0]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture(scope="module")
def model(trained_digits: Path) -> Path:
    from lensmith.bundle.bundle import load_model

    return load_model(trained_digits / "runs/digits-001").save(trained_digits / "served.lens")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.skipif(os.name != "posix", reason="the image is Linux's")
def test_what_is_built_serves_a_picture(image: Image, model: Path) -> None:
    from lensmith.bundle.bundle import load_model

    before = sorted(image.root.rglob("*"))
    picture = encoded(noise(40, 30))
    wanted = load_model(model).predict(picture)
    with running(image, model) as (process, url):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.post(f"{url}/v1/predict", content=picture, headers=headers, trust_env=False)
        assert answer.status_code == 200, answer.text
        assert answer.json()["label"] == wanted.label
        assert answer.json()["probability"] == pytest.approx(wanted.probability, abs=1e-5)
        assert httpx.post(f"{url}/v1/predict", content=picture, trust_env=False).status_code == 401
        asked = [word.replace("http://127.0.0.1:8000", url) for word in asked_for_health()]
        healthy = subprocess.run(asked, env=image.variables(), check=False)
        assert healthy.returncode == 0
        process.terminate()
        assert process.wait(30) == 0
        unhealthy = subprocess.run(asked, env=image.variables(), capture_output=True, check=False)
        assert unhealthy.returncode != 0
    assert sorted(image.root.rglob("*")) == before  # a root that cannot be written to will do


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare here")
def test_as_process_1_it_hears_sigterm(image: Image, model: Path) -> None:
    """The kernel gives process 1 no signal that it has not asked for."""
    alone = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespaces of processes can be made here")
    with running(image, model, *alone) as (process, _):
        (inside,) = children_of(process.pid)
        os.kill(inside, signal.SIGTERM)
        assert process.wait(30) == 0


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.network
def test_it_is_small_and_holds_no_training(image: Image) -> None:
    python = image.place / "bin/python"
    listed = "import importlib.metadata as m; print(*sorted(d.name.lower() for d in m.distributions()))"
    done = subprocess.run(
        [python, "-c", listed], env=image.variables(), capture_output=True, text=True, check=False
    )
    names = set(done.stdout.split())
    assert {"lensmith", "onnxruntime", "fastapi", "uvicorn"} <= names
    assert not names & {"torch", "torchvision", "timm", "onnx", "pip", "tensorboard", "scipy"}
    size = sum(path.stat().st_size for path in image.place.rglob("*") if not path.is_symlink())
    stated = re.search(r"(\d+) MB on top of", (ROOT / "docs/http.md").read_text(encoding="utf-8"))
    assert size < MOST_BYTES
    assert stated and int(stated[1]) == pytest.approx(size / 1e6, rel=0.15), f"{size / 1e6:.0f} MB"
