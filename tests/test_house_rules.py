"""The rules of the house, each a function that takes a folder and returns what breaks the rule there.

Each is run on this repository, where nothing may break it, and on a small bad tree, where it has to speak.
"""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from frozen.update import commands, frozen, option_lines, options, public_names, python

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
FILE_LINES, FUNCTION_LINES, ARGUMENTS, OPTIONS = 350, 60, 8, 12
NAMES_THAT_SAY_NOTHING = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "misc.py"}
PICKLERS = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
HEAVY = ("torch", "torchvision", "numpy", "PIL", "onnx", "onnxruntime", "fastapi")
CHANGED = "If that was meant, run `python tests/frozen/update.py` and say so in CHANGELOG.md."

Rule = Callable[[Path], list[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(root: Path) -> list[Path]:
    """The project's own Python files under `root`."""
    places = [root / name for name in ("src", "tests", "bench", "scripts")]
    return sorted(path for place in places for path in place.rglob("*.py"))


def shipped_files(root: Path) -> list[Path]:
    """The Python files that users install."""
    return sorted((root / "src").rglob("*.py"))


def nodes(root: Path, files: list[Path]) -> Iterator[tuple[str, Path, ast.AST]]:
    """`(file:line, file, node)` for each node of the syntax trees."""
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}", path, node


def is_in_cli(path: Path) -> bool:
    return "cli" in path.parent.parts


def long_files(root: Path) -> list[str]:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(root)}
    return [f"{path.relative_to(root)}: {n} lines" for path, n in lengths.items() if n > FILE_LINES]


def long_functions(root: Path) -> list[str]:
    found = []
    for where, _, node in nodes(root, python_files(root)):
        if isinstance(node, Function) and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES:
            found.append(f"{where}: {node.name} has more than {FUNCTION_LINES} lines")
    return found


def many_arguments(root: Path) -> list[str]:
    found = []
    for where, path, node in nodes(root, python_files(root)):
        if isinstance(node, Function) and not is_in_cli(path):
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            if len([name for name in names if name not in ("self", "cls")]) > ARGUMENTS:
                found.append(f"{where}: {node.name} takes more than {ARGUMENTS} arguments")
    return found


def names_that_say_nothing(root: Path) -> list[str]:
    return [str(p.relative_to(root)) for p in python_files(root) if p.name in NAMES_THAT_SAY_NOTHING]


def pickles(root: Path) -> list[str]:
    return [
        f"{where}: {why}" for where, _, node in nodes(root, shipped_files(root)) if (why := _pickles(node))
    ]


