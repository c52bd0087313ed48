"""Return the memory of large messages to the system once they are done with.

glibc keeps freed memory, for each thread separately: after a few answers of 100 MB, an extension looks to
osqueryd's watchdog as if it leaked. Other allocators lack the functions called here and do not need them.
"""

from __future__ import annotations

import sys
import threading

LARGE_PIECE = 64 << 10
"""Bytes from which on a piece of a message counts as large."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MAPPED_BLOCK = 1 << 20
_NOTICED = 1 << 20
_TRIM_AFTER = 16 << 20


class _ThreadCount(threading.local):
    """Bytes of large messages that this thread has handled.

    Only the thread knows when it has let go of them.
    """

    size = 0


class LargeMessages:
    """Counts the bytes of large messages, and trims the allocator when a thread has let go of many."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._handled = _ThreadCount()
        self.untrimmed = False
        """True after a thread has handled a large message, until `trim_all`."""

    def count(self, size: int) -> None:
        """Add bytes that this thread has received or is about to send."""
        self._handled.size += size
        if self._handled.size > _NOTICED and not self.untrimmed:
            self.untrimmed = True
            # Have glibc map each block of a megabyte or more by itself, and unmap it when it is freed. By
            # default it raises its threshold after the first few such blocks, and then keeps up to 64 MB for
            # each thread.
            _call_allocator("mallopt", _MMAP_THRESHOLD, _MAPPED_BLOCK)
            _call_allocator("mallopt", _TRIM_THRESHOLD, _MAPPED_BLOCK)

    def trim(self) -> None:
        """Trim if this thread has handled 16 MB since it last did.

        Call it when no variable refers to them any more.
        """
        if self._handled.size > _TRIM_AFTER:
            self._handled.size = 0
            _call_allocator("malloc_trim", 0)

    def trim_all(self) -> None:
        """Trim after large messages of any thread. Call it when the server has nothing to do."""
        if self.untrimmed:
            self.untrimmed = False
            _call_allocator("malloc_trim", 0)


def _call_allocator(name: str, *arguments: int) -> None:
    """Call a function of the C library's allocator, if this one has it."""
    if sys.platform != "linux":
        return
    import ctypes

    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return
    function(*arguments)
