"""`lensmith tensorboard` on a machine that is reached over SSH."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def test_who_came_by_ssh_is_told_the_port_of_tensorboard(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "events.out.tfevents.1").touch()
    environment = {**os.environ, "SSH_CONNECTION": "203.0.113.9 50000 198.51.100.7 2222"}
    words = [sys.executable, "-m", "lensmith", "tensorboard", "--port", "0"]
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(2)]
        process.terminate()
    assert said[0].startswith("TensorBoard on runs")
    port = re.search(r"ssh -L (\d+):127\.0\.0\.1:(\d+) -p 2222 \S+@198\.51\.100\.7$", said[1])
    assert port and port[1] == port[2] != "0"