def _pickles(node: ast.AST) -> str:
    """Why a node may read or write a pickle file, or nothing."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        modules = {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            modules = {node.module or ""}
            if modules == {"torch"} and {alias.name for alias in node.names} & {"load", "save"}:
                return "call torch.load by its whole name, so that this rule sees it"
        named = {module.partition(".")[0] for module in modules} & PICKLERS
        return f"imports {', '.join(sorted(named))}" if named else ""
    if not isinstance(node, ast.Call):
        return ""
    keywords = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
    called = ast.unparse(node.func)
    if called == "torch.load" and keywords.get("weights_only") is not True:
        return "torch.load without weights_only=True"
    if called == "torch.save":
        return "torch.save writes a pickle file"
    return "allow_pickle" if keywords.get("allow_pickle", False) is not False else ""


def prints(root: Path) -> list[str]:
    return [
        f"{where}: print outside cli/"
        for where, path, node in nodes(root, shipped_files(root))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print" and not is_in_cli(path)
    ]


LONG = "def long():\n" + "    x = 1\n" * FUNCTION_LINES
BROKEN: list[tuple[Rule, str, str]] = [
    (long_files, "src/lensmith/big.py", "x = 1\n" * (FILE_LINES + 1)),
    (long_files, "tests/test_big.py", "x = 1\n" * (FILE_LINES + 1)),
    (long_functions, "src/lensmith/long.py", LONG),
    (many_arguments, "src/lensmith/many.py", "def many(a, b, c, /, d, e, f, *, g, h, i): ..."),
    (names_that_say_nothing, "src/lensmith/data/utils.py", ""),
    (pickles, "src/lensmith/a.py", "import pickle"),
    (pickles, "src/lensmith/a.py", "from pickle import loads"),
    (pickles, "src/lensmith/a.py", "import torch\ntorch.load('x.pt')"),
    (pickles, "src/lensmith/a.py", "import torch\ntorch.load('x.pt', weights_only=False)"),
    (pickles, "src/lensmith/a.py", "from torch import load"),
    (pickles, "src/lensmith/a.py", "import torch\ntorch.save({}, 'x.pt')"),
    (pickles, "src/lensmith/a.py", "import numpy as np\nnp.load('x.npy', allow_pickle=True)"),
    (prints, "src/lensmith/data/a.py", "print('here')"),
]
ALLOWED: list[tuple[Rule, str, str]] = [
    (long_files, "src/lensmith/big.py", "x = 1\n" * FILE_LINES),
    (long_functions, "src/lensmith/long.py", LONG.replace("    x = 1\n", "", 1)),
    (many_arguments, "src/lensmith/many.py", "class A:\n    def many(self, a, b, c, d, e, f, g, h): ..."),
    (many_arguments, "src/lensmith/cli/many.py", "def many(a, b, c, d, e, f, g, h, i): ..."),
    (pickles, "src/lensmith/a.py", "import pickletools, torch\ntorch.load('x.pt', weights_only=True)"),
    (prints, "src/lensmith/cli/a.py", "print('here')"),
]


@pytest.mark.parametrize("rule", list(dict.fromkeys(case[0] for case in BROKEN)))
def test_the_house_keeps(rule: Rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize("cases", [BROKEN, ALLOWED], ids=["broken", "allowed"])
def test_each_rule_speaks_where_it_should(cases: list[tuple[Rule, str, str]], tmp_path: Path) -> None:
    for number, (rule, file, text) in enumerate(cases):
        path = tmp_path / str(number) / file
        path.parent.mkdir(parents=True)
        path.write_text(text)
        assert len(rule(tmp_path / str(number))) == (cases is BROKEN), (rule.__name__, text[:60])


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on `root`, which holds pyproject.toml and src/."""
    program = "from importlinter.cli import lint_imports_command as main; main()"
    words = ["--config", str(root / "pyproject.toml"), "--no-cache", "--no-logo"]
    return python(program, *words, source=root / "src")


def test_imports_only_go_down() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("server/__init__.py", "import lensmith.training", "Serving never loads the training code"),
        ("errors.py", "import lensmith.runs", "Floors"),
        ("data/__init__.py", "import lensmith.models", "Floors"),
    ],
)
def test_an_import_that_goes_up_is_seen(file: str, line: str, contract: str, tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "src/lensmith" / file).open("a", encoding="utf-8") as wrong:
        wrong.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    broken = [text for text in done.stdout.splitlines() if text.endswith("BROKEN")]
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(broken) == 1, done.stdout
    assert broken[0].startswith(contract)


def test_public_names_are_the_frozen_ones() -> None:
    seen, promised = public_names()
    assert seen == frozen("public_names.txt"), CHANGED
    assert promised == frozen("public_names.txt"), f"__all__ and dir(lensmith) differ. {CHANGED}"


def test_an_unlisted_public_name_is_seen(tmp_path: Path) -> None:
    package(tmp_path, "__init__.py", "__all__ = ['train']\ndef train(): ...\ndef extra(): ...")
    assert public_names(tmp_path) == (["extra", "train"], ["train"])


def test_options_are_the_frozen_ones() -> None:
    assert option_lines() == frozen("options.txt"), CHANGED


def crowded(app: typer.Typer | None = None) -> list[str]:
    """Commands with more options than a person looks through."""
    return [words for words, command in commands(app) if len(options(command)) > OPTIONS]


def test_no_command_has_too_many_options() -> None:
    assert crowded() == []


def test_a_crowded_command_is_seen() -> None:
    app, group = typer.Typer(), typer.Typer()
    arguments = ", ".join(f"{letter}_: bool = False" for letter in "abcdefghijklm")
    found: dict[str, Callable[[], None]] = {}
    exec(f"def plan({arguments}): ...\ndef check(data: str, out: str = ''): ...", found)
    group.command()(found["plan"])
    app.add_typer(group, name="env")
    app.command()(found["check"])
    assert crowded(app) == ["env plan"]
    assert option_lines(app)[0] == "check: --out"
    assert option_lines(app)[1].startswith("env plan: --a-/--no-a- ")


