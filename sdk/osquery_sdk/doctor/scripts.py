"""Judge whether the system runs a script: the line after #!, and the interpreter that it names.

Linux (`fs/binfmt_script.c`) looks at the first 256 bytes. Blanks around the interpreter do not matter.
Everything after it is one argument, blanks included. A carriage return is a letter like any other.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
from typing import TYPE_CHECKING

from kolide_kit.binaries import BLANKS, SCRIPT_HEAD, parse_script_line, read_program, runs_here, this_machine

from .cures import as_root, quoted, sed_replacement
from .finding import Finding, failure, ok, skipped, warning
from .looking import real, status_of, why

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kolide_kit.binaries import ScriptLine

_MARK = "\ufeff".encode()
_MOST_NESTED = 4
# A sed command for a shell's double quotes: remove the carriage return at the end of a line.
_RETURN = "s/$(printf '\\r')\\$//"
_ENV = "env"
_USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def judge(path: Path, head: bytes, environment: Mapping[str, str]) -> Finding:
    """Return a finding that says whether the system runs a script.

    Args:
        path: of the script.
        head: its first bytes, beginning with #!.
        environment: the variables that it is started with.
    """
    line = parse_script_line(head)
    kind = f"a script for {_shown(line.words)}"
    is_whole = b"\n" in head[:SCRIPT_HEAD] or len(head) < SCRIPT_HEAD
    if head[2:].split(b"\n", 1)[0].rstrip(BLANKS).endswith(b"\r"):
        error = "" if line.argument else ": osqueryd says error 2"
        cure = _edit_command(path, [f"{_lines(path)}{_RETURN}"])
        return failure(f"the line after #! ends in a carriage return{error}", cure)
    too_long = f"the line after #! has more than {SCRIPT_HEAD - 1} bytes"
    if not line.interpreter or (not is_whole and not line.argument):
        why_not = too_long if line.interpreter else "there is no program after #!"
        return failure(f"{why_not}: osqueryd says error 8", _this_python(path, replace=True))
    problem = _check_interpreter(line.interpreter, kind)
    if problem is None and os.path.basename(line.interpreter) == _ENV:  # noqa: PTH119  a text
        problem = _check_env(path, line, environment)
    if problem is not None:
        cure = _this_python(path, replace=True, line=line) if problem.status == "failed" else ""
        return problem._replace(cure=problem.cure or cure)
    if not is_whole:
        return warning(f"{too_long}: the system cuts off what follows")
    return ok(kind)


def judge_other(path: Path, head: bytes) -> Finding:
    """Return a finding that says why a file is not a program at all."""
    if not head:
        return failure("it is empty: osqueryd says error 8")
    begins = head.removeprefix(_MARK).lstrip()
    if begins.startswith(b"#!"):
        return failure(
            f"{_before(head)} before #!, which has to be the very beginning: osqueryd says error 8",
            _from_the_mark_on(path, head[: head.index(b"#!")]),
        )
    if path.suffix.lower() in (".py", ".pyw"):
        return failure(
            "it is a Python file that does not begin with #! and what runs it: osqueryd says error 8",
            _this_python(path, replace=False),
        )
    return failure("it is neither a program nor a script that begins with #!: osqueryd says error 8")


def _before(head: bytes) -> str:
    if head.startswith(_MARK):
        return "there is a byte order mark"
    return "there is an empty line" if head[:1] in b"\r\n" else "there are blanks"


def _check_interpreter(interpreter: str, kind: str, nested: int = 0) -> Finding | None:
    """Return a finding if an interpreter cannot be run, else None."""
    if not interpreter.startswith("/"):
        return failure(
            f"{kind}: osqueryd looks for {_shown(interpreter)} in its working folder; write the whole path"
        )
    status = status_of(interpreter)
    if isinstance(status, PermissionError):
        return skipped(f"this user cannot look at {interpreter}: {why(status)}")
    if isinstance(status, OSError):
        return failure(
            f"{kind} needs {_shown(interpreter)}, which is not here: osqueryd says error {status.errno}"
        )
    if not stat.S_ISREG(status.st_mode) or not status.st_mode & 0o111:
        return failure(f"{kind}: {interpreter} is not a program that may be run: osqueryd says error 13")
    path = real(interpreter)
    try:
        program = read_program(path)
        with path.open("rb") as file:
            head = file.read(SCRIPT_HEAD)
    except OSError:
        return None  # a file may be executable and not readable
    if program.system != "script":
        if not program.system:
            return failure(f"{kind}: {interpreter} is not a program: osqueryd says error 8")
        if not runs_here(program):
            return failure(
                f"{kind}: {interpreter} is for another system than {sys.platform} on {this_machine()}"
            )
        return None
    if nested >= _MOST_NESTED:
        return failure(f"{kind}: {interpreter} is a script for a script, too often: osqueryd says error 40")
    return _check_interpreter(parse_script_line(head).interpreter, kind, nested + 1)


def _check_env(path: Path, line: ScriptLine, environment: Mapping[str, str]) -> Finding | None:
    """Return a finding if `env` cannot find the program that it is to run, else None."""
    argument = line.argument
    if not argument:
        return failure("a script for env, which is not told what to run")
    is_split = argument.startswith(("-S", "--split-string", "-vS", "-iS"))
    if not is_split and " " in argument and not argument.startswith("-"):
        first = argument.split(maxsplit=1)[0]
        change = f"1s|env[[:space:]]*{_pattern(first)}|env -S {sed_replacement(first)}|"
        return failure(
            f"env looks for a program of the name {_shown(repr(argument))}: "
            "what follows env is one word without -S",
            as_root(f"LC_ALL=C sed -i.bak {shlex.quote(change)} {quoted(real(path))}"),
        )
    name = _program_in(argument) if is_split else argument
    if name is None or name.startswith("-") or "=" in name:
        # This check does not understand env's options; starting the script shows whether it works.
        return None
    places = environment.get("PATH") or _USUAL_PATH
    candidates = [name] if "/" in name else [f"{place or '.'}/{name}" for place in places.split(":")]
    if any(os.access(place, os.X_OK) and not isinstance(status_of(place), OSError) for place in candidates):
        return None
    return failure(f"env does not find {_shown(name)} on osqueryd's PATH, {places}")


def _program_in(argument: str) -> str | None:
    """Return the program that `env -S` runs; None if its options are not understood."""
    long = "--split-string"
    rest = argument[len(long) :].lstrip("= ") if argument.startswith(long) else argument.partition("S")[2]
    try:
        words = shlex.split(rest)
    except ValueError:
        return None
    name = next((word for word in words if "=" not in word), "-")
    return None if name.startswith("-") else name


def _this_python(path: Path, *, replace: bool, line: ScriptLine | None = None) -> str:
    """Return the command that has this Python run a Python file; empty for other files or if frozen.

    Args:
        path: of the file.
        replace: put the new first line in place of the old one, instead of before it.
        line: the present first line, which may name a Python.
    """
    is_python = path.suffix.lower() in (".py", ".pyw") or (line is not None and "python" in line.words)
    if sys.platform == "win32" or getattr(sys, "frozen", False) or not is_python:
        return ""
    first = f"#!{sys.executable}"
    if replace:
        change = f"-e {shlex.quote(f'1s|.*|{sed_replacement(first)}|')}"
    else:
        change = f"-e {shlex.quote('1i' + chr(92))} -e {shlex.quote(first)}"
    return as_root(f"LC_ALL=C sed -i.bak {change} {quoted(real(path))}")


def _from_the_mark_on(path: Path, before: bytes) -> str:
    """Return the command that removes the bytes before #!, and the carriage returns at ends of lines."""
    above = before.count(b"\n")
    edits = [f"{above + 1}s/^[^#]*#!/#!/", f"{_lines(path, above + 1)}{_RETURN}"]
    return _edit_command(path, [*([f"1,{above}d"] if above else []), *edits])


def _lines(path: Path, number: int = 1) -> str:
    """Return sed's address of the lines to change: empty, for all, in a text; else the number."""
    with path.open("rb") as file:
        return str(number) if b"\0" in file.read() else ""


def _edit_command(path: Path, edits: list[str]) -> str:
    # Not every sed knows \r, so the shell makes one.
    options = " ".join(f'-e "{edit}"' if _RETURN in edit else f"-e {shlex.quote(edit)}" for edit in edits)
    command = f"LC_ALL=C sed -i.bak {options} {quoted(real(path))}"
    return command if os.geteuid() == 0 else f"sudo sh -c {shlex.quote(command)}"


def _pattern(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\.*[]^$|" else c for c in text)


def _shown(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}..."
