"""The files of torch.save before 1.6, taken apart without being run.

Such a file is four pickles (a magic number, a version, the machine, the object), a fifth with the keys of
the storages, and their numbers. The object's pickle of a network that was saved whole holds the source of
each of its classes, in a form that the weights-only unpickler refuses.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import BinaryIO

_WORDS = ("BINUNICODE", "BINGET", "LONG_BINGET")
_PUTS = ("BINPUT", "LONG_BINPUT")


def object_pickle(file: BinaryIO) -> tuple[int, bytes, bytes]:
    """Where the object's pickle begins, its bytes, and its bytes without the sources of classes.

    In the latter each `("module", class, file, source)` is replaced by its class. Raises `ValueError` for
    what is no pickle.
    """
    for _ in range(3):
        for _instruction in pickletools.genops(file):
            pass
    begin = file.tell()
    found = [(kind.name, (place or begin) - begin) for kind, _, place in pickletools.genops(file)]
    end = file.tell() - begin
    file.seek(begin)
    ends = [*(start for _, start in found[1:]), end]
    steps = [_Step(name, start, end) for (name, start), end in zip(found, ends, strict=True)]
    pickle = file.read(end)
    return begin, pickle, _without_sources(pickle, steps)


@dataclass(frozen=True)
class _Step:
    """One instruction of a pickle: its name, and where its bytes lie."""

    name: str
    start: int
    end: int


def _without_sources(pickle: bytes, steps: list[_Step]) -> bytes:
    kept: list[bytes] = []
    remembered: list[bytes] = []
    place = head = steps[0].end  # after PROTO
    for number, step in enumerate(steps):
        items = _items_of_class(steps, number) if step.name == "BINPERSID" else []
        if items:
            mark = items[0][0].start - 1
            kept += [pickle[place:mark], _bytes(pickle, items[1])]
            # Later instructions may refer to the strings: they go to the bottom, out of the way.
            remembered += [_bytes(pickle, item) for item in items if item is not items[1] and len(item) == 2]
            place = step.end
    return b"".join([pickle[:head], *remembered, *kept, pickle[place:]])


def _items_of_class(steps: list[_Step], number: int) -> list[list[_Step]]:
    """The four items of the tuple before `steps[number]` if it is that of a class, else nothing.

    An item is the instruction that makes it, and the one that remembers it where there is one.
    """
    last = _item_before(steps, number)
    if not last or last[0].name != "TUPLE":
        return []
    items: list[list[_Step]] = []
    place = number - len(last)
    for _ in range(4):
        items.insert(0, _item_before(steps, place))
        place -= len(items[0])
    is_class = place > 0 and steps[place - 1].name == "MARK" and items[1][0].name == "GLOBAL"
    return items if is_class and items[0][0].name in _WORDS else []


def _item_before(steps: list[_Step], number: int) -> list[_Step]:
    first = number - (2 if steps[number - 1].name in _PUTS else 1)
    return steps[max(first, 0) : number]


def _bytes(pickle: bytes, item: list[_Step]) -> bytes:
    return pickle[item[0].start : item[-1].end]
