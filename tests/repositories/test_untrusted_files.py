"""Files made to exhaust, to hang or to fool their reader: each is left out with a reason, the rest is read."""

from __future__ import annotations

import codecs
import json
import os
import time
from pathlib import Path

import pytest

from lensmith.errors import DataError
from lensmith.repositories import tree as trees
from lensmith.repositories.parsing import Parser
from lensmith.repositories.repository import read_repository
from lensmith.repositories.tree import read_tree

BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)}\n  <<: [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)


@pytest.mark.fault(36)
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("yaml", BOMB),
        ("yaml", MERGES),
        ("yaml", "[" * 5000),
        ("yaml", "- " * 5000),
        ("yaml", "!!python/object/apply:os.system [true]"),
        ("toml", "a = " + "[" * 100_000),
        ("json", "[" * 200_000),
        ("json", '{"a":' * 200_000),
        ("python", "(" * 100_000),
        ("python", "-" * 200_000 + "1"),
        ("python", "x = " + "a." * 200_000 + "a"),
        ("python", "x = " + "+".join(["1"] * 100_000)),
        ("python", "if x: pass\n" + "elif x: pass\n" * 50_000),
        ("setup", "[" * 90 + "]" * 90 + "\n" + "f(" * 100_000),
    ],
)
def test_a_text_made_to_break_its_parser_costs_only_itself(kind: str, text: str) -> None:
    started = time.monotonic()
    with Parser(seconds=5) as parser:
        done = parser.parse(kind, text)  # type: ignore[arg-type]
        assert done.reason or "syntax" in done.value or kind == "python", done
        assert parser.parse("python", "import numpy").value["imports"] == [["numpy", 1, False]]
    assert time.monotonic() - started < 30


def test_a_parser_that_takes_too_long_is_ended_and_replaced() -> None:
    with Parser(seconds=0.5) as parser:
        assert "0.5 s" in parser.parse("yaml", "x: [" + "'a', " * 200_000 + "]").reason
        assert parser.parse("json", "[1]").value == [1]


@pytest.mark.fault(36)
@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
def test_links_pipes_and_odd_names(tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("import secretpackage\n")
    root = tmp_path / "repository"
    root.mkdir()
    (root / "linked.py").symlink_to(secret)
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to(root)
    (root / "requirements.txt").write_text(
        "-r ../secret.txt\n-r /etc/passwd\n-r requirements.txt\n-r out/secret.py\nnumpy==1.26.4\n"
    )
    os.mkfifo(root / "waiting.py")
    (root / "\x1b[31mred\n.py").write_text("import numpy\n")
    (root / os.fsdecode(b"caf\xe9.py")).write_text("import numpy\n")
    reading = read_repository(root)
    text = json.dumps(reading.as_dict())
    assert (
        "secretpackage" not in text
        and "\x1b" not in str(reading)
        and [one.requirement for one in reading.wanted] == ["numpy==1.26.4"]
    )
    assert set(reading.skipped) >= {"linked.py", "out", "loop", "waiting.py"}
    assert reading.imports["numpy"] == ("\\x1b[31mred\\n.py:1", "caf\\udce9.py:1")
    text.encode("utf-8")


def test_limits_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "large.py").write_text("x = 1\n" * 200_000)
    (tmp_path / "line.py").write_text("x = '" + "a" * 200_000 + "'\n")
    deep = tmp_path.joinpath(*["d"] * 30)
    deep.mkdir(parents=True)
    (deep / "deep.py").write_text("import numpy\n")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/pyvenv.cfg").touch()
    (tmp_path / "venv/x.py").write_text("import numpy\n")
    (tmp_path / "ok.py").write_text("import scipy\n")
    reading = read_repository(tmp_path)
    assert set(reading.imports) == {"scipy"}
    reasons = sorted(reading.skipped.values())
    assert len(reasons) == 4 and "24 folders" in " ".join(reasons) and "1 MiB" in " ".join(reasons)
    monkeypatch.setattr(trees, "MOST_FILES", 2)
    assert len(read_tree(tmp_path).files) == 2 and read_tree(tmp_path).skipped


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + b"import numpy\n",
        "import numpy\n".encode("utf-16"),
        "# -*- coding: latin-1 -*-\nimport numpy  # caf\xe9\n".encode("latin-1"),
        b"# coding: rot13\nimport numpy\n",
        b"# coding: no_such_thing\nimport numpy\n",
        b"\xff\xfe\x00import numpy\nimport numpy\n",
        b"import numpy\r\nx = '\x00'\r\n",
        b"import numpy\nx = '\\d'\n",
    ],
)
def test_odd_encodings_do_not_stop_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(content)
    (tmp_path / "b.py").write_text("import scipy\n")
    assert "scipy" in read_repository(tmp_path).imports


@pytest.mark.parametrize(
    "text",
    [
        "accuracy " + "a-1 " * 20_000,
        "accuracy " * 20_000,
        "|" * 90_000 + "\n" + "|-" * 40_000,
        "pip install " + "a==" * 20_000,
        "`" * 90_000,
        "[" * 50_000 + "](" * 20_000,
        "python " * 10_000,
        "$ " * 40_000,
        "http://" * 10_000,
        "1" * 90_000 + "%",
        "(" * 45_000 + ")" * 45_000,
    ],
)
@pytest.mark.parametrize(
    "name",
    ["README.md", "requirements.txt", "environment.yml", "Dockerfile", "setup.cfg", "setup.py", "train.py"],
)
def test_no_line_makes_it_hang(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(f"RUN {text}\n" if name == "Dockerfile" else f"{text}\n")
    started = time.process_time()
    read_repository(tmp_path)
    assert time.process_time() - started < 5


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_repository(tmp_path / "nothing")
    assert [fault.name for fault in read_repository(tmp_path).faults] == ["no code", "no commit"]
