"""Jupyter kernels: where they go, whose they are; with ipykernel at hand, started for real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lensmith.environments import kernels
from lensmith.environments.kernels import default_name, find_kernel, write_kernel
from lensmith.errors import MachineError, UsageError

SOURCE = Path(kernels.__file__).parents[2]
UV = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))


@pytest.fixture
def ipykernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ipykernel that can be found, as far as registering asks."""
    (tmp_path / "site" / "ipykernel").mkdir(parents=True)
    (tmp_path / "site" / "ipykernel" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def test_a_kernel_as_jupyter_documents_it(ipykernel: None, tmp_path: Path) -> None:
    file = write_kernel(find_kernel("Photos", tmp_path))
    assert file == tmp_path / "share/jupyter/kernels/photos/kernel.json"
    content = json.loads(file.read_text())
    assert content["argv"] == [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    assert content["language"] == "python"
    assert content["display_name"].startswith("photos (Python 3.")
    assert [one.name for one in file.parent.iterdir()] == ["kernel.json"]


def test_whose_kernel_it_is(ipykernel: None, tmp_path: Path) -> None:
    assert find_kernel("photos", tmp_path).owner is None
    file = write_kernel(find_kernel("photos", tmp_path))
    assert not find_kernel("photos", tmp_path).is_anothers
    for text in ('{"argv": ["/other/python"]}', "{", '{"argv": []}', "[]"):
        file.write_text(text)
        assert find_kernel("photos", tmp_path).is_anothers, text


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a b", "a\n", "", "\u00fc"])
def test_names_that_jupyter_does_not_take(name: str, tmp_path: Path) -> None:
    if name:
        with pytest.raises(UsageError, match="is no name of a kernel"):
            find_kernel(name, tmp_path)
    else:
        assert find_kernel(name, tmp_path).name == default_name()


def test_the_users_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    assert find_kernel("a", None).folder == tmp_path / "data" / "kernels" / "a"
    monkeypatch.delenv("JUPYTER_DATA_DIR")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
        assert find_kernel("a", None).folder == tmp_path / "share" / "jupyter" / "kernels" / "a"


def test_without_ipykernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match="ipykernel is not installed here"):
        write_kernel(find_kernel("photos", tmp_path))
    assert not (tmp_path / "share").exists()


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.skipif(UV is None, reason="uv is not installed")
def test_jupyter_finds_the_kernel_and_starts_it(tmp_path: Path) -> None:
    assert UV is not None
    place = tmp_path / "env"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, place], check=True)
    python = str(place / "bin" / "python")
    needs = ("ipykernel", "nbclient", "nbformat", "typer", "rich", "packaging", "pyyaml")
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, *needs], check=True)
    said = os.environ | {
        "PYTHONPATH": str(SOURCE),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "HOME": str(tmp_path),
    }
    subprocess.run([python, "-m", "lensmith", "env", "kernel", "photos"], check=True, env=said)
    listed = subprocess.run(
        [python, "-m", "jupyter", "kernelspec", "list", "--json"],
        check=True,
        env=said,
        capture_output=True,
        text=True,
    )
    assert json.loads(listed.stdout)["kernelspecs"]["photos"]["resource_dir"] == str(
        tmp_path / "data/kernels/photos"
    )
    code = (
        "import nbformat, nbclient\n"
        "cell = nbformat.v4.new_code_cell('import sys; print(sys.executable)')\n"
        "book = nbformat.v4.new_notebook(cells=[cell])\n"
        "nbclient.NotebookClient(book, kernel_name='photos').execute()\n"
        "print(cell.outputs[0].text)"
    )
    done = subprocess.run([python, "-c", code], check=True, env=said, capture_output=True, text=True)
    assert done.stdout.strip() == python
