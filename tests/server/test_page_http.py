"""The page's files and their headers, its words, what it is told, and the report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest
from grey_server import GreyBundle, picture
from test_http import error_of

from lensmith.server.page import PageOptions, report_beside

Start = Callable[..., httpx.Client]


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
    for path in ("/v1/view", "/v1/explain", "/v1/feedback?label=dark"):
        assert error_of(client.post(path, content=picture(9)), 401) == "unauthorized"
    for form in ({}, {"token": "geheim"}, {"token": ""}):
        assert error_of(client.post("/report", data=form), 401) == "unauthorized"
    assert error_of(client.post("/report", data={"token": "x" * 5000}), 413) == "too_large"
    assert client.post("/report", data={"token": "geheim-€"}).text == "<p>figures</p>"


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
