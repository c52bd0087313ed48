"""A one-file program: it ends with the process that osqueryd started, and leaves no folder behind.

It is two processes: the one that was started, which unpacks the bundle into a temporary folder and removes it at the end,
and its child, which is the program. If the first is killed, the child would live on, be refused nothing and refuse its
successor everything; and the folder would stay. So the child watches the first one, and removes the folder itself when
that has gone. A folder whose processes were all killed is removed by the next start.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

__all__ = ["MARK", "begin", "remove_stale"]

MARK = ".osquery-extension"
"""A file in the folder, locked for as long as the program runs."""
_POLL = 0.5


def begin() -> None:
    """Watch the first process, and mark the folder as in use. Called once, before the program's own script."""
    if os.name != "posix":
        return
    parent = os.getppid()
    if parent == 1 and os.environ.get("OSQUERY_EXTENSION", "1") != "1":
        # It was killed before this process could look. osqueryd starts another one.
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
    # It gets its name only once it is locked: nobody may find it unlocked before that.
    handle = os.open(f"{mark}.new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    _lock(handle)
    os.rename(f"{mark}.new", mark)  # noqa: PTH104


def _at_exit(folder: str, parent: int) -> None:
    import atexit

    program = os.getpid()

    def leave() -> None:
        # A process that the program has forked has another parent as well, and no right to the folder.
        if os.getpid() == program and os.getppid() != parent:
            _remove(folder)

    atexit.register(leave)


def remove_stale(folder: str, *, own: str) -> None:
    """Remove a folder that is this user's, was an extension's, and whose processes have all gone; any other is left alone.

    Args:
        folder: a folder that PyInstaller's bootloader has unpacked something into.
        own: the one that this program has been unpacked into.
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
        pass  # no extension's, in use, or gone meanwhile
    finally:
        os.close(place)


def _is_half_unpacked(folder: str, entries: list[str], own: str) -> bool:
    """Whether it is what a killed start of this program has left: its process is gone, and all in it is in this one too."""
    # The bootloader names the folder after its process: _MEI, 8 hexadecimal digits, and 6 or more letters and digits.
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
    """Remove a folder of plain files and folders. `shutil` would load half of Python's library out of what is removed."""
    try:
        for _, folders, files, place in os.fwalk(folder, topdown=False):
            for name in files:
                os.unlink(name, dir_fd=place)
            for name in folders:
                try:
                    os.rmdir(name, dir_fd=place)
                except NotADirectoryError:  # a link to one
                    os.unlink(name, dir_fd=place)
        os.rmdir(folder)  # noqa: PTH106
    except OSError:
        pass  # the next start finds it
