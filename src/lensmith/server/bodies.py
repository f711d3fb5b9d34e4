"""The body of a request, read within the limits, and the pictures in it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import Any

from starlette.requests import ClientDisconnect, Request

from lensmith.server.admission import Place
from lensmith.server.limits import Limits
from lensmith.server.refusal import Refusal

_SHAPE = '{"pictures": ["BASE64", ...]}'
_OPENINGS = 8
"""Brackets and braces of a body that has this shape, and some to spare."""


def is_json(request: Request) -> bool:
    """Whether the body says that it is JSON, and so may hold several pictures."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == "application/json"


def check_headers(request: Request, limits: Limits) -> None:
    """Refuse what the headers alone give away."""
    if request.headers.get("content-type", "").lower().strip().startswith("multipart/"):
        message = "send the picture itself as the body, not a form: curl --data-binary @picture.jpg"
        raise Refusal(415, "unsupported_media_type", message)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "unsupported_media_type", "send the picture without Content-Encoding")
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Refusal(400, "bad_content_length", "Content-Length is not a number of bytes")
    # The number of digits first: Python refuses to read thousands of them.
    if len(length) > 15 or int(length) > limits.body_bytes:
        raise _too_large(limits)


async def read_body(request: Request, limits: Limits, place: Place) -> bytes:
    """The whole body; `place` holds its bytes. Raises `Refusal` and `QueueFullError`."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limits.body_bytes:
                    raise _too_large(limits)
                place.take(size=len(chunk))
                parts.append(chunk)
    except TimeoutError:
        message = f"the body did not arrive within {limits.seconds:g} s"
        raise Refusal(408, "request_timeout", message) from None
    except ClientDisconnect:
        raise Refusal(400, "incomplete_body", "the body ended early") from None
    if not size:
        raise Refusal(400, "empty_body", "the body is empty: send a picture")
    return b"".join(parts)


def pictures_in(body: bytes, limits: Limits) -> list[bytes | Refusal]:
    """The pictures of a JSON body, in their order; a `Refusal` in the place of one whose base64 is none.

    Raises `Refusal` for a body that has another shape.
    """
    pictures = _parsed(body, limits).get("pictures")
    if not isinstance(pictures, list) or not pictures:
        raise _other_shape("pictures is not a list of at least one")
    if len(pictures) > limits.pictures:
        raise _too_many(limits)
    if not all(isinstance(word, str) for word in pictures):
        raise _other_shape("a picture is not a string of base64")
    return [_decoded(word) for word in pictures]


def _parsed(body: bytes, limits: Limits) -> dict[str, Any]:
    # Base64 holds neither commas nor brackets, so few of either belong here. Without looking, a few megabytes of
    # them would become a gigabyte of lists.
    if body.count(b"[") + body.count(b"{") > _OPENINGS:
        raise _other_shape("it holds lists or objects that it should not")
    if body.count(b",") > limits.pictures + _OPENINGS:
        raise _too_many(limits)
    try:
        table = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid_json", f"the body is not JSON: send {_SHAPE}") from None
    if not isinstance(table, dict):
        raise _other_shape("it is not an object")
    unknown = sorted(set(table) - {"pictures"})
    if unknown:
        raise _other_shape("it has a field that is not known")
    return table


def _decoded(word: str) -> bytes | Refusal:
    try:
        content = base64.b64decode(word, validate=True)
    except (ValueError, binascii.Error):
        return Refusal(422, "invalid_base64", "not base64 in its standard alphabet")
    return content or Refusal(422, "empty_picture", "no bytes: send a picture")


def _other_shape(why: str) -> Refusal:
    return Refusal(422, "invalid_request", f"{why}: send {_SHAPE}")


def _too_many(limits: Limits) -> Refusal:
    return Refusal(422, "too_many_pictures", f"more than {limits.pictures} pictures in one request")


def _too_large(limits: Limits) -> Refusal:
    return Refusal(413, "too_large", f"the body is larger than {limits.body_bytes:,} bytes")
