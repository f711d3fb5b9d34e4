"""The page at `/`: a person drops a picture and sees what the model makes of it. It asks nothing of other servers."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response

from lensmith.runs.directory import RunDirectory
from lensmith.server.feedback import Feedback, add_feedback
from lensmith.server.guard import REPORT, no_token
from lensmith.server.refusal import Refusal
from lensmith.server.seeing import add_seeing
from lensmith.server.service import Service

_TYPES = {".css": "text/css", ".js": "text/javascript"}
_FILES = ("page.css", "page.js", "ask.js", "draw.js", "mark.js", "say.js")
_LANGUAGES = ("en", "zh")
_FORM_BYTES, _FORM_SECONDS = 4096, 5.0

_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
# A report styles itself inline; it runs no script and asks for nothing, whoever wrote the file.
_REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)


@dataclass(frozen=True)
class PageOptions:
    """What the page offers beside answers.

    report: a run's `report.html`. feedback: the folder where a wrong answer's picture is kept.
    """

    report: Path | None = None
    feedback: Path | None = None


def report_beside(bundle: Path | None) -> Path | None:
    """The page of the run in which a bundle lies, where it lies in one."""
    if bundle is None or not bundle.is_dir():
        return None
    run = RunDirectory(bundle.resolve().parent)
    is_its_model = run.model == bundle.resolve() and run.recipe_file.is_file()
    return run.page_file if is_its_model and run.page_file.is_file() else None


def add_page(app: FastAPI, service: Service, options: PageOptions, token: str | None) -> None:
    """The page, and the routes that only a page needs."""
    facts = service.bundle.describe()
    feedback = Feedback(options.feedback, facts["task"], facts["classes"]) if options.feedback else None
    add_seeing(app, service)
    if feedback is not None:
        add_feedback(app, service, feedback)
    if options.report is not None:
        _add_report(app, options.report, token)
    template, words = Template(_packaged("index.html")), json.loads(_packaged("words.json"))
    files = {name: _packaged(name) for name in _FILES}
    files["words.js"] = f"export default {json.dumps(words, ensure_ascii=False)};\n"

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        html = template.substitute(words[_language(request)])
        headers = {**_SAFE, "Content-Security-Policy": _POLICY, "Vary": "Accept-Language"}
        return Response(html, media_type="text/html", headers=headers)

    @app.get("/page/{name}", include_in_schema=False)
    async def file(name: str) -> Response:
        if name not in files:
            raise Refusal(404, "not_found", "not found: see /openapi.json")
        return Response(files[name], media_type=_TYPES[Path(name).suffix], headers=_SAFE)

    @app.get("/v1/page")
    async def page_facts() -> JSONResponse:
        """What the page shows before the first picture: task, classes, figures, and what else can be asked."""
        labels = None if feedback is None else feedback.labels
        said = service.bundle.describe()
        report = options.report is not None and options.report.is_file()
        return JSONResponse(
            {**_facts(said), "feedback": labels, "report": report, "most": service.limits.body_bytes}
        )


def _facts(said: dict[str, Any]) -> dict[str, Any]:
    """The part of a bundle's facts that the page shows."""
    report = said.get("report") or {}
    figure = next((name for name, one in report.items() if isinstance(one, dict) and "value" in one), None)
    on = {"count": report.get("count"), "held_out": bool(report.get("held_out"))}
    measured = {"figure": figure, **report[figure], **on} if figure is not None else None
    return {
        "task": said["task"],
        "classes": said["classes"],
        "threshold": said.get("threshold", 0.5),
        "measured": measured,
        "model": said["sha256"],
    }


def _add_report(app: FastAPI, report: Path, token: str | None) -> None:
    def answer() -> Response:
        if not report.is_file():
            raise Refusal(404, "not_found", "the run has no report any more")
        headers = {**_SAFE, "Content-Security-Policy": _REPORT_POLICY}
        return FileResponse(report, media_type="text/html", headers=headers)

    @app.get(REPORT, include_in_schema=False)
    async def by_link() -> Response:
        return answer()

    @app.post(REPORT, include_in_schema=False)
    async def by_token(request: Request) -> Response:
        given = await _token_in_form(request)
        if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
            raise no_token()
        return answer()


async def _token_in_form(request: Request) -> str:
    body = b""
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _FORM_BYTES:
                    raise Refusal(413, "too_large", "the form is larger than a token")
    except (TimeoutError, ClientDisconnect):
        raise Refusal(408, "request_timeout", "the form did not arrive") from None
    return parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]


def _language(request: Request) -> str:
    """What `?lang=` asks for, else the first of our languages that the browser names, by its weights."""
    asked = request.query_params.get("lang", "")
    if asked in _LANGUAGES:
        return asked
    found = re.findall(r"([a-zA-Z]+)[^,;]*(?:;\s*q=([\d.]+))?", request.headers.get("accept-language", ""))
    ranked = sorted(found, key=lambda one: -_weight(one[1]))
    return next((tag.lower() for tag, _ in ranked if tag.lower() in _LANGUAGES), _LANGUAGES[0])


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0


def _packaged(file: str) -> str:
    return resources.files("lensmith.server").joinpath("web", file).read_text(encoding="utf-8")
