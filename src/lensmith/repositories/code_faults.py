"""What the code does that fails, or runs what is not in it, on a machine of today."""

from __future__ import annotations

import functools
import re
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from lensmith.repositories.asked import Asked, requirement_of
from lensmith.repositories.python_files import Code
from lensmith.repositories.reading import Severity
from lensmith.repositories.tables import table
from lensmith.repositories.tree import shown

_WEIGHTS = re.compile(
    r"drive\.google\.com|dropbox\.com|pan\.baidu\.com|onedrive|1drv\.ms|sharepoint\.com|mega\.nz|box\.com|weiyun|mediafire\.com"
)
_FILE_LINK = re.compile(
    r"\.(?:pth?|pkl|ckpt|tar|tgz|tar\.gz|zip|h5|npz?|bin|safetensors|onnx|weights|7z|rar|mat)(?:\?|#|$)",
    re.IGNORECASE,
)


@functools.cache
def _removed() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in table("removed_calls")["calls"]}


def tell_code(asked: Asked, code: Code) -> None:
    """Note every fault of the code."""
    for row in table("risky_calls")["calls"]:
        for place in code.calls.get(row["name"], []):
            asked.fault(row["fault"], row["severity"], row["detail"], row["cure"], place)
    for name in sorted(code.removed):
        _tell_removed(asked, name, code)
    for place in code.python_2:
        words = "Python 2 code: print statements and their like; Python 3 does not read it"
        asked.fault(
            "Python 2 code",
            "error",
            words,
            "Convert it with lib2to3 of Python 3.12 or older, or run Python 2.7.",
            place,
        )
    for place, message in code.unparsed:
        words = f"this Python cannot read the file: {shown(message)}"
        asked.fault("syntax", "warning", words, "It may be written for a newer Python, or be damaged.", place)


def tell_links(asked: Asked, code: Code, told: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Note absolute paths and links to data; returns the links."""
    links = []
    for text, place in code.strings:
        if "http" not in text:
            words = f"an absolute path of somebody's machine: {shown(text)[:80]}"
            asked.fault(
                "absolute path",
                "warning",
                words,
                "Set it to where the data lie here, by an argument if there is one.",
                place,
            )
    for text, place in [*code.strings, *told]:
        for url in re.findall(r"https?://[^\s\"'<>)\]}`]{4,400}", text):
            if drive := _WEIGHTS.search(url):
                words = f"data or weights lie on {drive[0]}, a drive that asks for a login, has a quota, or is gone"
                asked.fault(
                    "weights on a drive",
                    "warning",
                    words,
                    "Fetch them first; nothing can go on without them.",
                    place,
                )
                links.append((url, place))
            elif _FILE_LINK.search(url):
                links.append((url, place))
                if url.startswith("http://"):
                    words = (
                        "weights or data come without encryption, so that anybody on the way may change them"
                    )
                    asked.fault("http download", "info", words, "Use https, and compare a checksum.", place)
    return list(dict.fromkeys(links))


def _tell_removed(asked: Asked, name: str, code: Code) -> None:
    row = _removed()[name]
    package, release, short = row["package"], row["release"], _short(name)
    pinned = _pinned_below(asked, package, release)
    if package == "python":
        words = f"{short} is gone since Python {release}"
        cure = f"Take {row['instead']}; or run Python older than {release}."
        if name.partition(".")[0] == "distutils":
            cure = "Install setuptools into the environment, which brings its own copy;"
            cure += f" or run an older Python than {release} (3.11)."
    else:
        words = f"{short} is gone since {package} {release}"
        cure = f"Write {row['instead']}, or pin {package}<{release}."
    if row.get("back"):
        words += f" (back in {row['back']} with another meaning)"
    if pinned:
        words, cure = f"{words}; the pin of {package} is older, so it works as pinned", ""
    severity: Severity = "info" if pinned else "error"
    name = "Python 2 module" if release == "3.0" and package == "python" else f"removed from {package}"
    for place in code.removed[row["name"]]:
        asked.fault(name, severity, words, cure, place, f"{package}<{release}")


def _short(name: str) -> str:
    """As code writes it."""
    for whole, alias in (("numpy.", "np."), ("PIL.Image.", "Image."), ("tensorflow.", "tf.")):
        if name.startswith(whole):
            return alias + name.removeprefix(whole)
    return name


def _pinned_below(asked: Asked, package: str, release: str) -> bool:
    """Whether every version that is asked for is older than the release."""
    if package == "python":
        return any(
            re.search(r"(?:==|<|<=)3\.", text) and _newest_below(text, release)
            for text, _ in asked.python[:1]
        )
    pins = [requirement_of(one.requirement) for one in asked.wanted]
    named = [
        one
        for one in pins
        if one and canonicalize_name(one.name) in (package, {"torch": "pytorch"}.get(package))
    ]
    return bool(named) and all(_newest_below(str(one.specifier), release) for one in named)


def _newest_below(specifier: str, release: str) -> bool:
    """Whether a specifier has an upper end that lies below a release."""
    ends = re.findall(r"(==|<=|<)\s*(\d+(?:\.\d+)*)(\.\*)?", specifier)
    for sign, version, _ in ends:
        if Version(version) < Version(release) or (sign == "<" and Version(version) <= Version(release)):
            return True
    return False
