"""One request from its body to its prediction, within the limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect, Request

from lensmith.errors import PictureError
from lensmith.pictures.preprocess import Preprocess
from lensmith.server.batcher import Batcher, ModelFailedError, QueueFullError
from lensmith.server.limits import Limits
from lensmith.server.refusal import Refusal
from lensmith.types import Prediction

_DECODERS = 2

T = TypeVar("T")


class Servable(Protocol):
    """What the server needs of a bundle."""

    @property
    def sha256(self) -> str:
        """Digest of the whole bundle."""

    @property
    def preprocess(self) -> Preprocess:
        """How a picture becomes the model's input."""

    def describe(self) -> dict[str, Any]:
        """Facts for `/v1/model`, ready for JSON."""

    def prepare(self, picture: Any, /) -> NDArray[np.uint8]:
        """Bytes or pixels -> uint8 [H, W, 3], the model's input. Raises `PictureError`."""

    def predict_prepared(self, images: NDArray[np.uint8], /) -> Sequence[Prediction]:
        """uint8 [N, H, W, 3] -> N predictions."""

    def scores(self, images: NDArray[np.uint8], /) -> NDArray[np.floating[Any]]:
        """uint8 [N, H, W, 3] -> probabilities, or numbers of a regression, [N, outputs]."""


class Service:
    """A bundle with its batcher and the threads that decode; lives as long as the app runs."""

    def __init__(self, bundle: Servable, limits: Limits) -> None:
        self.bundle = bundle
        self.limits = limits
        self._batcher = Batcher(bundle.predict_prepared, limits)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the threads; on the way out answer what is queued and end them."""
        self._batcher = Batcher(self.bundle.predict_prepared, self.limits)
        # Few decoders bound the memory too: a big picture takes a quarter of a gigabyte while it is open.
        with ThreadPoolExecutor(_DECODERS, thread_name_prefix="lensmith-decode") as self._decoders:
            self._batcher.start()
            try:
                yield
            finally:
                await asyncio.to_thread(self._batcher.close)

    @property
    def is_ready(self) -> bool:
        """Whether a request would be served now."""
        return self._batcher.is_running

    async def predict(self, request: Request) -> Prediction:
        """The prediction for the picture in the request's body. Raises `Refusal`."""
        async with self.taken_in(request) as body:
            return await self.answer(await self.decoded(self.bundle.prepare, body))

    @asynccontextmanager
    async def taken_in(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request, which keeps its place among those in flight until the block ends.

        Raises `Refusal`, also for what goes wrong with the model in the block.
        """
        _check_headers(request, self.limits)
        try:
            with self._batcher.admit():
                yield await _read_body(request, self.limits)
        except (QueueFullError, TimeoutError):
            raise Refusal(503, "busy", "too many requests at once", {"Retry-After": "1"}) from None
        except ModelFailedError:
            raise Refusal(500, "internal", "the model failed on this picture") from None

    async def decoded(self, work: Callable[[bytes], T], body: bytes) -> T:
        """What `work` makes of the bytes of a picture; done on a thread, so that others are heard meanwhile."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._decoders, work, body)
        except PictureError as error:
            raise Refusal(422, "unreadable_picture", error.reason) from None

    async def answer(self, picture: NDArray[np.uint8]) -> Prediction:
        """The prediction for a prepared picture, uint8 [H, W, 3]. Raises `TimeoutError`, `ModelFailedError`."""
        async with asyncio.timeout(self.limits.seconds):
            return await asyncio.wrap_future(self._batcher.submit(picture))


def _check_headers(request: Request, limits: Limits) -> None:
    """Refuse what the headers alone give away."""
    if request.headers.get("content-type", "").lower().strip().startswith("multipart/"):
        message = "send the picture itself as the body, not a form: curl --data-binary @picture.jpg"
        raise Refusal(415, "unsupported_media_type", message)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "unsupported_media_type", "send the picture without Content-Encoding")
    length = request.headers.get("content-length", "0")
    # The number of digits first: Python refuses to read thousands of them.
    if len(length) > 15 or int(length) > limits.body_bytes:
        raise _too_large(limits)


async def _read_body(request: Request, limits: Limits) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body_bytes:
                    raise _too_large(limits)
    except TimeoutError:
        message = f"the body did not arrive within {limits.seconds:g} s"
        raise Refusal(408, "request_timeout", message) from None
    except ClientDisconnect:
        raise Refusal(400, "incomplete_body", "the body ended early") from None
    if not body:
        raise Refusal(400, "empty_body", "the body is empty: send a picture")
    return bytes(body)


def _too_large(limits: Limits) -> Refusal:
    return Refusal(413, "too_large", f"the body is larger than {limits.body_bytes:,} bytes")
