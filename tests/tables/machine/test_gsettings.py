"""kolide_gsettings against dconf and gsettings, on databases that `dconf compile` made."""

import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_tables.machine.gsettings import GSetting, Places, gsettings, setting_rows
from kolide_tables.machine.gvdb import read_database
from kolide_tables.reading.gvarianttext import value_text, variant_text
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.homes import Users
from ...support.tools import Run, tool

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="dconf is for Linux")

SCREENSAVER = "/org/gnome/desktop/screensaver"
# A value of each type, and of types within others.
VALUES = r"""
[a]
s='it\'s "q" é\n\t\\ \u0001'
sq="it's"
i=-5
u=uint32 7
x=int64 -9
t=uint64 18446744073709551615
n=int16 -3
q=uint16 3
y=byte 0x41
d=1.5
whole=3.0
large=1e100
small=0.1
b=false
as=['a','b']
ase=@as []
au=[uint32 1, 2]
ax=[int64 1]
v=<'x'>
vu=<uint32 5>
av=[<1>, <'a'>]
tuple=(1,'a',true)
alone=('a',)
unit=()
dict={'a':<1>,'b':<'x'>}
dsu={'a':uint32 1}
di={1:'x'}
entry={'a',1}
nothing=@ms nothing
just=@ms 'x'
deep=@mms just nothing
mi=@mi 5
bytes=b'hel"lo\n\303'
quote=b"it's"
ay=[byte 0x01, 0x02]
aye=@ay []
o=objectpath '/a/b'
g=signature 'as'
nested=[('a',[1,2]),('b',@ai [])]
vv=<<'x'>>
aas=[['a'],['b','c'],@as []]
h=handle 3
sv=@a{sv} {}
ad=[1.0, 2.5]
ab=[true,false]
mt=@m(si) ('x', 3)
letters='\u00a0\u2028\ue000\u00ad\u200b\u0085\u0378\U000e0001\U0010ffff\u007f'
mixed=(byte 1, 2, 'three', int64 4, <[uint16 5]>, [(1, 'a')])
"""


def compiled(run: Run, folder: Path, name: str, text: str, locks: str = "") -> Path:
    source = folder / f"{name}.d"
    (source / "locks").mkdir(parents=True)
    (source / "settings").write_text(text, encoding="utf-8")
    (source / "locks" / "locks").write_text(locks)
    run("dconf", "compile", folder / name, source)
    return folder / name


def environment(folder: Path) -> dict[str, str]:
    names = {"DCONF_PROFILE": str(folder / "profile"), "XDG_CONFIG_HOME": str(folder / "config")}
    return os.environ | names | {"LC_ALL": "C.UTF-8", "HOME": str(folder)}


def test_values_of_every_type(run: Run, tmp_path: Path, compare: Compare) -> None:
    path = compiled(run, tmp_path, "database", VALUES + f"[long]\nx='{'y' * 70_000}'\n")
    (tmp_path / "profile").write_text(f"file-db:{path}\n")
    said = run("dconf", "dump", "/a/", env=environment(tmp_path))
    theirs = dict(line.split("=", 1) for line in said.split("\n")[1:] if line)
    database = read_database(path.read_bytes())
    ours = {item.path.removeprefix("/a/"): variant_text(item.value)[0] for item in database.settings}
    assert ours.pop("/long/x") == f"'{'y' * 70_000}'"
    compare("gsettings", "dconf dump", ours, theirs)
    assert len(theirs) > 45


