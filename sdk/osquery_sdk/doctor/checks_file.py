"""Checks of an extension's file, as osqueryd's `safePermissions` and `execve` judge it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .binary import program_of, runs_here, this_machine
from .finding import Finding, append, as_root, failure, ok, quoted, skipped, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .context import Context
    from .target import Target

_NO_MODES = "owners and modes are not looked at on Windows: Administrators or SYSTEM must own it, others must not write it"
_MOST_FILES = 20_000


def file(context: Context, target: Target) -> Finding:
    """There is a file."""
    status = target.status
    if isinstance(status, FileNotFoundError):
        if target.path.is_symlink():
            return failure(f"{target.path} is a link that leads nowhere: {os.readlink(target.path)}")  # noqa: PTH115
        return failure("there is no such file")
    if isinstance(status, OSError):
        return skipped(f"this user cannot look at it: {status.strerror}")
    if stat.S_ISDIR(status.st_mode):
        program = target.path / f"{target.path.name}.ext"
        hint = f": the program in it is {program}" if program.is_file() else ""
        return failure(f"it is a folder{hint}")
    if target.file is None:
        return failure("it is no regular file")
    real = target.path.resolve()
    return ok("a file" if real == target.path else f"leads to {real}")


def suffix(context: Context, target: Target) -> Finding:
    """Its name ends as osqueryd wants it, and in lower case."""
    wanted = ".exe" if sys.platform == "win32" else ".ext"
    path = target.path
    if path.suffix == wanted:
        return ok(f"ends in {wanted}")
    renamed = path.with_name(f"{path.stem if path.suffix.lower() == wanted else path.name}{wanted}")
    cure = (
        f"ln -s {quoted(path)} {quoted(renamed)}"
        if sys.platform != "win32"
        else f"Copy-Item {quoted(path)} {quoted(renamed)}"
    )
    if path.suffix == ".ext":
        return warning(
            "osquery on Windows gives a file that ends in .ext to a Python of its own tests: use .exe", cure
        )
    return failure(f"does not end in {wanted}: {path.name}; list {renamed}", as_root(cure))


def owner(context: Context, target: Target) -> Finding:
    """root's, or that of the user that osqueryd runs as."""
    status = target.file
    if status is None:
        return skipped("there is no file")
    if sys.platform == "win32":
        return skipped(_NO_MODES)
    if status.st_uid in (0, context.uid):
        return ok(f"{_user(status.st_uid)}'s")
    users = "root" if context.uid == 0 else f"root or {_user(context.uid)}"
    return _unless_allowed(
        context,
        f"belongs to {_user(status.st_uid)}; osqueryd starts what belongs to {users}",
        as_root(f"chown root:{_root_group()} {quoted(target.path)}"),
    )


def mode(context: Context, target: Target) -> Finding:
    """Its owner may execute it, and not everybody write it."""
    status = target.file
    if status is None:
        return skipped("there is no file")
    if sys.platform == "win32":
        return skipped(_NO_MODES)
    bits = f"{stat.S_IMODE(status.st_mode):04o}"
    if status.st_mode & stat.S_IWOTH:
        return _unless_allowed(
            context, f"anybody may write it ({bits})", as_root(f"chmod o-w {quoted(target.path)}")
        )
    if not status.st_mode & stat.S_IXUSR:
        return _unless_allowed(
            context, f"its owner may not execute it ({bits})", as_root(f"chmod a+x {quoted(target.path)}")
        )
    if status.st_mode & stat.S_IWGRP and status.st_gid != 0:
        return warning(
            f"group {_group(status.st_gid)} may write it ({bits}), and osqueryd runs it",
            as_root(f"chmod g-w {quoted(target.path)}"),
        )
    return ok(bits)


def folder(context: Context, target: Target) -> Finding:
    """Its folder has no sticky bit, and nobody but root can put another file in its place."""
    if target.file is None:
        return skipped("there is no file")
    if sys.platform == "win32":
        return skipped(_NO_MODES)
    parent = target.path.parent
    if parent.stat().st_mode & stat.S_ISVTX:
        shared = parent.stat().st_mode & stat.S_IWOTH
        cure = install_command(context, target) if shared else as_root(f"chmod -t {quoted(parent)}")
        return _unless_allowed(context, f"{parent} has the sticky bit, as temporary folders have", cure)
    places = dict.fromkeys([*target.path.parents, *target.path.resolve().parents])
    for place in places:
        status = place.stat()
        if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            return warning(
                f"anybody may write to {place} and put another program in its place: osqueryd does not look at that",
                as_root(f"chmod o-w {quoted(place)}"),
            )
        if status.st_uid not in (0, context.uid):
            return warning(
                f"{place} belongs to {_user(status.st_uid)}, who may put another program in its place",
                install_command(context, target),
            )
    return ok(f"only {_user(parent.stat().st_uid)} writes to {parent}")


