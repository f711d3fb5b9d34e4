"""What stands behind the page: its files and their headers, views, explanations, the report, feedback."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from grey_server import GreyBundle, Pixels, picture
from numpy.typing import NDArray
from PIL import Image
from starlette.datastructures import QueryParams
from test_http import error_of

from lensmith.data.sources import load_data
from lensmith.errors import UsageError
from lensmith.server.app import make_app
from lensmith.server.feedback import Feedback
from lensmith.server.limits import Limits
from lensmith.server.page import PageOptions, report_beside
from lensmith.server.refusal import Refusal
from lensmith.types import Prediction

Start = Callable[..., httpx.Client]
POST_ROUTES = ("/v1/view", "/v1/explain")


def wide(left: int, right: int, kind: str = "PNG") -> bytes:
    """A picture of 64 x 32 pixels whose halves have these levels."""
    pixels = np.full((32, 64, 3), left, np.uint8)
    pixels[:, 32:] = right
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def pixels_in(url: str) -> Pixels:
    head, _, content = url.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


# ---- the page itself


def test_the_page_and_its_files_are_locked_down(client: httpx.Client) -> None:
    page = client.get("/")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    files = re.findall(r'(?:src|href)="(page/[^"]+)"', page.text)
    assert set(files) == {"page/page.css", "page/page.js"}
    for script in ("ask", "draw", "mark", "say", "words"):
        files.append(f"page/{script}.js")
    for answer in (page, *(client.get(f"/{name}") for name in files)):
        assert answer.status_code == 200 and answer.text
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
    # Nothing inline that the policy would refuse, and nothing from elsewhere.
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?:", page.text)
    for name in ("/page/", "/page/index.html", "/page/..%2fpage.py", "/page/words.json"):
        assert error_of(client.get(name), 404) == "not_found"


@pytest.mark.parametrize(
    ("accepted", "query", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh-Hans"),
        ("en-GB,en;q=0.9,zh;q=0.8", "", "en"),
        ("de, zh-TW;q=0.5, en;q=0.4", "", "zh-Hans"),
        ("fr", "", "en"),
        ("zh;q=x, ;;,*;q=0", "", "zh-Hans"),
        ("zh", "?lang=en", "en"),
        ("", "?lang=zh", "zh-Hans"),
        ("", "?lang=xx", "en"),
    ],
)
def test_the_page_comes_in_the_language_of_the_browser(
    client: httpx.Client, accepted: str, query: str, language: str
) -> None:
    page = client.get(f"/{query}", headers={"Accept-Language": accepted})
    assert f'<html lang="{language}">' in page.text
    assert "Accept-Language" in page.headers["Vary"]


def test_both_languages_have_all_words_with_the_same_places() -> None:
    web = resources.files("lensmith.server").joinpath("web")
    words = json.loads(web.joinpath("words.json").read_text(encoding="utf-8"))
    places = {
        language: {key: sorted(set(re.findall(r"\{\w+\}", text))) for key, text in table.items()}
        for language, table in words.items()
    }
    assert places["en"] == places["zh"]
    html = web.joinpath("index.html").read_text(encoding="utf-8")
    scripts = "".join(
        web.joinpath(f"{name}.js").read_text() for name in ("page", "draw", "ask", "mark", "say")
    )
    assert set(re.findall(r'data-say="(\w+)"', html)) <= set(words["en"])
    shown = (
        html
        + scripts
        + "lead_classification lead_multilabel lead_regression measured_accuracy measured_mean_ap measured_mae"
    )
    assert [key for key in words["en"] if not re.search(rf"\b{key}\b", shown)] == []


def test_what_the_page_is_told(start: Start, tmp_path: Path) -> None:
    class Measured(GreyBundle):
        def describe(self) -> dict[str, Any]:
            figure = {"value": 0.9, "low": 0.8, "high": 0.95, "count": 50}
            return {**super().describe(), "report": {"count": 50, "held_out": True, "accuracy": figure}}

    facts = start(Measured()).get("/v1/page").json()
    assert facts["classes"] == ["dark", "light"] and facts["task"] == "classification"
    assert facts["measured"]["figure"] == "accuracy" and facts["measured"]["value"] == 0.9
    assert facts["feedback"] is None and facts["report"] is False
    told = start(GreyBundle(), page=PageOptions(feedback=tmp_path)).get("/v1/page").json()
    assert told["feedback"] == ["dark", "light"] and told["measured"] is None


def test_with_a_token_the_page_comes_and_says_nothing_of_the_model(start: Start, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p>figures</p>")
    client = start(GreyBundle(), token="geheim-€", page=PageOptions(tmp_path / "report.html", tmp_path))
    assert client.get("/").text == start(GreyBundle()).get("/").text
    assert client.get("/page/page.js").status_code == 200
    for path in ("/v1/page", "/report"):
        assert error_of(client.get(path), 401) == "unauthorized"
    for path in (*POST_ROUTES, "/v1/feedback?label=dark"):
        assert error_of(client.post(path, content=picture(9)), 401) == "unauthorized"
    for form in ({}, {"token": "geheim"}, {"token": ""}):
        assert error_of(client.post("/report", data=form), 401) == "unauthorized"
    assert error_of(client.post("/report", data={"token": "x" * 5000}), 413) == "too_large"
    assert client.post("/report", data={"token": "geheim-€"}).text == "<p>figures</p>"


# ---- the report


def test_the_report_of_a_run_can_do_nothing(start: Start, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "model").mkdir(parents=True)
    assert report_beside(run / "model") is None  # a bundle on its own
    (run / "recipe.toml").touch()
    assert report_beside(run / "model") is None  # a run with no page yet
    (run / "report.html").write_text("<script>alert(1)</script>")
    (run / "other").mkdir()
    assert report_beside(run / "other") is report_beside(tmp_path / "net.lens") is report_beside(None) is None
    report = report_beside(run / "model")
    assert report is not None
    client = start(GreyBundle(), page=PageOptions(report))
    answer = client.get("/report")
    assert answer.text == "<script>alert(1)</script>"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy and "sandbox" in policy
    assert "frame-ancestors 'none'" in policy
    assert client.get("/v1/page").json()["report"] is True
    report.unlink()
    assert error_of(client.get("/report"), 404) == "not_found"
    assert client.get("/v1/page").json()["report"] is False


# ---- views and explanations


def test_a_view_is_what_the_model_gets_and_says_what_is_cut_off(client: httpx.Client) -> None:
    view = client.post("/v1/view", content=wide(0, 200)).json()
    assert view["size"] == [32, 64] and view["input"] == [8, 8] and view["fit"] == "crop"
    assert view["shown"] == [0, 16, 32, 32]
    expected = GreyBundle().prepare(wide(0, 200))
    assert (pixels_in(view["picture"]) == expected).all()


def test_a_view_is_upright(client: httpx.Client) -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.open(io.BytesIO(wide(0, 200))).save(file, "JPEG", exif=exif, quality=95)
    view = client.post("/v1/view", content=file.getvalue()).json()
    assert view["size"] == [64, 32] and view["shown"] == [16, 0, 32, 32]


def test_an_explanation_points_at_the_bright_half(client: httpx.Client) -> None:
    said = client.post("/v1/explain", content=wide(0, 250)).json()
    # As it sees the picture, the right half is bright; it calls that "dark" or "light" by the mean.
    assert said["label"] == "dark" and said["score"] == pytest.approx(1 - 125 / 255, abs=0.02)
    assert said["model"] == GreyBundle.sha256
    light = client.post("/v1/explain?label=light", content=wide(0, 250)).json()
    drops = np.array(light["drops"])
    assert light["label"] == "light" and drops[:, -1].mean() > 0.02 > drops[:, 0].mean()
    shown = pixels_in(light["overlay"]).astype(int)
    redness = shown[..., 0] - shown[..., 2]
    assert redness[:, -40:].mean() > 3 * redness[:, :40].mean()
    assert error_of(client.post("/v1/explain?label=blue", content=picture(9)), 422) == "unknown_label"


def test_an_explanation_that_is_flat_says_so(client: httpx.Client) -> None:
    said = client.post("/v1/explain", content=picture(255)).json()
    assert said["flat"] is True and said["largest"] < 0.02


def test_a_regression_is_explained_by_its_number(start: Start) -> None:
    class Number(GreyBundle):
        def describe(self) -> dict[str, Any]:
            return {"task": "regression", "classes": [], "sha256": self.sha256}

        def scores(self, images: Pixels, /) -> NDArray[np.float64]:
            return -10.0 * images[..., 0].mean(axis=(1, 2))[:, None]

    said = start(Number()).post("/v1/explain", content=wide(0, 250)).json()
    assert said["label"] is None and said["score"] == pytest.approx(-1250, abs=30)
    assert said["flat"] is False and said["largest"] > 20


def test_bodies_that_hold_no_picture_are_refused_as_in_predict(client: httpx.Client) -> None:
    for path in POST_ROUTES:
        assert error_of(client.post(path, content=b""), 400) == "empty_body"
        assert error_of(client.post(path, content=b"hello"), 422) == "unreadable_picture"
        assert error_of(client.post(path, content=bytes(100_001)), 413) == "too_large"
        assert error_of(client.post(path, files={"file": picture(9)}), 415) == "unsupported_media_type"


class Slow(GreyBundle):
    """Is explained only as the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.asked = threading.Event()

    def scores(self, images: Pixels, /) -> NDArray[np.float64]:
        if threading.current_thread().name.startswith("asyncio"):
            self.asked.set()
            assert self.gate.wait(30)
        return super().scores(images)


