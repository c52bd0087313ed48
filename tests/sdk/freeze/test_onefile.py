"""A one-file program removes its own old folders, and leaves others alone."""

from __future__ import annotations

import fcntl
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.serving.onefile import remove_stale

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks")
MARK = ".osquery-extension"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return unpacked(tmp_path, "_MEI00000001abcdef")


def unpacked(where: Path, name: str, *files: str) -> Path:
    folder = where / name
    (folder / "package").mkdir(parents=True)
    for file in ("lib.so", "package/data", *files):
        (folder / file).write_text("")
    (folder / "link").symlink_to("/etc")
    return folder


def dead() -> str:
    """A folder's name, of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        pass
    return f"_MEI{process.pid:08x}abcdef"


def test_one_that_nobody_holds_is_removed(tmp_path: Path, own: Path) -> None:
    folder = unpacked(tmp_path, "_MEI000000ffabcdef", MARK)
    remove_stale(str(folder), own=str(own))
    assert not folder.exists()


def test_one_that_is_held_is_not(tmp_path: Path, own: Path) -> None:
    folder = unpacked(tmp_path, dead(), MARK)
    with (folder / MARK).open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        remove_stale(str(folder), own=str(own))
        assert (folder / "lib.so").exists()


def test_what_a_killed_start_has_unpacked_is_removed(tmp_path: Path, own: Path) -> None:
    folder = unpacked(tmp_path, dead())
    remove_stale(str(folder), own=str(own))
    assert not folder.exists()


def test_what_another_start_is_unpacking_is_not(tmp_path: Path, own: Path) -> None:
    folder = unpacked(tmp_path, f"_MEI{os.getpid():08x}abcdef")
    remove_stale(str(folder), own=str(own))
    assert folder.exists()


def test_another_program_s_is_not(tmp_path: Path, own: Path) -> None:
    folder = unpacked(tmp_path, dead(), "other.so")
    remove_stale(str(folder), own=str(own))
    assert folder.exists()


def test_a_link_is_not_followed(tmp_path: Path, own: Path) -> None:
    folder = unpacked(tmp_path, "elsewhere", MARK)
    link = tmp_path / "_MEI000000ffabcdef"
    link.symlink_to(folder)
    remove_stale(str(link), own=str(own))
    assert (folder / "lib.so").exists()


def test_a_mark_that_is_a_link_is_not_followed(tmp_path: Path, own: Path) -> None:
    folder = unpacked(tmp_path, "_MEI000000ffabcdef")
    (folder / MARK).symlink_to(tmp_path / "victim")
    (tmp_path / "victim").write_text("")
    remove_stale(str(folder), own=str(own))
    assert (folder / "lib.so").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="owning files as another user needs root")
def test_another_user_s_is_not(tmp_path: Path, own: Path) -> None:
    folder = unpacked(tmp_path, dead(), MARK)
    os.chown(folder, 65534, 65534)
    remove_stale(str(folder), own=str(own))
    assert (folder / "lib.so").exists()