def bundle(context: Context, target: Target) -> Finding:
    """What a frozen program loads from beside it is nobody else's to write either."""
    root = target.bundle
    if target.file is None or root is None:
        return skipped("it is not frozen into a folder")
    if sys.platform == "win32":
        return skipped(_NO_MODES)
    for path in _files_below(root / "_internal"):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            continue
        if status.st_mode & stat.S_IWOTH:
            return warning(
                f"anybody may write {path}, which it loads", as_root(f"chmod -R o-w {quoted(root)}")
            )
        if status.st_uid not in (0, context.uid):
            return warning(
                f"{path}, which it loads, belongs to {_user(status.st_uid)}",
                as_root(f"chown -R root:{_root_group()} {quoted(root)}"),
            )
    return ok(f"nobody else writes to {root}")


def filesystem(context: Context, target: Target) -> Finding:
    """Programs may run from where it is."""
    if target.file is None:
        return skipped("there is no file")
    if forbids_programs(target.path):
        return failure(
            "it is on a file system that is mounted noexec: osqueryd says error 13",
            install_command(context, target),
        )
    return ok("programs may run from there")


def program(context: Context, target: Target) -> Finding:
    """It is a program for this system and machine, and what it begins with is there."""
    if target.file is None:
        return skipped("there is no file")
    try:
        found = program_of(target.path)
    except OSError as error:
        return skipped(f"this user cannot read it: {error.strerror}")
    if not found.system:
        return failure("it is no program, nor a script that begins with #!: osqueryd says error 8")
    if found.system == "script":
        kind = f"a script for {found.needs or 'nothing'}"
    else:
        kind = f"a program for {found.system} on {' and '.join(found.machines)}"
    if not runs_here(found):
        return failure(f"{kind}; this is {sys.platform} on {this_machine()}: build it on such a machine")
    if found.needs and found.needs.endswith("\r"):
        cure = as_root(f"sed -i.bak {quoted('1s/' + chr(92) + 'r$//')} {quoted(target.path)}")
        return failure("the line after #! ends in a carriage return: osqueryd says error 2", cure)
    if found.system != "win32" and found.needs and not os.access(found.needs, os.X_OK):
        return failure(f"{kind} needs {found.needs}, which is not here: osqueryd says error 2")
    return ok(kind)


FILE_CHECKS = {
    "file": file,
    "suffix": suffix,
    "owner": owner,
    "mode": mode,
    "folder": folder,
    "bundle": bundle,
    "file system": filesystem,
    "program": program,
}
"""By name, in order."""


def forbids_programs(path: Path) -> bool:
    """Whether a file system is mounted noexec; False where it cannot be told."""
    if sys.platform != "linux":
        return False
    try:
        return bool(os.statvfs(path).f_flag & os.ST_NOEXEC)
    except OSError:
        return False


def install_command(context: Context, target: Target) -> str:
    """The command that copies it to where it belongs, root's and writable by nobody else, and lists it there."""
    if sys.platform == "win32":
        return ""
    name = target.path.stem
    home = Path(
        "/usr/local/lib/osquery/extensions" if sys.platform == "darwin" else "/usr/lib/osquery/extensions",
        name,
    )
    program = home / f"{name}.ext"
    copied = f"{target.bundle}/." if target.bundle else str(target.path)
    into = str(home) if target.bundle else str(program)
    steps = f"mkdir -p {quoted(home)} && cp -R {quoted(copied)} {quoted(into)} && chown -R root:{_root_group()} {quoted(home)}"
    steps += f" && chmod -R go-w {quoted(home)}"
    line = append(str(program), context.load_list)
    return f"{steps if os.geteuid() == 0 else f'sudo sh -c {quoted(steps)}'} && {line}"


def _unless_allowed(context: Context, message: str, cure: str) -> Finding:
    """A failure, but for an osqueryd that was told not to look at it."""
    if context.unsafe:
        return warning(f"{message}; it is loaded because of --allow_unsafe", cure)
    return failure(message, cure)


def _files_below(folder: Path) -> Iterator[Path]:
    count = 0
    for place, _, names in os.walk(folder):
        yield Path(place)
        for name in names:
            count += 1
            if count > _MOST_FILES:
                return
            yield Path(place, name)


def _root_group() -> str:
    return "wheel" if sys.platform == "darwin" else "root"


def _user(uid: int) -> str:
    if sys.platform == "win32":
        return str(uid)
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    if sys.platform == "win32":
        return str(gid)
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
