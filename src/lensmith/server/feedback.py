"""Answers that a person calls wrong: the picture under its right label, and a line of what was said."""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse

from lensmith.data.labelled_folder import LabelledFolder, why_no_folder
from lensmith.errors import DataError, UsageError
from lensmith.pictures.decode import decode
from lensmith.runs.files import append_json_line
from lensmith.server.refusal import Refusal
from lensmith.server.service import Service
from lensmith.types import Prediction

MOST_BYTES = 4 * 2**30
"""All that a feedback folder may hold."""

_LOG = logging.getLogger(__name__)
_LINE_BYTES = 1024
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Feedback:
    """A folder of pictures whose answers were wrong; `lensmith train` takes it as it is.

    ROOT/LABEL/SHA256.jpg holds each picture's bytes as they came, ROOT/feedback.jsonl a line for each mark.
    Raises `UsageError` where the folder cannot be made, or the model does not tell classes apart.
    """

    def __init__(self, root: Path, task: str, classes: Sequence[str], most: int = MOST_BYTES) -> None:
        if task != "classification":
            raise UsageError(
                f"--feedback {root}: this model's task is {task}, and feedback is for classification",
                hint="Serve it without --feedback.",
            )
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"--feedback {root}: no folder can be made there ({error.strerror})", hint="Name another."
            ) from error
        self.labels = [name for name in classes if not why_no_folder(name)]
        self._root = root
        self._pictures = LabelledFolder(root, classes)
        self._most = most
        self._bytes = sum(path.lstat().st_size for path in root.rglob("*") if not path.is_dir())
        self._one_at_a_time = threading.Lock()

    def save(self, content: bytes, label: str, said: Prediction, model: str) -> Path:
        """Keep a picture under its right label; where it lies then, below the folder. Raises `Refusal`."""
        with self._one_at_a_time:
            new = _LINE_BYTES if self._pictures.find(content) else len(content) + _LINE_BYTES
            if self._bytes + new > self._most:
                raise _no_room(
                    f"the feedback folder holds {self._bytes:,} bytes, and {self._most:,} is the most"
                )
            try:
                place = self._pictures.put(content, label).relative_to(self._root)
                append_json_line(self._root / "feedback.jsonl", _line(place, label, said, model))
            except DataError as error:
                raise Refusal(422, "unusable_label", error.message) from None
            except OSError as error:
                _LOG.error("feedback could not be saved: %s", error)
                if error.errno in _NO_ROOM:
                    raise _no_room("there is no room left for the picture") from None
                raise Refusal(
                    500, "not_saved", f"the picture could not be saved ({error.strerror})"
                ) from None
            self._bytes += new
            return place


def add_feedback(app: FastAPI, service: Service, feedback: Feedback, described: dict[str, Any]) -> None:
    """The route /v1/feedback; `described` is what OpenAPI says of any that takes a picture."""

    @app.post("/v1/feedback", **described)
    async def mark(request: Request) -> JSONResponse:
        """Keep the picture in the body under its right label, `?label=NAME`."""
        label = request.query_params.get("label", "")
        if label not in feedback.labels:
            raise Refusal(422, "unusable_label", "no folder is kept for this label: see /v1/page")
        bundle = service.bundle

        def prepare(content: bytes) -> NDArray[np.uint8]:
            # As training decodes: what it leaves out, such as GIF, is refused now and not found missing later.
            return bundle.prepare(decode(content))

        async with service.taken_in(request) as body:
            # Asked again: what a caller says that the model said proves nothing.
            said = await service.answer(await service.decoded(prepare, body))
            place = await asyncio.to_thread(feedback.save, body, label, said, bundle.sha256)
        return JSONResponse({"label": label, "file": place.as_posix()})


def _line(place: Path, label: str, said: Prediction, model: str) -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": place.stem,
        "file": place.as_posix(),
        "right": label,
        "said": said.as_dict(),
        "model": model,
    }


def _no_room(message: str) -> Refusal:
    return Refusal(507, "no_room", message)
