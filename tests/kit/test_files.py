"""Open, read, decode and find files that another user may have put anywhere."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, open_file, read_file
from kolide_kit.patterns import expand_like
from kolide_kit.text import decode, decode_kept, printable


def test_content(tmp_path: Path) -> None:
    for content in (b"", b"x", b"\0" * 100_000, os.urandom(3_000_000)):
        (tmp_path / "file").write_bytes(content)
        assert read_file(str(tmp_path / "file")) == content


def test_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1000)
    assert read_file(str(file), max_bytes=1000) == b"x" * 1000
    with pytest.raises(
        LimitExceeded, match=r"file has 1,000 bytes, the limit is 999 bytes .*raise max_file_bytes"
    ):
        read_file(str(file), max_bytes=999)


def test_sparse_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "sparse"
    with file.open("wb") as opened:
        opened.truncate(1 << 30)
    start = time.monotonic()
    with pytest.raises(LimitExceeded, match="1,073,741,824 bytes"):
        read_file(str(file))
    assert time.monotonic() - start < 0.5


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc: files there have no size")
def test_files_without_a_size(tmp_path: Path) -> None:
    assert read_file("/proc/self/status").startswith(b"Name:")
    assert read_file("/proc/cpuinfo") == Path("/proc/cpuinfo").read_bytes()
    with pytest.raises(LimitExceeded):
        read_file("/proc/self/status", max_bytes=10)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("secret")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    start = time.monotonic()
    for name, why in {
        "link": "a symbolic link, which is not followed",
        "dangling": "a symbolic link, which is not followed",
        "folder": "a folder",
        "fifo": "a FIFO",
        "socket": "a socket",
        "missing": "No such file or directory",
        "target/x": "Not a directory",
        "nul\0byte": ": a path cannot have a null character",
        "x" * 300: "File name too long",
    }.items():
        with pytest.raises(Unreadable) as caught:
            read_file(str(tmp_path / name))
        assert why in str(caught.value)
        assert str(tmp_path) in str(caught.value)
    for device in ("/dev/zero", "/dev/tty", "/dev/null"):
        with pytest.raises(Unreadable, match="a device"):
            read_file(device)
    assert time.monotonic() - start < 1


def test_a_link_in_the_way_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "link").symlink_to("real")
    assert read_file(str(tmp_path / "link" / "file")) == b"x"


def test_fifo_that_takes_a_files_place_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    ordinary = os.lstat(file)
    file.unlink()
    os.mkfifo(file)
    # the file is exchanged between the look and the opening
    monkeypatch.setattr("kolide_kit.files.os.lstat", lambda _path: ordinary)
    with pytest.raises(Unreadable, match="a FIFO"):
        read_file(str(file))
    file.unlink()
    file.symlink_to("/etc/passwd")
    with pytest.raises(Unreadable, match="symbolic link"):
        read_file(str(file))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may not read a file")
def test_file_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    tmp_path.chmod(0o755)
    code = (
        "import os; from kolide_kit.files import *\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: print(read_file('open')); read_file('secret')\n"
        "except Unreadable as error: print(error)"
    )
    (tmp_path / "open").write_text("y")
    (tmp_path / "open").chmod(0o644)
    # Relative paths: the folders above are pytest's, and closed to others.
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("b'y'\nsecret: Permission denied\n", "")


@pytest.mark.parametrize(("changes", "read"), [(0, True), (1, True), (2, True), (3, False), (100, False)])
def test_a_file_that_changes_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: int, read: bool
) -> None:
    file = tmp_path / "file"
    file.write_text("0")
    from kolide_kit import files

    really_read = files._read_up_to  # noqa: SLF001
    turns = 0

    def read_while_it_changes(*arguments: Any) -> bytes:
        nonlocal turns
        content = really_read(*arguments)
        turns += 1
        if turns <= changes:
            file.write_text(str(turns) * (turns + 1))
        return content

    monkeypatch.setattr(files, "_read_up_to", read_while_it_changes)
    if read:
        assert read_file(str(file)) == file.read_bytes()
    else:
        with pytest.raises(Unreadable, match="file changes while it is read"):
            read_file(str(file))


def test_a_file_that_shrinks_and_grows_at_the_same_time(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            for size in (0, 100_000, 3_000_000, 5):
                with file.open("r+b", buffering=0) as opened:
                    opened.truncate(size)

    writer = threading.Thread(target=write)
    writer.start()
    sizes = [0]
    try:
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            with contextlib.suppress(Unreadable, LimitExceeded):
                sizes.append(len(read_file(str(file), max_bytes=1_000_000)))
    finally:
        done.set()
        writer.join()
    assert max(sizes) <= 100_000


def test_nothing_stays_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    before = _descriptors()
    for _ in range(50):
        open_file(str(tmp_path / "file")).close()
        read_file(str(tmp_path / "file"))
        for name in ("folder", "missing"):
            with pytest.raises(Unreadable):
                open_file(str(tmp_path / name))
    assert _descriptors() == before


def _descriptors() -> int:
    folder = Path("/proc/self/fd")
    return sum(1 for _ in folder.iterdir()) if folder.exists() else 0


# Text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        ("é😀".encode(), "é😀"),
        (b"\xef\xbb\xbfx", "x"),
        ("\ufeffé".encode("utf-16-le"), "é"),
        ("\ufeffé😀".encode("utf-16-be"), "é😀"),
        ("\ufeffé".encode("utf-32-le"), "é"),
        ("\ufeffé".encode("utf-32-be"), "é"),
        (b"a\xffb\xc3", "a\\xffb\\xc3"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        (b"\xef\xbb\xbf\xff", "\\xff"),
        (b"\xff\xfea\x00b", "a\\x62"),
        (b"a\0b", "a\0b"),
    ],
)
def test_decode(data: bytes, text: str) -> None:
    assert decode(data) == text
    assert printable(decode_kept(data)) == text


@given(st.binary())
def test_decoded_text_is_unicode_and_the_same_either_way(data: bytes) -> None:
    decode(data).encode()
    assert printable(decode_kept(data)) == decode(data)


@given(st.text(st.characters()))
def test_printable_text_is_unicode(text: str) -> None:
    printable(text).encode()
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert printable(text) == text


# Patterns

TREE = (
    "etc/a.json",
    "etc/B.JSON",
    "etc/.hidden.json",
    "etc/a_b.json",
    "etc/axb.json",
    "etc/100%.json",
    "etc/back\\slash.json",
    "etc/app/conf.json",
    "etc/APP/conf.json",
    "etc/app/deep/er/and/deeper.json",
    "etc/app/node_modules/x.json",
    "etc/empty/",
    "home/ada/.config/x.json",
    "home/bob/.config/x.json",
    "home/bob/.config/y.yaml",
)


@pytest.fixture
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the pattern without wildcards."""
    return tmp_path_factory.mktemp("plain")


