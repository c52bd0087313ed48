"""Write log records to a file, a line each, and rotate it."""

import os
from pathlib import Path

from osquery_sdk import DefinitionError, LogBatch, SpooledLogger, SpoolOptions

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class JsonLinesLogger(SpooledLogger):
    """Writes each record as a line, as osqueryd made it: status lines to `status` if given, everything else
    to `path`.

    Before the file grows over `max_bytes` it becomes `path.1`, the former `path.1` becomes `path.2`, and so
    on. Another program may rotate it as well: after a file is moved away a new one is begun. Lines are whole:
    a line that a full disk or a kill has cut off is removed before the next one is written. After a kill some
    lines may be there twice.

    Args:
        name: the plugin's name.
        path: the file; made with mode 0600.
        spool: a folder for this logger alone; `path.spool` unless given. Lines wait there while the file
            cannot be written.
        status: another file for status lines.
        max_bytes: size at which the file is rotated; 0: never.
        keep: number of rotated files that stay.
        options: bounds and times.

    Raises:
        DefinitionError: an option has a wrong value.
    """

    def __init__(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        spool: str | os.PathLike[str] | None = None,
        status: str | os.PathLike[str] | None = None,
        max_bytes: int = 64 << 20,
        keep: int = 5,
        options: SpoolOptions = SpoolOptions(batch_seconds=0.2),  # noqa: B008  a constant
    ) -> None:
        """Check the options."""
        spool = f"{os.fspath(path)}.spool" if spool is None else spool
        super().__init__(name, spool=spool, options=options)
        if max_bytes < 0 or keep < 0:
            raise DefinitionError(f"logger {name}: max_bytes and keep may not be negative")
        self._file = _Lines(Path(path), max_bytes, keep)
        self._status = None if status is None else _Lines(Path(status), max_bytes, keep)

    def deliver(self, batch: LogBatch) -> None:
        """Append the lines."""
        lines: list[str] = []
        status_lines: list[str] = []
        for record in batch.records:
            aside = self._status is not None and record.kind == "status"
            (status_lines if aside else lines).append(record.text)
        if lines:
            self._file.write(lines)
        if status_lines and self._status is not None:
            self._status.write(status_lines)

    def finish(self) -> None:
        """Close the files."""
        self._file.close()
        if self._status is not None:
            self._status.close()


class _Lines:
    """One file of lines, for one thread."""

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._file = -1

    def write(self, lines: list[str]) -> None:
        """Append the lines: all of them, or none with an error."""
        # A line break within a line would make two of it; osqueryd's JSON has none.
        text = "".join([line.replace("\n", " ") + "\n" for line in lines])
        data = text.encode(errors="surrogateescape")
        size = self._open()
        if size and self._max_bytes and size + len(data) > self._max_bytes:
            self._rotate()
            size = self._open()
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
        except OSError:
            os.ftruncate(self._file, size)
            raise

    def _open(self) -> int:
        """Open the file that is at the path now; return its size."""
        if self._file >= 0:
            mine = os.fstat(self._file)
            try:
                if os.path.samestat(self._path.lstat(), mine):
                    return mine.st_size
            except FileNotFoundError:
                pass  # it has been moved away
            self.close()
        self._file = os.open(self._path, _FLAGS, 0o600)
        size = os.fstat(self._file).st_size
        whole = self._end_of_lines(size)
        if whole < size:
            os.ftruncate(self._file, whole)
        return whole

    def _end_of_lines(self, size: int) -> int:
        """Return where the last whole line ends."""
        end = size
        while end:
            begin = max(end - 65536, 0)
            at = os.pread(self._file, end - begin, begin).rfind(b"\n")
            if at >= 0:
                return begin + at + 1
            end = begin
        return 0

    def _rotate(self) -> None:
        self.close()
        for number in range(self._keep, 0, -1):
            older = self._numbered(number - 1) if number > 1 else self._path
            if os.path.lexists(older):
                older.replace(self._numbered(number))
        if not self._keep:
            self._path.unlink(missing_ok=True)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1
