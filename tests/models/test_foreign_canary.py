"""Hostile weights files: nothing that they name is imported or run, and each ends in tensors or in our error.

The files are made here, read in a process of its own that listens to Python's audit events, and at last opened
as pickle would open them, to show that they bite.
"""

from __future__ import annotations

import builtins
import importlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

if sys.platform == "win32":
    pytest.skip("the canaries are written by a POSIX shell", allow_module_level=True)


class Calls:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, state: Any = None) -> None:
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.call


class Biting(nn.Linear):
    """A layer that bites when it is unpickled."""

    def __reduce__(self) -> Any:
        return eval, (f"open({self.canary!r}, 'w').close() or __import__('torch').nn.Linear(2, 2)",)


def calls(canary: Path) -> dict[str, Any]:
    """Objects whose unpickling writes `canary`."""
    write = f"open({str(canary)!r}, 'w').close()"
    return {
        "system": Calls(os.system, f"touch {canary}"),
        "popen": Calls(subprocess.Popen, ["touch", str(canary)]),
        "eval": Calls(eval, write),
        "exec": Calls(exec, write),
        "open": Calls(builtins.open, str(canary), "w"),
        "import": Calls(importlib.import_module, "lensmith_canary"),
        "dunder-import": Calls(__import__, "lensmith_canary"),
        "getattr": Calls(getattr, Calls(__import__, "lensmith_canary"), "bite"),
        "nested": Calls(list, [Calls(exec, write)]),
        "with-state": Calls(eval, write, state={"a": 1}),
        "unsafe-load": Calls(torch.load, io.BytesIO(b"")),
        "loads": Calls(pickle.loads, pickle.dumps(Calls(eval, write))),
    }


def harmful(canary: Path) -> dict[str, Any]:
    """Contents of torch files: the calls in each place where a reader might meet them."""
    found: dict[str, Any] = {}
    for name, bait in calls(canary).items():
        found[f"bare-{name}"] = bait
        found[f"value-{name}"] = {"state_dict": {"weight": torch.ones(2), "bias": bait}}
        found[f"beside-{name}"] = {"state_dict": {"weight": torch.ones(2)}, "args": bait}
    layer = Biting(2, 2)
    layer.canary = str(canary)
    found["layer"] = nn.Sequential(layer)
    with_attribute, with_hook = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2))
    with_attribute.note = calls(canary)["eval"]
    with_hook._forward_hooks[0] = calls(canary)["eval"]
    with_buffer = nn.Sequential(nn.Linear(2, 2))
    with_buffer._buffers["b"] = calls(canary)["eval"]
    bait = calls(canary)["eval"]
    methods = {"items": bait, "get": bait, "keys": bait, "__class__": bait}
    shadowed = Calls(OrderedDict, [["weight", torch.ones(2)]], state=methods)
    found |= {"attribute": with_attribute, "hook": with_hook, "buffer": with_buffer, "shadowed": shadowed}
    return found


def by_hand(canary: Path) -> dict[str, bytes]:
    """Files that torch.save would not write."""
    command = f"touch {canary}".encode()
    text = b"X" + struct.pack("<I", len(command)) + command
    streams = {f"{module}.system": f"c{module}\nsystem\n".encode() for module in ("os", "posix", "nt")}
    streams |= {"sys.exit": b"csys\nexit\n", "dotted": b"cos.path\nos.system\n"}
    pickles = {name: b"\x80\x02" + call + text + b"\x85R." for name, call in streams.items()}
    pickles["stack-global"] = pickle.dumps(Calls(os.system, f"touch {canary}"), protocol=4)
    pickles["protocol-0"] = pickle.dumps(Calls(os.system, f"touch {canary}"), protocol=0)
    magic = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {}))
    files = {}
    for name, content in pickles.items():
        files[f"raw-{name}"] = content
        files[f"legacy-{name}"] = magic + content + pickle.dumps([], 2)
        files[f"zip-{name}"] = zipped({"archive/data.pkl": content, "archive/version": b"3\n"})
    harmless = pickle.dumps({}, 2)
    files["traversal"] = zipped(
        {
            "archive/data.pkl": harmless,
            "archive/version": b"3\n",
            f"../../../..{canary}": b"x",
            "archive/../../evil": b"x",
        }
    )
    files["module-id"] = (
        magic
        + b"\x80\x02(X\x06\x00\x00\x00modulecposix\nsystem\n"
        + text
        + text
        + b"tQ"
        + (text + b"\x85R." + pickle.dumps([], 2))
    )
    return files


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


