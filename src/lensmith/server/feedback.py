"""Answers that a person calls wrong: the picture with what it does show, and a line of what was said."""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse

from lensmith.data.labelled_folder import LabelledFolder, why_no_folder
from lensmith.data.labelled_table import LabelledTable, why_no_cell
from lensmith.errors import DataError, UsageError
from lensmith.pictures.decode import decode
from lensmith.runs.files import append_json_line
from lensmith.server.contract import ONE_PICTURE
from lensmith.server.refusal import Refusal
from lensmith.server.service import Service
from lensmith.types import Prediction

MOST_BYTES = 4 * 2**30
"""All that a feedback folder may hold."""

_LOG = logging.getLogger(__name__)
_LINE_BYTES = 1024
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

Right = str | list[str] | float
"""What a picture does show: a label, several of them, or a number, as the task has it."""


class Feedback:
    """A folder of pictures whose answers were wrong; `lensmith train` takes it as it is.

    ROOT/LABEL/SHA256.jpg holds each picture's bytes as they came; where there are several labels or a number,
    ROOT/pictures/SHA256.jpg does, and ROOT/labels.csv says which. ROOT/feedback.jsonl gets a line for each mark.
    Raises `UsageError` where there can be no such folder.
    """

    def __init__(self, root: Path, task: str, classes: Sequence[str], most: int = MOST_BYTES) -> None:
        self.task = task
        why_not = why_no_folder if task == "classification" else why_no_cell
        self.labels = [] if task == "regression" else [name for name in classes if not why_not(name)]
        self._root = root
        self._pictures: LabelledFolder | LabelledTable
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._pictures = _pictures(root, task, classes)
        except OSError as error:
            raise UsageError(
                f"--feedback {root}: no folder can be made there ({error.strerror})", hint="Name another."
            ) from error
        except DataError as error:
            raise UsageError(f"--feedback {root}: {error.message}", hint="Name another folder.") from error
        self._most = most
        self._bytes = sum(path.lstat().st_size for path in root.rglob("*") if not path.is_dir())
        self._one_at_a_time = threading.Lock()

    def right(self, asked: QueryParams) -> Right:
        """What a request says that its picture shows: `?label=NAME`, several of it, or `?value=NUMBER`.

        Raises `Refusal`.
        """
        if self.task == "regression":
            return _number(asked.get("value", ""))
        names = list(dict.fromkeys(asked.getlist("label")))
        if not set(names) <= set(self.labels) or (self.task == "classification" and len(names) != 1):
            raise Refusal(422, "unusable_label", "no such label is kept: see feedback in /v1/page")
        return names[0] if self.task == "classification" else names

    def save(self, content: bytes, right: Right, said: Prediction, model: str) -> Path:
        """Keep a picture with what it shows; where it lies then, below the folder. Raises `Refusal`."""
        with self._one_at_a_time:
            new = _LINE_BYTES + (0 if self._pictures.find(content) else len(content))
            if self._bytes + new > self._most:
                raise Refusal(
                    507, "no_room", f"the feedback folder may hold {self._most:,} bytes, and it is full"
                )
            try:
                cell = ";".join(right) if isinstance(right, list) else str(right)
                place = self._pictures.put(content, cell).relative_to(self._root)
                append_json_line(self._root / "feedback.jsonl", _line(place, right, said, model))
            except DataError as error:
                raise Refusal(422, "unusable_label", error.message) from None
            except OSError as error:
                raise _not_saved(error) from None
            self._bytes += new
            return place


def add_feedback(app: FastAPI, service: Service, feedback: Feedback) -> None:
    """The route /v1/feedback."""

    @app.post("/v1/feedback", **ONE_PICTURE)
    async def mark(request: Request) -> JSONResponse:
        """Keep the picture in the body with what it shows: `?label=NAME`, several of it, or `?value=NUMBER`."""
        right, bundle = feedback.right(request.query_params), service.bundle

        def prepare(content: bytes) -> NDArray[np.uint8]:
            # As training decodes: what it leaves out, such as GIF, is refused now and not found missing later.
            return bundle.preprocess(decode(content, most_pixels=service.limits.pixels))

        async with service.taken_in(request) as body:
            # Asked again: what a caller says that the model said proves nothing.
            said = await service.answer(await service.decoded(prepare, body), bundle)
            place = await asyncio.to_thread(feedback.save, body, right, said, bundle.sha256)
        return JSONResponse({"right": right, "file": place.as_posix()})


def _pictures(root: Path, task: str, classes: Sequence[str]) -> LabelledFolder | LabelledTable:
    if task != "classification":
        return LabelledTable(root, "value" if task == "regression" else "labels")
    if (root / "labels.csv").exists():
        raise DataError("it holds labels.csv, which training would read in the place of class folders")
    return LabelledFolder(root, classes)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Refusal(422, "unusable_label", "say what the number is: ?value=NUMBER")
    return value


def _line(place: Path, right: Right, said: Prediction, model: str) -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": place.stem,
        "file": place.as_posix(),
        "right": right,
        "said": said.as_dict(),
        "model": model,
    }


def _not_saved(error: OSError) -> Refusal:
    _LOG.error("feedback could not be saved: %s", error)
    if error.errno in _NO_ROOM:
        return Refusal(507, "no_room", "there is no room left for the picture")
    return Refusal(500, "not_saved", f"the picture could not be saved ({error.strerror})")
