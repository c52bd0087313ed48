"""Check whether osqueryd starts an extension, and what the extension does then."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WireError
from ..vocabulary import PROGRAM_SUFFIX
from . import loadlist
from .checks_file import enlist, forbids_programs
from .cures import append, as_root, by_root, in_turn, quoted, restart
from .finding import Finding, failure, ok, skipped, warning
from .flags import default_flagfile, defaults, number, truth
from .looking import is_file, is_folder, why
from .unpacking import left_behind, one_file_of, usual_folder

if TYPE_CHECKING:
    from .context import Context
    from .target import Target

_MEGABYTE = 1 << 20
_NEAR = 0.8
_LIMITS = {-1: 10_000, 1: 100}
_LIMIT = 200
_PING = 2.0
_MOST_FOLDERS = 20


def load_list(context: Context, target: Target) -> Finding:
    """Check that the load list names the extension."""
    file, lines, match = context.load_list, context.lines, target.match
    # The name that osqueryd takes, even if no file has that name yet.
    wanted = target.path if target.path.suffix == PROGRAM_SUFFIX else target.proper
    add = enlist(context, target, wanted)
    if any("--extensions_autoload" in problem.text for problem in context.flags.problems):
        add = ""  # another list is meant, and the finding about the flags says which
    if isinstance(lines, FileNotFoundError):
        if file.is_symlink():
            return failure(f"the load list {file} is a link that leads nowhere", add)
        return failure(f"there is no load list {file}{_elsewhere(context, target)}", add)
    if isinstance(lines, PermissionError):
        return skipped(f"this user cannot read {file}: {why(lines)}", by_root())
    if isinstance(lines, OSError):
        return failure(f"osqueryd cannot read the load list {file}: {why(lines)}")
    if "\n" in str(wanted):
        return failure("its path has the end of a line in it, and no line of the list can name it: rename it")
    if match is None:
        comment = loadlist.commented(file, target.path)
        if comment is not None:
            return failure(f"line {comment.number} of {file} is a comment: {comment.text}", add)
        return failure(f"{file} does not name it{_elsewhere(context, target)}", add)
    where = f"line {match.line.number} of {file}"
    if match.how in ("near", "relative"):
        if match.how == "relative" and is_file(f"/{match.path}") and "/" in match.path:
            return warning(
                f"{where} has no absolute path: osqueryd looks for {match.path} from its working folder", add
            )
        meant = "names another file than seems to be meant"
        reason = "has no absolute path" if match.how == "relative" else meant
        return failure(f"{where} {reason}: {match.path!r}", add)
    if sys.platform != "win32" and file.stat().st_mode & stat.S_IWOTH:
        return warning(f"anybody may write {file}", as_root(f"chmod o-w {quoted(file)}"))
    if match.how == "itself":
        return ok(where)
    if match.how == "folder":
        return ok(f"{where} names the folder {match.line.text}")
    return ok(f"{where} names {match.path}{', a copy of it' if match.how == 'copy' else ''}")


def temporary_folder(context: Context, target: Target) -> Finding:
    """Check that a one-file program has a place and the room to unpack itself."""
    if target.file is None:
        return skipped(target.absence)
    program = one_file_of(target.path)
    if program is None:
        return ok("it needs none: it does not unpack itself")
    folder = Path(program.folder) if program.folder else usual_folder(context.environment)
    says = f"it unpacks itself to {folder}"
    other = "" if program.folder else ", or give osqueryd another TMPDIR"
    instead = f"freeze it into a folder instead{other}"
    # A folder that was chosen when the program was built is made by the program, so its nearest parent
    # counts.
    place = next(path for path in (folder, *folder.absolute().parents) if is_folder(path))
    if not os.access(place, os.W_OK | os.X_OK):
        return failure(f"{says}, where it may not write: {instead}")
    if forbids_programs(place):
        return failure(f"{says}, which is mounted noexec: {instead}")
    free = shutil.disk_usage(place).free
    if free < program.size:
        # A start that works removes what failed starts left behind, but none works while there is no room.
        remains = left_behind(folder)[:_MOST_FOLDERS]
        room = f"{_megabytes(free)} are free of the {_megabytes(program.size)} that it takes"
        cure = as_root(" ".join(["rm -r", *map(quoted, remains)])) if remains else ""
        return failure(f"{says}, where {room}: {instead}", cure)
    return ok(f"{says}, and takes {_megabytes(program.size)} there")


def start(context: Context, target: Target) -> Finding:
    """Check that the extension starts and registers in the time that osqueryd gives it."""
    if target.file is None:
        return skipped(target.absence)
    trial = target.trial
    if trial is None:
        return skipped(target.distrust)
    if trial.info is None:
        return failure(trial.problem)
    timeout = max(number(context.flag("extensions_timeout"), 3.0), 0.2)
    took = f"{trial.info.name} {trial.info.version} registers {trial.seconds:.2f} s after its start"
    required = trial.info.name in context.flag("extensions_require").split(",")
    cure = _set_flag(context, "extensions_timeout", str(int(2 * trial.seconds) + 3))
    if trial.seconds > timeout and required:
        return failure(
            f"{took}; osqueryd waits {timeout:g} s (--extensions_timeout) for it, and it is required", cure
        )
    if trial.seconds > timeout:
        return warning(
            f"{took}; until then, past --extensions_timeout of {timeout:g} s, its tables are missing", cure
        )
    if trial.seconds > _NEAR * timeout:
        return warning(f"{took}, near --extensions_timeout of {timeout:g} s", cure)
    return ok(f"{took}, of {timeout:g} s that it has")


def names(context: Context, target: Target) -> Finding:
    """Check that no other table has the name of one of the extension's tables."""
    trial = target.trial
    if trial is None or trial.info is None:
        return skipped("its tables are not known, as it was not started")
    manager = context.manager
    holders = dict.fromkeys(context.core_tables, "osquery itself")
    if manager is not None:
        own = {uuid for uuid, info in manager.extensions.items() if info.name == trial.info.name}
        for name, uuid in manager.tables.items():
            if uuid and uuid not in own:
                other = manager.extensions.get(uuid)
                holders[name] = f"extension {other.name}" if other else "another extension"
        holders.update(dict.fromkeys(manager.held, "a refused extension, until osqueryd is restarted"))
        # If a copy of the extension is running, the names that osqueryd lists for it are not taken.
        holders = {name: who for name, who in holders.items() if manager.tables.get(name, 0) not in own}
    if not holders:
        return skipped("no osqueryd tells which names are taken")
    taken = [name for name in trial.tables if name.lower() in holders]
    if not taken:
        return ok(f"{_count(len(trial.tables), 'table')}, no name of which is taken")
    whose = ", ".join(f"{name} ({holders[name.lower()]})" for name in taken)
    cure = restart() if all(name.lower() in (manager.held if manager else ()) for name in taken) else ""
    if not trial.avoids_taken or len(taken) == len(trial.tables):
        return failure(f"osqueryd refuses it, as these tables are there already: {whose}", cure)
    return warning(f"it leaves out tables that are there already: {whose}", cure)


