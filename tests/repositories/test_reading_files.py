"""What the files of a repository ask for, in the ways that people write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lensmith.repositories.reading import Reading
from lensmith.repositories.repository import read_repository

Read = Callable[[dict[str, str]], Reading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def from_files(files: dict[str, str]) -> Reading:
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
        return read_repository(tmp_path)

    return from_files


def asked(reading: Reading) -> list[str]:
    return [one.requirement for one in reading.wanted]


def named(reading: Reading) -> set[str]:
    return {fault.name for fault in reading.faults if fault.severity != "info"}


REQUIREMENTS = """\
# what we used
-f https://download.pytorch.org/whl/torch_stable.html
--extra-index-url=https://download.pytorch.org/whl/cu117
torch==1.13.1+cu117 ; sys_platform == "linux"   # GPU
numpy>=1.20, \\
    <2 --hash=sha256:00
-r more/extra.txt
-e git+https://github.com/a/b.git@0123456789abcdef#egg=bee
git+https://github.com/a/c
certifi @ file:///croot/certifi_1/work
pandas=1.4.2=py38_0
tqdm 4.62
./vendored
what is this?
"""


def test_requirements_in_every_way_of_writing(read: Read) -> None:
    reading = read({"requirements.txt": REQUIREMENTS, "more/extra.txt": "scipy\n-r ../requirements.txt\n"})
    assert asked(reading) == [
        'torch==1.13.1+cu117 ; sys_platform == "linux"',
        "numpy>=1.20, <2",
        "scipy",
        "bee @ git+https://github.com/a/b.git@0123456789abcdef#egg=bee",
        "c @ git+https://github.com/a/c",
        "certifi",
        "pandas==1.4.2",
        "tqdm==4.62",
    ]
    assert [one.place for one in reading.wanted][:3] == [
        "requirements.txt:4",
        "requirements.txt:5",
        "more/extra.txt:1",
    ]
    assert len(reading.indexes) == 2 and reading.cuda == "11.7"
    assert named(reading) >= {
        "repository as requirement",
        "local file",
        "conda list as requirements",
        "local path",
    }
    pinned, moving = [fault for fault in reading.faults if fault.name == "repository as requirement"]
    assert "fixed commit" in pinned.detail and "without a commit" in moving.detail


def test_environment_file(read: Read) -> None:
    text = """\
name: x
channels: [pytorch, conda-forge]
dependencies:
  - python=3.8
  - pytorch=1.7.1=py3.8_cuda10.2.89_cudnn7.6.5_0
  - conda-forge::numpy>=1.19,<1.20
  - scipy=1.5
  - cudatoolkit=10.2
  - pip:
    - -r requirements.txt
    - timm==0.4.12
prefix: /home/me/x
"""
    reading = read({"environment.yml": text})
    assert reading.python == "==3.8.*" and reading.cuda == "10.2"
    assert [(one.requirement, one.channel) for one in reading.wanted] == [
        ("pytorch==1.7.1", "conda"),
        ("numpy>=1.19,<1.20", "conda"),
        ("scipy==1.5.*", "conda"),
        ("cudatoolkit==10.2.*", "conda"),
        ("timm==0.4.12", "pip"),
    ]
    assert named(reading) >= {"build strings", "prefix", "cudatoolkit", "numpy 2"} - {"numpy 2"}


PEP_621 = """\
[project]
name = "x"
requires-python = ">=3.9"
dependencies = ["a>=1"]
"""
POETRY = """\
[tool.poetry.dependencies]
python = "^3.8"
a = "^1.2"
b = {version = "~0.3.1", extras = ["x"]}
c = "*"
"""
SETUP_CFG = """\
[options]
python_requires = >=3.7
install_requires =
  a>=1
  b; python_version<'3.8'
"""
SETUP = """\
import setuptools
R = ['a']
setuptools.setup(install_requires=R + ['b>=2'], python_requires='>=3.6')
"""
OPENS = """\
from setuptools import setup
setup(install_requires=open('reqs/requirements.txt').read().split())
"""
PIPFILE = """\
[packages]
a = "*"
b = "==1.0"
[requires]
python_version = "3.7"
"""
DOCKERFILE = """\
FROM pytorch/pytorch:1.9.0-cuda11.1-cudnn8-runtime
RUN pip install -q a==1 \\
  'b>=2' && rm -r x
