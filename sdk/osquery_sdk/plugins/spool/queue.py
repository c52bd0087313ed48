"""Keeps log records on disk until they are delivered: a queue of limited size that outlives its process.

The folder, mode 0700, holds

- `lock`: held by the one process that uses the spool;
- `state`: the numbers of delivered and dropped records, overwritten in place, so that a full disk does not
  stop it;
- `N.log`: a segment, whose first record has number N. Records are appended to the last segment; a segment is
  removed once all of its records are delivered.

When `append` returns, a record is in its segment, and survives the end of the process; after the next `sync`
it survives the end of the machine. A number is never used again: a batch that is delivered twice has the same
numbers both times.

A record, little-endian, with byte offsets::

    0        4        8          16     17         18              18+n
    | length | crc32  | time     | kind | length n | category      | text ... |
             |        |<------------- `length` bytes, summed by crc32 ------>|
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from threading import Condition
from typing import TYPE_CHECKING, NamedTuple

from ...errors import SpoolError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Event

KINDS = ("result", "snapshot", "status", "event", "health")
_LENGTH = struct.Struct("<II")  # the length and the checksum of the rest of the record
_SUMMED = struct.Struct("<QBB")  # microseconds since 1970, the kind, the length of the category
_STATE = struct.Struct("<8sQQQQQ16s")
_SLOT = 128
_MAGIC = b"spool\0\0\1"
_KEPT = 64 << 10
_LOCKED_WITHIN = 5.0


class LogRecord(NamedTuple):
    """A line of osqueryd's log, with its number."""

    number: int
    """Unique in its spool, one more than the record before."""
    kind: str
    """result, snapshot, status, event or health."""
    category: str
    """The word that osqueryd sends with a result: "event"."""
    text: str
    """One JSON object, as osqueryd made it."""
    time: float
    """Seconds since 1970 at which it came."""


class _State(NamedTuple):
    generation: int = 0
    delivered: int = 0
    """Number of the first record that is not delivered yet."""
    marked: int = 0
    """Number after the last record of the batch that was being delivered; 0 if none was."""
    dropped: int = 0
    next: int = 0
    """Number of the next record, unless a segment has higher ones."""
    identity: bytes = b""


