"""Faults 31 to 33: a loss that is no number, memory that is not enough, processes that die while they read."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import COMMAND, QUICK, Ask, command, environment
from confined import with_mounted
from painted import paint
from preloaded import before, preloaded
from safetensors.numpy import load_file

import lensmith as lm

LOSS = """
from pathlib import Path

from torch.nn.functional import cross_entropy

calls = 0

def spoiled(outputs, targets):
    global calls
    calls += Path("runs").exists()  # steps that are only timed come before
    return cross_entropy(outputs, targets) * (float("nan") if calls in {where} else 1)
"""


def is_finite(file: Path) -> bool:
    return all(math.isfinite(float(abs(value).sum())) for value in load_file(file).values())


STEPS = ("model=convnet", "epochs=3", "image_size=16", "batch_size=2", "threads=1")
"""Eleven an epoch."""


@pytest.mark.fault(32)
def test_a_loss_that_stays_no_number_ends_the_run_with_the_pictures_names_and_the_last_good_weights(
    photos: Path, going: Ask, tmp_path: Path
) -> None:
    (tmp_path / "loss.py").write_text(LOSS.format(where="range(4, 99)"))
    words = (*STEPS, "loss=loss.py:spoiled", "checkpoint_every=0.001s")
    done = going("train", "photos", *words)
    done.refused(
        3, "no finite number", "photos/ant/", "hint: Try a lower lr than", "The weights before them are kept"
    )
    run = tmp_path / "runs/photos-001"
    kept = sorted((run / "checkpoints").iterdir())
    assert kept and all(is_finite(one / "weights.safetensors") for one in kept)
    assert not (run / "model").exists() and not (run / "crash.txt").exists()
    (tmp_path / "loss.py").write_text(LOSS.format(where="()"))  # mended
    done = going("resume", "last")
    assert done.code == 0 and is_finite(run / "model/weights.safetensors"), done.err


GREEDY = """
import resource
from pathlib import Path

import torch
from torch import nn