@pytest.fixture
def machine(run: Run, tmp_path: Path, users: Users) -> Places:
    """A system with two databases, one with a lock, and users with and without settings of their own."""
    folder = tmp_path / "db"
    folder.mkdir()
    compiled(
        run, folder, "local", "[org/gnome/desktop/screensaver]\nlock-enabled=false\nlock-delay=uint32 60\n"
    )
    compiled(
        run,
        folder,
        "site",
        "[org/gnome/desktop/screensaver]\nlock-enabled=true\nlock-delay=uint32 300\n"
        "[org/gnome/system/proxy/http]\nauthentication-password='hunter2'\n"
        "[x]\nurl='http://bob:hunter2@example.org/'\n",
        f"{SCREENSAVER}/lock-enabled\n/only/locked\n",
    )
    (tmp_path / "profile").write_text(
        "user-db:user\n# words\nsystem-db:local\nsystem-db:site\nsystem-db:../x\n"
    )
    own = users.add(1001, "ann") / ".config" / "dconf"
    own.mkdir(parents=True)
    text = "[org/gnome/desktop/screensaver]\nlock-enabled=false\nlock-delay=uint32 5\n"
    compiled(run, tmp_path, "mine", text, "/org/gnome/desktop/screensaver/lock-delay\n").rename(own / "user")
    users.add(1002, "bob")
    broken = users.add(1003, "carl") / ".config" / "dconf"
    broken.mkdir(parents=True)
    (broken / "user").write_bytes(b"GVariant" + b"\xff" * 16)
    return Places((str(tmp_path / "missing"), str(tmp_path / "profile")), str(folder))


def rows(places: Places, **equals: Any) -> list[GSetting]:
    return list(setting_rows(Query.of(gsettings, equals=equals), places))


def test_users_and_the_system(machine: Places) -> None:
    found = rows(machine)
    shown = [(row.username, row.database, row.key, row.value, row.locked, row.effective) for row in found]
    assert sorted(map(repr, shown)) == sorted(
        map(
            repr,
            [
                (None, "local", "lock-enabled", "false", True, False),
                (None, "local", "lock-delay", "uint32 60", False, True),
                (None, "site", "lock-enabled", "true", True, True),
                (None, "site", "lock-delay", "uint32 300", False, False),
                (None, "site", "authentication-password", "[redacted]", False, True),
                (None, "site", "url", "'http://[redacted]@example.org/'", False, True),
                (None, "site", "locked", None, True, None),
                ("ann", "user", "lock-enabled", "false", True, False),
                ("ann", "user", "lock-delay", "uint32 5", False, True),
                ("carl", "user", None, None, None, None),
            ],
        )
    )
    (broken,) = (row for row in found if row.error)
    assert broken.username == "carl"
    (row,) = (row for row in found if row.username == "ann" and row.key == "lock-delay")
    assert (row.uid, row.schema, row.type, row.path) == (
        1001,
        "org.gnome.desktop.screensaver",
        "u",
        f"{SCREENSAVER}/lock-delay",
    )


PROFILES = [
    "user-db:user\nsystem-db:local\nsystem-db:site\n",
    "user-db:user # words\n\n  system-db:site\nbogus:x\nsystem-db:local\n",
    "system-db:local\nuser-db:user\nsystem-db:site\n",
    "user-db:user\nsystem-db:missing\nsystem-db:local\n",
]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("is_mandatory", [False, True])
def test_the_order_of_a_profile_decides(
    profile: str, is_mandatory: bool, machine: Places, tmp_path: Path, run: Run, compare: Compare
) -> None:
    """A profile for one user takes the place of the others; a database of the system may be the first."""
    if is_mandatory:
        machine = machine._replace(mandatory=str(tmp_path / "mandatory"))
        (tmp_path / "mandatory").mkdir()
        (tmp_path / "mandatory" / "1001").write_text(profile)
    else:
        (tmp_path / "profile").write_text(profile)
    ours: dict[str, Any] = {}
    for row in rows(machine, uid=1001):
        if row.effective:
            ours[str(row.path)] = row.value
    locked = {str(row.path) for row in rows(machine, uid=1001) if row.locked}
    config = tmp_path / "config" / "dconf"
    config.mkdir(parents=True)
    (config / "user").write_bytes((tmp_path / "ann" / ".config" / "dconf" / "user").read_bytes())
    (tmp_path / "profile").write_text(profile.replace("system-db:", f"file-db:{machine.databases}/"))
    asked = environment(tmp_path)
    own = [f"{SCREENSAVER}/lock-enabled", f"{SCREENSAVER}/lock-delay"]
    theirs = {path: run("dconf", "read", path, env=asked).strip() for path in own}
    locks = run("dconf", "list-locks", "/", env=asked).split()
    for path in own:
        # What the user has no value in use for is in the system's rows.
        ours.setdefault(path, theirs[path])
    compare(
        "gsettings",
        "dconf read, dconf list-locks",
        (ours, locked),
        (theirs, set(own) if locks == ["/"] else set(own) & set(locks)),
    )


