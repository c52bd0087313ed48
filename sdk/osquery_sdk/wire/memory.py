"""Memory that large messages needed, given back to the system."""

from __future__ import annotations

import sys


def give_back() -> None:
    """Have the allocator return what has been freed.

    glibc keeps it, for each thread on its own: after a few answers of 100 MB an extension would look to osqueryd's
    watchdog as if it leaked. Other allocators need no such advice and have no such function.
    """
    if sys.platform != "linux":
        return
    import ctypes

    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        pass
