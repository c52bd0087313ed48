"""Memory that large messages needed, given back to the system.

glibc keeps what was freed, for each thread on its own: after a few answers of 100 MB an extension would look to osqueryd's
watchdog as if it leaked. Other allocators need no such advice, and do not have these functions.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGE = 1 << 20


def _libc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    import ctypes

    try:
        return ctypes.CDLL(None)
    except OSError:
        return None


def expect_large() -> None:
    """Have the allocator take blocks of a megabyte and more from the system one by one, and return them when freed.

    By itself it stops doing so after the first few, and then keeps up to 64 MB for each thread where nothing can get it.
    """
    libc = _libc()
    if libc is not None and hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_TRIM_THRESHOLD, _LARGE)


def give_back() -> None:
    """Have the allocator return what has been freed."""
    libc = _libc()
    if libc is not None and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
