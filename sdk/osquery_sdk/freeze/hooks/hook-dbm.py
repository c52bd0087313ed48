"""Include every module of `dbm`: `dbm.open` tries them by name. PyInstaller has a hook for `shelve` alone."""

import dbm
from pkgutil import iter_modules

hiddenimports = [f"dbm.{module.name}" for module in iter_modules(dbm.__path__)]
