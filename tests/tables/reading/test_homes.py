"""Find the local users' homes, and walk through them."""

import os
import pwd
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kolide_kit.errors import LimitExceeded
from kolide_tables.reading import homes
from kolide_tables.reading.homes import Home, Mounts, local_homes, parse_passwd, walk
from kolide_tables.secrets.keyinfo import ssh_keys
from osquery_sdk import Query

from ...support.homes import Users

PLAIN = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"


def query(**equals: Any) -> Query:
    return Query.of(ssh_keys, equals=equals)


def names(users: Users, **equals: Any) -> list[str]:
    return [home.username for home in local_homes(query(**equals))]


def test_this_machine_s_users_are_those_of_its_passwd() -> None:
    lines = [line for line in Path("/etc/passwd").read_text().splitlines() if line[:1] not in "+-#"]
    assert [home.username for home in parse_passwd(Path("/etc/passwd").read_bytes())] == [
        line.split(":")[0] for line in lines
    ]
    for home in local_homes(query()):
        assert (home.uid, home.path) == (
            pwd.getpwnam(home.username).pw_uid,
            pwd.getpwnam(home.username).pw_dir,
        )
        assert Path(home.path).is_dir()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"ann:x:1000:1000:Ann,,,:/home/ann:/bin/bash", Home(1000, "ann", "/home/ann")),
        (b"big:x:4294967294:1::/b:", Home(4294967294, "big", "/b")),
        (b"odd\xff:x:7:7::/home/\xff:/x", Home(7, "odd\\xff", "/home/\udcff")),
        (b"+", None),
        (b"+nis::1:1::/home/nis:/x", None),
        (b"-nis::1:1::/home/nis:/x", None),
        (b"#old:x:1:1::/home/old:/x", None),
        (b"short:x:1:1::/home/short", None),
        (b"neg:x:-2:1::/home/neg:/x", None),
        (b"", None),
    ],
)
def test_lines_of_passwd(line: bytes, expected: Home | None) -> None:
    assert list(parse_passwd(line + b"\n")) == ([] if expected is None else [expected])


def test_users_without_a_home_have_none(users: Users) -> None:
    users.add(1, "ann")
    users.add(2, "gone", users.root / "nothing")
    users.add(3, "file", users.root / "passwd")
    users.add(4, "slashes", Path("//"))
    users.add(5, "relative", Path("home/x"))
    users.add(6, "same", users.root / "ann")
    assert names(users) == ["ann", "same"]
    assert names(users, uid=6) == ["same"]


