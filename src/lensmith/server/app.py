"""The HTTP interface: routes, and what wraps them."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lensmith.server.bodies import is_json
from lensmith.server.contract import (
    ANY_ROUTE,
    REFUSALS,
    Alive,
    Answer,
    Answers,
    ModelFacts,
    Ready,
    picture_body,
)
from lensmith.server.guard import LOOPBACK_HOSTS, Guard
from lensmith.server.journal import Journal
from lensmith.server.limits import Limits
from lensmith.server.metrics import CONTENT_TYPE
from lensmith.server.page import PageOptions, add_page
from lensmith.server.refusal import Refusal, UnreadBody, answer_http_error, answer_refusal
from lensmith.server.replacement import Source, Watch
from lensmith.server.service import Servable, Service

_TOLD = ("sha256", "task", "classes", "preprocess", "temperature", "threshold", "precision", "report")


def make_app(
    bundle: Servable,
    *,
    token: str | None = None,
    limits: Limits | None = None,
    hosts: frozenset[str] | None = LOOPBACK_HOSTS,
    source: Source | None = None,
    page: PageOptions | None = None,
) -> FastAPI:
    """The ASGI app that serves one bundle.

    token: asked for as `Authorization: Bearer`, except by the probes and the page; `None` asks for none.
    hosts: names that the Host header may bear; `None` for any, which only a token makes safe.
    source: where the bundle came from, if one that replaces it there is to be served.
    page: what the page offers beside answers. Raises `UsageError` for a feedback folder that cannot be.
    """
    service = Service(bundle, limits or Limits())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watch = Watch(service, source) if source else None
        async with service.running():
            if watch:
                watch.start()
            yield
            if watch:
                watch.stop()

    # No docs pages: FastAPI's load their scripts from the net, and no request leaves this machine.
    app = FastAPI(
        title="lensmith",
        version=version("lensmith"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: str(route.name),  # what generated clients call it
    )
    app.state.service = service
    app.add_middleware(Guard, hosts=hosts, token=token)
    app.add_middleware(UnreadBody)
    app.add_middleware(Journal, metrics=service.metrics, routes=_paths_of(app))
    app.add_exception_handler(Refusal, answer_refusal)
    app.add_exception_handler(HTTPException, answer_http_error)
    _add_routes(app, service)
    add_page(app, service, page or PageOptions(), token)
    return app


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.post(
        "/v1/predict",
        openapi_extra=picture_body(service.limits.pictures),
        responses={200: {"model": Answers | Answer}, **REFUSALS},
    )
    async def predict(request: Request) -> JSONResponse:
        """What the model says about the picture in the body, or about each of several in a JSON body."""
        return JSONResponse(await (service.predict_all if is_json(request) else service.predict)(request))

    @app.get("/v1/model", responses={200: {"model": ModelFacts}, **ANY_ROUTE})
    async def model() -> JSONResponse:
        """What is being served: task, classes, digest, how pictures are prepared, how good it was found."""
        return JSONResponse(_told(service.bundle.describe()))

    @app.get(
        "/metrics", responses={200: {"content": {"text/plain": {}}}, **ANY_ROUTE}, response_class=Response
    )
    async def metrics() -> Response:
        """What the server counts, for Prometheus."""
        return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    @app.get("/healthz", responses={200: {"model": Alive}, 400: ANY_ROUTE[400], 403: ANY_ROUTE[403]})
    async def healthz() -> JSONResponse:
        """The process is alive."""
        return JSONResponse({"alive": True})

    not_ready: dict[int | str, dict[str, Any]] = {
        503: {"model": Ready, "description": "Not ready to predict."}
    }

    @app.get(
        "/readyz", responses={200: {"model": Ready}, 400: ANY_ROUTE[400], 403: ANY_ROUTE[403], **not_ready}
    )
    async def readyz() -> JSONResponse:
        """The model is loaded and pictures are being answered."""
        return JSONResponse({"ready": service.is_ready}, 200 if service.is_ready else 503)


def _told(facts: dict[str, Any]) -> dict[str, Any]:
    """What callers learn of a bundle. Of its provenance, which may name files of whoever trained it, the licence."""
    weights = facts.get("provenance", {}).get("weights")
    licence = weights.get("licence") if isinstance(weights, dict) else None
    return {name: facts[name] for name in _TOLD if name in facts} | ({"licence": licence} if licence else {})


def _paths_of(app: FastAPI) -> Callable[[], frozenset[str]]:
    """The paths of an app's routes, looked up once, when the first request is there."""

    @functools.cache
    def paths() -> frozenset[str]:
        return frozenset(str(route.path) for route in app.routes if hasattr(route, "path"))

    return paths
