"""What a process runs in, told by files, variables and the kernel."""

from __future__ import annotations

import pytest

from lensmith.machine.capture import parse_capture
from lensmith.machine.surroundings import Surroundings, read_surroundings

PYTHON = "=== python\nversion 3.11.7\nprefix /env\n"
WSL2 = "=== file /proc/version\nLinux version 5.15.90.1-microsoft-standard-WSL2 (oe-user@oe-host)\n"


def surroundings(sections: str) -> Surroundings:
    return read_surroundings(parse_capture(PYTHON + sections).source)


@pytest.mark.parametrize(
    ("sections", "container"),
    [
        ("", ""),
        ("=== file /.dockerenv\n", "docker"),
        ("=== file /run/.containerenv\n", "podman"),
        ("=== environment\nKUBERNETES_SERVICE_HOST=set\n", "kubernetes"),
        ("=== file /proc/1/cgroup\n12:pids:/docker/0f1e\n11:cpu:/docker/0f1e\n", "docker"),
        ("=== file /proc/1/cgroup\n0::/kubepods.slice/cri-containerd-1.scope\n", "kubepods"),
        ("=== file /proc/1/cgroup\n0::/init.scope\n", ""),
    ],
)
def test_containers(sections: str, container: str) -> None:
    assert surroundings(sections).container == container


@pytest.mark.parametrize(
    ("sections", "version", "drivers"),
    [
        ("", 0, ()),
        ("=== file /proc/version\nLinux version 6.8.0-64-generic (buildd@lcy02)\n", 0, ()),
        (WSL2, 2, ()),
        (WSL2 + "=== file /usr/lib/wsl/lib/libcuda.so.1\n", 2, ()),
        (
            WSL2 + "=== file /usr/lib/x86_64-linux-gnu/libcuda.so.535.183.01\n",
            2,
            ("/usr/lib/x86_64-linux-gnu/libcuda.so.535.183.01",),
        ),
        ("=== file /proc/version\nLinux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com)\n", 1, ()),
        ("=== system\nkernel 6.6.87.2-microsoft-standard-WSL2\n", 2, ()),
        # The library of an ordinary driver on an ordinary Linux is where it belongs.
        ("=== file /usr/lib/x86_64-linux-gnu/libcuda.so.1\n", 0, ()),
    ],
)
def test_linux_inside_windows(sections: str, version: int, drivers: tuple[str, ...]) -> None:
    found = surroundings(sections)
    assert (found.wsl_version, found.wsl_drivers) == (version, drivers)


def test_what_stands_in_the_way_of_packages() -> None:
    found = surroundings(
        "=== environment\nPYTHONPATH=/work/code:/extra/lib/python3.11/site-packages:/whole\n"
        "=== file ./torch.py\n"
        "=== file ./notes.py\n"
        "=== file /work/code/numpy/__init__.py\n"
        "=== file /extra/lib/python3.11/site-packages/torch/__init__.py\n"
        # A folder that has the package's metadata too is a place of packages.
        "=== file /whole/torch/__init__.py\n=== file /whole/torch-2.15.0.dist-info/METADATA\n"
    )
    assert found.shadows == ("./torch.py", "/work/code/numpy/__init__.py")


def test_nouveau_and_nvcc() -> None:
    found = surroundings(
        "=== file /proc/modules\ndrm 1 - Live\nnouveau 3096576 43 - Live 0x0\n"
        "=== command nvcc --version\nCuda compilation tools, release 12.4, V12.4.131\n"
    )
    assert (found.nouveau, found.compiler) == (True, "12.4")
    assert surroundings("=== file /proc/modules\nnouveau_like 1 - Live\n").nouveau is False
