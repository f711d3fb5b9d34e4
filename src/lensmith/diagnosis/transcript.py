"""What a program printed, as text that can be searched: a log file or a paste, brought into one form.

Colours, carriage returns of progress bars, wrapped lines and the marks that launchers put before each line are
taken off. Nothing that steers a terminal is left.
"""

from __future__ import annotations

import io
import math
import os
import re
import select
import stat
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lensmith.errors import UsageError
from lensmith.machine.printable import printable

_HEAD, _TAIL = 2**18, 3 * 2**18
"""Bytes kept of a long log: how it began, and how it ended."""
_CHUNK = 2**20
_MOST, _MOST_OF_A_DEVICE = 2**32, 2**24
"""Bytes: a pipe that says more, or /dev/zero and its like, has no end, or none that one would wait for."""
_PATIENCE = 30.0
"""Seconds that a pipe with a name may say nothing, which nobody may be writing to; stdin is waited for."""
_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b.?"
)
_MARKS = re.compile(
    r"""\s{0,40}(?:
        \[(?:rank|default|w|worker)?\d{1,4}\]:?        # torchrun
      | \(\w{1,40}[ ]pid=\d{1,9}(?:,[^)]{0,60})?\)     # ray and its like
      | \#\d{1,3}[ ]\d{1,6}\.\d{1,3}(?=[ ])            # docker build
      | \d{1,4}:(?=[ ])                                # srun -l
      | [│┃|>❱╭╰]                                      # a drawn traceback, a quotation
    )[ ]?""",
    re.VERBOSE,
)
_DRAWN = " │┃─╮╯"
_MOST_MARKS = 4
_EXCEPTION = re.compile(
    r"(?:E  {1,8})?(?P<type>(?:\w{1,60}\.){0,6}\w{0,60}"
    r"(?:Error|Exception|Interrupt|Exit|NotFound|Warning))(?:: (?P<words>.*))?"
)
_FRAME = re.compile(r"\s{0,20}File \"(?P<file>[^\"]{1,400})\", line (?P<line>\d{1,7})")
_RELAYED = (
    "ChildFailedError",
    "CalledProcessError",
    "ProcessRaisedException",
    "SystemExit",
    "KeyboardInterrupt",
)
"""What a launcher raises when the process that it started failed: that one's own words stand above."""
_NARROWEST, _WIDEST = 40, 250
_INSTEAD = "Give a log file, the error's text in quotes, or - for stdin."
_LOGS = (".log", ".txt", ".out", ".err")


@dataclass(frozen=True)
class Ending:
    """How a traceback ended: the exception's type and words, the last line of code, and the library it is in.

    text: from the exception to the end of what was printed, in one line.
    """

    type: str
    words: str
    place: str
    library: str
    text: str


def read_transcript(word: str) -> str:
    """What the user gave: `-` for stdin, the name of a file, or the text itself.

    Of more than 1 MiB the first and the last are taken. Raises UsageError for a file that cannot be read, or has no
    end.
    """
    if word == "-":
        return _decode(_ends(sys.stdin.buffer, "stdin"))
    if not word.strip():
        return ""
    try:
        file = Path(word)
        if file.is_dir():
            raise UsageError(
                f"{word} is a folder", hint="Give the log file itself, or the error's text in quotes."
            )
        if file.exists():
            with _opened(file) as opened:
                return _decode(_ends(opened, word))
    except (OSError, ValueError) as error:
        if not _is_text(word):
            raise UsageError(
                f"{word} cannot be read: {error}", hint="Give the error's text in quotes."
            ) from error
    if not _is_text(word):
        raise UsageError(f"no file {word}", hint=_INSTEAD)
    return word


def clean(text: str) -> str:
    """The lines without what only steers a terminal, marks taken off, each line once."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    lines = printable(text).split("\n")
    return "\n".join(dict.fromkeys(_unmarked(line) for line in lines))


def one_line(lines: str) -> tuple[str, ...]:
    """`clean` text in one line, to be searched; twice where lines were cut at the terminal's edge, amid words."""
    spaced = " ".join(lines.split())
    width = _cut_width(lines.split("\n"))
    if not width:
        return (spaced,)
    glued = "".join(line if len(line) == width else f"{line}\n" for line in lines.split("\n"))
    return spaced, " ".join(glued.split())


def find_ending(lines: str) -> Ending | None:
    """The last exception in `clean` text; None where there is none."""
    ending, place, library = None, "", ""
    rows = lines.split("\n")
    for number, line in enumerate(rows):
        if frame := _FRAME.match(line):
            place = f"{frame['file']}:{frame['line']}"
            library = _library(frame["file"])
            continue
        said = _EXCEPTION.fullmatch(line.strip()[:2000])
        if said and (ending is None or not said["type"].endswith((*_RELAYED, "Warning"))):
            ending = number, said["type"], (said["words"] or "").strip(), place, library
    return Ending(*ending[1:], " ".join(" ".join(rows[ending[0] :]).split())) if ending else None


def _opened(file: Path) -> BinaryIO:
    """Open it; a pipe without waiting for somebody to write into it, which may be never."""
    if not stat.S_ISFIFO(file.stat().st_mode):
        return file.open("rb")
    return os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)


def _ends(opened: BinaryIO, name: str) -> bytes:
    """The first and the last bytes of what is read to its end."""
    mode = os.fstat(opened.fileno()).st_mode
    most = math.inf if stat.S_ISREG(mode) else _MOST_OF_A_DEVICE if stat.S_ISCHR(mode) else _MOST
    head = tail = b""
    size = 0
    while chunk := _next(opened, name):
        size += len(chunk)
        if size > most:
            raise UsageError(f"{name} has no end: {size:,} bytes were read", hint=_INSTEAD)
        missing = _HEAD - len(head)
        head += chunk[:missing]
        tail = (tail + chunk[missing:])[-_TAIL:]
    return head + tail


def _next(opened: BinaryIO, name: str) -> bytes:
    """What follows; nothing at the end."""
    is_named_pipe = isinstance(opened, io.FileIO)
    if is_named_pipe and not select.select([opened], [], [], _PATIENCE)[0]:
        raise UsageError(f"nothing is written into {name}: {_PATIENCE:.0f} s were waited", hint=_INSTEAD)
    return opened.read(_CHUNK)


def _decode(content: bytes) -> str:
    """As UTF-8, or as the UTF-16 that PowerShell writes with `>`."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    return content.decode("utf-8", errors="replace")


def _is_text(word: str) -> bool:
    if word.lower().endswith(_LOGS) and "\n" not in word:
        return False
    return any(mark.isspace() for mark in word) or bool(_EXCEPTION.fullmatch(word[:2000]))


def _unmarked(line: str) -> str:
    for _ in range(_MOST_MARKS):
        mark = _MARKS.match(line)
        if not mark:
            break
        line = line[mark.end() :]
    bare = line.rstrip()
    return bare.rstrip(_DRAWN) if bare.endswith(tuple(_DRAWN)) else line


def _cut_width(lines: list[str]) -> int:
    """The length at which a terminal cut lines: many end there, and none is longer. 0 where none was cut."""
    lengths = Counter(len(line) for line in lines)
    longest = max(lengths)
    return longest if _NARROWEST <= longest <= _WIDEST and lengths[longest] > 1 else 0


def _library(file: str) -> str:
    found = re.search(r"(?:site|dist)-packages[\\/](\w{1,80})", file)
    return found[1] if found else ""
