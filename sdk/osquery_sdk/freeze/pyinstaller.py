"""Running PyInstaller: in a process of its own, with its steps as progress, and its last word as the error."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FreezeError
from ..installed import install_hint
from ..leftovers import start_process
from .starts import CHILDREN, ONE_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .target import Target

# Compiled code imports these, which no analysis of bytecode can see.
_UNSEEN = ("thrift.protocol.TBase",)

HERE = Path(__file__).parent
_LINE = re.compile(r"^\d+ (?P<level>[A-Z]+): (?P<text>.*)$")
_ERROR = re.compile(r"^(?:[\w.]+\.)?(?P<kind>[A-Z]\w*(?:Error|Exception|Exit)): (?P<text>.*)$")


def require() -> None:
    """Raise FreezeError if what freezing needs is not installed."""
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


def run(
    target: Target,
    *,
    modules: Sequence[str],
    exclude: Sequence[str],
    kept: Sequence[str],
    datas: Sequence[tuple[str, str]],
    data: Sequence[str],
    metadata: Sequence[str],
    groups: Sequence[str],
    program: str,
    folder: str,
    onefile: bool,
    tmpdir: str | None,
    work: Path,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Freeze; returns what is in the bundle: `modules`, `binaries` and `datas` by name, and `missing`.

    Args:
        target: what to freeze.
        modules: those that it loads without an import statement.
        exclude: those to leave out, whoever imports them.
        kept: those to keep even if they are rare, see `graph.RARE`.
        datas: files, and the folders of the bundle that they go to.
        data: packages whose data was asked for.
        metadata: distributions whose metadata was asked for.
        groups: groups of entry points that were asked for, with the modules that these are of.
        program: name of the program's file.
        folder: name of the bundle's folder, where it is one.
        onefile: make a single file.
        tmpdir: where that unpacks itself at run time; None for the system's temporary folder.
        work: a folder; the result is in its subfolder `dist`.
        say: gets what PyInstaller is doing.

    Raises:
        FreezeError: it failed.
    """
    script = target.script
    if script is None:
        # By a name that no import can mean: the package that it imports may be called as the program is.
        script = work / "program" / f"start-{target.name}.py"
        script.parent.mkdir()
        script.write_text(target.source, encoding="utf-8")
    options = {
        "script": str(script),
        "folders": [str(one) for one in target.folders],
        "modules": [*_UNSEEN, *target.modules, *modules],
        "excludes": list(exclude),
        "kept": list(kept),
        "datas": list(datas),
        "data": list(data),
        "metadata": list(metadata),
        "groups": list(groups),
        "program": program,
        "folder": folder,
        "onefile": onefile,
        "tmpdir": tmpdir,
        "strip": sys.platform == "linux",
        # By script, the module that it is for; in this order. Children have no folder to watch over.
        "starts": {str(CHILDREN): "multiprocessing", **({str(ONE_FILE): ""} if onefile else {})},
        "hookspath": [str(HERE / "hooks")],
        "lazy_ctypes": str(HERE / "runtime" / "pyimod03_ctypes.py"),
        "contents": str(work / "contents.json"),
    }
    file = work / "options.json"
    file.write_text(json.dumps(options), encoding="utf-8")
    command = [sys.executable, "-m", "PyInstaller", str(HERE / "bundle.spec")]
    command += ["--noconfirm", "--log-level", "INFO"]
    command += ["--workpath", str(work / "work"), "--distpath", str(work / "dist"), "--", str(file)]
    # One order of sets, and nothing of what other builds have left.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYINSTALLER_CONFIG_DIR": str(work / "cache")}
    lines: deque[str] = deque(maxlen=200)
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with start_process(command, cwd=work, env=environment, **streams) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace")
            lines.append(line.rstrip())
            found = _LINE.match(line)
            if found is not None and found["level"] == "INFO":
                say(found["text"])
    if process.returncode != 0:
        raise FreezeError(f"PyInstaller failed: {_reason(list(lines))}")
    contents: dict[str, Any] = json.loads((work / "contents.json").read_text(encoding="utf-8"))
    return contents


def _reason(lines: Sequence[str]) -> str:
    """The line that says what is wrong."""
    for line in reversed(lines):
        found = _ERROR.match(line)
        if found is not None:
            return (
                found["text"]
                if found["kind"] in ("SystemExit", "OSError")
                else f"{found['kind']}: {found['text']}"
            )
        found = _LINE.match(line)
        if found is not None and found["level"] in ("ERROR", "CRITICAL"):
            return found["text"]
    return lines[-1] if lines else "it said nothing"
