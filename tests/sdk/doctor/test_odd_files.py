"""Put files of every kind in every place, also unreadable and endless ones: no traceback, no waiting."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ...support.forks import Forks
from .support import ENVIRONMENT, Installation
from .test_cures import SDK, Said, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOBODY = 65534


class Odd(NamedTuple):
    """A file that is none, or none to be read."""

    what: str
    make: Callable[[Path], object]
    """Puts it at a path."""
    root: str
    """The status of the check `file` for root, and a part of its message."""
    nobody: str = ""
    """The same for an unprivileged user, if it differs."""

    def __str__(self) -> str:
        return self.what


def closed(path: Path) -> None:
    """Make a file in a folder that its owner alone may enter."""
    folder = path.with_name("closed")
    folder.mkdir(mode=0o700)
    copy(folder / path.name)
    path.symlink_to(folder / path.name)


def copy(path: Path) -> None:
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o755)


def unreadable(path: Path) -> None:
    copy(path)
    path.chmod(0o711)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def chain(path: Path) -> None:
    path.with_name("other").symlink_to(path)
    path.symlink_to(path.with_name("other"))


ODD = (
    Odd("a link to itself", lambda path: path.symlink_to(path), "failed leads to itself"),
    Odd("two links", chain, "failed leads to itself"),
    Odd("a link to nowhere", lambda path: path.symlink_to("/nonexistent"), "failed leads nowhere"),
    Odd("a link to a folder", lambda path: path.symlink_to(path.parent), "failed it is a folder"),
    Odd("a folder", lambda path: path.mkdir(), "failed it is a folder"),
    Odd("a pipe", os.mkfifo, "failed not a regular file"),
    Odd("a socket", listening, "failed not a regular file"),
    Odd("a device", lambda path: path.symlink_to("/dev/zero"), "failed not a regular file"),
    Odd("nothing", lambda path: None, "failed no such file"),
    Odd("below a file", lambda path: copy(path.parent), "failed Not a directory"),
    Odd("in a closed folder", closed, "ok leads to", "skipped this user cannot look at it"),
    Odd("not to be read", unreadable, "ok a file", "ok a file"),
    Odd("an empty file", lambda path: path.touch(0o755), "ok a file"),
)


class Look:
    """The doctor, run as a user."""

    def __init__(self, forks: Forks, user: str) -> None:
        self._forks = forks
        self.user = user

    def __call__(self, *arguments: str) -> tuple[list[Said], str]:
        """Return the doctor's output, as its lines and as text."""
        number = NOBODY if self.user == "nobody" else 0
        done = self._forks.run("doctor", "--no-start", "--user=0", *arguments, user=number)
        assert done.stderr == ""
        assert done.returncode in (0, 1)
        return read(done.stdout), done.stdout


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks(ENVIRONMENT) as forks:
        yield forks


@pytest.fixture(scope="module")
def nobody_may_look() -> bool:
    """Return True if an unprivileged user may use this Python."""
    command = [sys.executable, "-c", "import osquery_sdk"]
    try:
        done = subprocess.run(
            command, cwd="/", capture_output=True, user=NOBODY, group=NOBODY, extra_groups=()
        )
    except PermissionError:
        return False  # it is in a closed folder
    return done.returncode == 0


@pytest.fixture(params=["root", "nobody"])
def look(request: pytest.FixtureRequest, root: None, forks: Forks) -> Look:
    """Run the doctor as a user."""
    if request.param == "nobody" and not request.getfixturevalue("nobody_may_look"):
        pytest.skip("nobody may not use this Python")
    return Look(forks, request.param)


