"""What the pages show is true: their Python blocks run, their command lines parse.

Blocks of one page share a namespace, and run in a folder that holds the sample `digits/` and a run on
it, `last`. A block that cannot run here stands after a line `<!-- skip: reason -->`, and is reported.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from frozen.update import commands, options

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^ *(?P<fence>`{3,}|~{3,}) *(?P<language>[\w+-]*)")
SKIP = re.compile(r"^ *<!-- *skip\b:? *(?P<reason>.*?) *-->$")
SHELLS = {"console", "sh", "bash", "shell"}
EVERYWHERE = {"-h", "--help", "--debug"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `line` is that of its first line of source, from 1."""

    language: str
    line: int
    source: str
    skip: str | None


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown text, in order."""
    lines = text.splitlines()
    above, skip, start = "", None, 0
    fence, language = "", ""
    for number, line in enumerate(lines):
        match = FENCE.match(line)
        if not fence:
            if match:
                marker = SKIP.match(above)
                skip = marker["reason"] if marker else None
                fence, language, start = match["fence"], match["language"], number + 1
            above = line if line.strip() else above
        elif match and match["fence"].startswith(fence) and not match["language"]:
            yield Block(language, start + 1, textwrap.dedent("\n".join(lines[start:number])) + "\n", skip)
            fence, above = "", ""
    assert not fence, f"the block that starts in line {start} is never closed"


def python_blocks(text: str) -> list[Block]:
    return [block for block in blocks(text) if block.language in ("python", "py")]


def run_blocks(text: str, name: str) -> int:
    """Run the Python blocks of a page in one namespace; returns how many ran."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    wanted = [block for block in python_blocks(text) if block.skip is None]
    for block in wanted:
        # Blank lines in front, so that a traceback names the line of the page.
        source = "\n" * (block.line - 1) + block.source
        exec(compile(source, name, "exec"), namespace)
    return len(wanted)


def command_lines(text: str) -> Iterator[tuple[int, str]]:
    """`(line, command line)` of each call of lensmith in the shell blocks of a page."""
    for block in blocks(text):
        if block.language in SHELLS:
            # A backslash at the end of a line goes on with the next.
            whole = block.source.replace("\\\n", " ")
            for line in whole.splitlines():
                called = line.strip().removeprefix("$ ")
                if called.split(" ")[0] == "lensmith":
                    yield block.line, called


def faults(line: str, known: dict[str, Any]) -> list[str]:
    """What the command line has no such thing of: a command, options, recipe fields."""
    words = words_of(line)[1:]
    name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in known), None)
    if name is None:
        groups = {known_name.split()[0] for known_name in known if " " in known_name}
        is_about_all = (
            not words or words[0].startswith("-") or (words[0] in groups and words[1:2] == ["--help"])
        )
        return [] if is_about_all else [f"no command '{words[0]}'"]
    allowed = EVERYWHERE | {spelling for option in options(known[name]) for spelling in option.split("/")}
    given = [word.partition("=")[0] for word in words if re.match(r"^--?[a-zA-Z]", word)]
    found = [f"{name} has no option {word}" for word in given if word not in allowed]
    return found + (wrong_fields(words) if name == "train" else [])


