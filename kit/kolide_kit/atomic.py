"""Writes files whole or not at all: each is written aside, and renamed once all of it is on the disk."""

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .processes import TemporaryFolder
from .signals import stop_handler

_MOST_BYTES = 16 << 20


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a text file of 16 MB at most; bytes that are not UTF-8 are kept as `os.fsdecode` keeps them.

    Raises:
        OSError: the file cannot be read, is not a regular file, or is too large. A pipe or device is not
            read, because it may never end.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode) and os.path.realpath(path) != os.devnull:
            raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(_MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MOST_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {_MOST_BYTES >> 20} MB", os.fspath(path))
    return data.decode("utf-8", "surrogateescape")


def replace_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put a file in place once all of it is on the disk; a reader sees the old file or the new one.

    Args:
        path: the file; its folder has to exist.
        data: the content.
        mode: the permissions.

    Raises:
        OSError: the file cannot be written; the old one is unchanged.
    """
    with stop_handler():
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600, a new file
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                if os.name == "posix":
                    os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_files(folder: Path, files: Mapping[str, str], *, programs: Sequence[str] = ()) -> None:
    """Write text files into a folder, all of them or none; the folder is made if it is missing.

    Args:
        folder: the folder. Folders that `files` names must not exist in it yet.
        files: the texts by name; `folder/name` for a file in a folder.
        programs: names of the files that everybody may execute.

    Raises:
        OSError: a file cannot be written; the files that existed before are unchanged.
    """
    with work_folder(folder, ".new-") as work:
        for name, text in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            with (work / name).open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for name in programs:
            (work / name).chmod((work / name).stat().st_mode | 0o111)
        move_files([work / name for name in dict.fromkeys(name.partition("/")[0] for name in files)], folder)


def move_files(files: Sequence[Path], folder: Path) -> None:
    """Move files into a folder of the same file system, over files of the same names: all of them or none.

    A folder among them must not exist there yet.

    Raises:
        OSError: one cannot be moved; those that were moved to new names have been removed again.
    """
    new: list[Path] = []
    with stop_handler():
        for file in files:
            place = folder / file.name
            if place.is_dir() and not place.is_symlink():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(place))
        try:
            for file in files:
                place = folder / file.name
                is_new = not os.path.lexists(place)
                file.replace(place)
                if is_new:
                    new.append(place)
        except OSError:
            for place in new:
                if place.is_dir() and not place.is_symlink():
                    shutil.rmtree(place, ignore_errors=True)
                else:
                    place.unlink(missing_ok=True)
            raise


def place_of(error: OSError, work: Path, output: Path) -> str | Path:
    """Return the path for an error to name: `output` for a file in the work folder, which no user knows."""
    if not error.filename or Path(os.fsdecode(error.filename)).is_relative_to(work):
        return output
    return os.fsdecode(error.filename)


@contextlib.contextmanager
def work_folder(output: Path, prefix: str) -> Iterator[Path]:
    """Make a folder for unfinished files within `output`; it is removed at the end.

    `output` and the folders above it are made too, and removed again if they are empty.

    Raises:
        OSError: a folder cannot be made.
    """
    output = output.absolute()

    def remove_empty() -> None:
        for place in missing:
            with contextlib.suppress(OSError):
                place.rmdir()

    with stop_handler() as handler:
        missing = [place for place in (output, *output.parents) if not os.path.lexists(place)]
        handler.undo.append(remove_empty)
        try:
            output.mkdir(parents=True, exist_ok=True)
            work = TemporaryFolder(prefix, output)
        except BaseException:
            remove_empty()
            handler.undo.remove(remove_empty)
            raise
    try:
        yield Path(work.name)
    finally:
        work.cleanup()
        remove_empty()
        handler.undo.remove(remove_empty)
