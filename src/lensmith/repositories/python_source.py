"""What a Python file imports, calls and names, by its syntax tree; nothing of it is run."""

from __future__ import annotations

import ast
import functools
import re
from typing import Any

from lensmith.repositories.tables import table

_TAKES_ANYTHING = {"eval", "exec"}
_FOREIGN = {
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
    "os.system",
    "os.popen",
    "pickle.load",
    "pickle.loads",
    "cPickle.load",
    "dill.load",
    "joblib.load",
    "torch.hub.load",
    "torch.utils.model_zoo.load_url",
    "torch.hub.load_state_dict_from_url",
}
_PLACED = re.compile(
    r"/(?:home|Users|root|mnt|media|scratch|nfs|data\d?|raid|ssd|workspace|gpfs)/\S|[A-Za-z]:[\\/]\S"
)
_LINK = re.compile(r"https?://\S{1,500}")
_CUDA = re.compile(r"cuda(?::\d+)?")
_PYTHON_2 = re.compile(
    r"^[ \t]*(?:print[ \t]+[\"'\w%]|print[ \t]*>>|exec[ \t]+[\"'\w]|raise[ \t]+\w+[ \t]*,"
    r"|except[ \t]+[\w.]+[ \t]*,[ \t]*\w+[ \t]*:)"
    r"|[\w)\]][ \t]*<>[ \t]*[\w(\[\"']|(?<![\w.])0\d+(?![\w.])|(?<!\w)ur[\"']",
    re.MULTILINE,
)
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([A-Za-z_]\w*)[\w.]*[ \t]+import|import[ \t]+([A-Za-z_]\w*))", re.MULTILINE
)
_SHELL = re.compile(r"[ \t]*[!%]")


def describe_source(text: str) -> dict[str, Any]:
    """What a text imports and calls, as JSON has it.

    `imports`: [module, line, optional]; `names`: [name, line] of what is watched for; `calls`: [name, line] of what
    runs foreign code or wants a GPU; `strings`: [text, line] of paths and links; `guarded`: whether it asks for a GPU
    before it uses one; `syntax`: [line, whether it is Python 2, message] where it cannot be parsed."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        return _unparsed(text, error)
    return _Description(text).of(tree)


def source_of_notebook(cells: Any) -> str:
    """A notebook's code as one file; lines for the shell or for IPython become comments."""
    lines: list[str] = []
    for cell in cells if isinstance(cells, list) else []:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source", "")
            text = "".join(map(str, source)) if isinstance(source, list) else str(source)
            if not text.startswith("%%"):
                lines += [f"pass  # {line}" if _SHELL.match(line) else line for line in text.splitlines()]
    return "\n".join(_indented(lines))


def _indented(lines: list[str]) -> list[str]:
    return [
        f"{line[: len(line) - len(line.lstrip())]}pass  # {line.lstrip()[7:]}"
        if line.startswith("pass  # ")
        else line
        for line in lines
    ]


def _unparsed(text: str, error: SyntaxError | ValueError) -> dict[str, Any]:
    line = (error.lineno or 1) if isinstance(error, SyntaxError) else 1
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    found = [
        [match[1] or match[2], text.count("\n", 0, match.start()) + 1, False]
        for match in _IMPORT.finditer(text)
    ]
    older = bool(_PYTHON_2.search(text))
    return {**_Description(text).as_dict(), "imports": found, "syntax": [line, older, message[:120]]}


@functools.cache
def watched_names() -> tuple[dict[str, str], dict[str, str]]:
    """Names that are watched for, by whole name; and methods by their own name -> the package whose they are."""
    rows = table("removed_calls")["calls"]
    names = {row["name"]: row["package"] for row in rows if not (row.get("method") or row.get("call"))}
    return names, {row["name"].rpartition(".")[2]: row["name"] for row in rows if row.get("method")}


