"""Select the scripts that run before a frozen program's own: this package's, and some of PyInstaller's."""

from __future__ import annotations

import ast
import py_compile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

_HERE = Path(__file__).parent / "runtime"
CHILDREN = _HERE / "start_children.py"
ONE_FILE = _HERE / "start_onefile.py"
# The first loads `inspect` and `zipfile` at every start so that tracebacks can show source text, and a bundle
# has no source text. The second loads `multiprocessing` at every start; CHILDREN does so only in a child.
_REPLACED = frozenset(("pyi_rth_inspect", "pyi_rth_multiprocessing"))


def is_wanted(script: Path, modules: Collection[str]) -> bool:
    """Return True if a script of PyInstaller's is needed in a bundle.

    Args:
        script: in a folder of PyInstaller's hooks.
        modules: the names of the modules in the bundle.
    """
    table = script.parent.with_name("rthooks.dat")
    if script.stem in _REPLACED or not table.is_file():
        return False
    known: dict[str, Any] = ast.literal_eval(table.read_text(encoding="utf-8"))
    return any(script.name in files for module, files in known.items() if module in modules)


def compiled(script: Path, folder: Path) -> str:
    """Compile a program's script for the processes that multiprocessing starts, and return the file's path.

    Such a process runs the script again, under another name, to get the functions and classes that it
    defines. Python does so with a script. It does not with the `__main__.py` of a folder, which usually
    starts the program without looking at `__name__`: an empty file stands in for that one.
    """
    folder.mkdir(parents=True)
    source = script
    if script.stem == "__main__":
        source = folder / "empty.py"
        source.touch()
    file = str(folder / "script.pyc")
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), file, script.name, doraise=True, optimize=0, invalidation_mode=mode)
    return file
