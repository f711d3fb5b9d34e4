"""What the code does that fails, or runs what is not in it, on a machine of today."""

from __future__ import annotations

import functools
import json
import re
from importlib import resources
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from lensmith.reproduction.asked import Asked, requirement_of
from lensmith.reproduction.python_files import Code
from lensmith.reproduction.tree import shown

_PICKLES = "a pickle file runs whatever its author wrote into it"
_DANGERS: dict[str, tuple[str, str]] = {
    "torch.load": (
        f"torch.load without weights_only=True: {_PICKLES}; from torch 2.6 on it refuses whole models instead",
        "Write torch.load(..., weights_only=True), or trust where the file comes from and pass False.",
    ),
    "yaml.load": ("yaml.load with a loader that builds any Python object", "Write yaml.safe_load(...)."),
    "yaml.unsafe_load": ("yaml.unsafe_load builds any Python object", "Write yaml.safe_load(...)."),
    "eval": ("eval runs text as Python", "See where the text comes from."),
    "exec": ("exec runs text as Python", "See where the text comes from."),
    "os.system": ("os.system runs a line of shell", "Read the line before you run the code."),
    "os.popen": ("os.popen runs a line of shell", "Read the line before you run the code."),
    "shell=True": (
        "a subprocess with shell=True runs a line of shell",
        "Read the line before you run the code.",
    ),
    "pickle.load": (f"pickle.load: {_PICKLES}", "Load only files that you trust."),
    "pickle.loads": (f"pickle.loads: {_PICKLES}", "Load only data that you trust."),
    "cPickle.load": (f"cPickle.load: {_PICKLES}", "Load only files that you trust."),
    "dill.load": (f"dill.load: {_PICKLES}", "Load only files that you trust."),
    "joblib.load": (f"joblib.load: {_PICKLES}", "Load only files that you trust."),
    "allow_pickle": (
        f"numpy reads pickles where allow_pickle=True: {_PICKLES}",
        "Load only files that you trust.",
    ),
    "trust_remote_code": (
        "trust_remote_code=True downloads Python code of a model's author and runs it",
        "Pin its revision, and read that code first.",
    ),
    "torch.hub.load": (
        "torch.hub.load downloads a repository and runs its code",
        "Pin a commit: 'owner/name:commit'.",
    ),
    "torch.hub.load_state_dict_from_url": (
        "weights are downloaded and unpickled",
        "Pass check_hash=True, weights_only=True.",
    ),
    "torch.utils.model_zoo.load_url": (
        "weights are downloaded and unpickled",
        "Pass check_hash=True, weights_only=True.",
    ),
}
_INFO = {
    "torch.hub.load_state_dict_from_url",
    "torch.utils.model_zoo.load_url",
    "pickle.load",
    "pickle.loads",
    "joblib.load",
}
_DEVICES: dict[str, tuple[str, str]] = {
    "cuda": (
        'a GPU is hard-coded (.cuda(), "cuda:0"): without one the code ends with "Torch not compiled with CUDA enabled" or "Found no NVIDIA driver"',
        "Run it on a GPU, or take the device from torch.cuda.is_available().",
    ),
    "DataParallel": (
        "torch.nn.DataParallel is hard-coded: its weights bear the prefix 'module.', and several GPUs may change the batch norm",
        "Set CUDA_VISIBLE_DEVICES to as many GPUs as the paper used.",
    ),
    "local_rank": (
        "--local_rank is expected as an argument: torchrun passes none, and torch.distributed.launch writes --local-rank from 2.0 on",
        "Read os.environ['LOCAL_RANK'], or start it by torch.distributed.launch of torch < 2.0.",
    ),
}
_WEIGHTS = re.compile(
    r"drive\.google\.com|dropbox\.com|pan\.baidu\.com|onedrive|1drv\.ms|sharepoint\.com|mega\.nz|box\.com|weiyun|mediafire\.com"
)
_FILE_LINK = re.compile(
    r"\.(?:pth?|pkl|ckpt|tar|tgz|tar\.gz|zip|h5|npz?|bin|safetensors|onnx|weights|7z|rar|mat)(?:\?|#|$)",
    re.IGNORECASE,
)


@functools.cache
def _removed() -> dict[str, dict[str, Any]]:
    text = resources.files("lensmith.reproduction").joinpath("removed_calls.json").read_text(encoding="utf-8")
    return {row["name"]: row for row in json.loads(text)["calls"]}