LOADS = f"""
import sys
{{}}
print(*[name for name in {HEAVY} if name in sys.modules])
"""


def loads(statement: str, source: Path = SOURCE) -> list[str]:
    """Which heavy packages a statement imports in a fresh Python."""
    done = python(LOADS.format(statement), source=source)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize(
    "statement", ["import lensmith", "import lensmith.errors, lensmith.types, lensmith.runs"]
)
def test_imports_load_nothing_heavy(statement: str) -> None:
    assert loads(statement) == []


def test_help_loads_nothing_heavy() -> None:
    words = [["--help"], *([*words.split(), "--help"] for words, _ in commands())]
    run_all = f"from lensmith.cli.main import run\nassert not any([run(words) for words in {words}])"
    assert loads(run_all) == []


def test_a_command_does_not_pay_for_the_others() -> None:
    program = (
        "import sys, lensmith.cli.main\nprint(*{name.split('.')[1] for name in sys.modules if '.' in name"
    )
    done = python(program + " and name.startswith('lensmith.')})")
    assert set(done.stdout.split()) == {"cli", "errors", "runs", "types"}, done.stderr


def test_a_heavy_import_is_seen(tmp_path: Path) -> None:
    package(tmp_path, "__init__.py", "import numpy, PIL")
    assert loads("import lensmith", tmp_path) == ["numpy", "PIL"]


IMPORTS = """
import importlib, json, os, sys, types
modules, others = json.loads(sys.argv[1])
for name in others:
    importlib.import_module(name)  # once here, not once in each child
for name in modules if hasattr(os, "fork") else ():
    child = os.fork()
    if not child:
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(f"{name} cannot be imported first: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
for name in modules:
    importlib.import_module(name)
import lensmith
for name in lensmith.__all__:
    if isinstance(getattr(lensmith, name), types.ModuleType):
        sys.exit(f"lensmith.{name} became a module: a room bears the name of a public function")
"""


def import_all(seed: int, source: Path = SOURCE) -> str:
    """Import every submodule first in a process of its own, then all in one; returns what went wrong."""
    files = sorted(p.relative_to(source).with_suffix("") for p in (source / "lensmith").rglob("*.py"))
    names = {".".join(file.parts).removesuffix(".__init__") for file in files if file.name != "__main__"}
    order = random.Random(seed).sample(sorted(names), len(names))
    done = python(IMPORTS, json.dumps([order, packages_of_others(source)]), source=source)
    return done.stderr if done.returncode else ""


def packages_of_others(source: Path) -> list[str]:
    """What the files import from elsewhere as they are themselves imported."""
    lines = [
        line for path in source.rglob("*.py") for line in ast.parse(path.read_text(encoding="utf-8")).body
    ]
    names = {alias.name for line in lines if isinstance(line, ast.Import) for alias in line.names}
    names |= {line.module or "" for line in lines if isinstance(line, ast.ImportFrom)}
    return sorted(name for name in names if not name.startswith("lensmith"))


def test_submodules_can_be_imported_in_any_order() -> None:
    seed = int(os.environ.get("LENSMITH_TEST_SEED", random.SystemRandom().randrange(10**6)))
    assert import_all(seed) == "", f"again with LENSMITH_TEST_SEED={seed}"


def test_an_import_that_needs_an_order_is_seen(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("needs fork")
    package(tmp_path, "__init__.py", "__all__ = []")
    package(tmp_path, "first.py", "A = 1\nfrom lensmith.second import B")
    package(tmp_path, "second.py", "from lensmith.first import A\nB = 1")
    assert "lensmith.second cannot be imported first" in import_all(0, tmp_path)


def test_a_room_named_like_a_function_is_seen(tmp_path: Path) -> None:
    package(tmp_path, "__init__.py", "__all__ = ['train']\ndef train(): ...")
    package(tmp_path, "train.py", "")
    assert "lensmith.train became a module" in import_all(0, tmp_path)


def package(place: Path, file: str, text: str) -> None:
    """Write a file of a made-up lensmith."""
    (place / "lensmith").mkdir(exist_ok=True)
    (place / "lensmith" / file).write_text(text)
