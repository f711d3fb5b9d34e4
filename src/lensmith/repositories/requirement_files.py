"""requirements.txt and its like: what they ask for, and what pip would stumble over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from lensmith.repositories.asked import Asked, inside, requirement_of
from lensmith.repositories.reading import Channel
from lensmith.repositories.tree import shown

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_OPTION = re.compile(r"(--?[A-Za-z][\w-]*)(?:\s*=\s*|\s+|(?<=^-[a-z]))(\S.*)?")
_HASH = re.compile(r"\s--hash[= ]\S+")
_VCS = re.compile(
    r"(?:(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*@\s*)?(?P<url>(?:git|hg|svn|bzr)\+(?P<way>\w+)[:@]\S+|git@\S+|git://\S+)"
)
_REVISION = re.compile(r"\.git@[^#&]+|(?<=[\w/])@[^/@#]+(?=#|$)")
_COMMIT = re.compile(r"@[0-9a-f]{7,40}(?:#|$)")
_LOCAL_FILE = re.compile(rf"({_NAME})\s*@\s*file:\S+")
_CONDA_LIST = re.compile(rf"({_NAME})=([\w.]+)(?:=(\S+))?$")
_SPACED = re.compile(rf"({_NAME})\s+(\d[\w.]*)$")
_CUDA_INDEX = re.compile(r"/cu(\d+)(\d)(?:/|$)")
_DEEPEST = 5
_DEV = re.compile(r"dev|test|doc|lint|style|ci\b|build|notebook", re.IGNORECASE)


def read_requirement_files(asked: Asked) -> None:
    """`requirements.txt`, where it is not there every file called so that is not for developers."""
    found = asked.tree.named(r"(?:pip[-_])?requirements?\.(?:txt|in|pip)") or [
        *asked.tree.named(r".*requirements?[\w.-]*\.txt"),
        *[path for path in asked.tree.named(r"[\w.-]+\.txt", 1) if path.startswith("requirements/")],
    ]
    if not (found or asked.wanted):
        deeper = asked.tree.named(r"requirements?[\w.-]*\.txt", 3)
        found = [path for path in deeper if not re.match(r"(?:tests?|docs?|examples?)/", path)][:1]
    chosen = [path for path in found if not _DEV.search(path)] or found
    for path in chosen:
        read_requirement_file(asked, path)


def read_requirement_file(asked: Asked, path: str, seen: tuple[str, ...] = ()) -> None:
    """One file, and those that it names within the repository."""
    if path in seen or len(seen) >= _DEEPEST:
        asked.tree.skip(path, "names itself, or files that name files")
        return
    folder = path.rpartition("/")[0]
    for number, line in _lines(asked.tree.text(path)):
        place = f"{shown(path)}:{number}"
        option = _OPTION.match(line) if line.startswith("-") else None
        if option is None:
            take_requirement(asked, line, place)
        elif option[1] in ("-r", "--requirement"):
            named = inside(folder, option[2] or "")
            if named in asked.tree.files:
                read_requirement_file(asked, named, (*seen, path))
            else:
                asked.fault(
                    "missing file",
                    "warning",
                    f"-r {shown(option[2] or '')} is not in the repository",
                    "Ask for it.",
                    place,
                )
        else:
            take_option(asked, option[1], (option[2] or "").strip(), place)


def take_option(asked: Asked, option: str, value: str, place: str) -> None:
    """An option of pip that says where packages come from; others change nothing here."""
    if option in ("-f", "--find-links", "-i", "--index-url", "--extra-index-url") and value:
        take_index(asked, value, place)
    elif option in ("-e", "--editable") and value:
        take_requirement(asked, value, place)
    elif option == "--trusted-host":
        words = f"pip is told to trust {shown(value)} without a certificate"
        asked.fault("trusted host", "warning", words, "Leave it out, and see whether https works.", place)


def take_index(asked: Asked, url: str, place: str) -> None:
    """An index or a page of links."""
    url = url.strip("'\"<>")
    if not re.match(r"https?://", url):
        return
    asked.indexes.append((url, place))
    if cuda := _CUDA_INDEX.search(url):
        asked.cuda.append((f"{cuda[1]}.{cuda[2]}", place))
    host = re.sub(r"^https?://(?:[^/@]*@)?", "", url).split("/")[0].lower()
    if not re.fullmatch(
        r"(?:.*\.)?(?:pytorch\.org|pypi\.org|pythonhosted\.org|data\.pyg\.org|openmmlab\.com|aliyuncs\.com)(?::\d+)?",
        host,
    ):
        words = f"asks for packages from {shown(host)}: whoever owns it decides what is installed"
        cure = "See whether the default index has them; allow it only where you know it."
        asked.fault("private index", "warning", words, cure, place)
    if url.startswith("http://"):
        words = f"asks for packages from {shown(host)} without encryption"
        asked.fault("index without https", "warning", words, "Use https.", place)


def take_requirement(asked: Asked, text: str, place: str, channel: Channel = "pip") -> None:
    """One requirement as it is written, in any of the ways that people write them."""
    line = _HASH.sub("", re.sub(r"\s#.*", "", text)).strip().rstrip("\\").strip()
    line = re.sub(r"\s+", " ", line)
    line = re.sub(r"""^(['"])(.*)\1$""", r"\2", line)
    if not line:
        return
    if vcs := _VCS.match(line):
        _take_vcs(asked, vcs, line, place)
    elif file := _LOCAL_FILE.match(line):
        words = (
            f"`{file[1]} @ file:` points at a build folder of another machine (a frozen conda environment)"
        )
        asked.fault("local file", "warning", words, f"Ask for {file[1]} by name; the plan does.", place)
        asked.want(file[1], place, channel, line)
    elif re.match(r"\.{1,2}(?:/|\\|\[|$)|/|~|file:|[A-Za-z]:[\\/]", line) or (
        line.endswith((".whl", ".tar.gz", ".zip")) and "@" not in line and "://" not in line
    ):
        _take_path(asked, line, place)
    else:
        _take_named(asked, line, place, channel)


def _take_named(asked: Asked, line: str, place: str, channel: Channel) -> None:
    requirement = requirement_of(line)
    if requirement is not None:
        asked.want(line, place, channel, line)
        if requirement.url and requirement.url.startswith("http://"):
            asked.fault(
                "index without https",
                "warning",
                f"{shown(line)} comes without encryption",
                "Use https.",
                place,
            )
    elif listed := _CONDA_LIST.match(line):
        words = f"`{shown(line)}` is conda's way of writing, which pip does not take"
        asked.fault(
            "conda list as requirements",
            "error",
            words,
            f"Write {listed[1]}=={listed[2]}; the plan does.",
            place,
        )
        asked.want(f"{listed[1]}=={listed[2]}", place, "conda" if listed[3] else channel, line)
    elif spaced := _SPACED.match(line):
        words = f"`{shown(line)}` lacks its `==`"
        asked.fault(
            "invalid requirement", "error", words, f"Write {spaced[1]}=={spaced[2]}; the plan does.", place
        )
        asked.want(f"{spaced[1]}=={spaced[2]}", place, channel, line)
    elif re.match(r"https?://", line):
        name = re.search(r"/([A-Za-z0-9._]+?)-\d[^/]*\.(?:whl|tar\.gz|zip)", line)
        asked.want(f"{name[1]} @ {line}" if name else line, place, channel, line)
        asked.fault(
            "link as requirement",
            "warning",
            f"{shown(line)[:120]} is one file on one server",
            "Look for it on the index.",
            place,
        )
    else:
        asked.fault(
            "invalid requirement",
            "error",
            f"pip does not understand `{shown(line)[:120]}`",
            "Correct or remove the line.",
            place,
        )


def _take_vcs(asked: Asked, vcs: re.Match[str], line: str, place: str) -> None:
    url = vcs["url"]
    egg = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", url)
    tail = PurePosixPath(_REVISION.sub("", url.partition("#")[0])).name.removesuffix(".git")
    name = vcs["name"] or (egg[1] if egg else tail)
    address = url if "+" in url.partition(":")[0] else f"git+{url}"
    requirement = f"{name} @ {address}"
    asked.want(requirement if requirement_of(requirement) else line, place, "pip", line)
    pinned = bool(_COMMIT.search(url))
    how = "at a fixed commit" if pinned else "without a commit: whatever lies there on the day is installed"
    cure = "It is built from source; " + (
        "check that the address still answers." if pinned else "pin the commit of that time."
    )
    words = f"{shown(name)} comes from a repository, {how} ({shown(url)[:120]})"
    if "ssh" in vcs["url"].partition("/")[0] or url.startswith("git@"):
        words += "; ssh needs a key of an account there"
        cure = "Use https where the repository is public; else ask its owner. " + cure
    asked.fault("repository as requirement", "warning", words, cure, place)


def _take_path(asked: Asked, line: str, place: str) -> None:
    own = re.fullmatch(r"\.(?:/)?(?:\[[^\]]*\])?", line)
    if not own:
        words = f"`{shown(line)[:120]}` is a path, of the machine or the folder where this was written"
        asked.fault(
            "local path",
            "warning",
            words,
            "Install what lies there by its name, or from the repository.",
            place,
        )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments and joined where a backslash ends them, each with its number."""
    kept, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first if kept else number
        kept += re.sub(r"(?:^|\s)#.*", "", line)
        if kept.endswith("\\") and len(kept) < 5000:
            kept = kept[:-1] + " "
            continue
        if kept.strip():
            yield first, kept.strip()
        kept = ""
    if kept.strip():
        yield first, kept.strip()