class Greedy(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.layer = nn.Linear(3, outputs)

    def forward(self, x):
        if self.training:  # 2.5 GB are left to this process, and each picture takes half of one
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            _, most = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (used + 5 * 2**29, most))
            try:
                torch.empty(len(x) * {each}, dtype=torch.uint8)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (most, most))
        return self.layer(x.mean((2, 3)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited the Linux way")
@pytest.mark.fault(33)
def test_a_batch_too_large_for_the_memory_is_computed_in_parts(
    photos: Path, going: Ask, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(GREEDY.format(each=2**29))
    done = going("train", "photos", "model=net.py:Greedy", *QUICK[1:])
    said = " ".join(done.err.split())
    assert done.code == 0 and "the memory is too small for a batch at once; going on with 2 parts" in said, (
        said
    )
    assert "accumulate=2" in (tmp_path / "runs/photos-001/recipe.toml").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited the Linux way")
@pytest.mark.fault(33)
def test_memory_for_not_even_one_picture_is_one_error_with_the_number(
    photos: Path, going: Ask, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(GREEDY.format(each=2**45))
    done = going("train", "photos", "model=net.py:Greedy", *QUICK[1:])
    done.refused(
        4, "the memory is not enough for a batch, in 8 part(s)", f"{2**45}", "hint: A smaller batch_size"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited the Linux way")
@pytest.mark.fault(33)
def test_memory_for_not_one_picture_of_many_is_no_damage_to_it(trained_digits: Path, tmp_path: Path) -> None:
    """A picture of 75 megapixels takes 225 MB."""
    paint("bee", 1).resize((10_000, 7_500)).save(tmp_path / "large.png")
    words = ("predict", trained_digits / "runs/digits-001", "large.png", "--json")
    limited = ["sh", "-c", 'ulimit -v 700000; exec "$@"', "sh"]
    done = command(*words, cwd=tmp_path, under=limited, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    assert done.code == 3 and "Traceback" not in done.err, done
    (row,) = done.rows
    assert "there is no memory to decode it" in row["error"]


@contextmanager
def memory_left(size: int) -> Iterator[None]:
    """A limit in bytes on what this process takes more from now on."""
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited the Linux way")
@pytest.mark.fault(33)
def test_memory_for_no_data_set_is_no_fault_of_ours(photos: Path, going: Ask) -> None:
    with memory_left(2**29):
        done = going("train", "photos", "model=convnet", "epochs=1", "image_size=4096", "store=false")
    done.refused(4, "the memory is not enough (", "GiB", "hint: Close other programs")


@pytest.mark.fault(31)
def test_processes_that_are_killed_while_they_read_lose_no_picture(
    trained_digits: Path, tmp_path: Path
) -> None:
    """With next to no shared memory besides. 5,391 pictures are read by processes of their own."""
    library = preloaded(tmp_path)
    for digit in "0123456789":
        (tmp_path / f"digits/{digit}").mkdir(parents=True)
        for file in (trained_digits / f"digits/{digit}").iterdir():
            for copy in "abc":
                os.link(file, tmp_path / f"digits/{digit}/{file.stem}{copy}.png")
    words = ("evaluate", trained_digits / "runs/digits-001", "digits", "--json")
    under = with_mounted("mount -t tmpfs -o size=64k tmpfs /dev/shm")
    deaths = {"DEADLY_FILE": "a.png", "DEADLY_MARK": str(tmp_path / "died"), "LD_PRELOAD": before(library)}
    done = command(*words, cwd=tmp_path, under=under, LENSMITH_CACHE=str(tmp_path / "cache"), **deaths)
    assert done.code == 0 and done.json["count"] == 5391 and done.json["skipped"] == [], done
    assert (tmp_path / "died").is_dir()
    alone = command(*words, cwd=tmp_path, LENSMITH_CACHE=str(tmp_path / "cache-2"))
    assert done.json | {"speed": None} == alone.json | {"speed": None}


LOADER = """
import torch, lensmith as lm
from torch import nn
from torch.utils.data import DataLoader, Dataset

class Large(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.zeros(3, 1000, 1000), index % 2

net = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(Large(), batch_size=8, num_workers=1)
for epoch in lm.fit(net, loader, loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=1):
    print("trained")
"""


@pytest.mark.slow
@pytest.mark.fault(31)
def test_workers_of_a_loader_out_of_shared_memory_are_explained(tmp_path: Path) -> None:
    """64 MB, as containers have, and a batch of 96 MB."""
    under = with_mounted("mount -t tmpfs -o size=64m tmpfs /dev/shm")
    done = subprocess.run([*under, sys.executable, "-c", LOADER], capture_output=True, text=True, timeout=300)
    assert done.returncode and "trained" not in done.stdout
    asked = subprocess.run(
        [*under, *COMMAND, "doctor", "-"],
        input=done.stderr,
        env=environment(),
        capture_output=True,
        text=True,
    )
    said = " ".join((asked.stdout + asked.stderr).split())
    assert "--shm-size" in said and "num_workers=0" in said, said


@pytest.mark.gpu
@pytest.mark.fault(33)
def test_a_batch_too_large_for_the_gpu_is_computed_in_parts(photos: Path, tmp_path: Path) -> None:
    import torch

    torch.cuda.set_per_process_memory_fraction(0.02)
    try:
        free = int(0.02 * torch.cuda.get_device_properties(0).total_memory)
        (tmp_path / "net.py").write_text(GREEDY_ON_A_GPU.format(each=free // 6))
        fields = {"model": f"{tmp_path}/net.py:Greedy", "epochs": 1, "image_size": 16, "batch_size": 8}
        run = lm.train(photos, out=tmp_path / "run", quiet=True, device="cuda", **fields)
        assert "accumulate=2" in (run.directory.recipe().changes or "")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


GREEDY_ON_A_GPU = """
import torch
from torch import nn

class Greedy(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.layer = nn.Linear(3, outputs)

    def forward(self, x):
        if self.training and len(x) > 1:
            torch.empty(len(x) * {each}, dtype=torch.uint8, device=x.device)
        return self.layer(x.mean((2, 3)))
"""
