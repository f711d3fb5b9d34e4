"""Several pictures in one request, as JSON."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from grey_server import GreyBundle, picture
from test_http import error_of, is_well

from lensmith.server.limits import Limits

Start = Callable[..., httpx.Client]


def as_word(content: bytes) -> str:
    return base64.b64encode(content).decode()


def ask(client: httpx.Client, *pictures: bytes) -> httpx.Response:
    return client.post("/v1/predict", json={"pictures": [as_word(content) for content in pictures]})


def test_each_picture_gets_its_answer_in_order(client: httpx.Client) -> None:
    levels = [0, 255, 51, 153, 0, 204]
    answer = ask(client, *(picture(level) for level in levels))
    assert answer.status_code == 200
    facts = answer.json()
    assert set(facts) == {"predictions", "model"} and facts["model"] == GreyBundle.sha256
    light = [dict(one["top"])["light"] for one in facts["predictions"]]
    assert light == pytest.approx([level / 255 for level in levels])
    assert facts["predictions"][0] == ask(client, picture(0)).json()["predictions"][0]


def test_one_that_cannot_be_read_does_not_spoil_the_others(client: httpx.Client) -> None:
    words = [as_word(picture(0)), as_word(b"no picture"), "no base64!", "", as_word(picture(255)), "Zm9v\n"]
    answer = client.post("/v1/predict", json={"pictures": words})
    assert answer.status_code == 200
    one, unreadable, no_base64, empty, other, line = answer.json()["predictions"]
    assert (one["label"], other["label"]) == ("dark", "light")
    codes = [entry["error"]["code"] for entry in (unreadable, no_base64, empty, line)]
    assert codes == ["unreadable_picture", "invalid_base64", "empty_picture", "invalid_base64"]
    assert "0x" not in answer.text


def test_they_go_through_the_model_together(start: Start) -> None:
    bundle = GreyBundle(at_once=3)
    answer = ask(start(bundle, limits=Limits(gather_seconds=30)), *[picture(9)] * 9)
    assert len(answer.json()["predictions"]) == 9
    assert bundle.batches == [3, 3, 3]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"\xff\xfe\x00", 400, "invalid_json"),
        (b'{"pictures": [NaN', 400, "invalid_json"),
        (b"9" * 50_000, 400, "invalid_json"),
        (b"null", 422, "invalid_request"),
        (b"[]", 422, "invalid_request"),
        (b"{}", 422, "invalid_request"),
        (b'{"pictures": []}', 422, "invalid_request"),
        (b'{"pictures": "aGk="}', 422, "invalid_request"),
        (b'{"pictures": [1]}', 422, "invalid_request"),
        (b'{"pictures": ["aGk="], "top": 3}', 422, "invalid_request"),
        (b'{"pictures": ' + b"[" * 90_000, 422, "invalid_request"),
        (b'{"pictures": [' + b"0," * 45_000 + b"0]}", 422, "too_many_pictures"),
        (b"", 400, "empty_body"),
    ],
)
def test_json_of_another_shape(client: httpx.Client, body: bytes, status: int, code: str) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert error_of(client.post("/v1/predict", content=body, headers=headers), status) == code
    assert is_well(client)


def test_at_most_so_many(client: httpx.Client) -> None:
    small = picture(255, side=4)
    assert error_of(ask(client, *[small] * (Limits.pictures + 1)), 422) == "too_many_pictures"
    most = ask(client, *[small] * Limits.pictures)
    assert [one["label"] for one in most.json()["predictions"]] == ["light"] * Limits.pictures


def test_a_request_of_many_takes_as_many_places(start: Start) -> None:
    gate, asked = threading.Event(), threading.Event()

    class Gated(GreyBundle):
        def predict_prepared(self, images: Any, /) -> Any:
            asked.set()
            gate.wait(30)
            return super().predict_prepared(images)

    client = start(Gated(), limits=Limits(in_flight=6))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, client, *[picture(9)] * 4)
        assert asked.wait(30)
        assert error_of(ask(client, *[picture(9)] * 3), 503) == "busy"
        gate.set()
        assert len(first.result().json()["predictions"]) == 4
    assert len(ask(client, *[picture(9)] * 6).json()["predictions"]) == 6


def test_bodies_are_bounded_all_together(start: Start) -> None:
    client = start(GreyBundle(), limits=Limits(body_bytes=50_000, in_flight_bytes=30_000))
    filled = picture(255) + bytes(40_000)
    assert error_of(client.post("/v1/predict", content=filled), 503) == "busy"
    assert is_well(client)


def test_pixels_are_bounded_before_anything_is_decoded(start: Start) -> None:
    client = start(GreyBundle(), limits=Limits(pixels=10_000))
    assert error_of(client.post("/v1/predict", content=picture(9, side=101)), 422) == "unreadable_picture"
    assert client.post("/v1/predict", content=picture(9, side=100)).status_code == 200


def test_a_failing_model_fails_the_whole_request(start: Start) -> None:
    client = start(GreyBundle(at_once=1))
    assert error_of(ask(client, picture(9), picture(13), picture(9)), 500) == "internal"
    assert is_well(client)


def test_the_schema_says_what_is_answered(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    parts = schema["components"]["schemas"]
    assert set(parts["Answers"]["required"]) == {"predictions", "model"}
    assert parts["Answer"]["required"] == ["model"]
    fields = set(client.post("/v1/predict", content=picture(9)).json())
    assert fields <= set(parts["Answer"]["properties"])
    operation = schema["paths"]["/v1/predict"]["post"]
    # The one that has to hold predictions comes first: a client that takes the first that fits takes the right one.
    either = operation["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"]
    assert [part["$ref"].rpartition("/")[2] for part in either] == ["Answers", "Answer"]
    assert operation["responses"]["503"]["content"]["application/json"]["schema"]["$ref"].endswith("Refused")
    described = json.dumps(operation["requestBody"]["content"]["application/json"])
    assert '"base64"' in described and f'"maxItems": {Limits.pictures}' in described