@pytest.fixture
def tree(plain: Path) -> str:
    tmp_path = plain
    for name in TREE:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text("{}")
    (tmp_path / "etc" / "link.json").symlink_to("a.json")
    (tmp_path / "home" / "eve").symlink_to("bob")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("etc/a.json", ["etc/a.json"]),
        ("etc/%.yaml", []),
        (
            "home/%/.config/x.json",
            ["home/ada/.config/x.json", "home/bob/.config/x.json", "home/eve/.config/x.json"],
        ),
        ("home/b%/.config/%", ["home/bob/.config/x.json", "home/bob/.config/y.yaml"]),
        ("etc/b.json", ["etc/B.JSON"]),
        ("ETC/a.json", ["etc/a.json"]),
        ("etc/app/conf.json", ["etc/app/conf.json"]),
        ("etc/Ap_/conf.json", ["etc/APP/conf.json", "etc/app/conf.json"]),
        ("etc/a_b.json", ["etc/a_b.json", "etc/axb.json"]),
        ("etc/1%\\%.json", []),
        ("etc/1%", ["etc/100%.json"]),
        ("etc/%\\%", ["etc/back\\slash.json"]),
        ("etc/%k.json", ["etc/link.json"]),
        ("etc//%b.json", ["etc//B.JSON", "etc//a_b.json", "etc//axb.json"]),
        ("etc/./a.json", ["etc/./a.json"]),
        ("home/../etc/a.json", ["home/../etc/a.json"]),
        ("etc/app/", []),
        ("etc/em%", []),  # a folder
        ("etc/app/%%", ["etc/app/conf.json", "etc/app/deep/er/and/deeper.json"]),
        ("%%/y.yaml", ["home/bob/.config/y.yaml"]),
        ("%%/deeper.json", []),  # five folders deep
        ("nowhere/%", []),
        ("", []),
    ],
)
def test_patterns(tree: str, pattern: str, expected: list[str]) -> None:
    assert list(expand_like(f"{tree}/{pattern}")) == [f"{tree}/{name}" for name in expected]


