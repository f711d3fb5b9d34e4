"""Make the peers' environments: one for each NAME.txt here, under the folder that LENSMITH_PEERS names.

    python bench/peers/install.py              # all of them
    python bench/peers/install.py fastai_transfer timm_train

uv keeps one copy of each wheel and links it into every environment, so that seven times torch takes the
room of one. torch, numpy and Pillow come in the versions of constraints.txt, which lensmith is measured with.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE.parents[1] / "constraints.txt"
PLACE = Path(os.environ.get("LENSMITH_PEERS") or Path.home() / ".cache" / "lensmith-peers")


def main(names: list[str]) -> None:
    known = sorted(path.stem for path in HERE.glob("*.txt"))
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no peer is called {', '.join(unknown)}; there are {', '.join(known)}")
    uv = PLACE / "uv" / "bin" / "uv"
    if not uv.is_file():
        venv.create(PLACE / "uv", with_pip=True)
        subprocess.run([PLACE / "uv" / "bin" / "python", "-m", "pip", "install", "--quiet", "uv"], check=True)
    for name in names or known:
        python = PLACE / name / "bin" / "python"
        if not python.is_file():
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, PLACE / name], check=True)
        # pip compiles the modules when it installs them, uv only when asked: else the first run would do it.
        install = [uv, "pip", "install", "--python", python, "--compile-bytecode", "--quiet"]
        subprocess.run([*install, "-r", HERE / f"{name}.txt", "-c", CONSTRAINTS], check=True)
        print(python, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
