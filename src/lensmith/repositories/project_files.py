"""pyproject.toml, setup.cfg, setup.py, Pipfile and lock files: what a project says that it needs."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from lensmith.repositories.asked import Asked, line_of, name_of, requirement_of
from lensmith.repositories.requirement_files import read_requirement_file, take_index, take_requirement
from lensmith.repositories.tree import LARGEST_LOCK, shown


def read_project_files(asked: Asked) -> None:
    """All of them at the root of the repository."""
    there = set(asked.tree.files)
    if "pyproject.toml" in there and isinstance(value := asked.parsed("toml", "pyproject.toml"), dict):
        _read_pyproject(asked, value)
    if "setup.cfg" in there:
        _read_setup_cfg(asked)
    if "setup.py" in there and isinstance(value := asked.parsed("setup", "setup.py"), dict):
        _read_setup(asked, value)
    if "Pipfile" in there and isinstance(value := asked.parsed("toml", "Pipfile"), dict):
        _read_pipfile(asked, value)
    _read_versions(asked)


def read_locks(asked: Asked, imported: set[str]) -> None:
    """The versions that a lock holds of what is asked for or imported; of the rest the resolver knows better."""
    wished = {name_of(one) for one in asked.wanted} | imported
    for path, name, version in _locked(asked):
        if canonicalize_name(name) in wished:
            place = f"{path}:{line_of(asked.tree.text(path, LARGEST_LOCK), name)}"
            asked.want(f"{name}=={version}", place)


def _locked(asked: Asked) -> Iterator[tuple[str, str, str]]:
    for path in ("poetry.lock", "uv.lock", "pdm.lock"):
        value = asked.parsed("toml", path, LARGEST_LOCK) if path in asked.tree.files else None
        for row in _list(_get(value, "package")):
            if (
                isinstance(row, dict)
                and row.get("name")
                and re.fullmatch(r"\d[\w.+!-]*", str(row.get("version")))
            ):
                yield path, str(row["name"]), str(row["version"])
    value = asked.parsed("json", "Pipfile.lock", LARGEST_LOCK) if "Pipfile.lock" in asked.tree.files else None
    for name, row in _dict(_get(value, "default")).items():
        version = str(_get(row, "version") or "")
        if re.fullmatch(r"==\d[\w.+!-]*", version):
            yield "Pipfile.lock", name, version[2:]


def _read_pyproject(asked: Asked, value: dict[str, Any]) -> None:
    text = asked.tree.text("pyproject.toml")

    def place(word: str) -> str:
        return f"pyproject.toml:{line_of(text, word)}"

    project = _dict(value.get("project"))
    for line in _list(project.get("dependencies")):
        take_requirement(asked, str(line), place(str(line)[:20]))
    _take_python(asked, project.get("requires-python"), place("requires-python"))
    tools = _dict(value.get("tool"))
    poetry = _dict(tools.get("poetry"))
    for name, wish in _dict(poetry.get("dependencies")).items():
        if name == "python":
            _take_python(asked, _poetry_specifier(str(wish)), place("python"))
        elif not (isinstance(wish, dict) and wish.get("optional")):
            _take_table(asked, name, wish, place(name))
    for source in [
        *_list(poetry.get("source")),
        *_list(_get(tools.get("uv"), "index")),
        *_list(_get(tools.get("pdm"), "source")),
    ]:
        if isinstance(source, dict) and source.get("url"):
            take_index(asked, str(source["url"]), place(str(source["url"])))


def _read_setup_cfg(asked: Asked) -> None:
    text = asked.tree.text("setup.cfg")
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(text)
    except configparser.Error as error:
        words = " ".join(str(error).split())[:120]
        asked.fault(
            "unreadable file", "warning", f"setup.cfg: {shown(words)}", "Look at it by hand.", "setup.cfg"
        )
        return
    listed = config.get("options", "install_requires", fallback="")
    for line in re.split(r"[\n;](?!\s*(?:python|sys|platform|os|extra))", listed):
        if line.strip() and not line.strip().startswith("file:"):
            take_requirement(asked, line.strip(), f"setup.cfg:{line_of(text, line.strip()[:20])}")
    _take_python(asked, config.get("options", "python_requires", fallback=""), "setup.cfg")


def _read_setup(asked: Asked, value: dict[str, Any]) -> None:
    for text, line in value["install_requires"]:
        take_requirement(asked, text, f"setup.py:{line}")
    for text, line in value["python_requires"][:1]:
        _take_python(asked, text, f"setup.py:{line}")
    for file in value["files"]:
        if file.removeprefix("./") in asked.tree.files:
            read_requirement_file(asked, file.removeprefix("./"))
    if any(keyword == "install_requires" for keyword, _ in value["unknown"]) and not value["files"]:
        line = next(line for keyword, line in value["unknown"] if keyword == "install_requires")
        words = "setup.py computes what it requires; only running it would tell, and it is not run here"
        asked.fault(
            "computed requirements",
            "info",
            words,
            "The plan goes by what the code imports.",
            f"setup.py:{line}",
        )


def _read_pipfile(asked: Asked, value: dict[str, Any]) -> None:
    text = asked.tree.text("Pipfile")
    for name, wish in _dict(value.get("packages")).items():
        _take_table(asked, name, wish, f"Pipfile:{line_of(text, name)}")
    version = _get(value.get("requires"), "python_version") or _get(
        value.get("requires"), "python_full_version"
    )
    _take_python(asked, f"=={version}.*" if version else "", f"Pipfile:{line_of(text, 'python_version')}")
    for source in _list(value.get("source")):
        url = str(_get(source, "url") or "")
        if url and "pypi.org" not in url:
            take_index(asked, url, f"Pipfile:{line_of(text, url)}")


def _read_versions(asked: Asked) -> None:
    for path, form in (
        (".python-version", r"\s*(?:cpython-)?(\d+\.\d+)"),
        ("runtime.txt", r"\s*python-(\d+\.\d+)"),
    ):
        found = re.match(form, asked.tree.text(path)) if path in asked.tree.files else None
        if found:
            asked.python.append((f"=={found[1]}.*", f"{path}:1"))


def _take_python(asked: Asked, specifier: Any, place: str) -> None:
    text = re.sub(r"\s", "", str(specifier or ""))
    try:
        if str(SpecifierSet(text)):
            asked.python.append((text, place))
    except InvalidSpecifier:
        asked.fault(
            "invalid requirement",
            "warning",
            f"`{shown(text)[:60]}` says no range of Pythons",
            "Correct it.",
            place,
        )


def _take_table(asked: Asked, name: str, wish: Any, place: str) -> None:
    """A row of poetry's or pipenv's table: a version, or a table that holds one, an address, or a path."""
    if isinstance(wish, list):
        wish = wish[0] if wish else "*"
    table = wish if isinstance(wish, dict) else {"version": str(wish)}
    extras = ",".join(str(one) for one in _list(table.get("extras")))
    if table.get("git"):
        revision = table.get("rev") or table.get("tag") or table.get("branch") or table.get("ref")
        take_requirement(asked, f"{name} @ git+{table['git']}" + (f"@{revision}" if revision else ""), place)
        return
    if table.get("path") or table.get("url"):
        take_requirement(asked, str(table.get("url") or table.get("path")), place)
        return
    version = _poetry_specifier(str(table.get("version") or "*"))
    marker = f" ; {table['markers']}" if table.get("markers") else ""
    line = f"{name}{f'[{extras}]' if extras else ''}{version}{marker}"
    asked.want(
        line if requirement_of(line) else name,
        place,
        "pip",
        f"{name} = {wish if isinstance(wish, str) else dict(table)}",
    )


def _poetry_specifier(text: str) -> str:
    """`^1.7` -> `>=1.7,<2`, `~1.7.1` -> `>=1.7.1,<1.8`, `1.7` -> `==1.7`, `*` -> nothing; of `a || b` the first."""
    parts = []
    for part in text.split("||")[0].replace(" ", "").split(","):
        caret = re.fullmatch(r"([\^~])(\d+(?:\.\d+)*)[\w.-]*", part)
        if caret:
            parts.append(f">={caret[2]},<{_next(caret[2], caret[1])}")
        elif re.fullmatch(r"\d[\w.*+]*", part):
            parts.append(f"=={part}")
        elif part not in ("", "*"):
            parts.append(part)
    return ",".join(parts)


def _next(version: str, sign: str) -> str:
    numbers = [int(one) for one in version.split(".")]
    if sign == "~":
        keep = min(2, len(numbers))
    else:
        keep = next((at + 1 for at, one in enumerate(numbers) if one), len(numbers))
    return ".".join(map(str, [*numbers[: keep - 1], numbers[keep - 1] + 1]))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
