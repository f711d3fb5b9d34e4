"""What made an environment, and what is there to install into it."""

from __future__ import annotations

import pytest

from lensmith.machine.capture import parse_capture
from lensmith.machine.facts import read_machine


@pytest.mark.parametrize(
    ("prefix", "base", "sections", "made_by", "here", "installer"),
    [
        ("/env", "/usr", "=== file /env/pyvenv.cfg\nhome = /usr/bin\n", "venv", (), ""),
        ("/env", "/usr", "=== file {site}/pip-25.3.dist-info/METADATA\nName: pip\n", "venv", ("pip",), "pip"),
        ("/env", "/usr", "=== file /env/pyvenv.cfg\nhome = /usr/bin\nuv = 0.9.5\n", "uv", ("uv",), "uv"),
        ("/c/e", "/c/e", "=== file /c/e/conda-meta/history\n", "conda", (), ""),
        (
            "/c/e",
            "/c/e",
            "=== file /c/e/conda-meta/history\n=== environment\nCONDA_EXE=/c/bin/conda\nMAMBA_EXE=/x/micromamba\n",
            "conda",
            ("conda", "micromamba"),
            "",
        ),
        ("/w/.pixi/envs/default", "/w/.pixi/envs/default", "", "pixi", ("pixi",), ""),
        ("/c/e", "/c/e", "=== file /c/e/conda-meta/pixi\n", "pixi", ("pixi",), ""),
        ("/usr", "/usr", "=== programs\nuv /home/x/.local/bin/uv\n", "", ("uv",), "uv"),
        (
            r"D:\conda\envs\e",
            r"D:\conda\envs\e",
            "=== file D:\\conda\\envs\\e\\conda-meta\\history\n",
            "conda",
            (),
            "",
        ),
    ],
)
def test_environments(
    prefix: str, base: str, sections: str, made_by: str, here: tuple[str, ...], installer: str
) -> None:
    platform = "win_amd64" if "\\" in prefix else "linux_x86_64"
    python = f"=== python\nversion 3.11.7\nprefix {prefix}\nbase_prefix {base}\nplatform {platform}\n"
    machine = read_machine(parse_capture(python + sections).source)
    assert machine.unread == ()
    assert (machine.managers.made_by, machine.managers.here) == (made_by, here)
    assert machine.installer == installer


def test_the_systems_python_is_closed_and_an_environment_of_it_is_not() -> None:
    marker = "=== file /usr/lib/python3.11/EXTERNALLY-MANAGED\n"
    system = "=== python\nversion 3.11.2\nprefix /usr\nbase_prefix /usr\n"
    venv = "=== python\nversion 3.11.2\nprefix /env\nbase_prefix /usr\n"
    assert read_machine(parse_capture(system + marker).source).managers.is_closed
    assert not read_machine(parse_capture(venv + marker).source).managers.is_closed


def test_a_conda_that_the_shell_does_not_know() -> None:
    text = "=== python\nversion 3.11.2\nprefix /env\n=== file /root/miniconda3/etc/profile.d/conda.sh\n"
    managers = read_machine(parse_capture(text).source).managers
    assert (managers.conda_script, managers.here) == ("/root/miniconda3/etc/profile.d/conda.sh", ())