def tell_code(asked: Asked, code: Code) -> None:
    """Note every fault of the code."""
    for name, (words, cure) in _DANGERS.items():
        for place in code.calls.get(name, []):
            asked.fault(name, "info" if name in _INFO else "warning", words, cure, place)
    for name, (words, cure) in _DEVICES.items():
        for place in code.calls.get(name, []):
            asked.fault(f"hard-coded {name}" if name == "cuda" else name, "warning", words, cure, place)
    for name in sorted(code.removed):
        _tell_removed(asked, name, code)
    for place in code.python_2:
        words = "Python 2 code: print statements and their like; Python 3 does not read it"
        asked.fault(
            "Python 2 code",
            "error",
            words,
            "Convert it with lib2to3 of Python 3.12 or older, or run Python 2.7.",
            place,
        )
    for place, message in code.unparsed:
        words = f"this Python cannot read the file: {shown(message)}"
        asked.fault("syntax", "warning", words, "It may be written for a newer Python, or be damaged.", place)


def tell_links(asked: Asked, code: Code, told: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Note absolute paths and links to data; returns the links."""
    links = []
    for text, place in code.strings:
        if "http" not in text:
            words = f"an absolute path of somebody's machine: {shown(text)[:80]}"
            asked.fault(
                "absolute path",
                "warning",
                words,
                "Set it to where the data lie here, by an argument if there is one.",
                place,
            )
    for text, place in [*code.strings, *told]:
        for url in re.findall(r"https?://[^\s\"'<>)\]}`]{4,400}", text):
            if _WEIGHTS.search(url):
                words = "data or weights lie on a drive of a person or a group, which asks for a login, a quota or nothing at all"
                asked.fault(
                    "weights on a drive",
                    "warning",
                    words,
                    "Fetch them first; nothing can go on without them.",
                    place,
                )
                links.append((url, place))
            elif _FILE_LINK.search(url):
                links.append((url, place))
                if url.startswith("http://"):
                    words = (
                        "weights or data come without encryption, so that anybody on the way may change them"
                    )
                    asked.fault("http download", "info", words, "Use https, and compare a checksum.", place)
    return list(dict.fromkeys(links))


def _tell_removed(asked: Asked, name: str, code: Code) -> None:
    row = _removed()[name]
    package, release, short = row["package"], row["release"], _short(name)
    pinned = _pinned_below(asked, package, release)
    if package == "python":
        words = f"{short} is gone since Python {release}"
        cure = f"Take {row['instead']}; or run Python older than {release}."
        if name.partition(".")[0] == "distutils":
            cure = f"Install setuptools into the environment, which brings its own copy; or run an older Python than {release} (3.11)."
    else:
        words = f"{short} is gone since {package} {release}"
        cure = f"Write {row['instead']}, or pin {package}<{release}."
    if row.get("back"):
        words += f" (back in {row['back']} with another meaning)"
    if pinned:
        words, cure = f"{words}; the pin of {package} is older, so it works as pinned", ""
    severity = "info" if pinned else "error"
    name = "Python 2 module" if release == "3.0" and package == "python" else f"removed from {package}"
    for place in code.removed[row["name"]]:
        asked.fault(name, severity, words, cure, place)


def _short(name: str) -> str:
    """As code writes it."""
    for whole, alias in (("numpy.", "np."), ("PIL.Image.", "Image."), ("tensorflow.", "tf.")):
        if name.startswith(whole):
            return alias + name.removeprefix(whole)
    return name


def _pinned_below(asked: Asked, package: str, release: str) -> bool:
    """Whether every version that is asked for is older than the release."""
    if package == "python":
        return any(
            re.search(r"(?:==|<|<=)3\.", text) and _newest_below(text, release)
            for text, _ in asked.python[:1]
        )
    pins = [requirement_of(one.requirement) for one in asked.wanted]
    named = [
        one
        for one in pins
        if one and canonicalize_name(one.name) in (package, {"torch": "pytorch"}.get(package))
    ]
    return bool(named) and all(_newest_below(str(one.specifier), release) for one in named)


def _newest_below(specifier: str, release: str) -> bool:
    """Whether a specifier has an upper end that lies below a release."""
    ends = re.findall(r"(==|<=|<)\s*(\d+(?:\.\d+)*)(\.\*)?", specifier)
    for sign, version, _ in ends:
        if Version(version) < Version(release) or (sign == "<" and Version(version) <= Version(release)):
            return True
    return False
