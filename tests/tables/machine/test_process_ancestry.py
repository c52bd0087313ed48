"""kolide_process_ancestry against pstree, ps and psutil, with real families of processes and made-up ones."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.machine.process_ancestry import linux_rows, parse_stat, portable_rows, process_ancestry
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.tools import tool

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")

# A program that starts itself again, to a depth; the last process prints its pid and waits.
FAMILY = (
    "import os,sys,subprocess\n"
    "n = int(sys.argv[1])\n"
    "if n: sys.exit(subprocess.call([sys.executable, '-S', '-c', sys.argv[2], str(n - 1), *sys.argv[2:]]))\n"
    "print(os.getpid(), flush=True); sys.stdin.read()"
)


@pytest.fixture
def youngest() -> Iterator[int]:
    """Start a process four generations below this one; return its pid."""
    command = [sys.executable, "-S", "-c", FAMILY, "3", FAMILY, "--password", "hunter2", "a b"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        assert process.stdin is not None
        process.stdin.close()


def chain(rows: Any) -> list[int]:
    found = [(row.depth, row.ancestor_pid) for row in rows]
    assert [depth for depth, _ in found] == list(range(1, len(found) + 1))
    return [pid for _, pid in found]


@linux
def test_the_chain_is_the_one_pstree_draws(youngest: int, compare: Compare) -> None:
    said = subprocess.check_output([tool("pstree"), "-s", "-p", "-A", "-l", str(youngest)], text=True)
    pids = [int(pid) for pid in re.findall(r"\((\d+)\)", said.splitlines()[0])]
    assert pids[-1] == youngest
    compare("process_ancestry", "pstree -s -p", chain(process_ancestry.rows(pid=youngest)), pids[-2::-1])


@linux
def test_names_programs_and_starts_are_those_of_ps(youngest: int) -> None:
    rows = process_ancestry.rows(pid=youngest)
    assert os.getpid() in chain(rows)
    for row in rows:
        said = subprocess.check_output(
            [tool("ps"), "-o", "comm=", "-p", str(row.ancestor_pid)], text=True
        ).removesuffix("\n")
        assert row.name == said.rstrip()
        seconds = subprocess.check_output(
            [tool("ps"), "-o", "etimes=", "-p", str(row.ancestor_pid)], text=True
        )
        assert abs(time.time() - int(seconds) - row.start_time) < 3
        try:
            program = str(Path(f"/proc/{row.ancestor_pid}/exe").readlink())
        except PermissionError:
            assert row.path is None
        else:
            assert row.path == program.removesuffix(" (deleted)")
    assert rows[0].cmdline is not None
    assert "--password [redacted] a b" in rows[0].cmdline
    assert "hunter2" not in repr(rows)


@linux
def test_psutil_finds_the_same(youngest: int) -> None:
    query = Query.of(process_ancestry, equals={"pid": youngest})
    ours, theirs = process_ancestry.rows(pid=youngest), list(portable_rows(query, psutil))
    assert len(ours) >= 4
    for mine, other in zip(ours, theirs, strict=True):
        assert mine[:6] == other[:6]
        assert abs(mine.start_time - other.start_time) <= 1  # psutil rounds the start of the machine


@linux
def test_every_process_s_chain_follows_its_parents(compare: Compare) -> None:
    """Compare the processes that live all the while, and whose ancestors do."""

    def said() -> dict[int, int]:
        lines = subprocess.check_output([tool("ps"), "-e", "-o", "pid=,ppid="], text=True).splitlines()
        return {int(pid): int(parent) for pid, parent in map(str.split, lines)}

    before = said()
    found: dict[int, list[int]] = {}
    for row in linux_rows(Query.of(process_ancestry, used=["pid", "depth", "ancestor_pid"])):
        found.setdefault(row.pid, []).append(row.ancestor_pid)
    after = said()
    expected: dict[int, list[int]] = {}
    for pid in before:
        ancestors, at = [], pid
        while parent := before[at] if before.get(at) == after.get(at) else 0:
            ancestors.append(parent)
            at = parent
        if at in before and before[at] == after.get(at) == 0:
            expected[pid] = ancestors
    assert os.getpid() in expected
    ours = {pid: found.get(pid, []) for pid in expected}
    compare("process_ancestry", "ps -e -o pid,ppid", ours, expected, rows=sum(map(len, expected.values())))


@linux
def test_several_pids_and_those_that_are_none(youngest: int) -> None:
    rows = process_ancestry.rows(pid=[youngest, os.getpid(), youngest, 0, -1, 1 << 40])
    assert {row.pid for row in rows} == {youngest, os.getpid()}
    assert len(rows) == len(chain(process_ancestry.rows(pid=youngest))) + len(
        chain(process_ancestry.rows(pid=os.getpid()))
    )
    assert process_ancestry.rows(pid=1) == []
    assert process_ancestry.rows() == []  # a term with NULL, which osqueryd keeps to itself


@linux
def test_only_what_is_asked_for_is_read(youngest: int) -> None:
    (row, *_) = process_ancestry.rows(
        Query.of(process_ancestry, equals={"pid": youngest}, used=["pid", "ancestor_pid"])
    )
    assert (row.name, row.path, row.cmdline, row.start_time) == (None,) * 4


@linux
def test_an_ancestor_of_several_is_read_once(tmp_path: Path, opened: list[str]) -> None:
    make_process(tmp_path, 1, 0, 1)
    make_process(tmp_path, 2, 1, 2, b"parent")
    for pid in range(10, 20):
        make_process(tmp_path, pid, 2, pid)
    opened.clear()
    asked = Query.of(process_ancestry, equals={"pid": list(range(10, 20))}, used=["name"])
    rows = list(linux_rows(asked, str(tmp_path)))
    assert [row.name for row in rows] == ["parent", "x"] * 10
    assert opened.count("comm") == 2


@linux
def test_a_lookup_opens_that_process_and_its_ancestors(youngest: int) -> None:
    code = (
        "import os,sys; from kolide_tables.machine.process_ancestry import process_ancestry as t\n"
        "t.rows(pid=os.getpid()); os.write(1, b'go\\n'); t.rows(pid=int(sys.argv[1]))"
    )
    ancestors = chain(process_ancestry.rows(pid=youngest))
    traced = subprocess.run(
        [tool("strace"), "-f", "-e", "trace=openat,write", sys.executable, "-c", code, str(youngest)],
        capture_output=True,
        text=True,
    )
    if "not permitted" in traced.stderr and "ptrace" in traced.stderr:
        pytest.skip("no right to trace")
    opened = re.findall(r'openat\(AT_FDCWD, "(/proc/[^"]*)"', traced.stderr.partition('"go\\n"')[2])
    assert sorted(opened) == sorted(
        ["/proc/stat", f"/proc/{youngest}", *(f"/proc/{pid}" for pid in ancestors)]
    )


def make_process(root: Path, pid: int, parent: int, start: int, name: bytes = b"x") -> None:
    (root / str(pid)).mkdir(exist_ok=True)
    middle = b"0 " * 17
    (root / str(pid) / "stat").write_bytes(
        b"%d (%s) S %d " % (pid, name, parent) + middle + b"%d 0 0\n" % start
    )
    (root / str(pid) / "status").write_text(f"Tgid:\t{pid}\n")
    (root / str(pid) / "comm").write_bytes(name + b"\n")


@linux
def test_a_family_on_paper(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu 1\nbtime 1700000000\n")
    make_process(tmp_path, 1, 0, 0, b"init")
    make_process(tmp_path, 20, 1, 500, b"a) S 99 (b")
    make_process(tmp_path, 30, 20, 500, b"\xff\n")
    rows = list(linux_rows(Query.of(process_ancestry, equals={"pid": 30}), str(tmp_path)))
    assert [(r.depth, r.ancestor_pid, r.name, r.start_time) for r in rows] == [
        (1, 20, "a) S 99 (b", 1700000000 + 500 // os.sysconf("SC_CLK_TCK")),
        (2, 1, "init", 1700000000),
    ]
    unconstrained = list(linux_rows(Query.of(process_ancestry), str(tmp_path)))
    assert sorted((r.pid, r.ancestor_pid) for r in unconstrained) == [(20, 1), (30, 1), (30, 20)]


@linux
def test_who_is_younger_is_no_parent(tmp_path: Path) -> None:
    make_process(tmp_path, 5, 4, 100)
    make_process(tmp_path, 4, 1, 200)  # the number of its parent has been given to another
    make_process(tmp_path, 1, 0, 0)
    assert list(linux_rows(Query.of(process_ancestry, equals={"pid": 5}), str(tmp_path))) == []


@linux
@pytest.mark.parametrize("parents", [{5: 5}, {5: 6, 6: 5}, {5: 6, 6: 7, 7: 6}])
def test_a_family_that_goes_round_ends(tmp_path: Path, parents: dict[int, int]) -> None:
    for pid, parent in parents.items():
        make_process(tmp_path, pid, parent, 100)
    rows = list(linux_rows(Query.of(process_ancestry, equals={"pid": 5}), str(tmp_path)))
    assert len(rows) < len(parents)


@linux
def test_a_parent_that_ends_meanwhile_leaves_its_child_to_an_older_one() -> None:
    """When the parent ends after its number was read, the chain goes on with the process that adopted the
    child.
    """
    code = (
        "import os,sys,subprocess\n"
        "p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); sys.stdin.read(); os._exit(0)"
    )
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as parent:
            assert parent.stdout is not None
            assert parent.stdin is not None
            orphan = int(parent.stdout.readline())
            assert chain(process_ancestry.rows(pid=orphan))[:2] == [parent.pid, os.getpid()]
            parent.stdin.close()
            pids = set()
            while parent.poll() is None:
                pids.add(tuple(chain(process_ancestry.rows(pid=orphan))))
        now = chain(process_ancestry.rows(pid=orphan))
        os.kill(orphan, 9)
        assert now
        assert parent.pid not in now
        assert pids <= {(), tuple(now), *((parent.pid, *rest) for rest in _tails())}


def _tails() -> list[tuple[int, ...]]:
    return [(os.getpid(), *chain(process_ancestry.rows(pid=os.getpid())))]


@linux
def test_a_deep_family(tmp_path: Path) -> None:
    for pid in range(1, 501):
        make_process(tmp_path, pid, pid - 1, pid)
    rows = linux_rows(Query.of(process_ancestry, equals={"pid": 500}, used=["pid", "depth"]), str(tmp_path))
    assert [row.ancestor_pid for row in rows] == list(range(499, 0, -1))


@linux
def test_a_lookup_among_ten_thousand_processes_lists_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_process(tmp_path, 1, 0, 0)
    for pid in range(2, 10_001):
        os.symlink("1", f"{tmp_path}/{pid}")  # noqa: PTH211 - Path objects for so many are slow
    make_process(tmp_path, 20_000, 30_000, 7)
    make_process(tmp_path, 30_000, 1, 5)
    everything = linux_rows(Query.of(process_ancestry, used=["pid", "ancestor_pid"]), str(tmp_path))
    assert sorted({row.pid for row in everything}) == [20_000, 30_000]
    monkeypatch.setattr(os, "listdir", None)
    query = Query.of(process_ancestry, equals={"pid": [20_000, 40_000]})
    assert [row.ancestor_pid for row in linux_rows(query, str(tmp_path))] == [30_000, 1]


@pytest.mark.parametrize("data", [None, b"", b"1 (x", b"1 (x) S 1", b"1 (x) S " + b"a " * 40])
def test_no_such_content(data: bytes | None) -> None:
    assert parse_stat(data) is None


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    parse_stat(data)
    parse_stat(b"1 (x) S " + data)


class Gone(Exception):
    pass


def answer(value: Any) -> Any:
    def call() -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    return call


def test_macos_and_windows_as_recorded() -> None:
    launchd = SimpleNamespace(
        pid=1, name=answer("launchd"), exe=answer(Gone()), cmdline=answer(Gone()), create_time=answer(1.5)
    )
    shell = SimpleNamespace(
        pid=70,
        name=answer("zsh"),
        exe=answer("/bin/zsh"),
        cmdline=answer(["zsh", "-c", "API_KEY=x"]),
        create_time=answer(100.9),
    )

    def find(pid: int) -> Any:
        if pid != 71:
            raise Gone(pid)
        return SimpleNamespace(pid=71, parents=answer([shell, launchd]))

    fake = ModuleType("psutil")
    fake.__dict__.update(Error=Gone, Process=find, pids=lambda: [1, 71])
    rows = list(portable_rows(Query.of(process_ancestry), fake))
    assert [tuple(row) for row in rows] == [
        (71, 1, 70, "zsh", "/bin/zsh", "zsh -c API_KEY=[redacted]", 100),
        (71, 2, 1, "launchd", None, None, 1),
    ]
    assert rows == list(portable_rows(Query.of(process_ancestry, equals={"pid": [71, 72]}), fake))
