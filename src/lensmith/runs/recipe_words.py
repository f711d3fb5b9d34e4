"""The fields of a recipe as they are written in a shell, `name=value`, and what help says of each."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from lensmith.errors import UsageError
from lensmith.runs.fields import AUTO, read_value, require_field
from lensmith.runs.recipe import Recipe

SHELL_WORDS = {"from": "from_run"}
"""Fields whose word in the shell is none that Python allows."""


def parse_words(words: list[str]) -> dict[str, Any]:
    """`["lr=0.01", "flip=false"]` -> fields, each turned into its type."""
    fields: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = SHELL_WORDS.get(name, name)
        if not equals:
            raise UsageError(
                f"'{word}' is not a recipe field", hint="Fields are written name=value, such as lr=0.01."
            )
        require_field(Recipe, name)
        if name in fields:
            raise UsageError(f"{name} is given twice", hint=f"Keep one of them; the second is {word}.")
        fields[name] = None if text == AUTO else read_value(Recipe, name, text)
    return fields


def data_words(words: list[str] | None, *more: str) -> dict[str, Any]:
    """The fields that say how data are read, for commands that do nothing else with a recipe. more: others that a
    command knows."""
    fields, known = parse_words(words or []), ("root", "task", "group_by", *more)
    for name in fields:
        if name not in known:
            names = [f"{one}=" for one in known]
            hint = f"Here {', '.join(names[:-1])} and {names[-1]} are known."
            raise UsageError(f"{name}={fields[name]} is for train", hint=hint)
    return fields


def field_help() -> list[tuple[str, str, str]]:
    """`(name, default, help)` for each field, the help being the string under it in this file."""
    import ast
    import inspect

    body = ast.parse(inspect.getsource(Recipe)).body[0]
    assert isinstance(body, ast.ClassDef)
    texts = {
        line.target.id: following.value.value
        for line, following in zip(body.body, body.body[1:], strict=False)
        if isinstance(line, ast.AnnAssign)
        and isinstance(line.target, ast.Name)
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
    }
    return [
        (f.name, AUTO if f.default is None else json.dumps(f.default).strip('"'), str(texts.get(f.name, "")))
        for f in dataclasses.fields(Recipe)
    ]
