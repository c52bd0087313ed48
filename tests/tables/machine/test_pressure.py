"""kolide_pressure against the kernel's files, with a control group made for it where that is allowed."""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.machine.pressure import parse_pressure, pressure, pressure_rows
from osquery_sdk import Query

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")

TABLE = pressure
SOME = b"some avg10=1.50 avg60=0.25 avg300=0.00 total=123\n"
FULL = b"full avg10=0.00 avg60=0.00 avg300=99.99 total=18446744073\n"
Facts = dict[tuple[str, str], tuple[float, ...]]


def plainly(folder: Path, ending: str = "") -> Facts:
    found: Facts = {}
    for resource in ("cpu", "memory", "io", "irq"):
        path = folder / f"{resource}{ending}"
        if path.is_file():
            for line in path.read_text().splitlines():
                kind, *values = line.split()
                found[resource, kind] = tuple(float(value.partition("=")[2]) for value in values)
    return found


def facts(rows: list[Any]) -> Facts:
    return {(row.resource, row.kind): tuple(map(float, tuple(row)[3:])) for row in rows}


def test_the_machine_s_pressure_is_the_kernel_s(compare: Compare) -> None:
    try:
        before = plainly(Path("/proc/pressure"))
    except OSError:
        pytest.skip("the kernel was started without it")
    if not before:
        pytest.skip("this kernel does not measure it")
    rows = TABLE.rows(cgroup="/")
    after = plainly(Path("/proc/pressure"))
    assert {row.cgroup for row in rows} == {"/"}
    compare("pressure", "/proc/pressure", facts(rows), meanwhile(before, facts(rows), after))


def meanwhile(before: Facts, found: Facts, after: Facts) -> Facts:
    """Return the kernel's value, from two readings, that is nearest to the table's."""
    said: Facts = {}
    for key, first in before.items():
        ours, last = found.get(key, first), after[key]
        # The averages are recomputed every two seconds; the total only grows.
        averages = ours[:3] if ours[:3] in (first[:3], last[:3]) else last[:3]
        said[key] = (*averages, min(max(first[3], ours[3]), last[3]))
    return said


def groups_root() -> Path:
    for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if Path(folder, "cgroup.controllers").exists():
            return Path(folder)
    pytest.skip("no control groups of version 2 here")


@pytest.fixture
def group() -> Iterator[str]:
    """Make a control group of the kernel, with one below it."""
    folder = groups_root() / f"pressure-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        (folder / "below").mkdir()
    except OSError as error:
        pytest.skip(f"no control group may be made here: {error}")
    try:
        if not (folder / "cpu.pressure").exists():
            pytest.skip("this kernel does not measure it for control groups")
        yield f"/{folder.name}"
    finally:
        (folder / "below").rmdir()
        folder.rmdir()


def test_a_control_group_s_pressure_is_the_kernel_s(group: str, compare: Compare) -> None:
    for path in (group, f"{group}/below"):
        rows = TABLE.rows(cgroup=path)
        assert {row.cgroup for row in rows} == {path}
        said = plainly(Path(f"{groups_root()}{path}"), ".pressure")
        compare("pressure", "CGROUP/*.pressure", facts(rows), said)
    assert TABLE.rows(cgroup=f"{group}/none") == []


def test_a_scan_finds_every_control_group(group: str) -> None:
    found = {row.cgroup for row in TABLE.rows()}
    assert {"/", group, f"{group}/below"} <= found
    like = TABLE.rows(Query.of(TABLE, like={"cgroup": f"{group}%"}))
    assert {row.cgroup for row in like} == {group, f"{group}/below"}


@pytest.fixture
def tree(tmp_path: Path) -> tuple[str, tuple[str, ...]]:
    """Make folders like the kernel's: a machine under pressure, and two control groups."""
    psi, root = tmp_path / "psi", tmp_path / "cgroup"
    psi.mkdir()
    (psi / "cpu").write_bytes(SOME)
    for path in ("a", "b", "b/c"):
        (root / path).mkdir(parents=True, exist_ok=True)
        (root / path / "io.pressure").write_bytes(SOME + FULL)
    (root / "cgroup.controllers").touch()
    (root / "io.pressure").write_bytes(SOME)
    return str(psi), (str(tmp_path / "none"), str(root))


def rows_of(tree: Any, **options: Any) -> list[Any]:
    return list(pressure_rows(Query.of(TABLE, **options), *tree))


def test_folders_on_paper(tree: Any) -> None:
    rows = rows_of(tree)
    assert [(row.cgroup, row.resource, row.kind) for row in rows] == [
        ("/", "cpu", "some"),
        *((path, "io", kind) for path in ("/a", "/b", "/b/c") for kind in ("some", "full")),
    ]
    assert tuple(rows[0])[3:] == (1.5, 0.25, 0.0, 123)
    assert tuple(rows[2])[3:] == (0.0, 0.0, 99.99, 18446744073)


def test_a_lookup_opens_the_files_of_that_group_alone(
    tree: Any, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "scandir", None)
    assert len(rows_of(tree, equals={"cgroup": ["/b/c", "/none"]})) == 2
    assert opened == [f"{tree[1][1]}/b/c/io.pressure"]


@pytest.mark.parametrize("path", ["", "a", "/..", "/../psi", "/a/..", "//a", "/a/", "/./a", "/a\0"])
def test_other_folders_are_not_read(tree: Any, path: str) -> None:
    assert rows_of(tree, equals={"cgroup": path}) == []


def test_links_and_pipes_in_the_tree(tree: Any, tmp_path: Path) -> None:
    root = Path(tree[1][1])
    (root / "link").symlink_to(tmp_path)
    os.mkfifo(root / "a" / "cpu.pressure")
    (root / "b" / "memory.pressure").symlink_to("/etc/shadow")
    said: list[str] = []
    rows = rows_of(tree, warn=said.append)
    assert len(rows) == 7
    assert len(said) == 2
    assert {row.cgroup for row in rows} == {"/", "/a", "/b", "/b/c"}


def test_groups_of_any_bytes_and_hundreds_of_them(tree: Any) -> None:
    root = Path(tree[1][1])
    for name in (b"\xff.slice", *(b"g%d" % number for number in range(500))):
        folder = root / "a" / os.fsdecode(name)
        folder.mkdir()
        (folder / "cpu.pressure").write_bytes(SOME)
    rows = rows_of(tree)
    assert "/a/\\xff.slice" in {row.cgroup for row in rows}
    assert len(rows) == 7 + 501


def test_a_group_that_goes_while_they_are_looked_through_hides_no_others(tree: Any) -> None:
    rows = pressure_rows(Query.of(TABLE), *tree)
    assert [next(rows).cgroup for _ in range(2)] == ["/", "/a"]
    shutil.rmtree(Path(tree[1][1]) / "b/c")
    assert {row.cgroup for row in rows} == {"/a", "/b"}


def test_too_many_groups_are_an_error(tree: Any) -> None:
    with pytest.raises(LimitExceeded, match=r"more than 3 control groups.*max_folders"):
        list(pressure_rows(Query.of(TABLE.configured(limits=Limits(max_folders=3))), *tree))


def test_a_kernel_without_it(tmp_path: Path) -> None:
    said: list[str] = []
    query = Query.of(TABLE, warn=said.append)
    assert list(pressure_rows(query, str(tmp_path / "none"), (str(tmp_path / "none"),))) == []
    assert said == []


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    list(parse_pressure(data))
    assert len(list(parse_pressure(SOME + data.replace(b"avg", b"") + b"\n" + FULL))) == 2
