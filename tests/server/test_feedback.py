"""Answers called wrong: pictures kept as training takes them, within limits, and nothing elsewhere."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from grey_server import GreyBundle, picture, wide
from starlette.datastructures import QueryParams
from test_http import error_of

from lensmith.data.sources import load_data
from lensmith.errors import UsageError
from lensmith.server.app import make_app
from lensmith.server.feedback import Feedback
from lensmith.server.limits import Limits
from lensmith.server.page import PageOptions
from lensmith.server.refusal import Refusal
from lensmith.types import Prediction

Start = Callable[..., httpx.Client]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def with_feedback(start: Start, kept: Path) -> Iterator[httpx.Client]:
    yield start(GreyBundle(), page=PageOptions(feedback=kept), limits=Limits(body_bytes=100_000))


def lines(kept: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (kept / "feedback.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_marked_picture_is_kept_as_training_takes_it(with_feedback: httpx.Client, kept: Path) -> None:
    for level, label in ((10, "light"), (20, "light"), (200, "dark")):
        answer = with_feedback.post(f"/v1/feedback?label={label}", content=picture(level))
        assert answer.status_code == 200
        file = kept / answer.json()["file"]
        assert file.read_bytes() == picture(level) and file.parent.name == label
    data = load_data(kept)
    assert data.classes == ["dark", "light"] and data.counts() == {"dark": 1, "light": 2}
    first, *_, last = lines(kept)
    assert first["said"]["label"] == "dark" and first["right"] == "light"
    assert last["sha256"] == Path(last["file"]).stem and last["model"] == GreyBundle.sha256
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", last["time"])


def test_a_changed_mind_moves_the_picture(with_feedback: httpx.Client, kept: Path) -> None:
    for label in ("light", "light", "dark"):
        assert with_feedback.post(f"/v1/feedback?label={label}", content=picture(10)).status_code == 200
    assert [path.parent.name for path in kept.rglob("*.png")] == ["dark"]
    assert [line["right"] for line in lines(kept)] == ["light", "light", "dark"]


def test_what_feedback_refuses_leaves_nothing(with_feedback: httpx.Client, kept: Path) -> None:
    def post(query: str, content: bytes) -> httpx.Response:
        return with_feedback.post(f"/v1/feedback{query}", content=content)

    for query in (
        "",
        "?label=",
        "?label=blue",
        "?label=..",
        "?label=../up",
        "?label=dark%2f..",
        "?label=dark%00",
    ):
        assert error_of(post(query, picture(9)), 422) == "unusable_label"
    assert error_of(post("?label=dark", b"words"), 422) == "unreadable_picture"
    # Training leaves GIF out, so it would be kept for nothing.
    gif = post("?label=dark", wide(0, 9, "GIF"))
    assert error_of(gif, 422) == "unreadable_picture" and "GIF" in gif.text
    assert error_of(post("?label=dark", bytes(100_001)), 413) == "too_large"
    evil = {"Origin": "http://evil.example"}
    answer = with_feedback.post("/v1/feedback?label=dark", content=picture(9), headers=evil)
    assert error_of(answer, 403) == "foreign_origin"
    assert list(kept.rglob("*")) == []


def test_feedback_is_off_unless_asked_for(client: httpx.Client) -> None:
    assert error_of(client.post("/v1/feedback?label=dark", content=picture(9)), 404) == "not_found"


def test_names_that_cannot_be_folders_are_not_offered(start: Start, kept: Path) -> None:
    class Odd(GreyBundle):
        def describe(self) -> dict[str, Any]:
            return {**super().describe(), "classes": ["a/b", "CON", "..", "dark"]}

    client = start(Odd(), page=PageOptions(feedback=kept))
    assert client.get("/v1/page").json()["feedback"] == ["dark"]
    assert error_of(client.post("/v1/feedback?label=a/b", content=picture(9)), 422) == "unusable_label"


def test_a_feedback_folder_has_a_limit_which_a_new_start_counts(kept: Path) -> None:
    said = Prediction("dark", 0.9, True)
    feedback = Feedback(kept, "classification", ["dark", "light"], most=4000)
    feedback.save(picture(1), "light", said, "ab")
    for _ in range(2):
        with pytest.raises(Refusal, match="it is full") as refused:
            for level in range(2, 60):
                feedback.save(picture(level), "light", said, "ab")
        assert refused.value.status == 507
        assert sum(path.stat().st_size for path in kept.rglob("*") if path.is_file()) <= 4000
        feedback = Feedback(kept, "classification", ["dark", "light"], most=4000)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_disk_that_takes_no_more_is_said_and_nothing_is_left(
    with_feedback: httpx.Client, kept: Path
) -> None:
    import resource

    before, highest = resource.getrlimit(resource.RLIMIT_FSIZE)
    content = picture(9) + bytes(5000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, highest))
    try:
        answer = with_feedback.post("/v1/feedback?label=light", content=content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, highest))
    assert error_of(answer, 507) == "no_room"
    assert [path for path in kept.rglob("*") if path.is_file()] == []
    assert with_feedback.post("/v1/feedback?label=light", content=content).status_code == 200


def test_feedback_that_cannot_be_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no folder can be made"):
        make_app(GreyBundle(), page=PageOptions(feedback=tmp_path / "file/kept"))
    # Training would read the table in the place of the folders, and another table in the place of this one.
    (tmp_path / "labels.csv").write_text("path,labels\na.png,dark\n")
    for task in ("classification", "regression"):
        with pytest.raises(UsageError, match=r"labels\.csv"):
            Feedback(tmp_path, task, ["dark", "light"])


def test_several_labels_are_kept_in_a_table(kept: Path) -> None:
    def start_again() -> Feedback:
        return Feedback(kept, "multilabel", ["dark", "light, bright", "ß", "a;b", " c"])

    said = Prediction("none", 0.9, True, (), ())
    assert start_again().labels == ["dark", "light, bright", "ß"]
    for level, query in ((1, "label=dark&label=ß"), (2, ""), (3, "label=light, bright"), (1, "label=ß")):
        feedback = start_again()
        place = feedback.save(picture(level), feedback.right(QueryParams(query)), said, "ab")
        assert (kept / place).read_bytes() == picture(level)
    for query in ("label=a;b", "label=dark&label=blue", "label="):
        with pytest.raises(Refusal):
            feedback.right(QueryParams(query))
    data = load_data(kept)
    assert data.task == "multilabel" and len(data.skipped) == 0
    assert [data.words(target) for target in data.targets] == ["ß", "", "light, bright"]
    assert [line["right"] for line in lines(kept)] == [["dark", "ß"], [], ["light, bright"], ["ß"]]


def test_numbers_are_kept_in_a_table(kept: Path) -> None:
    feedback, said = Feedback(kept, "regression", []), Prediction("3", 1.0, True, value=3.0)
    for level, number in ((1, "2.5"), (2, "-1e3"), (1, "4")):
        feedback.save(picture(level), feedback.right(QueryParams({"value": number})), said, "ab")
    for number in ("", "nan", "inf", "three", "1e999"):
        with pytest.raises(Refusal):
            feedback.right(QueryParams({"value": number}))
    data = load_data(kept)
    assert data.task == "regression" and data.targets == [4.0, -1000.0]
