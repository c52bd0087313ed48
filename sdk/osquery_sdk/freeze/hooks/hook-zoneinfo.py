"""In place of PyInstaller's own, which does so on Windows alone: where a system has no time zones, they come from `tzdata`."""

from importlib.util import find_spec

hiddenimports = ["tzdata"] if find_spec("tzdata") else []
