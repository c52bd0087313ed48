"""Ends a one-file program together with the process that osqueryd started, and leaves no folder behind.

A one-file program is two processes. osqueryd starts the first one, which unpacks the bundle into a temporary
folder and removes it at the end; its child is the program. If the first were killed, the child would live on
and keep its registration, so that its successor would be refused; and the folder would stay. So the child
watches the first process, and removes the folder itself once that has gone. The next start removes a folder
whose processes were all killed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

MARK = ".osquery-extension"
"""A file in the folder, locked for as long as the program runs."""
_POLL = 0.5


def begin() -> None:
    """Watch the first process, and mark the folder as in use.

    Called once, before the program's own script.
    """
    if os.name != "posix":
        return
    parent = os.getppid()
    if parent == 1 and os.environ.get("OSQUERY_EXTENSION", "1") != "1":
        # The first process was killed before this one could watch it. osqueryd starts another one.
        _remove(_folder())
        os._exit(1)
    threading.Thread(target=_end_with, args=(parent,), name="parent-watch", daemon=True).start()
    folder = _folder()
    _mark(folder)
    _at_exit(folder, parent)
    top = os.path.dirname(folder)  # noqa: PTH120  pathlib is not loaded for this
    for entry in os.scandir(top):
        if entry.name.startswith("_MEI") and entry.path != folder:
            remove_stale(entry.path, own=folder)


def _folder() -> str:
    return str(sys._MEIPASS)  # type: ignore[attr-defined]  # noqa: SLF001  PyInstaller's public name for it


def _end_with(parent: int) -> None:
    """Stop this process in an orderly way as soon as its parent has gone."""
    import select
    import time

    try:
        handle = os.pidfd_open(parent)
    except (AttributeError, OSError):  # another system, or a kernel before 5.3
        while os.getppid() == parent:
            time.sleep(_POLL)
    else:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        while os.getppid() == parent:
            poll.poll()
    os.kill(os.getpid(), signal.SIGTERM)


def _mark(folder: str) -> None:
    """Leave a file in the folder that is locked for as long as this process lives."""
    mark = f"{folder}/{MARK}"
    # The file gets its name only once it is locked: another start must not find it unlocked.
    handle = os.open(f"{mark}.new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    _lock(handle)
    os.rename(f"{mark}.new", mark)  # noqa: PTH104


def _at_exit(folder: str, parent: int) -> None:
    import atexit

    program = os.getpid()

    def leave() -> None:
        # A process that the program forked has another parent too, but must not remove the folder.
        if os.getpid() == program and os.getppid() != parent:
            _remove(folder)

    atexit.register(leave)


def remove_stale(folder: str, *, own: str) -> None:
    """Remove a folder of this user's that an extension left behind and no process uses.

    Any other folder is left alone.

    Args:
        folder: a folder that PyInstaller's bootloader has made.
        own: the folder into which this program was unpacked.
    """
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if os.fstat(place).st_uid != os.geteuid():
            return
        try:
            handle = os.open(MARK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
        except FileNotFoundError:
            if _is_half_unpacked(folder, os.listdir(place), own):  # noqa: PTH208  of an open folder
                _remove(folder)
            return
        try:
            _lock(handle)
            _remove(folder)
        finally:
            os.close(handle)
    except OSError:
        pass  # not an extension's folder, in use, or already removed
    finally:
        os.close(place)


def _is_half_unpacked(folder: str, entries: list[str], own: str) -> bool:
    """Return True for the folder of a start of this program that was killed while it unpacked.

    Its process has gone, and each of its entries is in this program's own folder too.
    """
    # The bootloader names the folder after its process: _MEI, 8 hexadecimal digits, at least 6 others.
    number = os.path.basename(folder)[4:12]  # noqa: PTH119
    try:
        os.kill(int(number, 16), 0)
    except ProcessLookupError:
        return all(os.path.lexists(f"{own}/{entry}") for entry in entries)
    except (ValueError, OverflowError, OSError):
        pass
    return False


def _lock(handle: int) -> None:
    import fcntl

    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove(folder: str) -> None:
    """Remove a folder.

    `shutil` would load half of Python's library from the very folder that is being removed.
    """
    try:
        for _, folders, files, place in os.fwalk(folder, topdown=False):
            for name in files:
                os.unlink(name, dir_fd=place)
            for name in folders:
                try:
                    os.rmdir(name, dir_fd=place)
                except NotADirectoryError:  # a link to a folder
                    os.unlink(name, dir_fd=place)
        os.rmdir(folder)  # noqa: PTH106
    except OSError:
        pass  # the next start removes it
