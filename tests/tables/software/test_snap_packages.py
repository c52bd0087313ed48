"""kolide_snap_packages beside a running snapd, and beside its documented API."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kolide_tables.software.snap_packages import SnapPackage, snap_packages, snap_rows
from osquery_sdk import Query, TableError

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="snapd is for Linux")

# GET /v2/snaps as in snapd's documentation, shortened. The second snap was installed from a file, the third
# as an instance.
SNAPS = [
    {
        "id": "99T7MUlRhtI3U0QFgl5mXXESAiSwt776",
        "title": "core",
        "name": "core",
        "publisher": {
            "id": "canonical",
            "username": "canonical",
            "display-name": "Canonical",
            "validation": "verified",
        },
        "developer": "canonical",
        "status": "active",
        "type": "os",
        "version": "16-2.61.4-20240607",
        "channel": "stable",
        "tracking-channel": "latest/stable",
        "revision": "17200",
        "confinement": "strict",
        "private": False,
        "devmode": False,
        "installed-size": 109043712,
        "install-date": "2024-08-20T10:00:00Z",
    },
    {
        "id": "",
        "name": "mine",
        "version": "0.1",
        "channel": "",
        "revision": "x1",
        "publisher": {"username": ""},
    },
    {
        "id": "N",
        "name": "node_old",
        "version": "18",
        "channel": "18/edge",
        "revision": "7",
        "publisher": None,
    },
]


@contextmanager
def snapd(path: Path, body: Any, status: str = "200 OK") -> Iterator[list[bytes]]:
    asked: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            asked.append(connection.recv(65536).split(b"\r\n")[0])
            head = (
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
            )
            connection.sendall(head.encode() + data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        listener.close()
        thread.join(0.1)


def answer(snaps: Any) -> dict[str, Any]:
    return {"type": "sync", "status-code": 200, "status": "OK", "result": snaps, "sources": ["local"]}


def test_snaps_as_documented(tmp_path: Path, compare: Compare) -> None:
    with snapd(tmp_path / "s", answer(SNAPS)) as asked:
        rows = list(snap_rows(Query.of(snap_packages), str(tmp_path / "s"), seconds=30))
    assert asked == [b"GET /v2/snaps HTTP/1.1"]
    documented = [
        (
            "core",
            "99T7MUlRhtI3U0QFgl5mXXESAiSwt776",
            "16-2.61.4-20240607",
            "latest/stable",
            "17200",
            "canonical",
            "system",
            None,
        ),
        ("mine", None, "0.1", None, "x1", None, "system", None),
        ("node_old", "N", "18", "18/edge", "7", None, "system", None),
    ]
    compare("snap_packages", "snapd's API as documented", [tuple(row) for row in rows], documented)


# A snapd with a state of its own, in a namespace. Without its store's assertions it knows no ids and
# publishers.
SNAPD = """
set -e
mount --make-rprivate /
for folder in /run /snap /var/lib/snapd; do mount -t tmpfs tmpfs $folder; done
mkdir /var/lib/snapd/snaps
add() {
  mkdir -p /snap/$1/$2/meta; ln -sfn $2 /snap/$1/current; touch /var/lib/snapd/snaps/$1_$2.snap
  printf 'name: %s\nversion: "%s"\nsummary: x\ndescription: y\n' "${1%%_*}" "$3" > /snap/$1/$2/meta/snap.yaml
}
add hello 11 2.9; add hello 12 2.10; add mine x1 0.1-rc; add node_old 7 18.1; add off 3 1
echo "$1" > /var/lib/snapd/state.json
timeout 60 /usr/lib/snapd/snapd >/run/log 2>&1 &
for turn in $(seq 300); do if [ -S /run/snapd.socket ]; then break; fi; sleep 0.1; done
snap list --all --unicode=never
echo ---
"$2" -c "import json
from kolide_tables.software.snap_packages import snap_packages as t
print(json.dumps(t.rows()))"
kill $!
"""


def installed(name: str, *revisions: str, channel: str = "", active: bool = True) -> dict[str, Any]:
    """Return a snap for snapd's state.json."""
    sequence = [{"name": name, "snap-id": "", "revision": one} for one in revisions]
    said = {"type": "app", "sequence": sequence, "active": active, "current": revisions[-1]}
    return said | {"channel": channel} if channel else said


