"""Weights of unknown origin: the tensors come out, and nothing that the file names is imported or run.

A `.pt` file is a program for a small machine, pickle's. It is read by torch's weights-only unpickler
alone, which knows tensors and plain containers. Whatever else a file names, such as the classes of a
network that was saved whole, is replaced by a stand-in: a class without abilities that keeps the state it
is given.
"""

from __future__ import annotations

import contextlib
import io
import re
import threading
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import torch
from packaging.version import Version
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lensmith.errors import LensmithError, MachineError, ModelFileError
from lensmith.models.legacy import object_pickle

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "model_ema")
_PREFIXES = ("module.", "_orig_mod.")
_MOST_MODULES, _DEEPEST, _LONGEST = 20_000, 100, 10_000
_SAFE_TORCH = "2.10"
_HINT = "Where its code is, save the state alone: torch.save(net.state_dict(), 'weights.pt')"
_ALONE = threading.Lock()
"""torch keeps its list of allowed names for the whole process."""


def read_state(path: str | Path) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of a weights file by their dotted names, on the CPU, and the foreign names in it.

    Takes safetensors, a `state_dict` saved by torch (bare, or in a checkpoint under state_dict,
    model_state_dict, model, net or model_ema) and a network saved whole; what `DataParallel` and
    `torch.compile` put before the names is taken off. A plain state mentions no foreign names. Raises
    `ModelFileError` that names the file for anything else, and for a file that is damaged; `MachineError`
    under a torch before 2.10, whose unpickler can be broken out of (CVE-2026-24747). safetensors, and
    what torch wrote before 1.6, carry no checksum: there a flipped bit within the numbers is not seen.
    """
    path = Path(path)
    try:
        start = _start_of(path)
        if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
            return _plain(load_file(path), path), []
        if start[:2] == b"PK":
            found, names = _read_zip(path)
        elif start[:1] == b"\x80":
            found, names = _read_legacy(path)
        else:
            raise ModelFileError(f"{path}: {_what_it_is(start)}")
        return _plain(_state_in(found, path), path), names
    except LensmithError:
        raise
    except SafetensorError as error:
        raise ModelFileError(f"{path}: damaged safetensors ({error})") from error
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:
        # Whatever a damaged or hostile stream makes the unpickler stumble over.
        raise ModelFileError(
            f"{path}: no weights can be read from it ({_reason(error)})", hint=_HINT
        ) from error


def _read_zip(path: Path) -> tuple[Any, list[str]]:
    """What torch.save writes since 1.6: a zip with a pickle and a member for each storage."""
    with zipfile.ZipFile(path) as archive:
        if any(PurePosixPath(name).name == "constants.pkl" for name in archive.namelist()):
            raise ModelFileError(f"{path}: a TorchScript program, and only weights are read", hint=_HINT)
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise ModelFileError(f"{path}: not written by torch ({member.filename!r} is compressed)")
            if member.CRC:  # torch itself does not look; 0 says that none was written
                _check_sum(archive, member)
    with path.open("rb") as file, _nothing_else_allowed():
        names = torch.serialization.get_unsafe_globals_in_checkpoint(file)
        file.seek(0)
        return _load(file, names), sorted(names)


def _read_legacy(path: Path) -> tuple[Any, list[str]]:
    """What torch.save wrote before 1.6: pickles one after the other, then the numbers."""
    with path.open("rb") as file:
        begin, pickle, bare = object_pickle(file)
        # torch lists the foreign names of a pickle in a zip only.
        listed = io.BytesIO()
        with zipfile.ZipFile(listed, "w") as archive:
            archive.writestr("archive/data.pkl", bare)
            archive.writestr("archive/version", "3")
        listed.seek(0)
        whole: BinaryIO | io.BytesIO = file
        if bare != pickle:
            file.seek(0)
            before = file.read(begin)
            file.seek(len(pickle), io.SEEK_CUR)
            whole = io.BytesIO(before + bare + file.read())
        whole.seek(0)
        with _nothing_else_allowed():
            names = torch.serialization.get_unsafe_globals_in_checkpoint(listed)
            return _load(whole, names), sorted(names)


def _check_sum(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Reading a member to its end compares its checksum."""
    with archive.open(member) as file:
        while file.read(1 << 20):
            pass


class _StandIn:
    """In the place of whatever a file names. Nothing happens when it is made or given a state."""

    __slots__ = ("state",)
    stands_for = ""
    state: Any

    def __new__(cls, *args: object, **kwargs: object) -> _StandIn:
        made = object.__new__(cls)
        made.state = None
        return made

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        self.state = state


def _load(file: BinaryIO | io.BytesIO, names: list[str]) -> Any:
    if Version(torch.__version__).release < Version(_SAFE_TORCH).release:
        raise MachineError(
            f"torch {torch.__version__} cannot read a foreign .pt file safely (CVE-2026-24747)",
            hint=f"Upgrade to torch {_SAFE_TORCH} or later, or convert the file to safetensors elsewhere.",
        )
    stand_ins: list[Any] = [
        (type("StandIn", (_StandIn,), {"__slots__": (), "stands_for": name}), name) for name in names
    ]
    with torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(file, map_location="cpu", weights_only=True, mmap=False)