def words_of(line: str) -> list[str]:
    """The words of one call: comments dropped, and what follows a pipe, a redirection or `&&`."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if not word.strip("|&;<>()"):
            break
        words.append(word)
    return words


def wrong_fields(words: list[str]) -> list[str]:
    from lensmith.runs.recipe import Recipe
    from lensmith.runs.recipe_words import SHELL_WORDS

    fields = {field.name for field in dataclasses.fields(Recipe)} | set(SHELL_WORDS)
    named = [word.partition("=")[0] for word in words if re.match(r"^[a-z_]+=", word)]
    return [f"a recipe has no field {name}" for name in named if name not in fields]


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


SKIPPED = [
    (f"{page_id(page)}:{block.line}", block.skip)
    for page in PAGES
    for block in python_blocks(page.read_text(encoding="utf-8"))
    if block.skip is not None
]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_blocks_run(
    page: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page.read_text(encoding="utf-8")
    if any(block.skip is None for block in python_blocks(text)):
        monkeypatch.chdir(request.getfixturevalue("trained_digits_copy"))
        run_blocks(text, str(page))


if SKIPPED:

    @pytest.mark.parametrize(("where", "reason"), SKIPPED)
    def test_skipped_block_says_why(where: str, reason: str) -> None:
        assert reason, f"{where}: write <!-- skip: reason -->"
        pytest.skip(f"{where} does not run: {reason}")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_command_lines_parse(page: Path) -> None:
    known = dict(commands())
    calls = command_lines(page.read_text(encoding="utf-8"))
    assert [f"line {n}: {call}: {f}" for n, call in calls for f in faults(call, known)] == []


def test_command_lines_of_the_demo_parse() -> None:
    known = dict(commands())
    lines = (ROOT / "scripts/demo.sh").read_text(encoding="utf-8").splitlines()
    calls = [line.strip().removeprefix("run ").removeprefix(".venv/bin/") for line in lines]
    calls = [call for call in calls if call.startswith("lensmith ")]
    assert len(calls) >= 4
    assert [f"{call}: {fault}" for call in calls for fault in faults(call, known)] == []


MADE_UP = """
# A page

```python
seen = [1]
```

1. In a list, indented:

    ```python
    seen.append(2)
    ```

<!-- skip: needs a network -->

```python
raise RuntimeError
```

```text
lensmith nonsense
```

````python
seen.append("```")
````

```python
seen.append(4)
unknown_name
```

```console
$ lensmith doctor
fine
$ lensmith nonsense
$ ls
lensmith doctor --no-such \\
    --option  # --neither
```
"""


def test_blocks_are_found() -> None:
    found = python_blocks(MADE_UP)
    assert [block.line for block in found] == [5, 11, 17, 25, 29]
    assert found[1].source == "seen.append(2)\n"
    assert [block.skip for block in found] == [None, None, "needs a network", None, None]


def test_a_block_that_fails_is_seen_in_its_line() -> None:
    with pytest.raises(NameError, match="unknown_name") as caught:
        run_blocks(MADE_UP, "page.md")
    last = caught.traceback[-1]
    assert (Path(last.path).name, last.lineno + 1) == ("page.md", 30)
    assert last.frame.f_globals["seen"] == [1, 2, "```", 4]
    assert run_blocks(MADE_UP.replace("unknown_name", ""), "page.md") == 4


def test_a_block_without_end_is_seen() -> None:
    with pytest.raises(AssertionError, match="line 1 is never closed"):
        list(blocks("```python\nx = 1\n"))


def test_command_lines_are_found() -> None:
    assert [call.split() for _, call in command_lines(MADE_UP)] == [
        ["lensmith", "doctor"],
        ["lensmith", "nonsense"],
        ["lensmith", "doctor", "--no-such", "--option", "#", "--neither"],
    ]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("lensmith --help", []),
        ("lensmith env --help", []),
        ("lensmith train photos/ --epochs=2 lr=0.01 -o x", []),
        ("lensmith train photos/ --debug | head --lines 3", []),
        ("lensmith env plan --os 'a b' > plan.json", []),
        ("lensmith nonsense x", ["no command 'nonsense'"]),
        ("lensmith env nonsense", ["no command 'env'"]),
        ("lensmith train x --epoch 2 -x  # --why", ["train has no option --epoch", "train has no option -x"]),
        ("lensmith train x learning=1", ["a recipe has no field learning"]),
    ],
)
def test_faults_of_a_command_line(line: str, wrong: list[str]) -> None:
    import typer

    app, env = typer.Typer(), typer.Typer()

    @app.command()
    def train(data: str, epochs: int = 1, out: str = typer.Option("", "--out", "-o")) -> None: ...

    @env.command()
    def plan(os: str = "") -> None: ...

    @env.command()
    def check() -> None: ...

    app.add_typer(env, name="env")
    assert faults(line, dict(commands(app))) == wrong