def test_only_the_home_that_is_asked_for_is_touched(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    for uid in range(100):
        users.add(uid + 1000, f"user{uid}")
    touched: list[str] = []
    monkeypatch.setattr(homes.os.path, "isdir", lambda path: touched.append(path) or True)
    assert names(users, uid=1005) == ["user5"]
    assert touched == [str(users.root / "user5")]


@pytest.mark.parametrize("kind", ["nfs4", "autofs", "cifs", "fuse.sshfs"])
def test_homes_on_other_machines_are_left_alone(
    kind: str, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    for uid, name in enumerate(("ann", "bob", "with space")):
        users.add(uid, name)
    (users.root / "net").mkdir()
    (users.root / "net" / "carl").mkdir()
    users.add(7, "carl", users.root / "net" / "carl")
    (users.root / "link").symlink_to("net/carl")
    (users.root / "loop").symlink_to("loop")
    users.add(8, "linked", users.root / "link")
    users.add(9, "looping", users.root / "loop")
    users.add(10, "dots", users.root / "net" / ".." / "net" / "carl")
    space = str(users.root / "with space").replace(" ", "\\040")
    users.mounts.write_text(
        f"{PLAIN}22 21 0:30 / {users.root}/net rw - {kind} server:/x rw\n23 21 0:31 / {space} rw "
        f"shared:2 master:1 - {kind} y rw\n"
    )
    touched: list[str] = []
    real = os.readlink
    monkeypatch.setattr(homes.os, "readlink", lambda path: touched.append(path) or real(path))
    assert names(users) == ["ann", "bob"]
    assert not [path for path in touched if path.startswith(f"{users.root}/net")]


def test_the_last_mount_at_a_place_counts(users: Users) -> None:
    users.add(1, "ann")
    here = users.root / "ann"
    users.mounts.write_text(f"{PLAIN}1 1 0:1 / {here} rw - autofs x rw\n2 1 0:2 / {here} rw - ext4 x rw\n")
    assert names(users) == ["ann"]


def test_a_walk_sees_near_folders_first(tmp_path: Path) -> None:
    for path in ("b/c/d/e", "a/x", ".git/y", "node_modules/z", ".cache/w", "a/node_modules/q"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "file").write_text("")
    (tmp_path / "link").symlink_to("b")
    (tmp_path / "net").mkdir()
    (tmp_path / "mounts").write_text(f"{PLAIN}1 1 0:1 / {tmp_path}/net rw - nfs4 x rw\n")
    found = list(
        walk(str(tmp_path), max_folders=100, on_step=lambda: None, mounts=Mounts(str(tmp_path / "mounts")))
    )
    assert [str(Path(one.path).relative_to(tmp_path)) for one in found] == [
        ".",
        "a",
        "b",
        "a/x",
        "b/c",
        "b/c/d",
    ]
    assert found[0].files == ["link", "mounts"]
    assert found[3].files == ["file"]


def test_a_walk_is_pruned(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c" / "d").mkdir(parents=True)
    seen = []
    for folder in walk(str(tmp_path), max_folders=100, on_step=lambda: None):
        seen.append(Path(folder.path).name)
        if "b" in folder.folders:
            folder.folders.clear()
    assert seen == [tmp_path.name, "a", "c", "d"]


def test_a_walk_beyond_its_limit_says_what_it_left(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / str(number) / "x").mkdir(parents=True)
    folders = walk(str(tmp_path), max_folders=4, on_step=lambda: None)
    assert len([next(folders) for _ in range(4)]) == 4
    said = (
        r"more than 4 folders within 3 levels: 5 or more were not searched, .*/3 the first.*raise max_folders"
    )
    with pytest.raises(LimitExceeded, match=said):
        next(folders)


def test_a_walk_of_one_large_folder_looks_at_the_clock(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / str(number)).touch()
    steps: list[float] = []
    list(walk(str(tmp_path), max_folders=10, on_step=lambda: steps.append(time.monotonic())))
    assert len(steps) == 3


def test_macos_s_users_as_recorded(tmp_path: Path) -> None:
    import plistlib

    for name, content in (
        ("ann", {"uid": ["501"], "name": ["ann"], "home": ["/Users/ann"]}),
        ("_www", {"uid": ["70"], "name": ["_www", "www"], "home": ["/Library/WebServer"]}),
        ("nobody", {"name": ["nobody"]}),
    ):
        (tmp_path / f"{name}.plist").write_bytes(plistlib.dumps(content, fmt=plistlib.FMT_BINARY))
    (tmp_path / "broken.plist").write_bytes(b"bplist00")
    (tmp_path / "link.plist").symlink_to("ann.plist")
    warnings: list[str] = []
    asked = Query.of(ssh_keys, warn=warnings.append)
    found = list(homes.macos_users(asked, str(tmp_path)))
    assert found == [Home(70, "_www", "/Library/WebServer"), Home(501, "ann", "/Users/ann")]
    assert len(warnings) == 1
    assert "symbolic link" in warnings[0]


@pytest.mark.skipif(os.name != "posix", reason="/etc/passwd")
def test_a_home_that_may_not_be_entered_gives_one_warning() -> None:
    """A table looks for many files in each home."""
    command = [sys.executable, "-m", "kolide_ext", "query", "select * from kolide_mcp_servers where uid = 0"]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
    home = pwd.getpwuid(0).pw_dir
    if not shutil.which(command[0]) or Path(home).stat().st_mode & 0o011:
        pytest.skip(f"needs setpriv, and {home} closed to others")
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60, check=False)
    if "kolide_mcp_servers" not in done.stderr:
        pytest.skip(f"another user cannot start this Python, or may not look at the SDK: {done.stderr}")
    assert (done.returncode, done.stderr) == (0, f"kolide_mcp_servers: {home}: Permission denied\n")
