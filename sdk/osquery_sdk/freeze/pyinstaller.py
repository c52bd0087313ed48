"""Run PyInstaller in its own process: report its steps as progress, its last error as FreezeError."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit.installed import install_hint
from kolide_kit.processes import start_process

from ..errors import FreezeError
from .starts import CHILDREN, ONE_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .target import Target

# Compiled code imports these, and an analysis of bytecode cannot see that.
_UNSEEN = ("thrift.protocol.TBase",)

HERE = Path(__file__).parent
_LINE = re.compile(r"^\d+ (?P<level>[A-Z]+): (?P<text>.*)$")
_ERROR = re.compile(r"^(?:[\w.]+\.)?(?P<kind>[A-Z]\w*(?:Error|Exception|Exit)): (?P<text>.*)$")


def require() -> None:
    """Raise FreezeError if a module or program that freezing needs is not installed."""
    from importlib.util import find_spec
    from shutil import which

    wanted = ("PyInstaller", "elftools", "apsw") if sys.platform == "linux" else ("PyInstaller", "apsw")
    for module in wanted:
        if find_spec(module) is None:
            raise FreezeError(f"{module} is not installed; {install_hint(module, 'build')}")
    if sys.platform == "linux":
        missing = [program for program in ("ldd", "objdump", "objcopy", "strip") if which(program) is None]
        if missing:
            raise FreezeError(f"PyInstaller needs {', '.join(missing)}: install binutils and libc-bin")


class Recipe(NamedTuple):
    """The contents and the form of a bundle. `bundle.spec` reads the fields by name."""

    modules: Sequence[str]
    """Modules that the extension loads without an import statement."""
    excludes: Sequence[str]
    """Modules to leave out, even if something imports them."""
    kept: Sequence[str]
    """Modules to keep even if they are rare, see `graph.RARE`."""
    datas: Sequence[tuple[str, str]]
    """(file, folder of the bundle that it goes to)."""
    data: Sequence[str]
    """Packages whose data was asked for."""
    metadata: Sequence[str]
    """Distributions whose metadata was asked for."""
    groups: Sequence[str]
    """Groups of entry points that were asked for; the modules of their entry points are added."""
    program: str
    """The name of the program's file."""
    folder: str
    """The name of the bundle's folder, in the one-folder form."""
    onefile: bool
    tmpdir: str | None
    """The folder to which the one-file form unpacks itself at run time; None for the temporary folder."""


def run(target: Target, recipe: Recipe, *, work: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Freeze an extension, and return the bundle's contents.

    The result has `modules`, `binaries` and `datas`, each a path by name in the bundle, and `missing`, a list
    of modules.

    Args:
        target: the extension.
        recipe: the bundle to make.
        work: a folder; the result is in its subfolder `dist`.
        say: is told of each step of PyInstaller.

    Raises:
        FreezeError: PyInstaller failed.
    """
    script = target.script
    if script is None:
        # The file's name cannot be imported: the program may have the name of the package that it imports.
        script = work / "program" / f"start-{target.name}.py"
        script.parent.mkdir()
        script.write_text(target.source, encoding="utf-8")
    options = {
        **recipe._asdict(),
        "script": str(script),
        "folders": [str(folder) for folder in target.folders],
        "modules": [*_UNSEEN, *target.modules, *recipe.modules],
        "strip": sys.platform == "linux",
        # The scripts that run first, in this order, each with the module that it is for; empty for any
        # program. A child process never reaches the script for one-file programs, as it has no folder to
        # watch over.
        "starts": {str(CHILDREN): "multiprocessing", **({str(ONE_FILE): ""} if recipe.onefile else {})},
        "hookspath": [str(HERE / "hooks")],
        "lazy_ctypes": str(HERE / "runtime" / "pyimod03_ctypes.py"),
        "contents": str(work / "contents.json"),
    }
    file = work / "options.json"
    file.write_text(json.dumps(options), encoding="utf-8")
    command = [sys.executable, "-m", "PyInstaller", str(HERE / "bundle.spec")]
    command += ["--noconfirm", "--log-level", "INFO"]
    command += ["--workpath", str(work / "work"), "--distpath", str(work / "dist"), "--", str(file)]
    # A fixed seed gives sets one order. An own cache keeps out the remains of other builds.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYINSTALLER_CONFIG_DIR": str(work / "cache")}
    lines: deque[str] = deque(maxlen=200)
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with start_process(command, cwd=work, env=environment, **streams) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace")
            lines.append(line.rstrip())
            match = _LINE.match(line)
            if match is not None and match["level"] == "INFO":
                say(match["text"])
    if process.returncode != 0:
        raise FreezeError(f"PyInstaller failed: {_reason(list(lines))}")
    contents: dict[str, Any] = json.loads((work / "contents.json").read_text(encoding="utf-8"))
    return contents


def _reason(lines: Sequence[str]) -> str:
    """Return the line that says what is wrong."""
    for line in reversed(lines):
        if (match := _ERROR.match(line)) is not None:
            kind, text = match["kind"], match["text"]
            return text if kind in ("SystemExit", "OSError") else f"{kind}: {text}"
        if (match := _LINE.match(line)) is not None and match["level"] in ("ERROR", "CRITICAL"):
            return match["text"]
    return lines[-1] if lines else "it said nothing"
