"""The spool loses no record that it took, whatever stops the process; it has a size limit, and one owner."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.errors import SpoolError
from osquery_sdk.plugins.spool.queue import LogRecord, Spool

from ...support.plugins import tmpfs

if TYPE_CHECKING:
    from pathlib import Path


def records(*texts: str) -> list[tuple[str, str, str]]:
    return [("result", "event", text) for text in texts]


def drain(spool: Spool, size: int = 50) -> list[LogRecord]:
    found: list[LogRecord] = []
    while batch := spool.read(size, 1 << 20):
        spool.commit(batch)
        found += batch
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_records_come_out_as_they_went_in(folder: Path) -> None:
    spool = Spool(folder, max_bytes=1 << 20)
    texts = ['{"a": "é"}', "", "x" * 70_000, "\udcff no utf-8", "new\nline"]
    assert spool.append([("status", "", texts[0]), ("event", "c" * 300, texts[1]), *records(*texts[2:])]) == 5
    got = spool.read(10, 1 << 20)
    assert [record.text for record in got] == texts
    assert [(r.kind, len(r.category)) for r in got] == [("status", 0), ("event", 255), *[("result", 5)] * 3]
    assert [record.number for record in got] == [0, 1, 2, 3, 4]
    assert spool.read(10, 1 << 20) == got  # until they are committed
    spool.commit(
        got[:2]
    )  # a read is committed whole or in part only by reading less: numbers go on behind it
    spool.close()


@pytest.mark.parametrize("seed", range(20))
def test_it_is_a_queue_whatever_happens(seed: int, folder: Path) -> None:
    """Random appends, reads, commits, ends and kills, against a list."""
    chance = random.Random(seed)
    sizes = {
        "max_bytes": chance.choice([20_000, 200_000]),
        "segment_bytes": chance.choice([4096, 8192, 1 << 20]),
    }
    spool = Spool(folder, **sizes)
    wanted: list[str] = []
    got: list[str] = []
    serial = 0
    for _ in range(400):
        match chance.choices(["append", "read", "close", "kill"], [50, 40, 5, 5])[0]:
            case "append":
                texts = [
                    f"{serial + i}" + "y" * chance.choice([0, 10, 300, 3000])
                    for i in range(chance.choice([1, 1, 5, 40]))
                ]
                serial += len(texts)
                wanted += texts[: spool.append(records(*texts))]
            case "read":
                batch = spool.read(chance.choice([1, 7, 100]), chance.choice([10, 1000, 100_000]))
                if batch and chance.random() < 0.5:
                    spool.mark(batch)
                    marked = batch
                    spool = reopened(spool, folder, sizes)
                    batch = spool.read(1, 1)
                    assert batch == marked  # the very same batch, whatever is asked for
                if batch and chance.random() < 0.8:
                    assert [r.number for r in batch] == list(
                        range(batch[0].number, batch[0].number + len(batch))
                    )
                    spool.commit(batch)
                    got += [record.text for record in batch]
            case "close":
                spool.close()
                spool = Spool(folder, **sizes)
            case "kill":
                spool = reopened(spool, folder, sizes)
        assert spool.waiting == len(wanted) - len(got)
        assert spool.bytes_used <= sizes["max_bytes"]
    got += [record.text for record in drain(spool)]
    assert got == wanted
    assert spool.damaged == 0
    spool.close()


def reopened(spool: Spool, folder: Path, sizes: dict[str, int]) -> Spool:
    """Do what a kill does: the kernel closes the files, and nothing else happens."""
    for name in ("_lock", "_writing", "_reading", "_state_file", "_folder"):
        if getattr(spool, name) >= 0:
            os.close(getattr(spool, name))
        setattr(spool, name, -1)
    return Spool(folder, **sizes)


def test_only_what_waits_is_kept(folder: Path) -> None:
    spool = Spool(folder, max_bytes=1 << 24)
    for _ in range(10):
        assert spool.append(records(*["x" * 1000] * 1000)) == 1000
        assert len(drain(spool)) == 1000
        assert spool.bytes_used < 128 << 10
    spool.close()


def test_it_takes_no_more_than_its_bound(folder: Path) -> None:
    spool = Spool(folder, max_bytes=100_000)
    taken = sum(spool.append(records("x" * 1000)) for _ in range(200))
    assert 90 <= taken <= 99
    assert sum(path.stat().st_size for path in folder.glob("*.log")) <= 100_000
    drain(spool)
    assert spool.append(records("x" * 1000)) == 1
    spool.close()


def test_a_full_disk_takes_whole_records_or_none() -> None:
    with tmpfs("1m") as disk:
        spool = Spool(disk / "spool", max_bytes=1 << 30)
        taken = sum(spool.append(records(f"{n:06}" + "x" * 1000)) for n in range(2000))
        assert 500 < taken < 1100
        spool.add_dropped(2000 - taken)  # the state is written in place, which needs no room
        spool = reopened(spool, disk / "spool", {"max_bytes": 1 << 30})
        assert spool.dropped == 2000 - taken
        first = spool.read(100, 1 << 20)
        spool.mark(first)
        spool.commit(first)
        rest = drain(spool)
        assert [int(record.text[:6]) for record in [*first, *rest]] == list(range(taken))
        assert spool.append(records("there is room again")) == 1
        spool.close()


def test_a_record_that_was_cut_off_is_none(folder: Path) -> None:
    """A record is cut off, as when the machine stops in the middle of a write."""
    spool = Spool(folder, max_bytes=1 << 20)
    spool.append(records("one", "two", "three"))
    spool.close()
    (segment,) = folder.glob("*.log")
    os.truncate(segment, segment.stat().st_size - 2)
    spool = Spool(folder, max_bytes=1 << 20)
    spool.append(records("four"))
    assert [(record.number, record.text) for record in drain(spool)] == [(0, "one"), (1, "two"), (2, "four")]
    spool.close()


def test_what_is_damaged_is_counted_and_the_rest_goes_on(folder: Path) -> None:
    spool = Spool(folder, max_bytes=1 << 20, segment_bytes=4096)
    for number in range(40):
        spool.append(records(f"{number:03}" + "x" * 400))
    spool.close()
    first, *_ = sorted(folder.glob("*.log"))
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 0xFF
    first.write_bytes(data)
    spool = Spool(folder, max_bytes=1 << 20, segment_bytes=4096)
    got = [int(record.text[:3]) for record in drain(spool)]
    assert 0 < spool.damaged < 12
    assert len(got) == 40 - spool.damaged
    assert got[-1] == 39
    spool.close()


def test_one_process_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osquery_sdk.plugins.spool.queue._LOCKED_WITHIN", 0.5)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "from osquery_sdk.plugins.spool.queue import Spool; "
                f"s = Spool({str(folder)!r}, max_bytes=1 << 20); print(flush=True); input()"
            ),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(SpoolError, match="another process uses it"):
        Spool(folder, max_bytes=1 << 20)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    Spool(folder, max_bytes=1 << 20).close()


def test_nobody_else_reads_or_writes_it(folder: Path, tmp_path: Path) -> None:
    spool = Spool(folder, max_bytes=1 << 20)
    spool.append(records("secret"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}
    assert set(modes.values()) == {0o700, 0o600}
    assert modes["spool"] == 0o700
    spool.close()
    folder.chmod(0o777)
    with pytest.raises(SpoolError, match="nobody else may write"):
        Spool(folder, max_bytes=1 << 20)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(SpoolError):
        Spool(tmp_path / "link", max_bytes=1 << 20)
    folder.chmod(0o700)
    (folder / "state").unlink()
    (folder / "state").symlink_to(tmp_path / "victim")
    with pytest.raises(SpoolError):
        Spool(folder, max_bytes=1 << 20)
    assert not (tmp_path / "victim").exists()
