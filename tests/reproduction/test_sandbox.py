"""Foreign programs under guard: what they see, what ends them, and that nothing of them goes on. Real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sleepers import sleeping, wait_until_gone

from lensmith.errors import UsageError
from lensmith.reproduction.guard import own_groups
from lensmith.reproduction.output import HEAD, TAIL, printable
from lensmith.reproduction.sandbox import (
    Limits,
    Place,
    Ran,
    bare_environment,
    parse_limits,
    run_command,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="what holds on Linux")
posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
PROGRAMS = Path(sys.executable).parent


def run(command: str, folder: Path, limits: Limits | None = None) -> Ran:
    """Run a command in `folder/work` to its end."""
    job = run_command(command, place_in(folder), limits or Limits(60, None))
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def place_in(folder: Path) -> Place:
    (folder / "work").mkdir(exist_ok=True)
    variables = bare_environment(PROGRAMS, folder / "home", os.environ)
    return Place(folder / "work", variables, folder / "output.log")


@posix
def test_output_figures_and_exit_code(tmp_path: Path) -> None:
    program = "print('Test accuracy: 97.30%'); import sys; print('bad', file=sys.stderr); sys.exit(3)"
    ran = run(f'python -c "{program}"', tmp_path)
    assert (ran.ended.code, ran.ended.cut) == (3, "")
    assert [(one.metric, one.value) for one in ran.figures] == [("accuracy", pytest.approx(0.973))]
    assert (tmp_path / "output.log").read_text() == "Test accuracy: 97.30%\nbad\n"


@posix
def test_it_sees_no_secrets_and_another_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "AWS_PROFILE", "MY_PASSWORD", "DATABASE_URL", "SSH_AUTH_SOCK", "PYTHONPATH"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    run("env; echo; python -c 'import sys; print(sys.prefix)'; pwd", tmp_path)
    said = (tmp_path / "output.log").read_text()
    assert "canary" not in said
    assert f"HOME={tmp_path / 'home'}\n" in said and "CUDA_VISIBLE_DEVICES=3\n" in said
    assert said.endswith(f"{tmp_path / 'work'}\n")


def test_a_network_comes_with_its_proxy_but_not_with_a_password(tmp_path: Path) -> None:
    given = {"https_proxy": "http://proxy:80", "HTTP_PROXY": "http://me:secret@proxy:80", "PATH": "/bin"}
    assert "https_proxy" not in bare_environment(PROGRAMS, tmp_path, given)
    seen = bare_environment(PROGRAMS, tmp_path, given, network=True)
    assert seen["https_proxy"] == "http://proxy:80" and "HTTP_PROXY" not in seen


@linux
def test_daemons_do_not_outlive_it(tmp_path: Path, marked: str) -> None:
    """Forked twice, in a session of their own: whatever a program left behind is ended with it."""
    ran = run(f"(setsid sleep {marked} &); setsid nohup sleep {marked} & sleep 0.2; echo done", tmp_path)
    assert ran.ended.went_well
    assert wait_until_gone(marked)


@linux
def test_the_time_limit_ends_what_will_not_end(tmp_path: Path, marked: str) -> None:
    command = f"trap '' TERM INT HUP; echo accuracy 0.5; (setsid sleep {marked} &); sleep {marked}"
    ran = run(command, tmp_path, Limits(1, None))
    assert ran.ended.cut == "time" and ran.ended.code is None and ran.figures
    assert wait_until_gone(marked)


@linux
def test_whoever_leaves_early_leaves_nothing_running(tmp_path: Path, marked: str) -> None:
    """As Ctrl-C does: the generator is closed."""
    job = run_command(f"(setsid sleep {marked} &); sleep {marked}", place_in(tmp_path), Limits(60, None))
    next(job)
    until = time.monotonic() + 20
    while len(sleeping(marked)) < 2 and time.monotonic() < until:
        next(job)
    assert len(sleeping(marked)) == 2
    job.close()
    assert sleeping(marked) == []


@linux
def test_nothing_outlives_lensmith_itself(tmp_path: Path, marked: str) -> None:
    """Killed in a way that it cannot see coming."""
    program = (
        "import os, sys; from pathlib import Path; from lensmith.reproduction.sandbox import *\n"
        f"place = Place(Path({str(tmp_path)!r}), dict(os.environ), Path({str(tmp_path / 'log')!r}))\n"
        f"for _ in run_command('(setsid sleep {marked} &); sleep {marked}', place, Limits(60, None)): pass"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    until = time.monotonic() + 30
    while len(sleeping(marked)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert len(sleeping(marked)) == 2
    process.kill()
    process.wait()
    assert wait_until_gone(marked)


@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_that_turns_on_its_guard(tmp_path: Path, marked: str, number: int) -> None:
    command = f"(setsid sleep {marked} &); sleep 0.3; kill -{number:d} $PPID; sleep {marked}"
    ran = run(command, tmp_path, Limits(2, None))
    assert not ran.ended.went_well
    assert wait_until_gone(marked)


@linux
def test_a_program_without_a_mark_is_found_in_its_control_group(tmp_path: Path, marked: str) -> None:
    """It kills its guard and wipes its variables; and no empty group is left behind."""
    command = f"echo $PPID; (env -i setsid sleep {marked} &); sleep 0.3; kill -9 $PPID"
    ran = run(command, tmp_path, Limits(20, 2**30))
    guard = (tmp_path / "output.log").read_text().strip()
    if any("control group" in words for words in ran.conditions):
        assert wait_until_gone(marked)
        assert not any((folder / f"lensmith-{guard}").exists() for folder in own_groups())


@linux
def test_a_program_that_speaks_for_its_guard(tmp_path: Path) -> None:
    ran = run("sleep 0.3; for fd in /proc/$PPID/fd/*; do echo nonsense > $fd; done 2>/dev/null", tmp_path)
    assert ran.ended.code == 0


@linux
def test_the_memory_limit_ends_it(tmp_path: Path) -> None:
    """Memory of all its processes together; a program that could reserve more address space is left alone."""
    limits = Limits(60, 300 * 2**20)
    grows = "import time; kept = [bytearray(10**7) for _ in range(60)]; time.sleep(30)"
    reserves = "import mmap; mmap.mmap(-1, 2**33); print('reserved')"
    assert run(f'exec python -c "{grows}"', tmp_path, limits).ended.cut == "memory"
    ran = run(f'exec python -c "{reserves}"', tmp_path, limits)
    assert ran.ended.went_well, (tmp_path / "output.log").read_text()
    assert any("control group" in words or "watched" in words for words in ran.conditions)


@linux
def test_the_network_is_off_or_said_to_be_open(tmp_path: Path) -> None:
    connects = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
    )
    ran = run(f'python -c "{connects}"; cat /proc/net/dev', tmp_path)
    interfaces = [
        row.split(":")[0].strip() for row in (tmp_path / "output.log").read_text().splitlines() if ":" in row
    ]
    assert "Error" not in (tmp_path / "output.log").read_text()  # processes may talk to each other
    assert ("network off" in ran.conditions) == (interfaces == ["lo"])
    assert any(words.startswith("network ") for words in ran.conditions)
    opened = run("true", tmp_path, Limits(60, None, network=True))
    assert "network open, as asked for" in opened.conditions


@posix
def test_long_output_keeps_its_ends(tmp_path: Path) -> None:
    count = (HEAD + TAIL) // 1000 + 2000
    program = f"print('first'); [print('x' * 999) for _ in range({count})]; print('acc 0.5')"
    ran = run(f'python -c "{program}"', tmp_path)
    log = (tmp_path / "output.log").read_bytes()
    assert ran.output == count * 1000 + 14
    assert HEAD + TAIL < len(log) < HEAD + TAIL + 200_000
    assert log.startswith(b"first\n") and log.endswith(b"acc 0.5\n") and b"bytes are left out here" in log
    assert ran.figures[0].value == 0.5 and ran.ended.tail.endswith("acc 0.5\n")


def test_foreign_text_moves_no_cursor() -> None:
    hostile = "a\x1b[2Kb\x1b]0;title\x07c\x1b[31;1md\x9b1me\rf\x08"
    assert printable(hostile) == "abcd1mef"


@posix
def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    ran = run("no-such-program-anywhere", tmp_path)
    assert ran.ended.code == 127 and "not found" in ran.ended.tail


@pytest.mark.parametrize(
    ("text", "memory"), [("8G", 8 * 2**30), ("500M", 500 * 2**20), ("1.5gib", 3 * 2**29), ("1024", 1024)]
)
def test_sizes_as_they_are_typed(text: str, memory: int) -> None:
    assert parse_limits("1h30m", text, network=False) == Limits(5400, memory)


@pytest.mark.parametrize(
    ("seconds", "memory"), [("soon", None), ("0", None), ("1m", "much"), ("1m", "0G"), ("1m", "-1G")]
)
def test_what_is_no_limit_is_refused(seconds: str, memory: str | None) -> None:
    with pytest.raises(UsageError):
        parse_limits(seconds, memory, network=False)
