"""kolide_flatpak_packages beside flatpak itself, with a repository made here, and broken deployments."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.reading.flatpak import Installation, more_installations, parse_deploy
from kolide_tables.reading.gvariant import split_array, split_tuple, string
from kolide_tables.software.flatpak_packages import flatpak_packages, package_rows
from osquery_sdk import DeadlineExceeded, Query

from ...support.compare import Compare
from ...support.flatpaks import Flatpak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="flatpak is for Linux")

TABLE = flatpak_packages


@pytest.fixture(scope="module")
def flatpak(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run flatpak with installations of its own, with packages of a local repository."""
    own = Flatpak(tmp_path_factory.mktemp("flatpak"))
    run, publish = own.run, own.publish
    publish("Runtime", "org.acme.Platform", "1")
    publish("Application", "org.acme.Hello", "stable", name="Hello Wörld", version="1.2.3", summary="x")
    publish("Application", "org.acme.Hello", "beta", name="Hello", version="2.0~rc1", summary="y" * 300)
    publish("Application", "org.acme.Silent", "stable")
    for scope in ("--user", "--system"):
        run("remote-add", scope, "--no-gpg-verify", "acme", "repo")
    for reference in ("org.acme.Hello//stable", "org.acme.Hello//beta"):
        run("install", "--user", "-y", "--noninteractive", "acme", reference)
    run("install", "--system", "-y", "--noninteractive", "acme", "org.acme.Silent")
    # An updated package has two deployments, one of them active.
    publish("Application", "org.acme.Hello", "stable", name="Hello Wörld", version="1.3", summary="x")
    run("update", "--user", "-y", "--noninteractive", "org.acme.Hello//stable")
    return own.root, run


def rows_of(*installations: Installation, **options: Any) -> list[Any]:
    return list(package_rows(Query.of(TABLE, **options), installations))


def test_packages_are_those_of_flatpak(flatpak: Any, compare: Compare) -> None:
    root, run = flatpak
    columns = "name,application,version,branch,origin,installation,active"
    said = set()
    for line in run("list", "-a", f"--columns={columns}").splitlines():
        _, application, version, branch, origin, installation, _ = line.split("\t")
        commit = run("info", f"--{installation}", "--show-commit", f"{application}//{branch}").strip()
        said.add((application, version or None, branch, commit, origin, installation))
    rows = rows_of(Installation("user", f"{root}/user", 1000), Installation("system", f"{root}/system", None))
    ours = {(row.id, row.version, row.channel, row.revision, row.origin, row.installation) for row in rows}
    compare("flatpak_packages", "flatpak list, flatpak info", ours, said)
    assert len(rows) == 5  # the runtime is there twice
    hello = next(row for row in rows if (row.id, row.channel) == ("org.acme.Hello", "stable"))
    assert (hello.name, hello.version, hello.uid) == ("Hello Wörld", "1.3", 1000)
    assert {row.uid for row in rows if row.installation == "system"} == {None}


def test_users_have_their_own(users: Any, flatpak: Any, opened: list[str]) -> None:
    root, _ = flatpak
    for uid, name in ((1000, "ann"), (1001, "bob"), (1002, "eve")):
        home = users.add(uid, name)
        (home / ".local/share").mkdir(parents=True)
        if name != "eve":
            shutil.copytree(root / "user", home / ".local/share/flatpak", symlinks=True)
    rows = TABLE.rows(uid=1001)
    assert len(rows) == 3
    assert {row.uid for row in rows} == {1001}
    assert {path for path in opened if "/ann/" in path or path.startswith("/var/")} == set()
    everyone = TABLE.rows()
    assert {row.uid for row in everyone} >= {1000, 1001}
    assert TABLE.rows(uid=1002) == TABLE.rows(uid=7) == []


COMMIT = "0123456789abcdef" * 4


def deployment(top: Path, name: str = "org.acme.A", kind: str = "app") -> Path:
    folder = top / kind / name / "x86_64" / "stable" / COMMIT
    folder.mkdir(parents=True)
    (folder.parent / "active").symlink_to(COMMIT)
    return folder


def test_deployments_that_cannot_be_read_do_not_hide_the_others(tmp_path: Path, flatpak: Any) -> None:
    root, _ = flatpak
    good = next((root / "user" / "app").glob("*/*/stable/active/deploy"))
    shutil.copy(good, deployment(tmp_path) / "deploy")
    os.mkfifo(deployment(tmp_path, "b") / "deploy")
    (deployment(tmp_path, "c") / "deploy").symlink_to("/etc/shadow")
    (deployment(tmp_path, "d") / "deploy").write_bytes(b"\xff" * 100)
    with (deployment(tmp_path, "e") / "deploy").open("wb") as file:
        file.truncate(1 << 30)
    deployment(tmp_path, "f")
    said: list[str] = []
    rows = rows_of(Installation("user", str(tmp_path), 1), warn=said.append)
    # A deployment without a readable deploy file still has its folders' names.
    assert [(row.id, row.version) for row in rows] == [("d", None), ("org.acme.A", "1.3")]
    assert len(said) == 5
    assert "root:" not in repr(said)