"""
INSTALLS = """\
Needs Python 3.7+

```
$ pip install a==1 -f https://x.pytorch.org
conda install -c y b
```
"""
LOCK = """\
[[package]]
name = "a"
version = "1.5"
[[package]]
name = "deep"
version = "2"
"""
OTHERS = {
    "pep621": ({"pyproject.toml": PEP_621}, ["a>=1"], ">=3.9"),
    "poetry": ({"pyproject.toml": POETRY}, ["a>=1.2,<2", "b[x]>=0.3.1,<0.4", "c"], ">=3.8,<4"),
    "setup.cfg": ({"setup.cfg": SETUP_CFG}, ["a>=1", "b; python_version<'3.8'"], ">=3.7"),
    "setup.py": ({"setup.py": SETUP}, ["a", "b>=2"], ">=3.6"),
    "open": ({"setup.py": OPENS, "reqs/requirements.txt": "a==1\n"}, ["a==1"], ""),
    "pipfile": ({"Pipfile": PIPFILE}, ["a", "b==1.0"], "==3.7.*"),
    "docker": ({"Dockerfile": DOCKERFILE}, ["torch==1.9.0", "a==1", "b>=2"], ""),
    "readme": ({"README.md": INSTALLS}, ["a==1", "b"], ">=3.7"),
    "lock": ({"pyproject.toml": PEP_621, "uv.lock": LOCK}, ["a>=1", "a==1.5"], ">=3.9"),
}


@pytest.mark.parametrize(("files", "expected", "python"), OTHERS.values(), ids=OTHERS)
def test_other_files(read: Read, files: dict[str, str], expected: list[str], python: str) -> None:
    reading = read(files)
    assert asked(reading) == expected
    assert reading.python == python


def test_a_readme_adds_only_what_no_file_asks_for(read: Read) -> None:
    reading = read(
        {"requirements.txt": "numpy==1.20\n", "README.md": "    pip install numpy torch==1.7.1+cu110\n"}
    )
    assert asked(reading) == ["numpy==1.20", "torch==1.7.1+cu110"]


def test_imports_are_mapped_and_own_modules_left_out(read: Read) -> None:
    code = (
        "import os, cv2, PIL.Image, google.protobuf\nfrom sklearn import svm\n"
        "import ruamel.yaml\nfrom models.net import Net\n"
        "from . import sibling\nimport strange_thing\nimport apex\n"
        "try:\n    import wandb\nexcept ImportError:\n    wandb = None\n"
    )
    cells = {
        "cells": [
            {
                "cell_type": "code",
                "source": "%matplotlib inline\n!pip install lpips\nimport seaborn\nif 1:\n    !ls\n",
            }
        ]
    }
    files = {
        "train.py": code,
        "models/net.py": "import torch\n",
        "a.ipynb": json.dumps(cells),
        "requirements.txt": "opencv-contrib-python\n",
    }
    reading = read(files)
    assert set(reading.imports) == {
        "opencv-python", "pillow", "protobuf", "scikit-learn", "ruamel.yaml", "strange-thing", "apex", "wandb",
        "torch", "seaborn",
    }  # fmt: skip
    assert set(reading.undeclared) == {
        "pillow",
        "protobuf",
        "scikit-learn",
        "ruamel.yaml",
        "strange-thing",
        "torch",
        "seaborn",
    }
    assert "lpips" in asked(reading) and "source only" in named(reading)


@pytest.mark.parametrize(
    ("code", "fault", "words"),
    [
        ("import numpy as np\nx = np.float(1)\n", "removed from numpy", "1.24"),
        ("from collections import Callable\n", "removed from python", "3.10"),
        ("import distutils.util\n", "removed from python", "3.12"),
        ("from torch._six import inf\n", "removed from torch", "2.0"),
        ("from PIL import ImageFont\nf = g()\nf.getsize('x')\n", "removed from pillow", "10.0"),
        ("from torchvision.models.resnet import model_urls\n", "removed from torchvision", "0.13"),
        ("import scipy.misc\nscipy.misc.imresize(x, 2)\n", "removed from scipy", "1.2"),
        ("import yaml\nyaml.load(f)\n", "removed from pyyaml", "6.0"),
        ("print 'x'\n", "Python 2 code", "Python 3"),
        ("import subprocess\nsubprocess.run(x, shell=True)\n", "shell=True", "shell"),
        ("net.cuda()\n", "hard-coded cuda", "GPU"),
        ("p.add_argument('--local_rank')\n", "local_rank", "torchrun"),
        ("d = '/home/me/data'\n", "absolute path", "/home/me"),
        ("d = 'C:\\\\\\\\data\\\\\\\\x'\n", "absolute path", "C:"),
        ("u = 'https://drive.google.com/file/d/1'\n", "weights on a drive", "drive.google.com"),
    ],
)
def test_code_faults(read: Read, code: str, fault: str, words: str) -> None:
    [found] = [one for one in read({"a.py": code}).faults if one.name == fault]
    assert words in f"{found.detail} {found.cure}"
    assert found.places == (f"a.py:{len(code.splitlines())}",)


def test_what_is_sound_is_not_blamed(read: Read) -> None:
    code = (
        "import torch, yaml, numpy as np\ndevice = 'cuda' if torch.cuda.is_available() else 'cpu'\n"
        "torch.load(f, weights_only=True)\nyaml.load(f, Loader=yaml.SafeLoader)\nmodel.eval()\nnp.float32(1)\n"
        "'''/home/me/in/a/docstring'''\nimport argparse\nargparse.Namespace().int\nself.float()\n"
    )
    pins = "torch==2.4.0\nnumpy==1.26.4\npyyaml==6.0\n"
    assert named(read({"a.py": code, "requirements.txt": pins})) == set()


def test_an_old_pin_excuses_a_removed_name(read: Read) -> None:
    files = {"a.py": "import numpy\nnumpy.int(1)\n", "requirements.txt": "numpy==1.22.0\n"}
    [fault] = [one for one in read(files).faults if one.name == "removed from numpy"]
    assert fault.severity == "info"


README = """\
# Net

