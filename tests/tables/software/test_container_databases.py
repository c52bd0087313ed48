"""kolide_containers from the databases of podman and containerd, as recorded, without a service or a process.

The databases were made by podman 5.4 and 4.3 and containerd 1.6 with `create` and `run`; said.json has what
`podman ps`, `podman inspect` and `ctr containers info` said of them.
"""

import gzip
import json
import sqlite3
import struct
import sys
import time
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_tables.software.boltdb import BoltError, Bucket, read_bolt
from kolide_tables.software.containers import Container, container_rows, containers
from osquery_sdk import Query

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the table is for Linux")

STORAGE = "var/lib/containers/storage"
PLACES = {
    "podman-5.4": ("podman-5.4-db.sql.gz", f"{STORAGE}/db.sql"),
    "podman-4.3": ("podman-4.3-bolt_state.db.gz", f"{STORAGE}/libpod/bolt_state.db"),
    "containerd-1.6": (
        "containerd-1.6-meta.db.gz",
        "var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
    ),
}


def placed(engine: str, fixtures: Path, root: Path) -> Path:
    """Put an engine's database below a root folder."""
    name, place = PLACES[engine]
    path = root / place
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.decompress((fixtures / "containers" / name).read_bytes()))
    return path


def rows_of(root: Path, **equals: Any) -> tuple[list[Container], list[str]]:
    warnings: list[str] = []
    query = Query.of(containers, equals=equals, warn=warnings.append)
    return list(container_rows(query, str(root))), warnings


@pytest.mark.parametrize("engine", ["podman-5.4", "podman-4.3"])
def test_containers_are_those_of_podman_ps(
    engine: str, fixtures: Path, tmp_path: Path, compare: Compare
) -> None:
    placed(engine, fixtures, tmp_path)
    said: dict[str, dict[str, Any]] = json.loads((fixtures / "containers/said.json").read_text())[engine]
    for facts in said.values():
        # Since the database was written its machine has stopped.
        facts["state"] = facts["state"].replace("running", "exited")
    rows, warnings = rows_of(tmp_path)
    fields = next(iter(said.values())).keys()
    found = {row.id: {name: getattr(row, name) for name in fields} for row in rows}
    for facts in found.values():
        facts["capabilities"] = sorted(facts["capabilities"])
    compare("containers", f"{engine}: podman ps, podman inspect, recorded", found, said)
    assert warnings == []
    by_name = {row.name: row for row in rows}
    assert {row.runtime for row in rows} == {"podman"}
    assert by_name["hostnet"].privileges == [
        *("capability=CAP_SYS_ADMIN", "pid=host", "network=host", "ipc=host", "uts=host", "mount=/etc")
    ]
    assert by_name["priv"].privileges is not None
    assert by_name["priv"].privileges[0] == "privileged"
    assert by_name["plain"].privileges == []
    (row,) = rows_of(tmp_path, id=rows[0].id)[0]
    assert row == rows[0]


def test_a_process_of_podman_s_database(tmp_path: Path) -> None:
    """Without its file of the process, as where a user's runtime folder is elsewhere."""
    identity = "ab" * 32
    path = tmp_path / STORAGE / "db.sql"
    path.parent.mkdir(parents=True)
    config = json.dumps({"id": identity, "staticDir": f"/x/overlay-containers/{identity}/userdata"})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table ContainerConfig (ID, JSON)")
        connection.execute("create table ContainerState (ID, JSON)")
        connection.execute("insert into ContainerConfig values (1, ?)", (config,))
        connection.execute('insert into ContainerState values (1, \'{"state": 3, "pid": 4242}\')')
        connection.commit()
    (row,) = rows_of(tmp_path)[0]
    assert (row.state, row.pid) == ("exited", None)
    process = tmp_path / "proc/4242"
    process.mkdir(parents=True)
    (process / "stat").write_text("4242 (a) S 1 4242")
    for group, state in ((f"0::/machine.slice/libpod-{identity}.scope\n", "running"), ("0::/x\n", "exited")):
        (process / "cgroup").write_text(group)
        (row,) = rows_of(tmp_path)[0]
        assert (row.state, row.pid) == (state, 4242 if state == "running" else None)


def test_containers_of_a_containerd_that_does_not_run(
    fixtures: Path, tmp_path: Path, compare: Compare
) -> None:
    path = placed("containerd-1.6", fixtures, tmp_path)
    said = json.loads((fixtures / "containers/said.json").read_text())["containerd-1.6"]
    rows, warnings = rows_of(tmp_path)
    found = {
        row.id: [row.name, row.image, row.created, len(row.capabilities or ()), row.network_mode]
        for row in rows
    }
    compare("containers", "ctr containers info, recorded", found, said)
    assert warnings == []
    assert {(row.runtime, row.state) for row in rows} == {("containerd", "created")}
    by_id = {row.id: row.privileges or [] for row in rows}
    assert by_id["0" * 63 + "6"] == ["socket=/run/containerd/containerd.sock", "seccomp=unconfined"]
    # The part for Kubernetes notes a container's end.
    status = tmp_path / f"var/lib/containerd/io.containerd.grpc.v1.cri/containers/{'0' * 63}5/status"
    status.parent.mkdir(parents=True)
    status.write_text('{"Version": "v1", "FinishedAt": 1795792321000000000, "ExitCode": 137}')
    assert {row.id[-1]: row.state for row in rows_of(tmp_path)[0]}["5"] == "exited"
    # A task that runs is listed once, with what the database says of it.
    task = tmp_path / "run/containerd/io.containerd.runtime.v2.task/default/c7126"
    task.mkdir(parents=True)
    (task / "config.json").write_text('{"linux": {"namespaces": [{"type": "network"}]}}')
    assert len(rows_of(tmp_path)[0]) == len(rows)
    (row,) = (row for row in rows_of(tmp_path)[0] if row.id == "c7126")
    assert (row.image, row.created, row.state) == ("localhost/box:1", 1795792320, "exited")
    path.unlink()
    assert [row.id for row in rows_of(tmp_path)[0]] == ["c7126"]


