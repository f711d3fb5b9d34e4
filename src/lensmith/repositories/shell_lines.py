"""Lines for a shell, in a README, a Dockerfile or a notebook: what they install, and which Python they make."""

from __future__ import annotations

import re
import shlex

from lensmith.repositories.asked import Asked
from lensmith.repositories.conda_files import take_spec
from lensmith.repositories.reading import Channel
from lensmith.repositories.requirement_files import take_option, take_requirement

_INSTALL = re.compile(
    r"(?:^|&&|;|\|\||\bsudo\s|[!%])\s*(?:[A-Z_]+=\S+\s+)*(?:(?:python[\d.]*|py)\s+-m\s+)?"
    r"(?P<tool>(?:uv\s+)?pip[\d.]*|conda|mamba|micromamba)\s+(?P<verb>install|create)\s+(?P<words>[^&;|]{1,2000})"
)
_WITH_VALUE = {
    "-r",
    "-c",
    "-n",
    "-p",
    "--name",
    "--prefix",
    "--file",
    "-t",
    "--target",
    "--requirement",
    "--constraint",
    "--timeout",
    "--root",
}
_INDEXES = {
    "-f",
    "--find-links",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-e",
    "--editable",
    "--trusted-host",
}
_TOOLS = {
    "pip",
    "setuptools",
    "wheel",
    "conda",
    "ipython",
    "jupyter",
    "virtualenv",
    "build",
    "uv",
    "jupyterlab",
    "notebook",
}
_STARTS = re.compile(
    r"(?:[A-Z][A-Z0-9_]*=\S+\s+)*(?:sudo\s+)?(?:python[\d.]*|pip[\d.]*|conda|mamba|uv|torchrun|accelerate|deepspeed|bash|sh|make|mpirun|horovodrun|srun"
    r"|git|wget|curl|export|source|cd|mkdir|docker|jupyter|tensorboard|poetry|pipenv|pdm|hatch|apt|apt-get|brew|unzip|tar|gdown|huggingface-cli|\./[\w./-]+)\s+\S"
)
MOST_COMMANDS = 200


def is_command(line: str) -> bool:
    """Whether a line starts a program that repositories tell their readers to start."""
    return _STARTS.match(line) is not None


def joined(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Prompts taken away, lines that end in a backslash made one, comments and empty lines left out."""
    found: list[tuple[int, str]] = []
    kept, first = "", 0
    for number, text in lines:
        line = re.sub(r"^\s*(?:\([\w.-]{1,40}\)\s*)?(?:\$|>>?>?|%|!)\s+|^\s*!", "", text).strip()
        first = first if kept else number
        if line.endswith("\\") and len(kept) < 4000:
            kept += line[:-1].rstrip() + " "
            continue
        whole = re.sub(r"\s+#\s.*$", "", kept + line).strip()
        kept = ""
        if whole and not whole.startswith("#"):
            found.append((first, whole))
    return [*found, (first, kept.strip())] if kept.strip() else found


def take_installs(asked: Asked, line: str, place: str) -> None:
    """What a line installs, unless something of that name was asked for already."""
    for match in _INSTALL.finditer(line[:4000]):
        channel: Channel = "pip" if "pip" in match["tool"] else "conda"
        if match["verb"] == "install" or channel == "conda":
            _take(asked, _words(match["words"]), channel, place)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


def _take(asked: Asked, words: list[str], channel: Channel, place: str) -> None:
    waiting = ""
    for word in words:
        if waiting:
            if channel == "pip" and waiting in _INDEXES and waiting not in ("-e", "--editable"):
                take_option(asked, waiting, word, place)
            waiting = ""
        elif word.startswith("-"):
            option, _, value = word.partition("=")
            if value and channel == "pip" and option in _INDEXES:
                take_option(asked, option, value, place)
            waiting = option if not value and _wants_value(option, channel) else ""
        elif not _is_gap(word) and re.split(r"[=<>\[!~ ]", word)[0].lower() not in _TOOLS:
            _take_one(asked, word, channel, place)


def _wants_value(option: str, channel: Channel) -> bool:
    return option in _WITH_VALUE or (
        option in _INDEXES if channel == "pip" else option in ("-c", "--channel", "-f")
    )


def _take_one(asked: Asked, word: str, channel: Channel, place: str) -> None:
    if channel == "conda":
        take_spec(asked, word, place)
    elif not re.match(r"\.{0,2}/|\.$|\.\[|~|.*\.(?:txt|whl|ya?ml|tar\.gz)$", word):
        take_requirement(asked, word, place)


def _is_gap(word: str) -> bool:
    """Whether it is left to the reader, or to a shell."""
    return re.search(r"[<>]\w*[a-z_ ]+>|\$|\{|\.\.\.|^[A-Z_]+$|`", word) is not None and not re.search(
        r"[<>]=?\d", word
    )
