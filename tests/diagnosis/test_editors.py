"""Which interpreter an editor takes, said on this computer and for one that is reached over SSH."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys

from machines import READY

from lensmith.diagnosis.editors import editor_settings, editor_steps
from lensmith.machine.remote import Remote


def told(remote: Remote | None) -> dict[str, str]:
    return {editor: "\n".join(steps) for editor, steps in editor_steps(editor_settings(READY, remote))}


def test_here_the_path_is_all_that_is_needed() -> None:
    said = told(None)
    assert "Python: Select Interpreter" in said["VS Code"]
    assert "Add Local Interpreter" in said["PyCharm"]
    assert all("/env/bin/python" in said[editor] for editor in ("VS Code", "PyCharm"))
    assert not any("SSH" in words for words in said.values())


def test_elsewhere_host_port_and_user_are_needed_too() -> None:
    said = told(Remote("ann", "198.51.100.7", 2222, True))
    assert "Connect to Host: ssh -p 2222 ann@198.51.100.7" in said["VS Code"]
    pycharm = said["PyCharm (Professional)"]
    for words in ("On SSH", "Host: 198.51.100.7", "Port: 2222", "Username: ann", "/env/bin/python"):
        assert words in pycharm
    assert "Connect to Host: ann@198.51.100.7" in told(Remote("ann", "198.51.100.7", 22, True))["VS Code"]


def test_an_address_that_only_the_inside_knows_is_not_given_to_an_editor() -> None:
    said = "\n".join(told(Remote("root", "172.17.0.2", 22, False)).values())
    assert "172.17" not in said
    assert "your own command" in said and "as in your ssh command" in said


def test_the_command_and_its_json() -> None:
    environment = {**os.environ, "SSH_CONNECTION": "203.0.113.9 50000 198.51.100.7 2222"}

    def doctor(*words: str) -> str:
        command = [sys.executable, "-m", "lensmith", "doctor", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout

    screen = doctor("--editor")
    assert sys.executable in screen and f"ssh -p 2222 {getpass.getuser()}@198.51.100.7" in screen
    editor = json.loads(doctor("--json"))["editor"]
    assert editor["interpreter"] == sys.executable
    assert (editor["remote"]["host"], editor["remote"]["port"]) == ("198.51.100.7", 2222)
