"""Check an extension's file by the rules of osqueryd's `safePermissions` and of `execve`."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kolide_kit.binaries import read_program, runs_here, this_machine

from ..vocabulary import PROGRAM_SUFFIX
from .cures import append, as_root, by_root, in_turn, quoted, replace_line
from .finding import Finding, failure, ok, skipped, warning
from .looking import files_below, is_folder, real, status_of, why
from .scripts import judge, judge_other

if TYPE_CHECKING:
    from .context import Context
    from .target import Target

_NO_MODES = (
    "owners and modes are not looked at on Windows: "
    "Administrators or SYSTEM must own it, others must not write it"
)
_HEAD = 64 << 10


def file(context: Context, target: Target) -> Finding:
    """Check that there is a file."""
    status, path = target.status, target.path
    if isinstance(status, PermissionError):
        return skipped(f"this user cannot look at it: {why(status)}", by_root())
    if isinstance(status, OSError):
        if not path.is_symlink():
            reason = "" if status.errno == errno.ENOENT else f": {why(status)}"
            return failure(f"there is no such file{reason}")
        if status.errno == errno.ELOOP:
            return failure(f"{path} is a link that leads to itself")
        return failure(f"{path} is a link that leads nowhere: {os.readlink(path)}")  # noqa: PTH115
    if stat.S_ISDIR(status.st_mode):
        return failure("it is a folder, and not one that freezing made: no program of its name is in it")
    if target.file is None:
        return failure("it is not a regular file: give the path of a program")
    if target.match is not None and target.match.how == "copy":
        return ok(f"a copy of {target.given}")
    leads = real(path)
    return ok("a file" if leads == path else f"leads to {leads}")


def suffix(context: Context, target: Target) -> Finding:
    """Check that the name ends in what osqueryd wants, in lower case."""
    path, proper = target.path, target.proper
    if path.suffix == PROGRAM_SUFFIX:
        return ok(f"ends in {PROGRAM_SUFFIX}")
    if not path.name:
        return failure(f"it has no name that could end in {PROGRAM_SUFFIX}")
    if sys.platform != "win32":
        # A link that leads nowhere may be replaced. Any other file of that name is left alone: no cure then.
        exists = os.path.lexists(proper)
        free = not exists or isinstance(status_of(proper), FileNotFoundError)
        cure = as_root(f"ln {'-sfn' if exists else '-s'} {quoted(path)} {quoted(proper)}") if free else ""
    else:
        cure = f"Copy-Item {quoted(path)} {quoted(proper)}"
    if path.suffix == ".ext":
        return warning(
            "osquery on Windows gives a file that ends in .ext to a Python of its own tests: use .exe", cure
        )
    if not cure:
        return failure(
            f"does not end in {PROGRAM_SUFFIX}: {path.name}; {proper} is another file, so choose another name"
        )
    if target.match is not None and target.match.how == "itself":
        # The load list has the name that osqueryd does not take.
        cure = in_turn(cure, replace_line(target.match.line.number, str(proper), context.load_list))
    return failure(f"does not end in {PROGRAM_SUFFIX}: {path.name}; list {proper}", cure)


def owner(context: Context, target: Target) -> Finding:
    """Check that the file belongs to root, or to the user that osqueryd runs as."""
    status = target.file
    if status is None:
        return skipped(target.absence)
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
    """Check that the owner may execute the file, and that not everybody may write it."""
    status = target.file
    if status is None:
        return skipped(target.absence)
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
    """Check that the folder has no sticky bit, and that only root can put another file in its place."""
    if target.file is None:
        return skipped(target.absence)
    if sys.platform == "win32":
        return skipped(_NO_MODES)
    parent = target.path.parent
    mode = os.stat(parent).st_mode  # noqa: PTH116  its error names the folder
    if mode & stat.S_ISVTX:
        shared = mode & stat.S_IWOTH
        cure = install_command(context, target) if shared else as_root(f"chmod -t {quoted(parent)}")
        return _unless_allowed(context, f"{parent} has the sticky bit, as temporary folders have", cure)
    places = dict.fromkeys([*target.path.parents, *real(target.path).parents])
    for place in places:
        status = place.stat()
        if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            return warning(
                f"anybody may write to {place} and put another program in its place: "
                "osqueryd does not look at that",
                as_root(f"chmod o-w {quoted(place)}"),
            )
        if status.st_uid not in (0, context.uid):
            return warning(
                f"{place} belongs to {_user(status.st_uid)}, who may put another program in its place",
                install_command(context, target),
            )
    return ok(f"only {_user(parent.stat().st_uid)} writes to {parent}")


def bundle(context: Context, target: Target) -> Finding:
    """Check that others cannot write the files beside a frozen program, which it loads."""
    root = target.bundle
    if target.file is None or root is None:
        return skipped("it is not frozen into a folder")
    if sys.platform == "win32":
        return skipped(_NO_MODES)
    for path in files_below(root / "_internal", folders=True):
        status = os.lstat(path)
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
    """Check that the file system lets programs run."""
    if target.file is None:
        return skipped(target.absence)
    if forbids_programs(target.path):
        return failure(
            "it is on a file system that is mounted noexec: osqueryd says error 13",
            install_command(context, target),
        )
    return ok("programs may run from there")


def program(context: Context, target: Target) -> Finding:
    """Check that the file is a program for this system and machine, and its interpreter or loader exists."""
    if target.file is None:
        return skipped(target.absence)
    path = target.path
    try:
        kind_of_file = read_program(path)
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        return skipped(f"this user cannot read it: {why(error)}", by_root())
    if not kind_of_file.system:
        return judge_other(path, head)
    if kind_of_file.system == "script":
        kind = f"a script for {kind_of_file.loader or 'nothing'}"
    else:
        kind = f"a program for {kind_of_file.system} on {' and '.join(kind_of_file.machines)}"
    if not runs_here(kind_of_file):
        return failure(f"{kind}; this is {sys.platform} on {this_machine()}: build it on such a machine")
    if kind_of_file.system == "script":
        return judge(path, head, context.environment)
    loader = kind_of_file.loader
    if kind_of_file.system != "win32" and loader and not os.access(loader, os.X_OK):
        return failure(f"{kind} needs {loader}, which is not here: osqueryd says error 2")
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
"""The checks of a file: functions by name, in the order in which they run."""


def forbids_programs(path: Path) -> bool:
    """Return True if a file system is mounted noexec; False where the system does not tell."""
    if sys.platform != "linux":
        return False
    try:
        return bool(os.statvfs(path).f_flag & os.ST_NOEXEC)
    except OSError:
        return False


def install_command(context: Context, target: Target) -> str:
    """Return the command that copies the extension to a folder that only root writes, and lists it."""
    if sys.platform == "win32":
        return ""
    name = target.proper.stem
    libraries = "/usr/local/lib" if sys.platform == "darwin" else "/usr/lib"
    home = Path(libraries, "osquery/extensions", name)
    program = home / f"{name}{PROGRAM_SUFFIX}"
    # A bundle is copied whole with its links, as its program loads the files beside it. Plain cp follows a
    # link.
    copy = "cp -R" if target.bundle else "cp"
    source = f"{target.bundle}/." if target.bundle else str(target.path)
    destination = str(home) if target.bundle else str(program)
    steps = in_turn(
        f"mkdir -p {quoted(home)}",
        f"{copy} {quoted(source)} {quoted(destination)}",
        f"chown -R root:{_root_group()} {quoted(home)}",
        f"chmod -R go-w {quoted(home)}",
    )
    steps = steps if os.geteuid() == 0 else f"sudo sh -c {quoted(steps)}"
    return in_turn(steps, enlist(context, target, program))


def enlist(context: Context, target: Target, path: Path) -> str:
    """Return the command that puts a path into the load list, in place of the extension's present line."""
    file, match = context.load_list, target.match
    if match is not None and match.how != "folder":
        return replace_line(match.line.number, str(path), file)
    has_folder = is_folder(file.parent) or sys.platform == "win32"
    folder = "" if has_folder else as_root(f"mkdir -p {quoted(file.parent)}")
    # A link that leads nowhere is removed first: appending to it would create the file it names.
    gone = os.path.islink(file) and isinstance(status_of(file), FileNotFoundError)  # noqa: PTH114
    return in_turn(folder, as_root(f"rm {quoted(file)}") if gone else "", append(str(path), file))


def _unless_allowed(context: Context, message: str, cure: str) -> Finding:
    """Return a failure; only a warning if --allow_unsafe keeps osqueryd from looking."""
    if context.unsafe:
        return warning(f"{message}; it is loaded because of --allow_unsafe", cure)
    return failure(message, cure)


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
