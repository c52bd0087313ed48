"""Check osqueryd itself: it is installed, reads its flags as meant, takes extensions and answers."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import flags as osqueryd_flags
from .cures import as_root, by_root, quoted, restart, without
from .finding import Finding, failure, ok, skipped, warning
from .looking import is_folder, real, status_of, why

if TYPE_CHECKING:
    from .context import Context

# sizeof(sockaddr_un.sun_path), less the zero at the end, less the dot and up to five digits that the path of
# an extension's own socket has at its end.
_LONGEST_SOCKET = (103 if sys.platform == "darwin" else 107) - 6


def osqueryd(context: Context) -> Finding:
    """Check that osqueryd is there, and written by root alone: else its watcher starts no worker."""
    path = context.osqueryd
    if path is None:
        return warning("no osqueryd on PATH, nor where osquery's packages put it; --osqueryd PATH names one")
    file, folder = status_of(path), status_of(path.parent)
    for status in (folder, file):
        if isinstance(status, PermissionError):
            return skipped(f"this user cannot look at {path}: {why(status)}", by_root())
    if isinstance(file, OSError):
        return failure(f"{path}: {why(file)}")
    if not stat.S_ISREG(file.st_mode):
        return failure(f"{path} is not a program: it is not a regular file")
    if not os.access(path, os.X_OK):
        return failure(f"{path} cannot be executed", as_root(f"chmod a+rx {quoted(path)}"))
    if sys.platform != "win32" and not context.unsafe:
        watched = "so that its watcher starts no worker"
        if file.st_mode & stat.S_IWOTH:
            return failure(
                f"{path} may be written by anybody, {watched}", as_root(f"chmod o-w {quoted(path)}")
            )
        if file.st_uid not in (0, context.uid):
            return failure(f"{path} is not root's, {watched}", as_root(f"chown root {quoted(path)}"))
        if not isinstance(folder, OSError) and folder.st_mode & stat.S_ISVTX:
            return failure(
                f"{path.parent} has the sticky bit, {watched}", as_root(f"chmod -t {quoted(path.parent)}")
            )
    version = context.version
    return ok(f"{path}{f', version {version}' if version else ''}")


def flags(context: Context) -> Finding:
    """Check that osqueryd reads its flags as they are meant."""
    flags = context.flags
    for problem in sorted(flags.problems, key=lambda problem: not problem.fatal):
        if problem.line == 0:
            text = f"{problem.file} {problem.text}"
            if problem.fatal:
                return failure(f"{text}, and osqueryd does not start without it")
            return skipped(text, by_root()) if problem.unseen else warning(text)
        text = f"line {problem.line} of {problem.file} {problem.text}"
        expression = f"{problem.line}{problem.repair or 'd'}"
        command = f"sed -i.bak {quoted(expression)} {quoted(real(problem.file))}"
        cure = as_root(command) if os.name == "posix" else ""
        return failure(text, cure) if problem.fatal else warning(text, cure)
    changed = osqueryd_flags.unusual(flags.values) or "all that matter here are the default"
    return ok(f"from {flags.source}: {changed}")


def extensions(context: Context) -> Finding:
    """Check that osqueryd takes extensions."""
    file = context.flags.file
    if osqueryd_flags.truth(context.flag("disable_extensions")):
        cure = "" if file is None else without("^[[:space:]]*-*disable[_-]extensions", file)
        where = "" if cure else "; take it from osqueryd's command line"
        return failure(f"--disable_extensions is set: osqueryd loads none{where}", cure)
    if context.unsafe:
        cure = "" if file is None else without("^[[:space:]]*-*allow[_-]unsafe", file)
        return warning("--allow_unsafe is set: osqueryd loads extensions that anybody may have written", cure)
    return ok("osqueryd takes extensions")


def socket(context: Context) -> Finding:
    """Check that osqueryd listens and answers."""
    path = context.socket
    if sys.platform != "win32" and (size := len(os.fsencode(path))) > _LONGEST_SOCKET:
        return failure(
            f"the socket's path has {size} bytes, and with an extension's number behind it may have "
            f"{_LONGEST_SOCKET}: give osqueryd a shorter --extensions_socket than {path}"
        )
    if context.manager is not None:
        return ok(f"osqueryd {context.manager.version} answers at {path}")
    silence = context.silence
    if isinstance(silence, PermissionError):
        return skipped(f"this user may not connect to {path}; run the doctor as root", by_root())
    start = restart()
    if isinstance(silence, FileNotFoundError):
        folder = Path(path).parent
        # osqueryd makes the folder of its database, which by default is the socket's as well.
        usual = Path(osqueryd_flags.defaults()["extensions_socket"]).parent
        if sys.platform != "win32" and not is_folder(folder) and folder != usual:
            return failure(
                f"osqueryd cannot listen at {path}: there is no folder {folder}",
                as_root(f"mkdir -p {quoted(folder)}"),
            )
        if context.daemon is not None:
            return warning(
                f"osqueryd runs as process {context.daemon.pid}, but its socket {path} is gone", start
            )
        return warning(f"osqueryd does not run, or not with this socket: there is no {path}", start)
    if isinstance(silence, ConnectionRefusedError):
        return warning(f"nobody listens at {path} any more: osqueryd has ended", start)
    return warning(f"no answer at {path}: {silence}", start)


SYSTEM_CHECKS = {"osqueryd": osqueryd, "flags": flags, "extensions": extensions, "socket": socket}
"""The checks of osqueryd: functions by name, in the order in which they run."""