def registration(context: Context, target: Target) -> Finding:
    """Check that osqueryd has the extension registered, in this version, and that it answers."""
    manager = context.manager
    if manager is None:
        return skipped("no osqueryd answers")
    trial = target.trial
    if trial is None or trial.info is None:
        return skipped("its name is not known, as it was not started")
    name = trial.info.name
    own = next(((uuid, info) for uuid, info in manager.extensions.items() if info.name == name), None)
    if own is None:
        if target.match is None:
            return skipped(f"osqueryd has no {name}, as its load list does not name it")
        return warning(f"osqueryd has no {name}: it reads its load list only when it starts", restart())
    uuid, info = own
    if not _answers(f"{context.socket}.{uuid}"):
        seconds = context.flag("extensions_interval")
        return warning(
            f"{name} {info.version} is registered and does not answer; osqueryd drops it within {seconds} s, "
            "and takes no other of that name before"
        )
    if info.version != trial.info.version:
        return warning(f"{name} {info.version} is registered, and this is {trial.info.version}", restart())
    return ok(f"{name} {info.version} is registered and answers")


def memory(context: Context, target: Target) -> Finding:
    """Check that osqueryd's watchdog has no reason to end the extension."""
    trial, process = target.trial, target.process
    idle = trial.rss if trial is not None else 0
    now = process.rss if process is not None else 0
    if not (idle or now):
        return skipped("its memory is not known, as it was not started")
    uses = f"{_megabytes(idle)} after its start" if idle else ""
    if now:
        uses += f"{', ' if uses else ''}{_megabytes(now)} in process {process.pid if process else 0}"
    if not truth(context.flag("enable_extensions_watchdog")):
        return ok(f"{uses}; osqueryd does not watch it, without --enable_extensions_watchdog")
    limit = int(number(context.flag("watchdog_memory_limit"), 0)) or _LIMITS.get(
        int(number(context.flag("watchdog_level"), 0)), _LIMIT
    )
    # The watchdog counts the growth since its first look, which is soon after the start.
    growth = max(now - idle, 0) / _MEGABYTE if now and idle else 0.0
    rule = f"osqueryd ends it when it has grown by {limit} MB since its first look"
    cure = _set_flag(context, "watchdog_memory_limit", str(2 * int(max(limit, growth, idle / _MEGABYTE))))
    if growth > limit:
        return failure(f"{uses}: {rule}", cure)
    if growth > _NEAR * limit:
        return warning(f"{uses}: near the limit, as {rule}", cure)
    if idle / _MEGABYTE > _NEAR * limit:
        return warning(f"{uses}: much for the limit, as {rule}, which may be while it still starts", cure)
    return ok(f"{uses}; {rule}")


RUNNING_CHECKS = {
    "load list": load_list,
    "temporary folder": temporary_folder,
    "start": start,
    "names": names,
    "registration": registration,
    "memory": memory,
}
"""The checks of a running extension: functions by name, in the order in which they run."""


def _elsewhere(context: Context, target: Target) -> str:
    """Return a hint if the usual load list names the extension and osqueryd reads another one; else empty."""
    usual = Path(defaults()["extensions_autoload"])
    if usual == context.load_list:
        return ""
    try:
        match = loadlist.find(loadlist.read(usual), target.given)
    except OSError:
        return ""
    return f"; {usual} does, but --extensions_autoload is set" if match else ""


def _set_flag(context: Context, name: str, value: str) -> str:
    """Return the command that sets a flag in the flag file; empty if osqueryd runs without a flag file."""
    file = context.flags.file
    if file is None and context.daemon is not None:
        return ""
    # osqueryd reads its flags only when it starts.
    running = restart() if context.manager is not None else ""
    return in_turn(append(f"--{name}={value}", file or default_flagfile()), running)


def _answers(address: str) -> bool:
    from ..wire.client import ExtensionConnection

    try:
        with ExtensionConnection(address, timeout=_PING) as extension:
            return extension.ping().code == 0
    except WireError:
        return False


def _megabytes(size: float) -> str:
    return f"{size / _MEGABYTE:.0f} MB"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
