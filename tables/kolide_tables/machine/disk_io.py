"""kolide_disk_io: the reads and writes of each block device since the machine was started."""

from collections.abc import Callable, Iterator, Mapping

from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, table

_MOST = (1 << 63) - 1


class DiskIo(Row):
    """Counters of a disk or partition."""

    device: str = Column(
        "Name: sda, nvme0n1p1; disk0 on macOS, PhysicalDrive0 on Windows", index=True, key=True
    )
    reads: int = Column("Read operations that were completed")
    writes: int = Column("Write operations that were completed")
    read_bytes: int = Column("Bytes read")
    write_bytes: int = Column("Bytes written")
    read_ms: int | None = Column("Milliseconds that reads took, those at the same time added up")
    write_ms: int | None = Column("Milliseconds that writes took, those at the same time added up")
    busy_ms: int | None = Column(
        "Milliseconds in which at least one operation was under way; NULL on macOS, Windows"
    )


@table(
    "kolide_disk_io",
    platforms=("linux", "darwin", "windows"),
    examples=(
        (
            "select device, round(1.0 * read_ms / reads, 2) as ms_a_read, round(1.0 * write_ms / writes, 2) "
            "as ms_a_write from kolide_disk_io where reads > 0 and writes > 0 order by ms_a_read desc"
        ),
        (
            "select d.device, m.path, d.write_bytes, d.busy_ms from kolide_disk_io d "
            "join mounts m on m.device = '/dev/' || d.device"
        ),
    ),
)
def disk_io(query: Query) -> Iterator[DiskIo]:
    """Disks and partitions: operations, bytes and time of reads and writes since the machine was started."""
    import psutil

    # nowrap=False: psutil would keep earlier answers for all callers together, and add up what it takes for
    # an overflow.
    return counter_rows(query, lambda: psutil.disk_io_counters(perdisk=True, nowrap=False))


def counter_rows(query: Query, read: Callable[[], Mapping[str, object] | None]) -> Iterator[DiskIo]:
    """Yield the rows of what psutil.disk_io_counters returns: None if there is no disk."""
    for device, counters in (read() or {}).items():
        name = shown(device)
        if not query.matches("device", name):
            continue
        yield DiskIo(
            device=name,
            reads=_count(counters, "read_count") or 0,
            writes=_count(counters, "write_count") or 0,
            read_bytes=_count(counters, "read_bytes") or 0,
            write_bytes=_count(counters, "write_bytes") or 0,
            read_ms=_count(counters, "read_time"),
            write_ms=_count(counters, "write_time"),
            busy_ms=_count(counters, "busy_time"),
        )


def _count(counters: object, field: str) -> int | None:
    value = getattr(counters, field, None)
    return min(value, _MOST) if isinstance(value, int) else None
