"""Bad input is reported in one line, and nothing is written."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from .conftest import mach_program, made, make_bundle, needs, package, pe_program

if TYPE_CHECKING:
    from pathlib import Path

OSQUERYD = shutil.which("osqueryd") or "/nowhere/osqueryd"


def refused(done_stderr: str) -> str:
    """The one line after the progress."""
    lines = [line for line in done_stderr.splitlines() if not line.startswith("[")]
    assert len(lines) == 1, lines
    assert lines[0].startswith("osquery-sdk")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "exe"], "unknown form; name some of deb, rpm"),
        (["--to", "msi"], "msi: needs a bundle for Windows"),
        (["--to", "pkg"], "pkg: needs a bundle for macOS"),
        (["--identifier", "Not Good"], "identifier 'Not Good'"),
        (["--identifier", "osquery"], "that name is taken"),
        (["--name", "a/b"], "name 'a/b'"),
        (["--version", "latest"], "version 'latest': write numbers"),
        (["--release", "0"], "--release begins with 1"),
        (["--root", "relative"], "--root relative: has to be an absolute path"),
        (["--load-list", "/etc/../x"], "--load-list /etc/../x"),
        (["--full"], "give --osqueryd PATH, for Linux on"),
        (["--full", "--osqueryd", "/nowhere"], "--osqueryd /nowhere: there is no such file"),
        (["--full", "--osqueryd", "/bin/true"], "--osqueryd /bin/true: a program, but not an osqueryd"),
        (["--full", "--osqueryd", "/etc/passwd"], "--osqueryd /etc/passwd: not a program"),
        (["--flags", "/etc/passwd"], "belong to a --full package"),
        (["--sign", "pgp=x"], "write KIND=FILE, where KIND is gpg, rsa, authenticode"),
        (["--sign", "gpg=/nowhere"], "--sign gpg=/nowhere: there is no such file"),
        (["--summary", "two\nlines"], "has to be one line"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_arguments(bundle: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    done = package(bundle, *arguments, output=tmp_path / "out")
    assert done.code in (1, 2)
    assert said in refused(done.stderr)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "not a bundle: no program in it ends in .ext"),
        ({"a.ext": b"\x7fELF", "b.ext": b"\x7fELF"}, "which of a.ext, b.ext is the extension"),
        ({"a.ext": b"#!/bin/sh\n"}, "a.ext is a script, not a frozen program"),
        ({"a.ext": b"text"}, "a.ext is not a program"),
        ({"a.ext": pe_program()}, "on Windows osqueryd starts files that end in .exe"),
        ({"a.exe": mach_program()}, "on macOS osqueryd starts files that end in .ext"),
        ({"a.ext": mach_program()}, "the bundle has no version in it; give --version"),
        ({"a.ext": mach_program(), "_internal/build.json": b"{"}, "build.json: not valid JSON"),
    ],
)
def test_bundles(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    folder = tmp_path / "x.bundle"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    done = package(folder, output=tmp_path / "out")
    assert done.code == 1
    assert said in refused(done.stderr)
    assert not (tmp_path / "out").exists()


def test_no_bundle(tmp_path: Path) -> None:
    done = package(tmp_path / "none", output=tmp_path / "out")
    assert "there is no such bundle; make one with osquery-sdk build" in refused(done.stderr)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/etc/passwd", "leads out of the bundle"),
        ("../../outside", "leads out"),
        ("nowhere", "leads nowhere"),
    ],
)
def test_links(tmp_path: Path, target: str, said: str) -> None:
    folder = make_bundle(tmp_path)
    (folder / "_internal" / "bad").symlink_to(target)
    assert said in refused(package(folder, output=tmp_path / "out").stderr)


def test_what_is_no_file(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    os.mkfifo(folder / "_internal" / "pipe")
    assert "_internal/pipe in the bundle is not a file" in refused(
        package(folder, output=tmp_path / "out").stderr
    )


def test_names_that_break_lists(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / "_internal" / "two\nlines").write_text("")
    assert "has a name that no package could carry" in refused(
        package(folder, output=tmp_path / "out").stderr
    )


def test_two_bundles_for_the_same(bundle: Path, bundle_2: Path, tmp_path: Path) -> None:
    done = package(bundle, bundle_2, output=tmp_path / "out")
    assert "are both for Linux on" in refused(done.stderr)


def test_windows_has_no_folder_but_program_files(windows_bundle: Path, tmp_path: Path) -> None:
    needs("wixl")
    done = package(windows_bundle, "--to", "msi", "--root", "/Tools", output=tmp_path / "out")
    assert "is not below C:\\Program Files" in refused(done.stderr)
    assert not (tmp_path / "out").exists()


def test_an_osqueryd_for_another_platform(windows_bundle: Path, tmp_path: Path) -> None:
    needs("osqueryd")
    done = package(windows_bundle, "--full", "--osqueryd", OSQUERYD, output=tmp_path / "out")
    assert "is for another platform" in refused(done.stderr)


@pytest.mark.parametrize(
    ("option", "content", "said"),
    [
        ("--flags", b"verbose\n", "line 1: 'verbose' is not a flag"),
        (
            "--flags",
            b"# ok\n\n--disable_extensions\n",
            "line 3: with --disable_extensions osqueryd would not load",
        ),
        ("--flags", b"\xff\xfe", "not a text in UTF-8"),
        ("--secret", b"\n", "the file is empty"),
    ],
)
def test_settings(bundle: Path, tmp_path: Path, option: str, content: bytes, said: str) -> None:
    needs("osqueryd")
    (tmp_path / "file").write_bytes(content)
    arguments = ["--full", "--osqueryd", OSQUERYD, option, str(tmp_path / "file")]
    done = package(bundle, *arguments, "--to", "tar", output=tmp_path / "out")
    assert said in refused(done.stderr)
    assert not (tmp_path / "out").exists()


def test_what_is_there_stays_unless_told(bundle: Path, tmp_path: Path) -> None:
    first = made(bundle, "--to", "tar", output=tmp_path).file("*.tar.gz")
    first.write_bytes(b"mine")
    before = sorted(tmp_path.iterdir())
    done = package(bundle, "--to", "tar,deb", output=tmp_path)
    assert "hello_ext-1.2.3-linux-" in refused(done.stderr)
    assert "is there already; --force replaces it" in done.stderr
    assert (sorted(tmp_path.iterdir()), first.read_bytes()) == (before, b"mine")
    made(bundle, "--to", "tar", "--force", output=tmp_path)
    assert first.read_bytes() != b"mine"


def test_a_tool_that_fails_leaves_nothing(bundle: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("no key")
    done = package(bundle, "--to", "tar,deb", "--sign", f"gpg={key}", output=tmp_path / "out")
    assert done.code == 1
    assert "nfpm did not write the deb" in refused(done.stderr)
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    assert "is a file; --output names a folder" in refused(package(bundle, output=tmp_path / "out").stderr)


def test_a_date_that_is_none(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    from osquery_sdk.packaging import PackagingError
    from osquery_sdk.packaging import package as make

    with pytest.raises(PackagingError, match="SOURCE_DATE_EPOCH=yesterday"):
        make([bundle])
