"""`lensmith env`, as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from command_line import Done, command
from runs_by_hand import facts_of

from lensmith.runs.directory import RunDirectory


def lensmith(*words: str, folder: Path | None = None, **changes: str | None) -> Done:
    return command("env", *words, cwd=folder or Path.cwd(), **changes)


def test_a_plan_in_words_and_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "environment.yml"
    done = lensmith("plan", "RTX 5090, driver 570,", "Python 3.11", "--out", str(file))
    assert done.code == 0, done.err
    assert done.out.startswith("torch 2.11.0, torchvision 0.26.0, torchaudio 2.11.0, on Python 3.11\n")
    assert "uv pip install torch==2.11.0" in done.out
    assert yaml.safe_load(file.read_text())["dependencies"][0] == "python=3.11"
    again = lensmith("plan", "no GPU", "--out", str(file))
    assert again.code == 2
    assert "already exists" in again.err
    nowhere = lensmith("plan", "no GPU", "--out", str(tmp_path / "gone/environment.yml"))
    assert (nowhere.code, "cannot be written" in nowhere.err) == (2, True)


def test_a_manager_that_was_named_is_the_only_one() -> None:
    done = lensmith("plan", "RTX 4090, driver 580, Python 3.12, uv")
    assert "\nuv\n" in done.out
    assert "conda" not in done.out


def test_a_plan_as_json() -> None:
    done = lensmith("plan", "RTX 3090, driver 580, py3.12", "--json")
    told = done.json
    assert (told["torch"], told["torchvision"], told["torchaudio"], told["index"]) == (
        "2.15.0",
        "0.29.2",
        None,
        "",
    )
    assert told["commands"]["uv"][-1] == "uv pip install torch==2.15.0 torchvision==0.29.2"
    assert yaml.safe_load(told["environment_yml"])["channels"] == ["conda-forge"]


def test_a_plan_that_cannot_be() -> None:
    done = lensmith("plan", "RTX 5090, driver 570, Python 3.11", "torch==1.13.1")
    assert done.code == 1
    assert "no code for compute capability 12.0" in done.out
    assert "With another torch: torch 2.7.0 (cu128)" in done.out
    told = lensmith("plan", "Alpine", "--json").json
    assert told["torch"] is None
    assert "commands" not in told


def test_a_word_that_is_not_known() -> None:
    done = lensmith("plan", "RTX 4950")
    assert done.code == 2
    assert "'rtx 4950' is not a GPU" in done.err
    assert "GeForce RTX 4050" in done.err
    assert not done.out


def test_no_words_are_this_machine() -> None:
    told = lensmith("plan", "--json").json
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))


def test_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    run = str(a_run(tmp_path))
    lines = [["plan", "RTX 3090"], ["plan"], ["check", run], ["export", run, "--no-hashes"]]
    code = (
        "import sys\nfrom lensmith.cli.main import run\n"
        f"for words in {lines}:\n    run(['env', *words])\n"
        "print([name for name in ('torch', 'numpy', 'PIL') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def a_run(folder: Path) -> Path:
    run = RunDirectory(folder / "photos-001")
    run.path.mkdir()
    run.recipe_file.touch()
    versions = {"numpy": "1.0", "torch": "2.9.1"}
    run.write_facts(facts_of(["a", "b"]) | {"versions": versions, "machine": {"python": "3.11.7"}})
    return run.path


def test_export_writes_data_on_stdout_and_words_on_stderr(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    done = lensmith("export", str(run), "--no-hashes")
    assert done.code == 0
    assert done.out.splitlines()[-2:] == ["numpy==1.0", "torch==2.9.1"]
    assert "This environment is another one" in done.err
    file = tmp_path / "environment.yml"
    done = lensmith("export", str(run), "--to", "conda", "-o", str(file))
    assert done.out == ""
    assert f"conda env create -f {file}" in done.err
    assert yaml.safe_load(file.read_text())["name"] == "photos-001"
    assert lensmith("export", str(run), "--to", "conda", "-o", str(file)).code == 2


def test_export_asks_for_a_form_that_there_is(tmp_path: Path) -> None:
    done = lensmith("export", str(a_run(tmp_path)), "--to", "poetry")
    assert done.code == 2
    assert "requirements, conda, lock" in done.err


def test_check_says_what_differs_and_ends_with_1(tmp_path: Path) -> None:
    run = str(a_run(tmp_path))
    done = lensmith("check", run)
    assert done.code == 1
    assert "weights  numpy: 1.0 there," in done.out
    told = lensmith("check", run, "--json").json
    assert told["verdict"] == "weights"
    assert {one["name"] for one in told["differences"]} >= {"numpy", "torch"}
    assert lensmith("check", str(tmp_path / "none")).code == 5


def test_a_kernel_of_another_interpreter_is_not_replaced_without_a_yes(tmp_path: Path) -> None:
    (tmp_path / "site" / "ipykernel").mkdir(parents=True)
    (tmp_path / "site" / "ipykernel" / "__init__.py").touch()
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    file = tmp_path / "share" / "jupyter" / "kernels" / "photos" / "kernel.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"argv": ["/other/python"]}')
    words = ("kernel", "photos", "--prefix", str(tmp_path))
    done = lensmith(*words, PYTHONPATH=path)
    assert done.code == 2
    assert "/other/python" in done.err
    assert file.read_text() == '{"argv": ["/other/python"]}'
    done = lensmith(*words, "--yes", PYTHONPATH=path)
    assert done.out.strip() == str(file)
    assert "jupyter kernelspec uninstall photos" in done.err
    assert json.loads(file.read_text())["argv"][0] == sys.executable
    assert lensmith(*words, PYTHONPATH=path).code == 0  # one's own may be renewed