def test_one_explanation_at_a_time_and_predictions_meanwhile(start: Start) -> None:
    bundle = Slow()
    client = start(bundle)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/explain", content=wide(0, 250))
        assert bundle.asked.wait(30)
        second = client.post("/v1/explain", content=picture(9))
        assert error_of(second, 503) == "busy" and int(second.headers["Retry-After"]) >= 1
        assert client.post("/v1/predict", content=picture(255)).json()["label"] == "light"
        bundle.gate.set()
        assert first.result(30).status_code == 200
    assert client.post("/v1/explain", content=picture(9)).status_code == 200


def test_an_explanation_takes_one_of_the_places_and_ends_in_time(start: Start) -> None:
    bundle = Slow()
    client = start(bundle, limits=Limits(in_flight=1, seconds=0.2))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/explain", content=wide(0, 250))
        assert bundle.asked.wait(30)
        assert error_of(client.post("/v1/predict", content=picture(9)), 503) == "busy"
        time.sleep(0.3)
        bundle.gate.set()
        assert error_of(first.result(30), 503) == "busy"
    assert client.post("/v1/predict", content=picture(9)).status_code == 200


def test_a_model_that_fails_to_explain_is_not_explained(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(GreyBundle):
        def scores(self, images: Pixels, /) -> NDArray[np.float64]:
            raise RuntimeError("secret: /home/me/model.onnx broke")

    client = start(Failing())
    assert error_of(client.post("/v1/explain", content=picture(9)), 500) == "internal"
    assert "model.onnx broke" in caplog.text
    assert error_of(client.post("/v1/explain", content=picture(9)), 500) == "internal"  # not "busy"


# ---- feedback


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
