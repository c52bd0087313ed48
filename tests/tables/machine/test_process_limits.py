"""kolide_process_limits against prlimit, and hand-made proc roots."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.machine.process_limits import limit_rows, parse_limits, process_limits
from kolide_tables.reading import procfs
from osquery_sdk import Query

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")

Limits = dict[str, tuple[int | None, int | None]]


def said_by_prlimit(pid: int) -> Limits:
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        pytest.skip("needs prlimit")
    said = subprocess.check_output(
        [prlimit, "--raw", "--noheadings", "--output=RESOURCE,SOFT,HARD", "--pid", str(pid)], text=True
    )
    limits: Limits = {}
    for line in said.splitlines():
        name, *values = line.split()
        soft, hard = (-1 if value == "unlimited" else int(value) for value in values)
        limits[name.lower()] = soft, hard
    return limits


def limits_of(pid: int) -> Limits:
    rows = process_limits.rows(pid=pid)
    assert {row.pid for row in rows} == {pid}
    assert len({row.resource for row in rows}) == len(rows)
    return {row.resource: (row.soft, row.hard) for row in rows}


@pytest.fixture
def sleeper() -> Any:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("name", "soft", "hard"),
    [
        (None, 0, 0),
        ("NOFILE", 64, 128),
        ("CORE", 0, resource.RLIM_INFINITY),
        ("AS", 1 << 40, (1 << 62) + 1),
        ("CPU", 100, 100),
        ("RTTIME", 12345, 99999),
        ("NICE", 0, 5),
    ],
)
def test_limits_are_those_of_prlimit(
    sleeper: Any, name: str | None, soft: int, hard: int, compare: Compare
) -> None:
    if name is not None:
        try:
            resource.prlimit(sleeper.pid, getattr(resource, f"RLIMIT_{name}"), (soft, hard))
        except PermissionError:
            pytest.skip(f"may not set {name}")
    limits = limits_of(sleeper.pid)
    compare("process_limits", "prlimit", limits, said_by_prlimit(sleeper.pid))
    if name is not None:
        assert limits[name.lower()] == (soft, -1 if hard == resource.RLIM_INFINITY else hard)
    assert len(limits) == 16


def test_every_process_of_the_machine_agrees_with_prlimit(compare: Compare) -> None:
    """Compare the processes that live all the while, and whose limits do not change meanwhile."""

    def said(pids: Iterable[int]) -> dict[int, Limits]:
        limits: dict[int, Limits] = {}
        for pid in pids:
            with contextlib.suppress(subprocess.CalledProcessError):  # it has ended
                limits[pid] = said_by_prlimit(pid)
        return limits

    before = said(procfs.pids())
    found: dict[int, Limits] = {}
    for row in process_limits.rows():
        found.setdefault(row.pid, {})[row.resource] = row.soft, row.hard
    # A difference counts only if prlimit still gives the same answer.
    differ = {pid for pid, limits in before.items() if found.get(pid) != limits}
    still = said(differ)
    same = {pid: limits for pid, limits in before.items() if pid not in differ or still.get(pid) == limits}
    assert {1, os.getpid()} <= same.keys()
    ours = {pid: found.get(pid) for pid in same}
    compare("process_limits", "prlimit", ours, same, rows=sum(map(len, same.values())))


def test_a_lookup_reads_that_process_alone(sleeper: Any, tmp_path: Path, opened: list[str]) -> None:
    limits = Path(f"/proc/{sleeper.pid}/limits").read_bytes()
    for pid in (7, 8):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "status").write_text(f"Tgid:\t{pid}\n")
        (tmp_path / str(pid) / "limits").write_bytes(limits)
    opened.clear()
    rows = list(limit_rows(Query.of(process_limits, equals={"pid": [8]}), str(tmp_path)))
    assert {row.pid for row in rows} == {8}
    assert opened == [f"{tmp_path}/8", "status", "limits"]
    opened.clear()
    assert len(list(limit_rows(Query.of(process_limits), str(tmp_path)))) == 32
    assert sorted(opened) == sorted([f"{tmp_path}/7", f"{tmp_path}/8", "limits", "limits"])


def test_ten_thousand_processes(tmp_path: Path) -> None:
    (tmp_path / "kind").mkdir()
    (tmp_path / "kind" / "limits").write_bytes(
        b"Max open files            1024                 4096      files\n"
    )
    for pid in range(1, 10_001):
        os.symlink("kind", f"{tmp_path}/{pid}")  # noqa: PTH211 - Path objects for so many are slow
    rows = list(limit_rows(Query.of(process_limits), str(tmp_path)))
    assert sorted(row.pid for row in rows) == list(range(1, 10_001))
    assert {tuple(row)[1:] for row in rows} == {("nofile", 1024, 4096)}


@pytest.mark.parametrize("pid", [0, -1, 1 << 30, 1 << 40])
def test_no_such_process(pid: int) -> None:
    assert process_limits.rows(pid=pid) == []


def test_a_process_that_ends_in_the_middle_has_no_rows(sleeper: Any) -> None:
    rows = limit_rows(Query.of(process_limits))
    first = next(rows).pid
    assert first != sleeper.pid
    sleeper.kill()
    sleeper.wait()
    assert sleeper.pid not in {row.pid for row in rows}


def test_a_zombie_has_limits() -> None:
    process = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert limits_of(process.pid)["nofile"][0] != 0
    finally:
        process.wait()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"Limit  Soft Limit\n", []),
        (
            b"Max open files            1024                 4096                 files\n",
            [("nofile", 1024, 4096)],
        ),
        (
            b"Max open files            unlimited            x                    files\n",
            [("nofile", -1, None)],
        ),
        (b"Max file size             18446744073709551614 5 bytes\n", [("fsize", (1 << 63) - 1, 5)]),
        (b"Max nice priority         0                    0                    \n", [("nice", 0, 0)]),
        (b"Max new thing             0                    0                    \n", []),
        (b"Max open files\n", []),
    ],
)
def test_lines(data: bytes, found: list[Any]) -> None:
    assert list(parse_limits(data)) == found


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for _, soft, hard in parse_limits(b"Max open files            " + data):
        assert all(value is None or -1 <= value < 1 << 63 for value in (soft, hard))