class Spool:
    """The spool in a folder. Any thread may append; one thread reads.

    Args:
        folder: the folder; it is made, with mode 0700, if it does not exist.
        max_bytes: the most bytes of all segments; further records are not taken.
        segment_bytes: bytes after which a new segment begins.

    Raises:
        SpoolError: the folder cannot be used, belongs to another user, or is used by another process; or this
            is Windows.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, max_bytes: int, segment_bytes: int = 4 << 20
    ) -> None:
        """Lock the folder and find where the last process stopped."""
        self.folder = os.fspath(folder)
        self.max_bytes = max_bytes
        self._segment_bytes = max(min(segment_bytes, max_bytes // 8), 4096)
        self._changed = Condition()
        if os.name != "posix":
            raise SpoolError(f"spool {folder}: loggers with a spool need a POSIX system")
        self._folder = self._lock = self._state_file = self._writing = self._reading = -1
        self._writing_size = 0
        self._sizes: dict[int, int] = {}
        self._segment: int | None = None
        self._read_offset = self._read_end = 0
        self._next = 0
        self._is_dirty = False
        self.damaged = 0
        try:
            self._folder = self._open_folder()
            self._lock = self._take_lock()
            self._state = self._load_state()
            self._load_segments()
        except OSError as error:
            self.close()
            raise SpoolError(f"spool {self.folder}: {error.strerror or error}") from error
        except BaseException:
            self.close()
            raise

    # -- opening

    def _open_folder(self) -> int:
        try:
            # The mode is that of the last folder of the path, which is the spool's.
            os.makedirs(self.folder, mode=0o700)  # noqa: PTH103
        except FileExistsError:
            pass
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        facts = os.fstat(folder)
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
            os.close(folder)
            raise SpoolError(
                f"spool {self.folder}: it has to belong to the user who runs this, "
                "and nobody else may write there"
            )
        return folder

    def _open(self, name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._folder)

    def _take_lock(self) -> int:
        import fcntl

        lock = self._open("lock", os.O_RDWR | os.O_CREAT)
        end = time.monotonic() + _LOCKED_WITHIN
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # The process before this one may not have ended yet.
                if time.monotonic() >= end:
                    os.close(lock)
                    raise SpoolError(f"spool {self.folder}: another process uses it") from None
                time.sleep(0.05)
            else:
                return lock

    def _load_state(self) -> _State:
        self._state_file = self._open("state", os.O_RDWR | os.O_CREAT)
        latest = _State(identity=os.urandom(16))
        for slot in (0, 1):
            data = os.pread(self._state_file, _STATE.size + 4, slot * _SLOT)
            if len(data) == _STATE.size + 4 and zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little"):
                magic, *numbers, identity = _STATE.unpack(data[:-4])
                state = _State(*numbers)._replace(identity=identity)
                if magic == _MAGIC and state.generation > latest.generation:
                    latest = state
        if not latest.generation:
            # Both slots are written now, so that a disk that is full later has room for them.
            os.pwrite(self._state_file, bytes(2 * _SLOT), 0)
        return latest

    def _save(self, state: _State) -> None:
        """Write the state into the older of two slots: if that is interrupted, the other slot is intact."""
        self._state = state = state._replace(generation=state.generation + 1)
        *numbers, identity = state
        data = _STATE.pack(_MAGIC, *numbers, identity)
        data += zlib.crc32(data).to_bytes(4, "little")
        os.pwrite(self._state_file, data, (state.generation & 1) * _SLOT)

    def _load_segments(self) -> None:
        for name in os.listdir(self._folder):  # noqa: PTH208  of a file descriptor
            number = name.removesuffix(".log")
            if name.endswith(".log") and number.isascii() and number.isdecimal():
                self._sizes[int(number)] = os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_size
        self._sizes = dict(sorted(self._sizes.items()))
        self._next = next_number = self._state.next
        if self._sizes:
            last = max(self._sizes)
            self._writing = self._open(_name(last), os.O_RDWR | os.O_APPEND)
            count, size = self._count(self._writing)
            if size < self._sizes[last]:
                os.ftruncate(self._writing, size)  # a record that was cut off when the machine stopped
            self._writing_size = self._sizes[last] = size
            next_number = max(next_number, last + count)
            self._next = next_number
            if next_number > last + count:
                # The machine stopped before the end of the segment was on the disk.
                self._begin_segment(next_number)
        self._save(self._state._replace(next=next_number))
        self._seek(self._state.delivered)

    def _count(self, file: int) -> tuple[int, int]:
        """Return how many records of a segment are whole, and how many bytes they have."""
        data = os.pread(file, os.fstat(file).st_size, 0)
        offset = count = 0
        while (end := _end_of(data, offset)) > 0:
            offset = end
            count += 1
        return count, offset

    # -- writing

    @property
    def identity(self) -> str:
        """A name that no other spool has."""
        return self._state.identity.hex()

    @property
    def bytes_used(self) -> int:
        """Bytes of all segments on disk."""
        return sum(self._sizes.values())

    @property
    def dropped(self) -> int:
        """Records that were dropped since the folder was made."""
        return self._state.dropped

    @property
    def waiting(self) -> int:
        """Records that are not delivered yet."""
        return self._next - self._state.delivered

    def append(self, records: Sequence[tuple[str, str, str]], *, patience: float = 0.0) -> int:
        """Write records, each a kind, a category and a text; return how many were written.

        Args:
            records: the records in order; writing stops at the first one for which there is no room.
            patience: seconds to wait for room.
        """
        now = time.time_ns() // 1000
        packed = [_pack(now, *record) for record in records]
        end = time.monotonic() + patience
        written = 0
        with self._changed:
            while written < len(packed):
                count = self._write(packed[written:])
                written += count
                if count:
                    self._changed.notify_all()
                    continue
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
        return written

    def _write(self, packed: Sequence[bytes]) -> int:
        """Write as many records as have room, at once, up to the end of the segment; return how many."""
        if self._writing < 0 or self._writing_size >= self._segment_bytes:
            try:
                self._begin_segment(self._next)
            except OSError:
                return 0
        room = self.max_bytes - self.bytes_used
        count = size = 0
        for record in packed:
            if size + len(record) > room or (size and self._writing_size + size >= self._segment_bytes):
                break
            size += len(record)
            count += 1
        while count:
            data = b"".join(packed[:count])
            try:
                written = os.write(self._writing, data)
            except OSError:
                written = 0
            if written == len(data):
                self._writing_size += written
                self._sizes[max(self._sizes)] = self._writing_size
                self._next += count
                self._is_dirty = True
                return count
            os.ftruncate(self._writing, self._writing_size)
            count //= 2  # the disk is full; it may have room for fewer
        return 0

    def _begin_segment(self, number: int) -> None:
        fresh = self._open(_name(number), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC)
        if self._writing >= 0:
            try:
                os.fdatasync(self._writing)
            finally:
                os.close(self._writing)
        self._writing, self._writing_size = fresh, 0
        self._sizes[number] = 0
        if self._segment is None:
            self._seek(self._state.delivered)
        os.fsync(self._folder)

    def sync(self) -> None:
        """Flush the appended records to the disk itself, where they survive a crash of the machine."""
        with self._changed:
            if not self._is_dirty or self._writing < 0:
                return
            self._is_dirty = False
            file = os.dup(self._writing)
        try:
            os.fdatasync(file)
        finally:
            os.close(file)

    def add_dropped(self, count: int) -> None:
        """Count records that were dropped."""
        with self._changed:
            self._save(self._state._replace(dropped=self._state.dropped + count, next=self._next))

    # -- reading

    def wait(self, seconds: float, stop: Event, *, records: int = 1, size: int = 0) -> bool:
        """Wait until there are records to read; return True if there are.

        Args:
            seconds: the longest wait.
            stop: an event that ends the wait, once `wake` is called.
            records: the number of records to wait for.
            size: the bytes of all segments that end the wait too; 0 for none.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: stop.is_set() or self.waiting >= records or 0 < size <= self.bytes_used, seconds
            )
            return self.waiting > 0

    def wake(self) -> None:
        """End a wait."""
        with self._changed:
            self._changed.notify_all()

    def read(self, max_records: int, max_bytes: int) -> list[LogRecord]:
        """Return the next records, of one segment; the same ones until `commit`.

        A batch that the last process marked is read again with the same records.

        Args:
            max_records: the most records.
            max_bytes: the most bytes; one record is returned even if it has more.
        """
        with self._changed:
            first, marked = self._state.delivered, self._state.marked
            segment = self._segment
            if segment is None or not self.waiting:
                return []
            following = min((number for number in self._sizes if number > segment), default=self._next)
            end = min(first + max_records, following)
            if first < marked <= following:
                end, max_bytes = marked, self._sizes[segment]
            records = self._read(first, end, max_bytes)
            if not records:
                # The bytes are not a record. No record after them in this segment can be found.
                self.damaged += following - first
                self._advance(following)
                return self.read(max_records, max_bytes)
            return records

    def _read(self, number: int, end: int, max_bytes: int) -> list[LogRecord]:
        assert self._segment is not None
        rest = self._sizes[self._segment] - self._read_offset
        data = os.pread(self._reading, min(rest, max_bytes), self._read_offset)
        if len(data) < rest and _end_of(data, 0) == 0:  # the first record alone has more bytes
            data = os.pread(self._reading, rest, self._read_offset)
        records: list[LogRecord] = []
        position = 0
        while number < end and position <= max_bytes and (stop := _end_of(data, position)) > 0:
            records.append(_unpack(number, data, position))
            position, number = stop, number + 1
        self._read_end = self._read_offset + position
        return records

    def mark(self, records: Sequence[LogRecord]) -> None:
        """Note that records that were read are about to be delivered."""
        with self._changed:
            end = records[-1].number + 1
            if self._state.marked != end:
                self._save(self._state._replace(marked=end, next=self._next))

    def commit(self, records: Sequence[LogRecord], *, dropped: int = 0) -> None:
        """Forget records that were read, because they are delivered or `dropped`."""
        with self._changed:
            self._read_offset = self._read_end
            self._advance(records[-1].number + 1, dropped)

    def _advance(self, number: int, dropped: int = 0) -> None:
        state = self._state
        self._save(
            state._replace(delivered=number, marked=0, next=self._next, dropped=state.dropped + dropped)
        )
        last = max(self._sizes)
        if any(self._segment is not None and self._segment < other <= number for other in self._sizes):
            self._seek(number)
        elif number == self._next and self._sizes[last] >= min(_KEPT, self._segment_bytes // 4):
            # All of the segment is delivered, so it is removed; the next record begins another one.
            os.close(self._writing)
            self._writing = -1
            self._seek(number)
        self._changed.notify_all()

    def _seek(self, number: int) -> None:
        """Continue reading at record `number`, and remove the segments before it."""
        if self._reading >= 0:
            os.close(self._reading)
            self._reading = -1
        self._segment = None
        names = sorted(self._sizes)
        ends = [*names[1:], self._next]
        for segment, following in zip(names, ends, strict=False):
            is_written = self._writing >= 0 and segment == names[-1]
            if following <= number and not is_written:
                os.unlink(_name(segment), dir_fd=self._folder)
                del self._sizes[segment]
                continue
            self._segment = segment
            self._reading = self._open(_name(segment), os.O_RDONLY)
            if segment > number:
                self.damaged += segment - number
                self._save(self._state._replace(delivered=segment, marked=0))
            data = os.pread(self._reading, self._sizes[segment], 0)
            self._read_offset = 0
            for _ in range(number - segment):
                self._read_offset = _end_of(data, self._read_offset) or self._read_offset
            return

    # -- end

    def close(self) -> None:
        """Write everything to the disk, and unlock the folder."""
        with self._changed:
            if self._writing >= 0:
                try:
                    os.fdatasync(self._writing)
                except OSError:
                    pass
            for file in (self._writing, self._reading, self._state_file, self._lock, self._folder):
                if file >= 0:
                    os.close(file)
            self._writing = self._reading = self._state_file = self._lock = self._folder = -1


def _name(number: int) -> str:
    return f"{number:020}.log"


def _pack(now: int, kind: str, category: str, text: str) -> bytes:
    word = category.encode(errors="surrogateescape")[:255]
    tail = _SUMMED.pack(now, KINDS.index(kind), len(word)) + word + text.encode(errors="surrogateescape")
    return _LENGTH.pack(len(tail), zlib.crc32(tail)) + tail


def _end_of(data: bytes, start: int) -> int:
    """Return the end of the record that begins at `start`; 0 if it is cut off or damaged."""
    begin = start + _LENGTH.size
    if begin > len(data):
        return 0
    length, checksum = _LENGTH.unpack_from(data, start)
    end = begin + length
    if length < _SUMMED.size or end > len(data) or zlib.crc32(data[begin:end]) != checksum:
        return 0
    return int(end)


def _unpack(number: int, data: bytes, start: int) -> LogRecord:
    (length, _), begin = _LENGTH.unpack_from(data, start), start + _LENGTH.size
    now, kind, width = _SUMMED.unpack_from(data, begin)
    text = begin + _SUMMED.size + width
    category = data[begin + _SUMMED.size : text].decode(errors="surrogateescape")
    line = data[text : begin + length].decode(errors="surrogateescape")
    return LogRecord(number, KINDS[kind] if kind < len(KINDS) else "result", category, line, now / 1e6)
