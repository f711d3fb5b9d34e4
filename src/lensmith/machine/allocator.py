"""The C library's allocator, told to keep what a training gives back.

glibc returns every block above 32 MiB to the kernel when it is freed, and a network's maps are that large: each
step then waits for the kernel to hand out zeroed pages again, which makes single operations 2 to 10 times slower.
"""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h."""
_NEVER = 2**31 - 1


def keep_large_blocks() -> str:
    """Let this process keep large blocks for its next allocation; how that went, in words."""
    as_it_is = "as it is; it cannot be told to keep large blocks"
    if platform.libc_ver()[0] != "glibc":
        return as_it_is
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return as_it_is
    keeps = bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))
    return "glibc, told to keep large blocks for the next step" if keeps else as_it_is