READ = """
import json, sys, warnings
from pathlib import Path
warnings.simplefilter("error")
import torch, torch.distributed.tensor
from lensmith.errors import ModelFileError
from lensmith.models.foreign import read_state
places = [Path(word) for word in sys.argv[1:]]
torch.save({"a": torch.ones(1)}, places[0].parent / "warm.pt")
read_state(places[0].parent / "warm.pt")  # what torch imports when it reads at all
heard, listening = [], False
def listen(event, arguments):
    if not listening:
        return
    if "encodings." in str(arguments[0]) or "/encodings/" in str(arguments[0]):
        return  # Python's own codecs, looked up for a string
    if event in ("pickle.find_class", "exec", "compile", "import", "os.system", "os.exec", "os.fork",
                 "os.posix_spawn", "subprocess.Popen", "socket.connect", "shutil.move", "os.rename"):
        heard.append([event, str(arguments)[:200]])
    if event == "open" and arguments[1] and set(str(arguments[1])) & set("wax+"):
        heard.append([event, str(arguments)[:200]])
sys.addaudithook(listen)
ends = {}
for place in places:
    listening = True
    try:
        state, names = read_state(place)
        end = {"tensors": sorted(state), "names": names}
    except ModelFileError as error:
        end = {"error": error.message}
    listening = False
    ends[place.name] = end | {"heard": list(heard)}
    heard.clear()
print(json.dumps(ends))
"""

BITE = """
import sys, warnings, torch
warnings.simplefilter("ignore")
try:
    torch.load(sys.argv[1], weights_only=False)
except BaseException:
    pass
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile")
    canary = place / "canary"
    (place / "lensmith_canary.py").write_text(f"open({str(canary)!r}, 'w').close()\nbite = 1\n")
    (place / "files").mkdir()
    for name, content in harmful(canary).items():
        for way in (True, False):
            path = place / "files" / f"{name}-{'zip' if way else 'legacy'}.pt"
            torch.save(content, path, _use_new_zipfile_serialization=way)
    for name, raw in by_hand(canary).items():
        (place / "files" / f"{name}.pt").write_bytes(raw)
    return place


@pytest.fixture(scope="module")
def ends(place: Path) -> dict[str, Any]:
    """How each file ended, and what was heard meanwhile."""
    words = sorted(str(path) for path in (place / "files").glob("*.pt"))
    done = run(READ, *words, place=place)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert len(found) == len(words) > 80
    return found


def run(program: str, *words: str, place: Path) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(place), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        env=os.environ | {"PYTHONPATH": paths},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.fault(35)
def test_nothing_was_run_imported_or_written(place: Path, ends: dict[str, Any]) -> None:
    assert {name: end["heard"] for name, end in ends.items() if end["heard"]} == {}
    assert sorted(path.name for path in place.iterdir()) == ["files", "lensmith_canary.py"]
    assert not [path for path in (place / "files").iterdir() if path.suffix != ".pt"]


def test_each_end_is_an_error_or_plain_tensors(ends: dict[str, Any]) -> None:
    for name, end in ends.items():
        if name.startswith(("beside", "attribute", "hook", "shadowed", "warm")):
            continue
        assert name in end.get("error", ""), (name, end)


@pytest.mark.parametrize("way", ["zip", "legacy"])
def test_tensors_beside_a_call_come_out_and_the_call_is_named(way: str, ends: dict[str, Any]) -> None:
    assert ends[f"beside-eval-{way}.pt"]["tensors"] == ["weight"]
    assert ends[f"beside-eval-{way}.pt"]["names"] == ["builtins.eval"]
    assert ends[f"attribute-{way}.pt"]["tensors"] == ["0.bias", "0.weight"]
    assert "builtins.eval" in ends[f"attribute-{way}.pt"]["names"]
    assert "builtins.eval" in ends[f"hook-{way}.pt"]["names"]
    assert ends[f"shadowed-{way}.pt"]["tensors"] == ["weight"]


def test_system_calls_are_refused_wherever_they_stand(ends: dict[str, Any]) -> None:
    for name in (
        "bare-system-zip",
        "beside-system-zip",
        "zip-os.system",
        "legacy-posix.system",
        "zip-sys.exit",
    ):
        assert "error" in ends[f"{name}.pt"], name


@pytest.mark.parametrize(
    "name",
    [
        "bare-system-zip",
        "beside-eval-legacy",
        "value-exec-zip",
        "beside-import-zip",
        "layer-zip",
        "attribute-zip",
    ],
)
def test_the_files_bite_where_pickle_opens_them(name: str, place: Path, tmp_path: Path) -> None:
    run(BITE, str(place / "files" / f"{name}.pt"), place=place)
    assert (place / "canary").exists()
    (place / "canary").unlink()
    for cache in place.glob("__pycache__/*"):
        cache.unlink()
    (place / "__pycache__").rmdir() if (place / "__pycache__").exists() else None