We reach **94.8%** top-1 accuracy on CIFAR-10 and an mIoU of 0.713; training takes 3.5 hours on 8 GPUs.

| Method | Params | CIFAR-10 acc (%) | FID |
| --- | ---: | --- | --- |
| base | 11M | 93.1 ± 0.2 | 12.4 |
| **Ours** | 11M | [95.2](logs/a.txt) | 3.1 |

1. `python train.py --lr 0.1`

```bash
# train
$ CUDA_VISIBLE_DEVICES=0 python main.py \\
    --epochs 200
torchrun --nproc_per_node=8 main.py
accuracy: 99.0%
```
```python
python = 3
```
"""


def test_commands_and_claims_of_a_readme(read: Read) -> None:
    reading = read({"README.md": README})
    assert reading.commands == (
        ("python train.py --lr 0.1", "README.md:10"),
        ("CUDA_VISIBLE_DEVICES=0 python main.py --epochs 200", "README.md:14"),
        ("torchrun --nproc_per_node=8 main.py", "README.md:16"),
    )
    claims = [(one.metric, one.value, one.place) for one in reading.claims]
    assert claims[0][1:] == (0.948, "README.md:3") and ("miou", 0.713, "README.md:3") in claims
    assert claims[2:] == [
        ("acc", 0.952, "README.md:8"), ("fid", 3.1, "README.md:8"),
        ("acc", 0.931, "README.md:7"), ("fid", 12.4, "README.md:7"),
    ]  # fmt: skip


def test_extensions(read: Read) -> None:
    setup = "from setuptools import setup\nfrom torch.utils.cpp_extension import CUDAExtension\n"
    setup += "setup(ext_modules=[CUDAExtension('a', ['a.cu'])])\n"
    reading = read({"ops/setup.py": setup, "ops/a.cu": "", "requirements.txt": "flash-attn==2.3\n"})
    assert reading.extensions == ("ops/setup.py:3", "ops/a.cu", "requirements.txt:1")
    assert named(reading) >= {"compiled extension", "compiled package"}


def test_a_reading_as_json(read: Read) -> None:
    reading = read({"README.md": README, "a.py": "import numpy\n"})
    told = json.loads(json.dumps(reading.as_dict()))
    assert (
        told["claims"][0]["value"] == 0.948
        and told["imports"] == {"numpy": ["a.py:1"]}
        and told["date"] is None
    )
