"""Include `tzdata` for systems that have no time zones. PyInstaller's own hook does so on Windows alone."""

from importlib.util import find_spec

hiddenimports = ["tzdata"] if find_spec("tzdata") else []