def place(odd: Odd, installation: Installation) -> Path:
    path = installation.folder / "odd.ext"
    if odd.what == "below a file":
        path = installation.folder / "odd" / "odd.ext"
    odd.make(path)
    return path


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_extension(odd: Odd, look: Look, installation: Installation) -> None:
    path = place(odd, installation)
    found, _ = look(f"--flagfile={installation.flagfile}", str(path))
    status, _, says = (odd.nobody if look.user == "nobody" and odd.nobody else odd.root).partition(" ")
    file = next(one for one in found if one.check == "file")
    assert (file.status, says in file.message) == (status, True), file
    # What cannot be looked at is not there, or not for this user: no check guesses.
    if status == "skipped":
        assert {
            one.status for one in found if one.check in ("owner", "mode", "folder", "program", "start")
        } == {"skipped"}
        assert file.cure.startswith("sudo ")


@pytest.mark.parametrize("odd", ODD, ids=str)
@pytest.mark.parametrize("option", ["--flagfile", "--extensions-autoload", "--osqueryd", "--socket"])
def test_what_an_option_names(option: str, odd: Odd, look: Look, installation: Installation) -> None:
    path = place(odd, installation)
    given = {"--flagfile": str(installation.flagfile), "--socket": installation.socket, option: str(path)}
    found, text = look(*(f"{name}={value}" for name, value in given.items()), str(installation.path))
    said = {one.check: one for one in found}
    check = {"--flagfile": "flags", "--extensions-autoload": "load list"}.get(option, option[2:])
    if (
        look.user == "nobody"
        and odd.what in ("in a closed folder", "not to be read")
        and option != "--socket"
    ):
        is_seen = option == "--osqueryd" and odd.what == "not to be read"
        assert said[check].status == ("ok" if is_seen else "skipped"), text
        assert is_seen or said[check].cure.startswith("sudo ")
    elif odd.what in ("in a closed folder", "not to be read", "an empty file") and option in (
        "--flagfile",
        "--osqueryd",
    ):
        assert said[check].status in ("ok", "warning")
    else:
        assert said[check].status in ("failed", "warning", "skipped"), text


def test_the_load_list_names_them(look: Look, installation: Installation) -> None:
    paths = []
    for number, odd in enumerate(ODD):
        folder = installation.directory / f"place{number}"
        folder.mkdir()
        paths.append(folder / "odd.ext")
        if odd.what != "below a file":
            odd.make(paths[-1])
    installation.enlist(*map(str, paths), "/nonexistent", "x" * 300, "/" + "y" * 300)
    found, _ = look(f"--flagfile={installation.flagfile}")
    assert len([one for one in found if one.check == "file"]) >= len(paths)


@pytest.mark.parametrize(
    "name", [b"two\nlines.ext", b"\xff.ext", b"\x1b[2J.ext", b" .ext", b"-n.ext", b"'\"$HOME`id`.ext"]
)
def test_names(name: bytes, look: Look, installation: Installation) -> None:
    path = installation.folder / os.fsdecode(name)
    installation.path.rename(path)
    found, text = look(f"--flagfile={installation.flagfile}", str(path))
    assert next(one for one in found if one.check == "file").status == "ok"
    assert text.count("\n") == len(text.splitlines()) == len([line for line in text.split("\n") if line])
    assert text.isascii() or "\x1b" not in text
    listed = next(one for one in found if one.check == "load list")
    if b"\n" in name:
        assert (listed.cure, "end of a line" in listed.message) == ("", True)
    elif look.user == "root":
        done = subprocess.run(["/bin/sh", "-c", listed.cure], cwd="/", capture_output=True)
        assert done.returncode == 0, done.stderr
        found, _ = look(f"--flagfile={installation.flagfile}", str(path))
        assert next(one for one in found if one.check == "load list").status == "ok"


@pytest.mark.parametrize("path", ["/", ".", "/dev/null", "/proc/self/fd", "x" * 300, "/dev/stdin"])
def test_places_that_every_machine_has(path: str, look: Look, installation: Installation) -> None:
    found, _ = look(f"--flagfile={installation.flagfile}", path)
    assert next(one for one in found if one.check == "file").status in ("failed", "skipped")


@pytest.mark.parametrize("option", ["--flagfile=", "--extensions-autoload=", "--socket=", "--osqueryd=", ""])
def test_an_empty_path_is_misuse(option: str) -> None:
    done = subprocess.run([*SDK, option], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
