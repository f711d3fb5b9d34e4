"""The HTTP interface: routes, and what wraps them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from lensmith.server.guard import LOOPBACK_HOSTS, Guard
from lensmith.server.limits import Limits
from lensmith.server.page import PageOptions, add_page
from lensmith.server.refusal import Refusal, UnreadBody, answer_fault, answer_http_error, answer_refusal
from lensmith.server.service import Servable, Service

_PICTURE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The bytes of one picture: JPEG, PNG, WebP, BMP, TIFF, PPM, GIF or AVIF.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Empty body, or a Host header that names another server."},
    401: {"description": "The token is missing or wrong."},
    403: {"description": "The Origin header names another origin."},
    408: {"description": "The body did not arrive in time."},
    413: {"description": "The body is too large."},
    415: {"description": "A multipart form, or a Content-Encoding."},
    422: {"description": "The body cannot be read as a picture."},
    503: {"description": "Too many requests at once; Retry-After says when to come again."},
}
_DESCRIBED: dict[str, Any] = {"openapi_extra": _PICTURE_BODY, "responses": _REFUSALS}


def make_app(
    bundle: Servable,
    *,
    token: str | None = None,
    limits: Limits | None = None,
    hosts: frozenset[str] | None = LOOPBACK_HOSTS,
    page: PageOptions | None = None,
) -> FastAPI:
    """The ASGI app that serves one bundle.

    token: asked for as `Authorization: Bearer`, except by the probes and the page; `None` asks for none.
    hosts: names that the Host header may bear; `None` for any, which only a token makes safe.
    page: what the page offers beside answers. Raises `UsageError` for a feedback folder that cannot be.
    """
    service = Service(bundle, limits or Limits())
    facts = bundle.describe()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    # No docs pages: FastAPI's load their scripts from the net, and no request leaves this machine.
    app = FastAPI(
        title="lensmith",
        version=version("lensmith"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(Guard, hosts=hosts, token=token)
    app.add_middleware(UnreadBody)
    app.add_exception_handler(Refusal, answer_refusal)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(Exception, answer_fault)

    @app.post("/v1/predict", **_DESCRIBED)
    async def predict(request: Request) -> JSONResponse:
        """What the model says about the picture in the body."""
        prediction = await service.predict(request)
        return JSONResponse({**prediction.as_dict(), "model": bundle.sha256})

    @app.get("/v1/model")
    async def model() -> JSONResponse:
        """What is being served: task, classes, digest and more."""
        return JSONResponse(facts)

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """The process is alive."""
        return JSONResponse({"alive": True})

    @app.get("/readyz", responses={503: {"description": "Not ready to predict."}})
    async def readyz() -> JSONResponse:
        """The model is loaded and pictures are being answered."""
        return JSONResponse({"ready": service.is_ready}, 200 if service.is_ready else 503)

    add_page(app, service, page or PageOptions(), token, _DESCRIBED)
    return app
