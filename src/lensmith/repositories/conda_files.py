"""environment.yml: packages of two channels, and what ties them to the machine where they were exported."""

from __future__ import annotations

import re
from typing import Any

from lensmith.repositories.asked import Asked, line_of, requirement_of
from lensmith.repositories.requirement_files import take_option, take_requirement
from lensmith.repositories.tables import table
from lensmith.repositories.tree import shown

_SPEC = re.compile(
    r"(?:[\w./-]+::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?:\[[^\]]*\])?\s*"
    r"(?P<version>(?:[=<>!~]=?|\s)\s*[^=\s][^=]*?)?(?:=(?P<build>[A-Za-z0-9_.*]+))?"
)
_CUDA_PACKAGES = {"cudatoolkit", "pytorch-cuda", "cuda-version", "cuda-toolkit", "cuda"}


def read_conda_files(asked: Asked) -> None:
    """`environment.yml`; where it is not there, each file of a like name."""
    tree = asked.tree
    found = tree.named(r"environment\.ya?ml") or tree.named(r".*(?:environment|conda|env)[\w.-]*\.ya?ml")
    found = found or tree.named(r"(?:conda[-_]?)?env(?:ironment)?[\w.-]*\.ya?ml", 2)[:1]
    for path in found:
        value = asked.parsed("yaml", path)
        if isinstance(value, dict) and isinstance(value.get("dependencies"), list):
            _read(asked, path, value)


def _read(asked: Asked, path: str, value: dict[str, Any]) -> None:
    text, name = asked.tree.text(path), shown(path)
    builds, systems = [], []
    for one in value["dependencies"]:
        if isinstance(one, str):
            place = f"{name}:{line_of(text, one)}"
            build, system = take_spec(asked, one, place)
            builds += [place] if build else []
            systems += [(system, one, place)] if system else []
        elif isinstance(one, dict) and isinstance(one.get("pip"), list):
            _take_pip(asked, [str(line) for line in one["pip"]], text, name)
    if builds:
        _tell_builds(asked, builds)
    _tell_systems(asked, systems)
    if value.get("prefix"):
        words = f"`prefix: {shown(str(value['prefix']))[:80]}` is a folder of the machine that exported it"
        asked.fault(
            "prefix",
            "warning",
            words,
            "Remove the line; conda ignores it only sometimes.",
            f"{name}:{line_of(text, 'prefix')}",
        )
    _tell_channels(asked, value.get("channels"), text, name)


def take_spec(asked: Asked, spec: str, place: str) -> tuple[str, str]:
    """One package as conda writes it; returns its build string and the system that it is for, "" each where none."""
    match = _SPEC.fullmatch(re.sub(r"\s#.*", "", spec).strip().strip("'\""))
    if match is None:
        asked.fault(
            "invalid requirement",
            "error",
            f"conda does not understand `{shown(spec)[:80]}`",
            "Correct the line.",
            place,
        )
        return "", ""
    name, version, build = match["name"], (match["version"] or "").strip(), match["build"] or ""
    specifier = _specifier(version, bool(build))
    if name == "python":
        asked.python += [(specifier, place)] if specifier else []
        return build, ""
    if name in _CUDA_PACKAGES:
        _take_cuda(asked, name, version, place)
    cuda = re.search(r"cuda?(\d{1,2})[._]?(\d)", build)
    if cuda and name in ("pytorch", "torchvision", "pytorch-mutex"):
        asked.cuda.append((f"{cuda[1]}.{cuda[2]}", place))
    requirement = f"{name}{specifier}"
    asked.want(requirement if requirement_of(requirement) else name, place, "conda", spec.strip())
    return build, table("known_packages")["one_system"].get(name, "")


def _specifier(version: str, exact: bool) -> str:
    """`=1.7` -> `==1.7.*`, `=1.7.1=py38_0` -> `==1.7.1`, `>=1,<2` as it is."""
    version = version.replace(" ", "")
    if not version or version == "*" or "|" in version:
        return ""
    if re.match(r"[<>!~]|==", version):
        return version
    bare = version.lstrip("=")
    if exact or "*" in bare:
        return f"=={bare}"
    return f"=={bare}.*" if version.startswith("=") or bare.count(".") < 2 else f"=={bare}"


def _take_cuda(asked: Asked, name: str, version: str, place: str) -> None:
    if number := re.search(r"\d+(?:\.\d+)?", version):
        asked.cuda.append((number[0], place))
    what = f"{name}{version}" if version else name
    words = f"`{shown(what)}` is conda's CUDA; the pytorch channel gets no new releases,"
    words += " and many pairs of it are gone (PackagesNotFoundError)"
    asked.fault(
        "cudatoolkit",
        "warning",
        words,
        "Take the wheel of torch instead, which brings its own CUDA libraries; the plan does.",
        place,
    )


def _take_pip(asked: Asked, lines: list[str], text: str, name: str) -> None:
    for line in lines:
        place = f"{name}:{line_of(text, line.split()[0] if line.split() else line)}"
        option = re.match(r"(-\w|--[\w-]+)[=\s]*(.*)", line)
        if option:
            take_option(asked, option[1], option[2].strip(), place)
        else:
            take_requirement(asked, line, place)


def _tell_builds(asked: Asked, builds: list[str]) -> None:
    words = (
        f"{len(builds)} packages are pinned with build strings, which exist for one system only: "
        "elsewhere conda says ResolvePackageNotFound"
    )
    for place in builds:
        asked.fault(
            "build strings",
            "error",
            words,
            "Strip the build strings, and keep only what the code imports; the plan does.",
            place,
        )


def _tell_systems(asked: Asked, systems: list[tuple[str, str, str]]) -> None:
    for system in sorted({one[0] for one in systems}):
        rows = [one for one in systems if one[0] == system]
        names = ", ".join(re.split(r"[=<> ]", one[1])[0] for one in rows[:6])
        for _, _, place in rows:
            words = f"packages of one system, {system}: {names}; no other platform has them"
            asked.fault("packages of one system", "warning", words, "Leave them out; the plan does.", place)


def _tell_channels(asked: Asked, channels: Any, text: str, name: str) -> None:
    for channel in channels if isinstance(channels, list) else []:
        place = f"{name}:{line_of(text, str(channel))}"
        if channel == "pytorch":
            words = "the channel `pytorch` gets no releases after torch 2.5,"
            words += " and some of its older pairs were never there"
            asked.fault("pytorch channel", "info", words, "Take the wheels of torch; the plan does.", place)
        elif re.match(r"https?://|file:|/", str(channel)) and "anaconda" not in str(channel):
            words = f"the channel {shown(str(channel))[:100]} is somebody's own server"
            asked.fault(
                "private index",
                "warning",
                words,
                "See whether conda-forge or the index has what comes from there.",
                place,
            )
