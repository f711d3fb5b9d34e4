"""What a setup.py asks for, by its syntax tree: constants, lists, and lists read from a requirements file."""

from __future__ import annotations

import ast
import re
from typing import Any

_ASKED = (
    "install_requires",
    "setup_requires",
    "python_requires",
    "dependency_links",
    "ext_modules",
    "packages",
)
_FILE = re.compile(r"[\w./-]*requirements?[\w./-]*\.txt")
_EXTENSIONS = {"CUDAExtension", "CppExtension", "Extension", "CUDA_HOME", "BuildExtension", "cythonize"}


def describe_setup(tree: ast.Module) -> dict[str, Any]:
    """`install_requires` and `python_requires` with `[text, line]` each; `files`: requirements files that it reads;
    `extensions`: lines that compile; `unknown`: keywords that only running it would tell."""
    values = _assigned(tree)
    told: dict[str, Any] = {
        "install_requires": [],
        "python_requires": [],
        "dependency_links": [],
        "unknown": [],
    }
    for call in (
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) == "setup"
    ):
        for keyword in call.keywords:
            if keyword.arg in told:
                found = _texts(keyword.value, values, 0)
                told[keyword.arg] += found or []
                if found is None:
                    told["unknown"].append([keyword.arg, keyword.value.lineno])
    read = {file for node in ast.walk(tree) for file in _FILE.findall(_constant(node))}
    return {**told, "files": sorted(read), "extensions": _extensions(tree)}


def _extensions(tree: ast.Module) -> list[list[Any]]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [[_name(one.func), one.lineno] for one in calls if _name(one.func) in _EXTENSIONS]


def _assigned(tree: ast.Module) -> dict[str, ast.expr]:
    """Names that are given one value, anywhere in the file."""
    values: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            values |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
    return values


def _texts(node: ast.expr, values: dict[str, ast.expr], depth: int) -> list[list[Any]] | None:
    """`[text, line]` of each string of a list, a sum of lists, or a name for one; else None."""
    if depth > 8:
        return None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [[node.value, node.lineno]]
    if isinstance(node, ast.Name) and node.id in values:
        return _texts(values[node.id], values, depth + 1)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        parts = [_texts(one, values, depth + 1) for one in node.elts]
        return [row for part in parts if part for row in part]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [_texts(side, values, depth + 1) for side in (node.left, node.right)]
        return None if None in sides else [row for side in sides if side for row in side]
    return None


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _constant(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
