"""How the model sees a picture: what of it reaches the model, and where its answer hangs on it."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse

from lensmith.explaining.occlusion import explanation, overlay
from lensmith.server.batcher import ModelFailedError
from lensmith.server.contract import ONE_PICTURE
from lensmith.server.priority import step_back
from lensmith.server.refusal import Refusal
from lensmith.server.service import Servable, Service

_LOG = logging.getLogger(__name__)


def add_seeing(app: FastAPI, service: Service) -> None:
    """The routes /v1/view and /v1/explain."""
    explainer = _Explainer(service)

    @app.post("/v1/view", **ONE_PICTURE)
    async def view(request: Request) -> JSONResponse:
        """The picture in the body as the model sees it, and which part of it that is."""
        bundle = service.bundle
        async with service.taken_in(request) as body:
            pixels = await service.decoded(service.pixels, body)
            return JSONResponse(await asyncio.to_thread(_view, bundle, pixels))

    @app.post("/v1/explain", **ONE_PICTURE)
    async def explain(request: Request) -> JSONResponse:
        """Where the answer hangs on the picture in the body: what covering each part of it takes away.

        `?label=NAME` asks about another name than the likeliest. One at a time: a second gets 503.
        """
        return JSONResponse(await explainer.explain(request))


def _view(bundle: Servable, pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """size: height and width, upright. shown: top, left, height, width of what the model gets of it."""
    height, width = pixels.shape[:2]
    return {
        "size": [height, width],
        "shown": list(bundle.preprocess.shown_of(height, width)),
        "fit": bundle.preprocess.fit,
        "input": list(bundle.preprocess.size),
        "picture": _data_url(bundle.preprocess(pixels)),
    }


class _Explainer:
    """One explanation at a time: each asks the model as often as a crowd does."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._alone = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "lensmith-explain", step_back)

    async def explain(self, request: Request) -> dict[str, Any]:
        """The explanation that a request asks for. Raises `Refusal`."""
        bundle, label = self._service.bundle, request.query_params.get("label")
        classes: list[str] = bundle.describe()["classes"]
        if label is not None and label not in classes:
            raise Refusal(422, "unknown_label", "the model has no label of this name: see /v1/model")
        output = None if label is None else classes.index(label)
        async with self._service.taken_in(request) as body:
            pixels = await self._service.decoded(self._service.prepare_for(bundle), body)
            if not self._alone.acquire(blocking=False):
                raise Refusal(503, "busy", "another picture is being explained", {"Retry-After": "2"})
            working = self._thread.submit(self._explain, bundle, pixels, output)
            # When the thread is done, and not when somebody stops waiting for it.
            working.add_done_callback(lambda _: self._alone.release())
            return await asyncio.wrap_future(working)

    def _explain(self, bundle: Servable, pixels: NDArray[np.uint8], output: int | None) -> dict[str, Any]:
        until = time.monotonic() + self._service.limits.seconds

        def checkpoint() -> None:
            if time.monotonic() > until or not self._service.is_ready:
                raise TimeoutError

        try:
            return _explained(bundle, pixels, output, checkpoint)
        except TimeoutError:
            raise
        except Exception:
            _LOG.exception("the model failed while it was asked to explain")
            raise ModelFailedError from None


def _explained(
    bundle: Servable, pixels: NDArray[np.uint8], output: int | None, checkpoint: Callable[[], None]
) -> dict[str, Any]:
    facts = bundle.describe()
    is_number = facts["task"] == "regression"
    why = explanation(bundle.scores, pixels, output, is_number=is_number, checkpoint=checkpoint)
    found = why.occlusion
    return {
        "label": None if is_number else facts["classes"][found.output],
        "score": found.score,
        "largest": why.largest,
        "flat": why.is_flat,
        "window": why.window,
        "drops": np.round(found.drops.astype(np.float64), 6).tolist(),
        "overlay": _data_url(overlay(pixels, why.heat)),
        "model": bundle.sha256,
    }


def _data_url(pixels: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