COMPONENTS = st.lists(
    st.sampled_from(
        ["etc", "home", "%", "a%", "%a%", "_pp", "app", "conf.json", "%.json", "%.JSON", "a_b.json", "B.json"]
    ),
    min_size=1,
    max_size=3,
)


@given(pattern=COMPONENTS.map("/".join))
def test_patterns_find_what_sqlite_finds_within_components(
    tmp_path_factory: pytest.TempPathFactory, pattern: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "oracle"
    if not root.exists():
        for name in TREE:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if name.endswith("/") else path.write_text("{}")
    files = [name for name in TREE if not name.endswith("/") and name.count("/") == pattern.count("/")]
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        expected = {
            name
            for name in files
            if all(
                database.execute("select ? like ?", [part, like]).fetchone()[0]
                for part, like in zip(name.split("/"), pattern.split("/"), strict=True)
            )
        }
    found = {path.removeprefix(f"{root}/") for path in expand_like(f"{root}/{pattern}")}
    # a folder that is written out is taken by its name alone if there is one
    assert found == {
        name for name in expected if "app" not in pattern.split("/") or "APP" not in name.split("/")
    }


def test_relative_patterns(tree: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert list(expand_like("etc/a%.json")) == ["etc/a.json", "etc/a_b.json", "etc/axb.json"]
    monkeypatch.chdir(f"{tree}/etc")
    assert list(expand_like("a.%")) == ["a.json"]


def test_folders_are_limited(plain: Path) -> None:
    tmp_path = plain
    for number in range(20):
        (tmp_path / f"{number}").mkdir()
    assert list(expand_like(f"{tmp_path}/%/x", max_folders=21)) == []
    with pytest.raises(LimitExceeded, match=r"more than 20 folders.*raise max_folders"):
        list(expand_like(f"{tmp_path}/%/x", max_folders=20))


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "again").symlink_to("..")
    (tmp_path / "a" / "x").write_text("")
    assert list(expand_like(f"{tmp_path}/%%")) == [f"{tmp_path}/a/again", f"{tmp_path}/a/x"]


def test_a_pattern_of_many_wildcards_takes_no_time(tmp_path: Path) -> None:
    (tmp_path / ("a" * 200)).write_text("")
    start = time.monotonic()
    assert list(expand_like(f"{tmp_path}/{'%a' * 50}%b")) == []
    assert len(list(expand_like(f"{tmp_path}/{'%a' * 50}%"))) == 1
    assert time.monotonic() - start < 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may not list a folder")
def test_a_file_in_a_folder_that_may_not_be_listed(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "x_y.json").write_text("")
    (tmp_path / "closed").chmod(0o711)
    tmp_path.chmod(0o755)
    # From within, by a relative path: the folders above are pytest's, and closed to others.
    code = (
        "import os, sys; from kolide_kit.patterns import expand_like; list(expand_like('%'))\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: sys.exit(f'{os.listdir(\"closed\")} can be listed')\n"
        "except PermissionError: print(*expand_like('closed/x_y.json'), *expand_like('closed/%.json'))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("closed/x_y.json\n", "")