def test_links_that_flatpak_does_not_make(tmp_path: Path) -> None:
    elsewhere = deployment(tmp_path / "elsewhere")
    (elsewhere / "deploy").write_bytes(b"")
    top = tmp_path / "top"
    for target in ("/etc", "../../..", COMMIT + "/..", "a" * 63, str(elsewhere)):
        branch = top / "app" / "org.acme.A" / "x86_64" / f"b{len(target)}"
        branch.mkdir(parents=True)
        (branch / "active").symlink_to(target)
    (top / "app" / "linked").symlink_to(tmp_path / "elsewhere/app/org.acme.A")
    (top / "runtime").symlink_to(tmp_path / "elsewhere/app")
    said: list[str] = []
    assert rows_of(Installation("user", str(top), 1), warn=said.append) == []
    assert said == []


def test_folders_without_permission_are_said_to_be_left_out(tmp_path: Path, flatpak: Any) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    root, _ = flatpak
    good = next((root / "user" / "app").glob("*/*/stable/active/deploy"))
    for name in ("open", "closed"):
        shutil.copy(good, deployment(tmp_path, name) / "deploy")
    (tmp_path / "app" / "closed").chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o111)
    code = (
        "import os, sys; from kolide_tables.reading.flatpak import Installation\n"
        "from kolide_tables.software.flatpak_packages import flatpak_packages, package_rows\n"
        "from osquery_sdk import Query\n"
        "import json; t, said = flatpak_packages, []; Query.of(t)\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "here = iter([Installation('user', sys.argv[1], 1)])\n"
        "rows = list(package_rows(Query.of(t, warn=said.append), here))\n"
        "print(json.dumps([[row.id for row in rows], said]))"
    )
    ids, said = json.loads(subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], text=True))
    assert ids == ["open"]
    assert len(said) == 1
    assert f"{tmp_path}/app/closed: Permission denied" in said[0]


def test_names_of_any_bytes_and_hundreds_of_packages(tmp_path: Path, flatpak: Any) -> None:
    root, _ = flatpak
    good = next((root / "user" / "app").glob("*/*/stable/active/deploy"))
    shutil.copy(good, deployment(tmp_path, os.fsdecode(b"org.\xff.B")) / "deploy")
    for number in range(300):
        os.link(good, deployment(tmp_path, f"org.n{number}") / "deploy")
    said: list[str] = []
    rows = rows_of(Installation("user", str(tmp_path), 1), warn=said.append)
    assert len(rows) == 301
    assert "org.\\xff.B" in {row.id for row in rows}
    assert said == []
    here = iter([Installation("user", str(tmp_path), 1)])
    with pytest.raises(LimitExceeded, match="max_rows"):
        list(package_rows(Query.of(TABLE.configured(limits=Limits(max_rows=300))), here))


def test_the_deadline_ends_the_search(tmp_path: Path) -> None:
    deployment(tmp_path)
    query = Query.of(TABLE, timeout=-1)
    with pytest.raises(DeadlineExceeded):
        list(package_rows(query, [Installation("user", str(tmp_path), 1)]))


def testmore_installations(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text(
        '[Installation "extra"]\nPath=/opt/flatpak\nPriority=5\n[Installation "two"]\n Path = /srv/f \n'
    )
    (tmp_path / "b.conf").write_bytes(b'[Installation "\xff"]\nPath=relative\n')
    (tmp_path / "c.txt").write_text('[Installation "no"]\nPath=/no\n')
    found = list(more_installations(Query.of(TABLE), str(tmp_path)))
    assert found == [Installation("extra", "/opt/flatpak", None), Installation("two", "/srv/f", None)]


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for parse in (
        parse_deploy,
        lambda some: split_array(some, 8),
        lambda some: split_tuple(some, (1, 8), (None, None)),
        string,
    ):
        try:
            parse(data)
        except ValueError:
            pass


def array(elements: list[bytes]) -> bytes:
    """Serialize as in the specification: elements, then the end of each in as few bytes as suffice for the
    whole.
    """
    body, ends = b"", []
    for element in elements:
        body += bytes(-len(body) % 8) + element
        ends.append(len(body))
    for width in (1, 2, 4):
        whole = body + b"".join(end.to_bytes(width, "little") for end in ends)
        if len(whole) < 1 << 8 * width:
            return whole
    raise AssertionError


@given(st.lists(st.binary(max_size=60), max_size=12))
def test_arrays_come_back(elements: list[bytes]) -> None:
    assert split_array(array(elements), 8) == elements