def test_snaps_are_those_of_a_snapd_that_runs(compare: Compare) -> None:
    needed = ("unshare", "snap", "/usr/lib/snapd/snapd")
    if os.geteuid() != 0 or not all(map(shutil.which, needed)) or not Path("/snap").is_dir():
        pytest.skip("needs root, unshare and snapd")
    snaps = {
        "hello": installed("hello", "11", "12", channel="latest/stable"),
        "mine": installed("mine", "x1"),
        "node_old": installed("node", "7", channel="18/edge") | {"instance-key": "old"},
        "off": installed("off", "3", channel="latest/beta", active=False),
    }
    state: dict[str, Any] = {"data": {"seeded": True, "patch-level": 6, "patch-sublevel": 3, "snaps": snaps}}
    state |= {"changes": {}, "tasks": {}, "last-change-id": 0, "last-task-id": 0, "last-lane-id": 0}
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", SNAPD, "sh"]
    done = subprocess.run(
        [*command, json.dumps(state), sys.executable], capture_output=True, text=True, timeout=120
    )
    if "mount" in done.stderr and done.returncode:
        pytest.skip(f"nothing can be mounted in a namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    listed, ours = done.stdout.split("---\n")
    said = {}
    for line in listed.splitlines()[1:]:
        name, version, revision, tracking, publisher, notes = line.split()
        if (
            "disabled" not in notes or name == "off"
        ):  # an earlier revision is disabled as well, and not in use
            values = (version, revision, tracking, publisher)
            said[name] = tuple(None if value == "-" else value for value in values)
    rows = [dict(zip(SnapPackage.__columns__, row, strict=True)) for row in json.loads(ours)]
    found = {row["name"]: (row["version"], row["revision"], row["channel"], row["origin"]) for row in rows}
    assert len(rows) == len(found) == 4
    compare("snap_packages", "snap list", found, said)


def test_a_user_s_own_are_none_and_snapd_is_not_asked(tmp_path: Path) -> None:
    with snapd(tmp_path / "s", answer(SNAPS)) as asked:
        query = Query.of(snap_packages, equals={"uid": 1000})
        assert list(snap_rows(query, str(tmp_path / "s"), seconds=30)) == []
        assert asked == []


def test_a_machine_without_snapd(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for name in ("none", "file", "pipe"):
        assert list(snap_rows(Query.of(snap_packages), str(tmp_path / name))) == []


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"type": "error", "result": {"message": "no"}}, "500 Internal Server Error", "answers 500"),
        ({"type": "error", "result": {"message": "no"}}, "200 OK", "no list of them"),
        (b"<html>", "200 OK", "does not answer JSON"),
        ([], "200 OK", "no list of them"),
    ],
)
def test_a_snapd_that_does_not_tell_is_an_error(tmp_path: Path, body: Any, status: str, said: str) -> None:
    with snapd(tmp_path / "s", body, status), pytest.raises(TableError, match=said):
        list(snap_rows(Query.of(snap_packages), str(tmp_path / "s"), seconds=30))


def test_a_snapd_that_accepts_and_says_nothing_is_an_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()  # the kernel accepts for it
        started = time.monotonic()
        with pytest.raises(
            TableError, match=r"snapd does not tell its snaps: .*/s: does not answer within 0\.3 s"
        ):
            list(snap_rows(Query.of(snap_packages), str(tmp_path / "s"), seconds=0.3))
        assert time.monotonic() - started < 10


def test_ten_thousand_snaps(tmp_path: Path) -> None:
    with snapd(tmp_path / "s", answer([{"name": f"snap{number}"} for number in range(10_000)])):
        assert len(list(snap_rows(Query.of(snap_packages), str(tmp_path / "s"), seconds=30))) == 10_000


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"result": ' + b"[" * 100_000, b"\xff\x00"])
def test_an_answer_of_any_depth_or_bytes(tmp_path: Path, body: bytes) -> None:
    with snapd(tmp_path / "s", body), pytest.raises(TableError, match="does not answer JSON"):
        list(snap_rows(Query.of(snap_packages), str(tmp_path / "s"), seconds=30))


def test_odd_snaps(tmp_path: Path) -> None:
    snaps = [None, 1, {"name": None}, {"name": "a", "version": 7, "publisher": []}, {"name": "\udcff"}]
    with snapd(tmp_path / "s", answer(snaps)):
        rows = list(snap_rows(Query.of(snap_packages), str(tmp_path / "s"), seconds=30))
    assert [row.name for row in rows] == ["a", "\\xff"]
