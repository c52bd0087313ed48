"""Break an installation in each way: the doctor names the fault, osquery agrees, the cure mends it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from osquery_sdk.doctor import examine, examine_system, failed

from .support import IS_ROOT, OSQUERYI, Installation

if TYPE_CHECKING:
    from collections.abc import Callable

    from osquery_sdk.doctor import Finding

NOBODY = 65534
TRUE = Path(shutil.which("true") or "/bin/true")


class Break(NamedTuple):
    """Something that is done to an installation."""

    what: str
    do: Callable[[Installation], object]
    check: str
    status: str
    says: str
    loads: bool = False
    """True if osquery loads the extension all the same."""
    cured: bool = True
    """True if the doctor gives a cure, after which it finds no fault."""
    needs_root: bool = False

    def __str__(self) -> str:
        return f"{self.check}: {self.what}"


def rename(name: str) -> Callable[[Installation], None]:
    def do(one: Installation) -> None:
        one.path = one.path.rename(one.folder / name)
        one.enlist(str(one.path))

    return do


def elf(change: Callable[[bytearray], object]) -> Callable[[Installation], None]:
    def do(one: Installation) -> None:
        data = bytearray(TRUE.read_bytes())
        change(data)
        one.path.write_bytes(data)

    return do


def other_machine(data: bytearray) -> None:
    data[18:20] = (22).to_bytes(2, sys.byteorder)  # an IBM mainframe


def other_loader(data: bytearray) -> None:
    at = data.index(b"/ld-linux")
    data[at : at + 9] = b"/ld-nosuch"[:9]


def link(one: Installation, to: Path) -> None:
    other = one.directory / "links"
    other.mkdir()
    (other / "hello.ext").symlink_to(to)
    one.enlist(str(other / "hello.ext"))


def dangling(one: Installation) -> None:
    one.path.unlink()
    one.path.symlink_to("/nonexistent/hello.ext")


def list_bytes(text: str) -> Callable[[Installation], int]:
    return lambda one: one.list.write_bytes(text.format(path=one.path).encode())


BREAKS = [
    Break("nothing", lambda one: None, "load list", "ok", "line 1", True, False),
    # the file
    Break("no file", lambda one: one.path.unlink(), "file", "failed", "no such file", cured=False),
    Break("dangling link", dangling, "file", "failed", "leads nowhere", cured=False),
    Break(
        "folder",
        lambda one: (one.path.unlink(), one.path.mkdir()),
        "file",
        "failed",
        "it is a folder",
        cured=False,
    ),
    Break("other suffix", rename("hello.py"), "suffix", "failed", "does not end in .ext"),
    Break("upper case", rename("hello.EXT"), "suffix", "failed", "does not end in .ext"),
    Break(
        "another's",
        lambda one: os.chown(one.path, NOBODY, -1),
        "owner",
        "failed",
        "belongs to nobody",
        needs_root=True,
    ),
    Break("written by all", lambda one: one.path.chmod(0o757), "mode", "failed", "anybody may write it"),
    Break("not executable", lambda one: one.path.chmod(0o644), "mode", "failed", "may not execute it"),
    Break("not its owner", lambda one: one.path.chmod(0o655), "mode", "failed", "may not execute it"),
    Break(
        "a group's",
        lambda one: (os.chown(one.path, -1, NOBODY), one.path.chmod(0o775)),
        "mode",
        "warning",
        "group nogroup may write it",
        loads=True,
        needs_root=True,
    ),
    Break("sticky", lambda one: one.folder.chmod(0o1755), "folder", "failed", "sticky bit"),
    Break("like /tmp", lambda one: one.folder.chmod(0o1777), "folder", "failed", "sticky bit", cured=False),
    Break(
        "open folder", lambda one: one.folder.chmod(0o777), "folder", "warning", "another program", loads=True
    ),
    Break(
        "open folder above",
        lambda one: one.directory.chmod(0o777),
        "folder",
        "warning",
        "another program",
        loads=True,
    ),
    Break(
        "another's folder",
        lambda one: os.chown(one.folder, NOBODY, -1),
        "folder",
        "warning",
        "belongs to nobody",
        loads=True,
        cured=False,
        needs_root=True,
    ),
    Break("a link", lambda one: link(one, one.path), "file", "ok", "leads to", True, False),
    Break("link in the list", lambda one: link(one, one.path), "load list", "ok", "names", True, False),
    # the program
    Break(
        "no program", lambda one: one.path.write_text("hello"), "program", "failed", "error 8", cured=False
    ),
    Break(
        "no interpreter",
        lambda one: one.path.write_text("#!/nonexistent/python3\n"),
        "program",
        "failed",
        "error 2",
        cured=False,
    ),
    Break(
        "carriage returns",
        lambda one: one.path.write_bytes(one.path.read_bytes().replace(b"\n", b"\r\n", 1)),
        "program",
        "failed",
        "carriage return",
    ),
    Break(
        "other machine", elf(other_machine), "program", "failed", "build it on such a machine", cured=False
    ),
    Break("other C library", elf(other_loader), "program", "failed", "which is not here", cured=False),
    Break(
        "fails at once",
        lambda one: one.write("raise SystemExit('no configuration')"),
        "start",
        "failed",
        "no configuration",
        cured=False,
    ),
    Break("another program", elf(lambda data: None), "start", "failed", "exit status 0", cured=False),
    # the load list
    Break("no list", lambda one: one.list.unlink(), "load list", "failed", "there is no load list"),
    Break("empty list", lambda one: one.enlist(), "load list", "failed", "does not name it"),
    Break("comment", list_bytes("#{path}\n"), "load list", "failed", "is a comment"),
    Break("semicolon", list_bytes("; {path}\n"), "load list", "failed", "is a comment"),
    Break("another file", list_bytes("{path}x.ext"), "load list", "failed", "does not name it"),
    Break("relative", list_bytes("hello.ext\n"), "load list", "failed", "no absolute path"),
    Break("quotes", list_bytes('"{path}"\n'), "load list", "failed", "another file"),
    Break("byte order mark", list_bytes("\ufeff{path}\n"), "load list", "failed", "another file"),
    Break("comment behind", list_bytes("{path} # ours\n"), "load list", "failed", "another file"),
    Break("blanks", list_bytes("\n  {path} \t\r\n"), "load list", "ok", "line 2", True, False),
    Break("folder", lambda one: one.enlist(str(one.folder)), "load list", "ok", "folder", True, False),
    Break(
        "open list",
        lambda one: one.list.chmod(0o666),
        "load list",
        "warning",
        "anybody may write",
        loads=True,
    ),
    # flags
    Break(
        "no extensions",
        lambda one: one.set("--disable_extensions"),
        "extensions",
        "failed",
        "--disable_extensions is set",
    ),
    Break(
        "another list",
        lambda one: one.set(autoload=f"--extensions_autoload={one.directory}/other.load"),
        "load list",
        "failed",
        "other.load",
    ),
    Break(
        "blank behind a value",
        lambda one: one.set(autoload=f"--extensions_autoload={one.list} "),
        "flags",
        "warning",
        "blanks at its end",
    ),
    Break(
        "no equals sign",
        lambda one: one.set(autoload=f"--extensions_autoload {one.list}"),
        "flags",
        "warning",
        "joined by =",
    ),
    Break(
        "no dashes",
        lambda one: one.set(autoload=f"extensions_autoload={one.list}"),
        "flags",
        "warning",
        "begins without a dash",
    ),
    Break(
        "quoted value",
        lambda one: one.set(autoload=f'--extensions_autoload="{one.list}"'),
        "flags",
        "warning",
        "has quotes",
    ),
    Break(
        "upper case",
        lambda one: one.set(autoload=f"--Extensions_autoload={one.list}"),
        "flags",
        "warning",
        "lower case",
    ),
    Break("no truth", lambda one: one.set("--disable_extensions=maybe"), "flags", "failed", "stops osqueryd"),
    Break(
        "no such flag file",
        lambda one: one.flagfile.unlink(),
        "flags",
        "failed",
        "does not exist",
        cured=False,
    ),
    Break(
        "allowed",
        lambda one: (one.path.chmod(0o757), one.set("--allow_unsafe")),
        "mode",
        "warning",
        "because of --allow_unsafe",
        loads=True,
    ),
    Break(
        "everything allowed",
        lambda one: one.set("--allow_unsafe"),
        "extensions",
        "warning",
        "--allow_unsafe is set",
        loads=True,
    ),
    # the socket
    Break(
        "no folder for the socket",
        lambda one: (setattr(one, "socket", f"{one.directory}/run/em"), one.set()),
        "socket",
        "failed",
        "there is no folder",
        cured=False,
    ),
    Break(
        "long socket",
        lambda one: (setattr(one, "socket", f"{one.directory}/{'x' * 90}"), one.set()),
        "socket",
        "failed",
        "shorter",
        cured=False,
    ),
]

FIRST = {case.check: case for case in reversed(BREAKS) if case.cured and not case.loads}
# One of each kind; the slow run does them all.
CURED = [
    pytest.param(case, marks=[] if case in FIRST.values() else [pytest.mark.slow])
    for case in BREAKS
    if case.cured and not case.loads
]


# What resembles another one, where osquery takes its time.
LASTING = {
    "start: another program",
    "program: other machine",
    "folder: open folder above",
    "folder: another's folder",
    "load list: link in the list",
    "load list: open list",
    "load list: semicolon",
    "load list: another file",
    "extensions: everything allowed",
    "mode: not executable",
    "folder: like /tmp",
    "flags: quoted value",
    "flags: upper case",
}


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.slow] if str(case) in LASTING else []) for case in BREAKS],
    ids=str,
)
def test_break(case: Break, installation: Installation) -> None:
    broken(case, installation)
    if OSQUERYI is not None:
        assert installation.is_loaded(seconds=3 if case.loads else 1) is case.loads


@pytest.mark.parametrize("case", [case for case in BREAKS if case.cured], ids=str)
def test_cure(case: Break, installation: Installation) -> None:
    installation.cure(broken(case, installation))
    assert installation.check(case.check).status == "ok"
    context = installation.context(start=False)
    found = [*examine_system(context), *examine(context, installation.path)]
    assert failed(found) == []


@pytest.mark.parametrize("case", CURED, ids=str)
def test_osquery_is_content_with_the_cure(case: Break, installation: Installation, osquery: None) -> None:
    installation.cure(broken(case, installation))
    assert installation.is_loaded(seconds=3)


def broken(case: Break, installation: Installation) -> Finding:
    """Break it, and see that the doctor says so."""
    if case.needs_root and not IS_ROOT:
        pytest.skip("needs root, to give files away")
    case.do(installation)
    finding = installation.check(case.check)
    assert (finding.status, case.says in finding.message) == (case.status, True), finding
    return finding


def test_the_slow_ones_are_among_them() -> None:
    assert {str(case) for case in BREAKS} >= LASTING


def test_all_is_well(installation: Installation) -> None:
    """Nothing is found where nothing is wrong, but that no osqueryd runs."""
    context = installation.context()
    found = {c.name: c.finding for c in (*examine_system(context), *examine(context, installation.path))}
    assert {name for name, finding in found.items() if finding.status in ("failed", "warning")} <= {
        "socket",
        "osqueryd",
    }, found


def test_socket_folder_is_made(installation: Installation, osquery: None) -> None:
    installation.socket = f"{installation.directory}/run/em"
    installation.set()
    finding = installation.check("socket")
    installation.cure(finding)
    assert "does not run" in installation.check("socket").message
    assert installation.is_loaded(seconds=3)


def test_no_programs_from_there(installation: Installation, mount: Callable[[Path], None]) -> None:
    mount(installation.folder)
    installation.write()
    finding = installation.check("file system")
    assert (finding.status, "noexec" in finding.message) == ("failed", True)
    assert f"/usr/lib/osquery/extensions/hello && cp {installation.path} " in finding.cure
    if OSQUERYI is not None:
        assert not installation.is_loaded(seconds=1)


def test_bundle(installation: Installation, root: None) -> None:
    """An extension frozen into a folder is loaded from there, by root."""
    library = installation.folder / "_internal" / "lib.so"
    library.parent.mkdir(mode=0o755)
    library.write_bytes(b"")
    library.chmod(0o644)
    assert installation.check("bundle").status == "ok"
    for harm in (lambda: library.chmod(0o666), lambda: os.chown(library, NOBODY, -1)):
        harm()
        finding = installation.check("bundle")
        assert (finding.status, str(library) in finding.message) == ("warning", True)
        installation.cure(finding)
        assert installation.check("bundle").status == "ok"


def test_installation_as_the_cure_does_it(installation: Installation, root: None, osquery: None) -> None:
    """The command that copies a bundle away from a temporary folder, into a folder of this test's."""
    installation.folder.chmod(0o1777)
    home = installation.directory / "installed"
    command = installation.check("folder").cure.replace("/usr/lib/osquery/extensions", str(home))
    installation.cure(installation.check("folder")._replace(cure=command))
    installation.path = home / "hello" / "hello.ext"
    assert [installation.check(name).status for name in ("owner", "mode", "folder", "load list")] == [
        "ok"
    ] * 4
    assert installation.is_loaded(seconds=3)