class _Description:
    def __init__(self, text: str) -> None:
        self.imports: list[tuple[str, int, bool]] = []
        self.names: list[tuple[str, int]] = []
        self.calls: list[tuple[str, int]] = []
        self.strings: list[tuple[str, int]] = []
        self.guarded = "cuda.is_available" in text or ("torch.device(" in text and "is_available()" in text)
        self._aliases: dict[str, str] = {}
        self._watched, self._methods = watched_names()
        self._modules: set[str] = set()

    def of(self, tree: ast.Module) -> dict[str, Any]:
        """Imports first: what a name means is known from them."""
        found = self._import_all(tree)
        for node in found:
            kind = type(node)
            if kind is ast.Call:
                self._call(node)  # type: ignore[arg-type]
            elif kind is ast.Attribute:
                self._attribute(node)  # type: ignore[arg-type]
            elif kind is ast.Constant:
                self._constant(node)  # type: ignore[arg-type]
        return self.as_dict()

    def as_dict(self) -> dict[str, Any]:
        return {
            "imports": self.imports,
            "names": self.names,
            "calls": self.calls,
            "strings": self.strings,
            "guarded": self.guarded,
        }

    def _import_all(self, tree: ast.Module) -> list[ast.AST]:
        """Note every import; returns the other nodes that are looked at, docstrings left out."""
        others: list[ast.AST] = []
        nodes: list[tuple[ast.AST, bool]] = [(tree, False)]
        while nodes:
            node, optional = nodes.pop()
            kind = type(node)
            if kind is ast.Import:
                self._import(node, optional)  # type: ignore[arg-type]
                continue
            if kind is ast.ImportFrom:
                self._import_from(node, optional)  # type: ignore[arg-type]
                continue
            if kind is ast.Expr and type(node.value) is ast.Constant:  # type: ignore[attr-defined]
                continue
            if kind in _LOOKED_AT:
                others.append(node)
            if kind is ast.Try or kind is ast.If:
                optional = optional or _is_optional(node)
            for name in node._fields:
                value = getattr(node, name, None)
                if type(value) is list:
                    nodes += [(one, optional) for one in value if isinstance(one, ast.AST)]
                elif isinstance(value, ast.AST) and type(value) not in _CONTEXTS:
                    nodes.append((value, optional))
        return others

    def _import(self, node: ast.Import, optional: bool) -> None:
        for one in node.names:
            self.imports.append((one.name, node.lineno, optional))
            self._modules.add(one.name.partition(".")[0])
            if one.asname:
                self._aliases[one.asname] = one.name
            else:
                top = one.name.partition(".")[0]
                self._aliases[top] = top
            if not optional:
                self._watch(one.name, node.lineno)

    def _import_from(self, node: ast.ImportFrom, optional: bool) -> None:
        if node.level or not node.module:
            return
        self.imports.append((node.module, node.lineno, optional))
        self._modules.add(node.module.partition(".")[0])
        for one in node.names:
            self._aliases[one.asname or one.name] = f"{node.module}.{one.name}"
            if not optional:
                self._watch(f"{node.module}.{one.name}", node.lineno)

    def _watch(self, name: str, line: int) -> None:
        """Note a name that is watched for, or that lies within one."""
        while name:
            if name in self._watched:
                self.names.append((name, line))
                return
            name = name.rpartition(".")[0]

    def _whole_name(self, node: ast.AST) -> str:
        """`np.random.rand` -> `numpy.random.rand`; "" for what does not begin with something imported."""
        parts: list[str] = []
        while type(node) is ast.Attribute:
            parts.append(node.attr)
            node = node.value
        if type(node) is not ast.Name or node.id not in self._aliases:
            return ""
        return ".".join([self._aliases[node.id], *reversed(parts)])

    def _attribute(self, node: ast.Attribute) -> None:
        name = self._whole_name(node)
        # The chain's inner parts come by themselves; each is watched for as exactly what it is.
        if name in self._watched:
            self.names.append((name, node.lineno))

    def _call(self, node: ast.Call) -> None:
        keywords = {one.arg: one.value for one in node.keywords if one.arg}
        name = self._whole_name(node.func)
        if type(node.func) is ast.Name and node.func.id in _TAKES_ANYTHING and _is_computed(node):
            self.calls.append((node.func.id, node.lineno))
        elif type(node.func) is ast.Attribute and not name:
            self._method(node.func.attr, node)
        if name:
            self._known_call(name, node, keywords)
        if _is_true(keywords.get("trust_remote_code")):
            self.calls.append(("trust_remote_code", node.lineno))

    def _method(self, name: str, node: ast.Call) -> None:
        if name == "cuda":
            self.calls.append(("cuda", node.lineno))
        if name == "add_argument" and any(_text(one) == "--local_rank" for one in node.args):
            self.calls.append(("local_rank", node.lineno))
        whole = self._methods.get(name, "")
        if whole and whole.partition(".")[0] in self._modules:
            self.names.append((whole, node.lineno))

    def _known_call(self, name: str, node: ast.Call, keywords: dict[str, ast.expr]) -> None:
        if name == "torch.load":
            if not _is_true(keywords.get("weights_only")):
                self.calls.append((name, node.lineno))
        elif name == "yaml.load":
            loader = keywords.get("Loader", node.args[1] if len(node.args) > 1 else None)
            if loader is None:
                self.names.append(("yaml.load", node.lineno))
            if loader is None or not re.search("Safe|Base", ast.unparse(loader)):
                self.calls.append((name, node.lineno))
        elif name in _FOREIGN:
            self.calls.append((name, node.lineno))
        elif name.startswith("subprocess.") and _is_true(keywords.get("shell")):
            self.calls.append(("shell=True", node.lineno))
        elif name.startswith("numpy.") and _is_true(keywords.get("allow_pickle")):
            self.calls.append(("allow_pickle", node.lineno))
        elif name in ("torch.nn.DataParallel", "torch.nn.parallel.DataParallel"):
            self.calls.append(("DataParallel", node.lineno))

    def _constant(self, node: ast.Constant) -> None:
        text = node.value
        if type(text) is not str or len(text) < 4:
            return
        if _CUDA.fullmatch(text):
            self.calls.append(("cuda", node.lineno))
        elif _PLACED.match(text) or ("http" in text and _LINK.search(text)):
            self.strings.append((text[:500], node.lineno))


_LOOKED_AT = {ast.Call, ast.Attribute, ast.Constant}
_CONTEXTS = {ast.Load, ast.Store, ast.Del}


def _is_optional(node: ast.AST) -> bool:
    """Whether what is below it may be missing: a try that expects an ImportError, or code for type checkers."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)[:200]
    caught = [ast.unparse(one.type) if one.type else "Exception" for one in getattr(node, "handlers", [])]
    return any(re.search(r"ImportError|ModuleNotFoundError|\bException\b", one) for one in caught)


def _is_computed(node: ast.Call) -> bool:
    return bool(node.args) and type(node.args[0]) is not ast.Constant


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
