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


def keep_large_blocks() -> bool:
    """Let this process keep large blocks for its next allocation; whether there is such a setting here."""
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))
