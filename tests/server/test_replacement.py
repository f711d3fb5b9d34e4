"""A model that is replaced on disk while it is being served."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from grey_server import GreyBundle, Pixels, picture

from lensmith.errors import ModelFileError
from lensmith.server.limits import Limits
from lensmith.server.replacement import Source
from lensmith.types import Prediction

Start = Callable[..., httpx.Client]
QUICK = Limits(look_seconds=0.05)


class Named(GreyBundle):
    """A bundle from a file that holds its only class, and how it is wrong if it is."""

    def __init__(self, name: str, fault: str = "") -> None:
        super().__init__()
        self.name = name
        self.fault = fault
        self.sha256 = name * 32
        self.gate = threading.Event()
        self.asked = threading.Event()
        self.gate.set()

    def describe(self) -> dict[str, Any]:
        return {"classes": [self.name], "sha256": self.sha256}

    def predict_prepared(self, images: Pixels, /) -> list[Prediction]:
        self.asked.set()
        assert self.gate.wait(30)
        if self.fault == "fails":
            raise RuntimeError("no such operator")
        number = float("nan") if self.fault == "nan" else 1.0
        return [Prediction(self.name, number, True)] * len(images)


def load(path: Path) -> Named:
    facts = json.loads(path.read_text())
    if facts.get("fault") == "damaged":
        raise ModelFileError(f"{path}: its sha256 is not the one written down")
    return Named(**facts)


def write(path: Path, **facts: str) -> None:
    """In the way of a bundle: whole, and then under its name."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(facts))
    beside.replace(path)


def label(client: httpx.Client) -> str:
    facts = client.post("/v1/predict", content=picture(9)).json()
    assert facts["model"] == facts["label"] * 32
    return str(facts["label"])


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    write(tmp_path / "model.lens", name="a")
    return Source(tmp_path / "model.lens", load)


def test_the_next_request_is_answered_by_the_new_one(start: Start, source: Source) -> None:
    client = start(Named("a"), source=source, limits=QUICK)
    assert label(client) == "a"
    for name in ("b", "c"):
        write(source.path, name=name)
        wait_for(lambda name=name: label(client) == name)
        assert client.get("/v1/model").json()["classes"] == [name]
        assert f'model_info{{sha256="{name * 32}"}} 1.0' in client.get("/metrics").text


@pytest.mark.fault(40)
def test_what_is_in_flight_is_answered_by_the_old_one(start: Start, source: Source) -> None:
    old = Named("a")
    client = start(old, source=source, limits=QUICK)
    old.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(label, client)
        assert old.asked.wait(30)
        write(source.path, name="b")
        wait_for(lambda: client.get("/v1/model").json()["classes"] == ["b"])
        old.gate.set()
        assert asking.result() == "a"
    assert label(client) == "b"


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("damaged", "sha256"),
        ("nan", "no number"),
        ("fails", "no such operator"),
        ("broken", "JSONDecodeError"),
    ],
)
def test_one_that_does_not_work_is_not_taken(
    start: Start, source: Source, caplog: pytest.LogCaptureFixture, fault: str, why: str
) -> None:
    client = start(Named("a"), source=source, limits=QUICK)
    if fault == "broken":
        source.path.write_text("{")
    else:
        write(source.path, name="b", fault=fault)
    wait_for(lambda: 'replacements_total{outcome="refused"} 1.0' in client.get("/metrics").text)
    assert label(client) == "a"
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert why in record.fields["why"]  # type: ignore[attr-defined]
    # It is tried once, and the next one is taken.
    write(source.path, name="c")
    wait_for(lambda: label(client) == "c")
    assert 'outcome="refused"} 1.0' in client.get("/metrics").text


def test_one_that_is_gone_or_still_being_written_is_waited_for(start: Start, source: Source) -> None:
    client = start(Named("a"), source=source, limits=Limits(look_seconds=0.3))
    source.path.unlink()
    begun = time.monotonic()
    while time.monotonic() < begun + 1.5:
        with source.path.open("a") as file:
            file.write("{")
        assert label(client) == "a"
        time.sleep(0.05)
    source.path.write_text(json.dumps({"name": "b"}))
    wait_for(lambda: label(client) == "b")
    assert "replacements_total{outcome=" in client.get("/metrics").text
    assert 'outcome="refused"' not in client.get("/metrics").text
