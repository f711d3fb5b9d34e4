"""Where a foreign ONNX graph points outside itself: into the bundle's weights, or nowhere.

A tensor may lie in another file, whose name stands in the graph, and ONNX Runtime opens whatever is named. So the
graph is looked through before ONNX Runtime sees it. The look is at the wire format of protobuf, since whoever serves
has no `onnx` installed; the numbers of the fields are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

_WHERE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "weight", 15: "sparse"},
    "inner graph": {1: "node", 5: "tensor", 15: "sparse"},
    "training": {1: "inner graph", 2: "inner graph"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "inner graph", 10: "tensor", 11: "inner graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "weight": {},
    "tensor": {},
}
"""Of each message the fields that lead to tensors. A weight is an initializer of the main graph: those alone may lie
in the bundle's weights, for those alone ONNX Runtime takes from memory."""
_EXTERNAL = 13
_KEY, _VALUE = 1, 2
_GIVEN = {"location", "offset", "length"}


def refuse_pointers(graph: bytes, weights: str, size: int) -> None:
    """Raise `ValueError` where a graph points anywhere but into `weights`, a file of `size` bytes."""
    waiting = [("model", memoryview(graph))]
    while waiting:
        kind, message = waiting.pop()
        entries = []
        for number, value in _fields(message):
            if not isinstance(value, memoryview):
                continue
            if number in _WHERE[kind]:
                waiting.append((_WHERE[kind][number], value))
            elif number == _EXTERNAL and kind in ("weight", "tensor"):
                entries.append(_entry(value))
        if entries:
            _refuse(kind, entries, weights, size)


def _refuse(kind: str, entries: list[tuple[str, str]], weights: str, size: int) -> None:
    place = dict(entries)
    location = place.get("location", "")
    if kind != "weight" or location != weights or len(place) < len(entries) or set(place) - _GIVEN:
        raise ValueError(f"its graph points outside of the bundle's weights, to {location!r}")
    numbers = [place.get(name, "") for name in ("offset", "length")]
    if not all(len(word) < 20 and word.isascii() and word.isdigit() for word in numbers):
        raise ValueError(f"its graph points to {numbers} of the weights")
    if sum(map(int, numbers)) > size:
        raise ValueError(f"its graph points behind the end of {weights}")


def _entry(message: memoryview) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    found = {number: bytes(value) for number, value in _fields(message) if isinstance(value, memoryview)}
    return found.get(_KEY, b"").decode(), found.get(_VALUE, b"").decode()


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """The fields of a protobuf message: number, and the bytes of those that have a length. Raises `ValueError`."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        value = None
        if kind == 0:
            _, place = _varint(message, place)
        elif kind == 2:
            length, place = _varint(message, place)
            value = message[place : place + length]
            place += length
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise ValueError("its graph is damaged")
        if place > len(message):
            raise ValueError("its graph is damaged")
        yield tag >> 3, value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    found = shift = 0
    while place < len(message) and shift < 70:
        byte = message[place]
        place += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found, place
        shift += 7
    raise ValueError("its graph is damaged")