@contextlib.contextmanager
def _nothing_else_allowed() -> Iterator[None]:
    """Take off what the process has allowed so far: those are real classes, and none may be made."""
    with _ALONE:
        allowed = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        try:
            yield
        finally:
            torch.serialization.add_safe_globals(allowed)


def _state_in(found: Any, path: Path) -> dict[Any, Any]:
    """The state within what was unpickled: a checkpoint, a whole network or the state itself."""
    for _ in range(3):
        if isinstance(found, _StandIn):
            return _unfold(found, path)
        if not isinstance(found, dict):
            break
        table = _table(found)
        inner = [table[name] for name in _WRAPPERS if isinstance(table.get(name), dict | _StandIn)]
        if not inner:
            return table
        found = inner[0]
    raise ModelFileError(f"{path}: holds {_kind(found)}, not the state of a network", hint=_HINT)


def _unfold(network: _StandIn, path: Path) -> dict[str, Any]:
    """The state_dict of a network that was saved whole, from the tables that every Module has."""
    state: dict[str, Any] = {}
    waiting: list[tuple[str, Any, int]] = [("", network, 0)]
    seen = 0
    while waiting:
        prefix, module, depth = waiting.pop()
        seen += 1
        if seen > _MOST_MODULES or depth > _DEEPEST or len(prefix) > _LONGEST:
            raise ModelFileError(f"{path}: its modules hold one another without end")
        own = module.state if isinstance(module, _StandIn) else None
        own = _table(own) if isinstance(own, dict) else {}
        tables = [own.get(name) for name in ("_parameters", "_buffers", "_modules")]
        if not all(isinstance(table, dict) for table in tables):
            where = f" at {prefix[:-1]!r}" if prefix else ""
            raise ModelFileError(f"{path}: holds {_kind(module)}{where}, not a network", hint=_HINT)
        parameters, buffers, parts = (_table(table) for table in tables)
        passing = own.get("_non_persistent_buffers_set")
        for name, tensor in {**parameters, **buffers}.items():
            if tensor is not None and not (isinstance(passing, set) and name in passing):
                state[f"{prefix}{name}"] = tensor
        waiting += [
            (f"{prefix}{name}.", part, depth + 1)
            for name, part in reversed(parts.items())
            if part is not None
        ]
    return state


def _table(found: Any) -> dict[Any, Any]:
    """A plain copy. Asked of `dict`: a pickled OrderedDict may bring attributes named like its methods."""
    return dict(dict.items(found))


def _plain(state: dict[Any, Any], path: Path) -> dict[str, Tensor]:
    """Check that there are only tensors with numbers, and take off the prefixes of wrappers."""
    if not state:
        raise ModelFileError(f"{path}: holds no tensors")
    plain: dict[str, Tensor] = {}
    for name, tensor in state.items():
        is_plain = type(tensor) in (Tensor, nn.Parameter) and tensor.layout == torch.strided
        if not isinstance(name, str) or not is_plain or tensor.is_quantized or tensor.is_meta:
            raise ModelFileError(
                f"{path}: not the state of a network: {str(name)[:80]!r} is {_kind(tensor)}", hint=_HINT
            )
        plain[name] = tensor.detach()
    while any(all(name.startswith(prefix) for name in plain) for prefix in _PREFIXES):
        plain = {name.partition(".")[2]: tensor for name, tensor in plain.items()}
    return plain


def _start_of(path: Path) -> bytes:
    if not path.exists():
        raise ModelFileError(f"{path}: there is no such file")
    if not path.is_file():
        raise ModelFileError(f"{path}: not a file")
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise ModelFileError(f"{path}: empty")
    return start


def _what_it_is(start: bytes) -> str:
    if start.lstrip()[:1] == b"<":
        return "a web page, not weights; download the file itself"
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, not weights; fetch the file with git lfs pull"
    return "neither safetensors nor a file of torch.save, or damaged"


def _kind(value: Any) -> str:
    if isinstance(value, _StandIn):
        return f"a pickled {value.stands_for}"
    if isinstance(value, Tensor):
        return f"a {value.layout} tensor on {value.device}".replace("torch.", "")
    return f"a {type(value).__name__}"


def _reason(error: Exception) -> str:
    """What torch says, without the advice to load the file unsafely."""
    text = str(error).rpartition("WeightsUnpickler error: ")[2]
    if blocked := re.search(r"GLOBAL (\S+) whose module \S+ is blocked", text):
        return f"it names {blocked[1]}, which no weights need"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("Weights only load failed", "Check the doc"))]
    return (said[0] if said else type(error).__name__)[:200]
