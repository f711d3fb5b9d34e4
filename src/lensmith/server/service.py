"""One request from its body to its answer, within the limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from lensmith.errors import PictureError
from lensmith.machine.limits import cores, memory
from lensmith.pictures.decode import decode
from lensmith.pictures.preprocess import Preprocess
from lensmith.server.admission import Admission, Place, QueueFullError
from lensmith.server.batcher import Batcher, Model, ModelFailedError
from lensmith.server.bodies import check_headers, pictures_in, read_body
from lensmith.server.limits import Limits
from lensmith.server.metrics import Metrics
from lensmith.server.priority import step_back
from lensmith.server.refusal import Refusal
from lensmith.types import Prediction

_LOG = logging.getLogger(__name__)
_WORKERS = 2
"""Threads that call the model, each with a batch of its own: while operators of one wait for each other, or its
answers are made, the other computes. All share the engine's threads."""
_MOST_DECODERS = 8
_OF_A_DECODER = 2**30
"""Bytes: a picture of the most pixels that are taken is there two or three times while it is open."""

T = TypeVar("T")


class Servable(Model, Protocol):
    """What the server needs of a bundle."""

    @property
    def sha256(self) -> str:
        """Digest of the whole bundle."""

    @property
    def preprocess(self) -> Preprocess:
        """RGB pixels, uint8 [H, W, 3], of any size -> the model's input."""

    def describe(self) -> dict[str, Any]:
        """Facts about it, ready for JSON."""

    def scores(self, images: NDArray[np.uint8], /) -> NDArray[np.floating[Any]]:
        """uint8 [N, H, W, 3] -> probabilities, or numbers of a regression, [N, outputs]."""


class Service:
    """A bundle with the threads that decode and compute; lives as long as the app runs.

    `bundle` is the one that answers what comes next; it may be replaced at any time, from any thread. A request
    takes it once, when its body is there, and is answered by that one to its end.
    """

    def __init__(self, bundle: Servable, limits: Limits, metrics: Metrics | None = None) -> None:
        self.bundle = bundle
        self.limits = limits
        self.metrics = metrics or Metrics()
        self.admission = Admission(limits)
        self._batcher = self._new_batcher()
        self.metrics.watch(self)

    def _new_batcher(self) -> Batcher:
        return Batcher(self.limits, _WORKERS, self.metrics.batch)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the threads; on the way out answer what is queued and end them."""
        self._batcher = self._new_batcher()
        with ThreadPoolExecutor(_decoders(), "lensmith-decode", step_back) as self._decoders:
            self._batcher.start()
            try:
                yield
            finally:
                await asyncio.to_thread(self._batcher.close)

    @property
    def is_ready(self) -> bool:
        """Whether a request would be served now."""
        return self._batcher.is_running

    @property
    def waiting(self) -> int:
        """Decoded pictures that wait for the model."""
        return self._batcher.waiting

    async def predict(self, request: Request) -> dict[str, Any]:
        """The answer about the picture in the request's body. Raises `Refusal`."""
        async with self.taken_in(request) as body:
            bundle = self.bundle
            prediction = await self._predicted(bundle, body)
        return {**prediction.as_dict(), "model": bundle.sha256}

    async def predict_all(self, request: Request) -> dict[str, Any]:
        """The answers about the pictures in a JSON body. Raises `Refusal`."""
        async with self._admitted(request) as place:
            pictures = await self._pictures(request, place)
            bundle = self.bundle
            async with asyncio.timeout(self.limits.seconds):
                entries = await _all_of([self._entry(bundle, picture) for picture in pictures])
        return {"predictions": entries, "model": bundle.sha256}

    @asynccontextmanager
    async def taken_in(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request, which keeps its place among those in flight until the block ends.

        Raises `Refusal`, also for what goes wrong with the model in the block, and where it takes too long.
        """
        async with self._admitted(request) as place:
            body = await read_body(request, self.limits, place)
            request.scope["pictures"] = 1
            async with asyncio.timeout(self.limits.seconds):
                yield body

    @asynccontextmanager
    async def _admitted(self, request: Request) -> AsyncIterator[Place]:
        check_headers(request, self.limits)
        try:
            if not self.is_ready:
                raise QueueFullError
            with self.admission.admit() as place:
                yield place
        except (QueueFullError, TimeoutError):
            self.metrics.refused("in_flight")
            raise Refusal(503, "busy", "too many requests at once", {"Retry-After": "1"}) from None
        except ModelFailedError as error:
            _LOG.error("the model failed", exc_info=error.__cause__ or error)
            raise Refusal(500, "internal", "the model failed on this picture") from None

    async def _pictures(self, request: Request, place: Place) -> list[bytes | Refusal]:
        body = await read_body(request, self.limits, place)
        pictures = await self.decoded(lambda content: pictures_in(content, self.limits), body)
        request.scope["pictures"] = len(pictures)
        place.take(pictures=len(pictures) - 1)
        return pictures

    async def decoded(self, work: Callable[[bytes], T], body: bytes) -> T:
        """What `work` makes of the bytes of a picture; done on a thread, so that others are heard meanwhile."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._decoders, work, body)
        except PictureError as error:
            raise Refusal(422, "unreadable_picture", error.reason) from None

    async def answer(self, picture: NDArray[np.uint8], bundle: Servable) -> Prediction:
        """The prediction of a bundle for a prepared picture, uint8 [H, W, 3]. Raises `ModelFailedError`."""
        return await asyncio.wrap_future(self._batcher.submit(bundle, picture))

    def pixels(self, content: bytes) -> NDArray[np.uint8]:
        """A picture's bytes -> RGB pixels, uint8 [H, W, 3], within the limits. Raises `PictureError`."""
        return decode(content, first_frame=True, most_pixels=self.limits.pixels)

    def prepare_for(self, bundle: Servable) -> Callable[[bytes], NDArray[np.uint8]]:
        """A picture's bytes -> a bundle's input, uint8 [H, W, 3]."""
        return lambda content: bundle.preprocess(self.pixels(content))

    async def _predicted(self, bundle: Servable, content: bytes) -> Prediction:
        with self._batcher.coming():
            picture = await self.decoded(self.prepare_for(bundle), content)
        return await self.answer(picture, bundle)

    async def _entry(self, bundle: Servable, picture: bytes | Refusal) -> dict[str, Any]:
        """One of several: what cannot be read is said in its place, and the others are answered."""
        try:
            if isinstance(picture, Refusal):
                raise picture
            return (await self._predicted(bundle, picture)).as_dict()
        except Refusal as refusal:
            return refusal.as_dict()


def _decoders() -> int:
    """Threads that decode: as many as there are cores and memory for; two at least, so that one large picture does
    not hold up the others."""
    room = (memory() or _MOST_DECODERS * _OF_A_DECODER) // _OF_A_DECODER
    return max(2, min(_MOST_DECODERS, cores(), room))


async def _all_of(works: list[Coroutine[Any, Any, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Their results, in order. Where one fails, the others end before this does: they hold a place till then."""
    results = await asyncio.gather(*works, return_exceptions=True)
    found = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        found.append(result)
    return found