@pytest.mark.parametrize("engine", PLACES)
def test_a_broken_database_costs_only_itself(engine: str, fixtures: Path, tmp_path: Path) -> None:
    path = placed(engine, fixtures, tmp_path)
    task = tmp_path / "run/containerd/io.containerd.runtime.v2.task/default/other"
    task.mkdir(parents=True)
    (task / "config.json").write_text('{"linux": {}}')
    whole = path.read_bytes()
    for content in (b"", b"x" * 5000, whole[:9000], whole[:4096] + b"\xff" * (len(whole) - 4096)):
        path.write_bytes(content)
        rows, warnings = rows_of(tmp_path)
        assert [row.id for row in rows] == ["other"]
        assert len(warnings) == 1
        assert warnings[0].count(str(path)) == 1
    path.unlink()
    path.symlink_to("/etc/passwd")
    (warning,) = rows_of(tmp_path)[1]
    assert warning.count(str(path)) == 1


def test_a_database_that_would_keep_sqlite_busy(tmp_path: Path) -> None:
    """A user's own podman has its database in a home."""
    path = tmp_path / STORAGE / "db.sql"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "create table ContainerState (ID, JSON); create view ContainerConfig as "
            "with recursive n(i) as (select 1 union all select i + 1 from n) select i as ID, '{}' as JSON from n;"
        )
    started = time.monotonic()
    rows, warnings = rows_of(tmp_path)
    assert time.monotonic() - started < 10
    assert rows == []
    assert len(warnings) == 1
    assert "interrupted" in warnings[0]


def test_values_that_podman_does_not_write(tmp_path: Path) -> None:
    identity = "ab" * 32
    configs: list[dict[str, Any]] = [
        {
            "id": identity,
            "staticDir": "/x/overlay-containers/ab/userdata",
            "newPortMappings": [5, {"range": 1}],
        },
        {"id": "cd" * 32, "staticDir": "/../../x", "spec": []},
        {"id": "not hex", "staticDir": "/a/b/c"},
        {"id": 5, "staticDir": None},
        {},
        {
            "id": "ef" * 32,
            "staticDir": "/x/vfs-containers/ef/userdata",
            "createNetNS": True,
            "createdTime": "never",
            "newPortMappings": [
                {"container_port": 1, "host_port": 2, "range": 1 << 60, "protocol": "tcp,udp"}
            ],
            "portMappings": [{"containerPort": 80, "hostPort": 8080, "protocol": "tcp", "hostIP": "::"}],
        },
    ]
    path = tmp_path / STORAGE / "db.sql"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table ContainerConfig (ID, JSON)")
        connection.execute("create table ContainerState (ID, JSON)")
        texts = [json.dumps(config) for config in configs]
        for number, text in enumerate([*texts, b"\xff", None, 7, "[" * 100_000]):
            connection.execute("insert into ContainerConfig values (?, ?)", (number, text))
        connection.execute("insert into ContainerState values (0, '{\"state\": 99}')")
        connection.commit()
    rows, warnings = rows_of(tmp_path)
    assert warnings == []
    assert [(row.id[:2], row.state, row.network_mode) for row in rows] == [
        ("ab", "unknown", "host"),
        ("ef", "unknown", "bridge"),
    ]
    assert rows[0].ports == []
    assert rows[1].ports is not None
    assert len(rows[1].ports) == 1000


def everything(bucket: Bucket) -> int:
    return sum(everything(value) if isinstance(value, Bucket) else 1 for _, value in bucket.items())


def test_the_newer_of_two_states_counts(fixtures: Path) -> None:
    """A page that was being written when the machine stopped is left for the one before it."""
    data = bytearray(gzip.decompress((fixtures / "containers/podman-4.3-bolt_state.db.gz").read_bytes()))
    newest = max((0, 4096), key=lambda at: struct.unpack_from("<Q", data, at + 64)[0])
    count = everything(read_bolt(BytesIO(data)))
    data[newest + 30] ^= 1
    assert 0 < everything(read_bolt(BytesIO(data))) <= count
    data[4096 - newest + 30] ^= 1
    with pytest.raises(BoltError, match="not a database of bbolt"):
        read_bolt(BytesIO(data))


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_changed_database_is_read_or_broken(data: st.DataObject, fixtures: Path) -> None:
    name = data.draw(st.sampled_from(("podman-4.3-bolt_state.db.gz", "containerd-1.6-meta.db.gz")))
    content = bytearray(gzip.decompress((fixtures / "containers" / name).read_bytes()))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(8192, len(content) - 1))
        content[at : at + 4] = data.draw(st.binary(min_size=4, max_size=4))
    try:
        everything(read_bolt(BytesIO(content)))
    except BoltError:
        pass
