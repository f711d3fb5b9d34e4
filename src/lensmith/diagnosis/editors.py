"""Which interpreter to give VS Code and PyCharm, on this computer and for a machine that is reached over SSH."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lensmith.machine.facts import Machine
from lensmith.machine.remote import Remote


@dataclass(frozen=True)
class EditorSettings:
    """What an editor asks for: the interpreter's path, and where the machine is, None for this computer."""

    interpreter: str
    remote: Remote | None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def editor_settings(machine: Machine, remote: Remote | None) -> EditorSettings:
    """For the Python that runs this."""
    return EditorSettings(machine.executable, remote)


def editor_steps(settings: EditorSettings) -> list[tuple[str, list[str]]]:
    """`(editor, steps)`: where each of them takes the settings, in the words of its menus."""
    path, remote = settings.interpreter, settings.remote
    if remote is None:
        return [
            (
                "VS Code",
                ["Ctrl-Shift-P (Mac: Cmd-Shift-P), Python: Select Interpreter, Enter interpreter path", path],
            ),
            (
                "PyCharm",
                [
                    "Settings, Python (or Project), Interpreter, Add Interpreter, Add Local Interpreter",
                    f"Select existing, Python path: {path}",
                ],
            ),
            ("Jupyter", ["In the notebook's list of kernels, after: lensmith env kernel"]),
        ]
    host, note = _host(remote)
    return [
        (
            "VS Code",
            [
                f"Extension Remote - SSH; Ctrl-Shift-P, Remote-SSH: Connect to Host: {host}",
                *note,
                f"then Python: Select Interpreter, Enter interpreter path: {path}",
            ],
        ),
        (
            "PyCharm (Professional)",
            [
                "Settings, Python (or Project), Interpreter, Add Interpreter, On SSH, New",
                f"Host: {remote.host if remote.is_certain else 'as in your ssh command'}",
                f"Port: {remote.port if remote.is_certain else 'as in your ssh command (after -p; else 22)'}",
                f"Username: {remote.user}",
                f"then System Interpreter (or Virtualenv, Existing): {path}",
            ],
        ),
    ]


def _host(remote: Remote) -> tuple[str, list[str]]:
    if not remote.is_certain:
        return "what follows `ssh` in your own command", []
    return f"ssh {remote.words}" if remote.port != 22 else remote.words, []
