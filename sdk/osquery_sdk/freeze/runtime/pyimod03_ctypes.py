"""Stands in for PyInstaller's module of this name on Linux, and does nothing.

PyInstaller's own loads ctypes at every start, to have it look for libraries in the bundle. On Linux the dynamic linker does
so by itself: the bootloader has put the bundle's folder into LD_LIBRARY_PATH.
"""


def install() -> None:
    """Called by PyInstaller's bootstrap."""
