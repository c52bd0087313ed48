"""kolide_disk_io against /proc/diskstats, and psutil's answers of other systems as recorded."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kolide_tables.machine.disk_io import counter_rows, disk_io
from osquery_sdk import Query

from ...support.compare import Compare

SECTOR = 512
Counters = dict[str, tuple[int, ...]]


def said_by_the_kernel() -> Counters:
    """Source: the kernel's Documentation/admin-guide/iostats.rst."""
    devices: Counters = {}
    for line in Path("/proc/diskstats").read_text().splitlines():
        _, _, name, *words = line.split()
        reads, _, read_sectors, read_ms, writes, _, write_sectors, write_ms, _, busy_ms, *_ = map(int, words)
        devices[name] = (
            reads,
            writes,
            read_sectors * SECTOR,
            write_sectors * SECTOR,
            read_ms,
            write_ms,
            busy_ms,
        )
    return devices


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/diskstats")
def test_counters_are_the_kernel_s(tmp_path: Path, compare: Compare) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())
    before = said_by_the_kernel()
    if not before:
        pytest.skip("no block devices here")
    rows = {row[0]: tuple(row)[1:] for row in disk_io.rows()}
    after = said_by_the_kernel()
    # A device in use counts between the readings: the value has to lie between the kernel's two.
    said = {
        name: tuple(
            min(max(low, one), high)
            for low, one, high in zip(counters, rows.get(name, counters), after[name], strict=True)
        )
        for name, counters in before.items()
    }
    compare("disk_io", "/proc/diskstats", rows, said)
    assert any(sum(counters) for counters in rows.values())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/diskstats")
def test_a_device_is_looked_up_by_its_name() -> None:
    devices = sorted(said_by_the_kernel())
    if not devices:
        pytest.skip("no block devices here")
    assert [row.device for row in disk_io.rows(device=devices[-1])] == [devices[-1]]
    assert sorted(row.device for row in disk_io.rows(device=[*devices[:2], "nosuch"])) == devices[:2]
    assert disk_io.rows(device="nosuch") == []
    found = disk_io.rows(Query.of(disk_io, like={"device": devices[0][:2] + "%"}))
    assert {row.device for row in found} == {name for name in devices if name.startswith(devices[0][:2])}


def recorded(**counters: int) -> Any:
    return SimpleNamespace(**counters)


@pytest.mark.parametrize("none", [None, {}])
def test_a_machine_without_disks(none: Any) -> None:
    assert list(counter_rows(Query.of(disk_io), lambda: none)) == []


def test_macos_and_windows_as_recorded() -> None:
    fields = {
        "read_count": 1,
        "write_count": 2,
        "read_bytes": 3,
        "write_bytes": 4,
        "read_time": 5,
        "write_time": 6,
    }
    said = {"disk0": recorded(**fields), "PhysicalDrive1": recorded(**fields | {"read_bytes": 1 << 64})}
    rows = list(counter_rows(Query.of(disk_io), lambda: said))
    assert [tuple(row) for row in rows] == [
        ("disk0", 1, 2, 3, 4, 5, 6, None),
        ("PhysicalDrive1", 1, 2, (1 << 63) - 1, 4, 5, 6, None),
    ]


def test_the_counters_are_read_once_a_request() -> None:
    calls = []

    def read() -> dict[str, Any]:
        calls.append(1)
        return {f"sd{n}": recorded(read_count=n) for n in range(10_000)}

    assert len(list(counter_rows(Query.of(disk_io, equals={"device": ["sd5", "sd77"]}), read))) == 2
    assert len(calls) == 1
