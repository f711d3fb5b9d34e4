"""A Dockerfile: the image that it starts from, and what it installs."""

from __future__ import annotations

import re

from lensmith.repositories.asked import Asked
from lensmith.repositories.shell_lines import joined, take_installs
from lensmith.repositories.tree import shown

_FROM = re.compile(r"FROM\s+(?:--platform=\S+\s+)?(\S+)", re.IGNORECASE)


def read_dockerfiles(asked: Asked) -> None:
    """The first Dockerfile, at the root or a folder below."""
    for path in asked.tree.named(r"(?:[\w.-]+\.)?Dockerfile(?:\.[\w.-]+)?", 2)[:1]:
        lines = [*enumerate(asked.tree.text(path).splitlines(), 1)]
        for number, line in joined(lines):
            place = f"{shown(path)}:{number}"
            if image := _FROM.match(line):
                _take_image(asked, image[1], place)
            elif run := re.match(r"RUN\s+(.*)", line, re.IGNORECASE | re.DOTALL):
                take_installs(asked, run[1], place)


def _take_image(asked: Asked, image: str, place: str) -> None:
    if python := re.match(r"(?:docker\.io/)?(?:library/)?python:(3\.\d+)", image):
        asked.python.append((f"=={python[1]}.*", place))
    if torch := re.match(r"(?:docker\.io/)?pytorch/pytorch:(\d+\.\d+(?:\.\d+)?)", image):
        asked.want(
            f"torch=={torch[1]}" + ("" if torch[1].count(".") > 1 else ".*"), place, "pip", f"FROM {image}"
        )
    if cuda := re.search(r"cuda[:-]?(\d{1,2}\.\d)", image):
        asked.cuda.append((cuda[1], place))
    if re.match(r"nvcr\.io/", image):
        words = f"{shown(image)[:100]} is a large image of NVIDIA's with its own build of torch, which no index has"
        asked.fault(
            "vendor image",
            "info",
            words,
            "Its release notes say which torch it holds; the plan takes the nearest release.",
            place,
        )
