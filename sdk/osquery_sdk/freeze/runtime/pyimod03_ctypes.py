"""Replace PyInstaller's module of this name on Linux with one that does nothing.

PyInstaller's own loads ctypes at every start, to make it look for libraries in the bundle. On Linux the
dynamic linker does so by itself: the bootloader has put the bundle's folder into LD_LIBRARY_PATH.
"""


def install() -> None:
    """Do nothing; PyInstaller's bootstrap calls this."""
