"""What OpenAPI says of requests and answers, so that clients can be generated from it."""

from __future__ import annotations

from typing import Any, Required

from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12


class Prediction(TypedDict, total=False):
    """What the model says about one picture; which fields there are depends on its task.

    classification: label, probability, sure, top. multilabel: labels too. regression: value. All: unlike, whether the
    picture is unlike those that the model learned from.
    """

    label: str
    probability: float
    sure: bool
    unlike: bool
    labels: list[str]
    top: list[tuple[str, float]]
    value: float


class Answer(Prediction, total=False):
    """The prediction for one picture; `model` is the sha256 of the model that made it."""

    model: Required[str]


class Problem(TypedDict):
    """code: one word for programs. message: for a person."""

    code: str
    message: str


class Refused(TypedDict):
    """Why there is no answer."""

    error: Problem


class Answers(TypedDict):
    """A prediction or an error for each picture, in their order, all by one model."""

    # First what has fields that it must have: clients take the first that fits.
    predictions: list[Refused | Prediction]
    model: str


class ModelFacts(TypedDict, total=False):
    """What is being served. report: figures with their intervals, measured on held-out pictures."""

    sha256: Required[str]
    task: str
    classes: Required[list[str]]
    preprocess: dict[str, Any]
    temperature: float
    threshold: float
    unlike_above: float
    precision: str
    licence: str
    report: dict[str, Any]


class Alive(TypedDict):
    """The process is alive."""

    alive: bool


class Ready(TypedDict):
    """Whether pictures are being answered."""

    ready: bool


_REFUSALS = {
    400: "Empty or incomplete body, JSON that is none, or a Host header that names another server.",
    401: "The token is missing or wrong.",
    403: "The Origin header names another origin.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "A multipart form, or a Content-Encoding.",
    422: "The body cannot be read as a picture, is JSON of another shape, or holds too many pictures.",
    500: "The server failed; its log says how, under the request's X-Request-ID.",
    503: "Too many requests at once; Retry-After says when to come again.",
}
ANY_ROUTE: dict[int | str, dict[str, Any]] = {
    code: {"model": Refused, "description": _REFUSALS[code]} for code in (400, 401, 403, 500)
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Refused, "description": words} for code, words in _REFUSALS.items()
}


def picture_body(several: int = 0) -> dict[str, Any]:
    """OpenAPI's words for a body that is a picture, or JSON with at most `several` of them."""
    content: dict[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    description = (
        "The bytes of one picture: JPEG, PNG, WebP, BMP, TIFF, PPM, GIF or AVIF, told by its content; any media "
        "type will do that is neither JSON nor a form."
    )
    if several:
        words = {"type": "string", "contentEncoding": "base64"}
        pictures = {"type": "array", "minItems": 1, "maxItems": several, "items": words}
        shape = {
            "type": "object",
            "title": "Pictures",
            "required": ["pictures"],
            "additionalProperties": False,
        }
        content["application/json"] = {"schema": {**shape, "properties": {"pictures": pictures}}}
        description += " Or JSON with several pictures as base64."
    return {"requestBody": {"required": True, "description": description, "content": content}}


ONE_PICTURE: dict[str, Any] = {"openapi_extra": picture_body(), "responses": REFUSALS}
"""What OpenAPI says of a route that takes one picture."""
