"""Find the extension that a person names, and the script that PyInstaller begins with."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

from ..engine.projects import PROJECT_FILE, Entry, find_entry, parse_entry, scripts
from ..errors import ProjectError, TargetError
from .modules import find_module

_MAIN = "__main__.py"
_ENTRY = re.compile(r"[\w.]+:[\w.]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Target(NamedTuple):
    """An extension's program."""

    name: str
    """The name of the program to build."""
    source: str
    """The text of the script that starts it."""
    script: Path | None
    """The file of that script; None if the script was composed here."""
    folders: tuple[Path, ...]
    """The folders to search for its modules before those that are installed."""
    home: Path
    """A folder of its sources; the stamp has the commit of the git checkout that tracks it."""
    modules: tuple[str, ...] = ()
    """Modules that the script imports without an import statement."""


def find_target(extension: str, *, name: str | None = None, here: Path | None = None) -> Target:
    """Return the extension that a description leads to.

    Args:
        extension: one of these: a Python file; a folder with a `__main__.py`; a pyproject.toml with one
            entry in `[project.scripts]`, or its folder; the name of an entry in the pyproject.toml in
            `here`; an entry as it is written there, `module:function`; the name of a module.
        name: of the program; unless given it follows from the extension.
        here: the folder that relative paths begin from; the working folder unless given.

    Raises:
        TargetError: the description fits none of these.
    """
    try:
        target = _find(extension, here or Path.cwd())
    except ProjectError as error:
        raise TargetError(str(error)) from error
    if name is not None:
        target = target._replace(name=name)
    if not _NAME.fullmatch(target.name):
        raise TargetError(f"{target.name!r} cannot be a program's name; use letters, digits, - _ and .")
    return target


def _find(extension: str, here: Path) -> Target:
    path = here / extension
    if path.is_file():
        if path.name == PROJECT_FILE:
            return _project(path, None)
        if path.suffix == ".py":
            script = path.resolve()
            return Target(script.stem, _read(script), script, (script.parent,), script.parent)
        raise TargetError(f"{extension} is not a Python file; name the module or the file that it is made of")
    if path.is_dir():
        if (path / _MAIN).is_file():
            return _folder(path.resolve())
        if (path / PROJECT_FILE).is_file():
            return _project(path / PROJECT_FILE, None)
        raise TargetError(f"{extension} has neither a {_MAIN} nor a {PROJECT_FILE}")
    if _ENTRY.fullmatch(extension):
        name = extension.partition(":")[0].rpartition(".")[2]
        return _entry(parse_entry(name, extension), here, (here,))
    if (here / PROJECT_FILE).is_file() and extension in scripts(here / PROJECT_FILE):
        return _project(here / PROJECT_FILE, extension)
    return _module(extension, here)


def _folder(folder: Path) -> Target:
    """Start the folder as `python FOLDER` does; if it is a package, as `python -m` does."""
    main = folder / _MAIN
    source = _read(main)
    if not (folder / "__init__.py").is_file():
        return Target(folder.name, source, main, (folder,), folder)
    top = folder
    while (top.parent / "__init__.py").is_file():
        top = top.parent
    package = ".".join(folder.relative_to(top.parent).parts)
    folders = (top.parent,)
    if _is_relative(source, main):
        return _run_module(f"{package}.__main__", folder.name, folders, folder)
    return Target(folder.name, source, main, folders, folder)


def _module(name: str, here: Path) -> Target:
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise TargetError(f"no such extension: {name} is neither a file nor a folder nor a module")
    if name in sys.builtin_module_names:
        raise TargetError(f"the module {name} is not Python source")
    spec = find_module(name, [here])
    if spec is None:
        raise TargetError(f"no such extension: {name} is neither a file nor a folder nor a module")
    if spec.submodule_search_locations is not None:
        folder = Path(next(iter(spec.submodule_search_locations)))
        if not (folder / _MAIN).is_file():
            hint = "name the module, or an entry module:function"
            raise TargetError(f"the package {name} has no {_MAIN}; {hint}")
        return _folder(folder)
    origin = Path(spec.origin or "")
    if origin.suffix != ".py":
        raise TargetError(f"the module {name} is not Python source")
    top = origin.parents[len(parts) - 1]
    source = _read(origin)
    if len(parts) > 1 and _is_relative(source, origin):
        return _run_module(name, parts[-1], (top,), origin.parent)
    return Target(parts[-1], source, origin, (top,), origin.parent)


def _run_module(module: str, name: str, folders: tuple[Path, ...], home: Path) -> Target:
    """Start a module with `runpy`: relative imports do not work in a script."""
    start = f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    source = f"import runpy\n\nif __name__ == '__main__':\n    {start}\n"
    return Target(name, source, None, folders, home, (module,))


def _project(file: Path, name: str | None) -> Target:
    folder = file.resolve().parent
    return _entry(find_entry(file, name), folder, (folder, folder / "src"))


def _entry(entry: Entry, home: Path, folders: tuple[Path, ...]) -> Target:
    """Return the target for an entry of `[project.scripts]`."""
    return Target(entry.name, entry.source, None, tuple(filter(Path.is_dir, folders)), home)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TargetError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _is_relative(source: str, path: Path) -> bool:
    try:
        tree = ast.parse(source, str(path))
    except SyntaxError as error:
        raise TargetError(f"{path.name}, line {error.lineno}: {error.msg}") from error
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))
