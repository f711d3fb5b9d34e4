"""What stands in the way of the packages that a repository asks for, before any of them is installed."""

from __future__ import annotations

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from lensmith.repositories.asked import Asked, exact_version, meant_by, name_of, requirement_of
from lensmith.repositories.python_files import Code
from lensmith.repositories.reading import Severity, Wanted
from lensmith.repositories.tables import table

_USUAL_PYTHON = Version("3.12")
_WITHOUT_SOURCE = ("torch", "torchvision", "torchaudio", "tensorflow")


def tell_asked(asked: Asked, code: Code) -> None:
    """Note every fault of what is asked for."""
    for one in asked.wanted:
        requirement = requirement_of(one.requirement)
        if requirement is not None:
            _tell_name(asked, one, requirement)
            _tell_wheels(asked, one, requirement)
    _tell_undeclared(asked, code)


def undeclared(asked: Asked, code: Code) -> tuple[str, ...]:
    """Distributions that the code cannot do without and that nothing asks for."""
    known = {name for one in asked.wanted for name in (name_of(one), meant_by(name_of(one)))}
    families = table("known_packages")["alike"]
    return tuple(
        name
        for name in sorted(code.needed)
        if canonicalize_name(name) not in known
        and not known.intersection(families.get(name, []))
        and name != "setuptools"
    )


def _tell_name(asked: Asked, one: Wanted, requirement: Requirement) -> None:
    name, placeholders = requirement.name.lower(), table("known_packages")["placeholders"]
    if one.channel == "conda" or requirement.url:
        return
    right = meant_by(name)
    if right == name:
        return
    said = "the index has no such package, or a stranger's"
    if name in placeholders:
        said = f'pip ends with "{placeholders[name]}"'
    words = f"`{requirement.name}` is not what the package is called: {said}; it is {right}"
    kind = name if name == "sklearn" else "import name"
    asked.fault(kind, "error", words, f"Write {right}; the plan does.", one.place)


def _tell_wheels(asked: Asked, one: Wanted, requirement: Requirement) -> None:
    """A pin that the newer Pythons have no wheel for."""
    name = canonicalize_name({"pytorch": "torch"}.get(requirement.name.lower(), requirement.name))
    pin, ranges = exact_version(requirement), table("wheel_ranges")["wheels"].get(name, {})
    later = [
        python
        for python, (first, _) in ranges.items()
        if pin and pin < Version(first) and not _begins(first, pin)
    ]
    if not later or pin is None:
        return
    without = min(later, key=Version)
    built = "pip says that no matching distribution is found"
    if name not in _WITHOUT_SOURCE:
        built = "pip builds it from source, which needs a compiler and mostly fails"
        built += " (pkgutil has no attribute ImpImporter)" if name == "numpy" and "3.12" in later else ""
    words = f"{name}=={pin} has no wheel for Python {without} and later: {built}"
    # A Python of two years ago is what people have; whether one is taken that is too new, the plan knows.
    excluded = any(_ends_before(text, without) for text, _ in asked.python)
    severity: Severity = "info" if excluded or Version(without) > _USUAL_PYTHON else "warning"
    older = f"3.{int(without.partition('.')[2]) - 1}"
    cure = f"Take Python {older} or an older Python, or lift the pin to {name}>={ranges[without][0]}."
    asked.fault("no wheel for new Pythons", severity, words, cure, one.place)


def _begins(release: str, pin: Version) -> bool:
    """Whether a pin, which may leave out its last number, is of the series of a release."""
    return len(pin.release) < 3 and Version(release).release[: len(pin.release)] == pin.release


def _ends_before(specifier: str, python: str) -> bool:
    """Whether a range of Pythons ends before one."""
    return any(
        Version(version) < Version(python) or (sign == "<" and Version(version) <= Version(python))
        for sign, version in re.findall(r"(==|<=|<)\s*(\d+\.\d+)", specifier)
    )


def _tell_undeclared(asked: Asked, code: Code) -> None:
    missing = undeclared(asked, code)
    if not missing:
        return
    words = f"imported and not declared: {', '.join(missing[:12])}" + (
        f" and {len(missing) - 12} more" if len(missing) > 12 else ""
    )
    for name in missing:
        asked.fault(
            "undeclared",
            "warning",
            words,
            "Add them to what is installed; the plan guesses by their names.",
            code.imports[name][0],
        )
