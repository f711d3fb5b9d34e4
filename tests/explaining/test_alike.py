"""The training pictures that look alike to the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.explaining.alike import Known, look_at, nearest_to
from lensmith.explaining.explain import network_of
from lensmith.explaining.training_pictures import run_of, training_pictures
from lensmith.runs.directory import RunDirectory
from lensmith.types import Event


@pytest.fixture
def place(trained_digits_copy: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained_digits_copy)
    return trained_digits_copy


def look(bundle: Bundle, seconds: float = 1e9) -> tuple[list[Event], Known]:
    run = run_of(bundle.path)
    assert run is not None
    data, why = training_pictures(run)
    assert data is not None and why == ""
    network, _ = network_of(bundle)
    assert network is not None
    going, events = look_at(bundle, network, data, seconds=seconds), []
    while True:
        try:
            events.append(next(going))
        except StopIteration as end:
            known: Known = end.value
            return events, known


def test_a_picture_is_known_again_and_its_like_have_its_label(place: Path) -> None:
    bundle = load_model("last")
    network, _ = network_of(bundle)
    assert network is not None
    events, known = look(bundle)
    assert events and known.of == len(known.data) == len(known.features)
    for row in range(0, len(known.data), 97):
        example = known.data.examples[row]
        found = nearest_to(known, bundle, network, bundle.prepare(example.source), sha256=example.sha256)
        assert found[0].is_it and found[0].similarity == pytest.approx(1, abs=2e-3)
        assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
        labels = [one.label for one in found[1:]]
        assert labels.count(known.data.words(example.target)) >= len(labels) / 2


def test_the_second_time_it_is_there_and_the_same(place: Path) -> None:
    bundle = load_model("last")
    _, first = look(bundle)
    events, second = look(load_model("last"))
    assert events == [] and np.array_equal(first.features, second.features)


def test_a_grown_data_set_has_only_its_new_pictures_looked_at(place: Path) -> None:
    look(load_model("last"))
    run = RunDirectory(Path("runs/digits-001"))
    before, _ = training_pictures(run)
    assert before is not None
    for number in range(20):  # of which a fifth is held out
        Image.new("RGB", (8, 8), (number, 0, 0)).save(f"digits/2/new-{number}.png")
    events, known = look(load_model("last"))
    new = {example.sha256 for example in known.data.examples} - set(before.ids)
    assert [event.total for event in events if event.stage == "explain"] == [len(new)] and len(new) >= 10


def test_where_time_is_up_some_are_known(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lensmith.explaining.alike._PIECE", 50)
    _, known = look(load_model("last"), seconds=0)
    assert len(known.data) == 50 < known.of


def test_data_that_are_gone_are_named(place: Path) -> None:
    facts = Path("runs/digits-001/facts.json")
    facts.write_text(facts.read_text().replace('"source": "digits"', '"source": "photos"'))
    data, why = training_pictures(RunDirectory(Path("runs/digits-001")))
    assert data is None and "photos, is not there any more" in why
    Path("runs/digits-001/facts.json").write_text("{}")
    assert "does not say what it learned from" in training_pictures(RunDirectory(Path("runs/digits-001")))[1]
