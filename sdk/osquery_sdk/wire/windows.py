"""Call functions of Windows that named pipes need and the standard library's `_winapi` lacks.

The project's own tests do not run this: they run on Linux, with a stand-in for this module and for `_winapi`.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

assert sys.platform == "win32"

# Full access for the system, administrators and the owner. P: nothing is inherited, so nobody else has any.
_OWNER_ONLY = "D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;OW)"
_SDDL_REVISION = 1


class _Attributes(ctypes.Structure):
    """Windows' SECURITY_ATTRIBUTES."""

    _fields_ = (("length", wintypes.DWORD), ("descriptor", wintypes.LPVOID), ("inherit", wintypes.BOOL))


class OwnerOnly:
    """Security attributes of an object that only this user, administrators and the system may open."""

    def __init__(self) -> None:
        """Make the attributes; raises OSError."""
        advapi = ctypes.WinDLL("advapi32", use_last_error=True)
        convert = advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW
        results = ctypes.POINTER(wintypes.LPVOID), ctypes.POINTER(wintypes.ULONG)
        convert.argtypes = (wintypes.LPCWSTR, wintypes.DWORD, *results)
        convert.restype = wintypes.BOOL
        self._descriptor = wintypes.LPVOID()
        if not convert(_OWNER_ONLY, _SDDL_REVISION, ctypes.byref(self._descriptor), None):
            raise ctypes.WinError(ctypes.get_last_error())
        self._attributes = _Attributes(ctypes.sizeof(_Attributes), self._descriptor, False)

    @property
    def address(self) -> int:
        """Address of the attributes, as the system's functions take it; valid until `close`."""
        return ctypes.addressof(self._attributes)

    def close(self) -> None:
        """Free the attributes."""
        free = _kernel32().LocalFree
        free.argtypes = (wintypes.HLOCAL,)
        free.restype = wintypes.HLOCAL
        free(self._descriptor)


def _kernel32() -> ctypes.WinDLL:
    return ctypes.WinDLL("kernel32", use_last_error=True)


def create_event() -> int:
    """Return the handle of an event that wakes one waiter and is then reset; raises OSError."""
    create = _kernel32().CreateEventW
    create.argtypes = (wintypes.LPVOID, wintypes.BOOL, wintypes.BOOL, wintypes.LPCWSTR)
    create.restype = wintypes.HANDLE
    handle: int | None = create(None, False, False, None)
    if not handle:
        raise ctypes.WinError(ctypes.get_last_error())
    return handle


def set_event(handle: int) -> None:
    """Wake the thread that waits for the event, or the next one that will."""
    call = _kernel32().SetEvent
    call.argtypes = (wintypes.HANDLE,)
    call(handle)


def disconnect(handle: int) -> None:
    """Cut off the client of a pipe: from now on, everything that either side does with it fails."""
    call = _kernel32().DisconnectNamedPipe
    call.argtypes = (wintypes.HANDLE,)
    call(handle)