def test_only_what_is_asked_for(machine: Places, opened: list[str]) -> None:
    assert {row.key for row in rows(machine, schema="x")} == {"url", None}
    del opened[:]
    assert {row.uid for row in rows(machine, uid=1001)} >= {1001}
    assert not any("carl" in path for path in opened)


def test_the_value_in_use_is_that_of_gsettings(machine: Places, tmp_path: Path, compare: Compare) -> None:
    program = tool("gsettings")
    config = tmp_path / "config" / "dconf"
    config.mkdir(parents=True)
    (config / "user").write_bytes((tmp_path / "ann" / ".config" / "dconf" / "user").read_bytes())
    lines = [f"file-db:{machine.databases}/{name}" for name in ("local", "site")]
    (tmp_path / "profile").write_text("\n".join(["user-db:user", *lines]))
    theirs, ours = {}, {}
    for key in ("lock-enabled", "lock-delay"):
        for ask in ("get", "writable"):
            done = subprocess.run(
                [program, ask, "org.gnome.desktop.screensaver", key],
                capture_output=True,
                text=True,
                env=environment(tmp_path),
                timeout=60,
            )
            if done.returncode:
                pytest.skip(f"gsettings lacks GNOME's schemas: {done.stderr.strip()}")
            theirs[key, ask] = done.stdout.strip()
    for row in rows(machine):
        if row.uid in (None, 1001) and row.effective and row.schema == "org.gnome.desktop.screensaver":
            # A value of the user comes later, and counts before the system's.
            ours[row.key, "get"] = row.value
            ours[row.key, "writable"] = "false" if row.locked else "true"
    compare("gsettings", "gsettings get, gsettings writable", ours, theirs)


@settings(deadline=None)  # the machine may be busy
@given(data=st.data())
def test_a_changed_database_is_one_or_a_value_error(data: st.DataObject) -> None:
    content = bytearray(small_database("<"))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        for item in read_database(bytes(content)).settings:
            variant_text(item.value)
    except ValueError:
        pass


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_orders_of_bytes(order: str) -> None:
    database = read_database(small_database(order))
    assert [item.path for item in database.settings] == ["/a/key"]
    assert variant_text(database.settings[0].value, swapped=database.swapped) == ("uint32 258", "u")


def small_database(order: str) -> bytes:
    """Return a database with one setting, written by the format's description."""
    table = struct.pack(f"{order}2I", 0, 1) + struct.pack(f"{order}I", 0)
    names, value = b"/a/key", struct.pack(f"{order}I", 258) + b"\0u"
    names_at = 24 + len(table) + 48
    value_at = names_at + 8
    table += struct.pack(f"{order}3IHBx2I", 1, 0xFFFFFFFF, names_at, 3, ord("L"), 0, 0)
    table += struct.pack(f"{order}3IHBx2I", 2, 0, names_at + 3, 3, ord("v"), value_at, value_at + len(value))
    mark = b"GVariant" if order == "<" else b"raVGtnai"
    return mark + struct.pack(f"{order}4I", 0, 0, 24, 24 + len(table)) + table + names + b"\0\0" + value


@given(st.binary(max_size=60), st.text("bynqiuxthdsogva(){}m", min_size=1, max_size=12))
def test_no_value_does_worse_than_a_value_error(value: bytes, kind: str) -> None:
    try:
        value_text(value, kind)
    except ValueError:
        pass
