"""The process that parses foreign text: a question a line, an answer a line, within its limits.

It imports what it needs from the standard library first, and lensmith's folders come last in its path.
"""

from __future__ import annotations

import ast
import json
import sys
import tomllib
import warnings
from collections.abc import Callable
from typing import Any

import yaml

from lensmith.repositories.python_source import describe_source
from lensmith.repositories.setup_script import describe_setup

_MEMORY = 1 << 30
_DEEPEST = 60
_MOST_NODES = 100_000
_MOST_ALIASES = 20
"""A few anchors are a convenience; aliases of aliases double with each."""


class _TooMuch(ValueError):
    """A text that is well formed and meant to do harm."""


def serve() -> None:
    """Answer until stdin ends."""
    _limit_memory()
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        kind, text = json.loads(line)
        sys.stdout.write(_answer(kind, text) + "\n")
        sys.stdout.flush()


def _answer(kind: str, text: str) -> str:
    try:
        return json.dumps([_PARSERS[kind](text), ""])
    except _TooMuch as refused:
        reason = str(refused)
    except (RecursionError, MemoryError):
        reason = "nests too deep, or needs too much memory"
    except Exception as error:
        reason = " ".join(f"cannot be parsed as {kind} ({error})".split())[:200]
    return json.dumps([None, reason])


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit; the one on time holds there too
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _yaml(text: str) -> Any:
    aliases = depth = 0
    for nodes, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if nodes > _MOST_NODES or aliases > _MOST_ALIASES or depth > _DEEPEST:
            raise _TooMuch("nests too deep, or repeats itself by too many aliases")
        if _tag(event).startswith("tag:yaml.org,2002:python/"):
            raise _TooMuch(f"asks its reader to run Python ({_tag(event)[22:80]})")
    return yaml.load(text, yaml.BaseLoader)


def _tag(event: yaml.Event) -> str:
    return str(getattr(event, "tag", None) or "")


def _toml(text: str) -> Any:
    return _plain(tomllib.loads(text))


def _json(text: str) -> Any:
    return _plain(json.loads(text))


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise _TooMuch("nests too deep")
    if isinstance(value, dict):
        return {str(key): _plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, depth + 1) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _setup(text: str) -> Any:
    return describe_setup(ast.parse(text))


_PARSERS: dict[str, Callable[[str], Any]] = {
    "python": describe_source,
    "setup": _setup,
    "yaml": _yaml,
    "toml": _toml,
    "json": _json,
}
