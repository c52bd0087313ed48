"""Bundles to make packages of, and the command that makes them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import struct
import sys
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pytest

from osquery_sdk.cli.main import main

DATE = 1_767_323_045  # 2026-01-02T03:04:05Z
MAINTAINER = "Table Makers <tables@example.com>"
PROGRAM = "/usr/lib/osquery/extensions/hello_ext/hello_ext.ext"
OTHERS = "# mine\n/opt/other.ext\n"


def off(number: int, load_list: str = "/etc/osquery/extensions.load", name: str = "hello_ext") -> str:
    """A package's message about a load list in which only a comment names the program."""
    return (
        f"{name}: stays off, since line {number} of {load_list} is a comment; "
        "to have it loaded, take the comment sign away and restart osqueryd"
    )


class Done(NamedTuple):
    """The result of running the command."""

    code: int
    stdout: str
    stderr: str
    output: Path

    def file(self, pattern: str) -> Path:
        """The one file of that kind."""
        (found,) = self.output.glob(pattern)
        return found


def package(*arguments: str | Path, output: Path, date: int | None = DATE) -> Done:
    """`osquery-sdk package`, in this process: there are many of them, and they start nothing that stays."""
    environment = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    if date is not None:
        environment["SOURCE_DATE_EPOCH"] = str(date)
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, environment, clear=True),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        code = main(["package", *map(str, arguments), "--output", str(output)])
    return Done(code, stdout.getvalue(), stderr.getvalue(), output)


def made(*arguments: str | Path, output: Path, date: int | None = DATE) -> Done:
    """Run it; it has to work."""
    done = package(*arguments, "--license", "MIT", "--maintainer", MAINTAINER, output=output, date=date)
    assert done.code == 0, done.stderr
    return done


def needs(*programs: str) -> None:
    """Skip where one of these is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on PATH")


def needs_root() -> None:
    """Skip where the test would need to be root."""
    if os.geteuid() != 0:
        pytest.skip("needs root: the real tools install as root alone")


def two_versions(form: str, bundle: Path, bundle_2: Path, output: Path) -> tuple[Path, Path]:
    """Packages of both bundles: 1.2.3 and 1.3.0."""
    for one in (bundle, bundle_2):
        made(one, "--to", form, output=output)
    return next(output.glob(f"*1.2.3*.{form}")), next(output.glob(f"*1.3.0*.{form}"))


class Root:
    """A folder that stands for a machine's root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __truediv__(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    @property
    def listed(self) -> str | None:
        """Return the lines that osqueryd would read in its list of extensions."""
        file = self / "/etc/osquery/extensions.load"
        return file.read_text() if file.exists() else None

    def files(self, *but: str) -> list[str]:
        """All but folders, and but those with one of these in their paths."""
        found = [f"/{path.relative_to(self.folder)}" for path in self.folder.rglob("*") if not path.is_dir()]
        return [path for path in found if not any(part in path for part in but)]


def stamp(folder: Path, version: str) -> None:
    """Write what freezing writes into a bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"name": "hello_ext", "version": version, "date": "2026-01-02T03:04:05Z"}
    (folder / "build.json").write_text(json.dumps(content))


def make_bundle(folder: Path, version: str = "1.2.3") -> Path:
    """A bundle for Linux: a real program, libraries, data, a link, a name with a blank, wide modes."""
    bundle = folder / "hello_ext.bundle"
    inner = bundle / "_internal"
    stamp(inner, version)
    true = shutil.which("true")
    assert true is not None
    shutil.copy(true, bundle / "hello_ext.ext")
    (bundle / "hello_ext.ext").chmod(0o777)
    (inner / "lib").mkdir()
    (inner / "lib" / "with blank.txt").write_text("a blank\n")
    (inner / "lib" / "tool").write_text("#!/bin/sh\n")
    (inner / "lib" / "tool").chmod(0o775)
    (inner / "data.txt").write_text(f"data of {version}\n")
    (inner / "data.txt").chmod(0o666)
    (inner / "link.txt").symlink_to("lib/with blank.txt")
    return bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bundle for Linux, version 1.2.3."""
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def bundle_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The next version of it, without one of the files and with another."""
    made = make_bundle(tmp_path_factory.mktemp("bundle"), "1.3.0")
    (made / "_internal" / "lib" / "tool").unlink()
    (made / "_internal" / "new.txt").write_text("new\n")
    return made


@pytest.fixture(scope="session")
def windows_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for Windows; its program is only a header, enough to be recognized but not to run."""
    bundle = tmp_path_factory.mktemp("windows") / "hello_ext.bundle"
    stamp(bundle / "_internal", "1.2.3")
    (bundle / "hello_ext.exe").write_bytes(pe_program())
    (bundle / "_internal" / "lib").mkdir()
    (bundle / "_internal" / "lib" / "with blank.dll").write_bytes(b"MZ" + bytes(500))
    return bundle


@pytest.fixture(scope="session")
def mac_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for macOS with more files than one leaf of a bill of materials holds."""
    bundle = tmp_path_factory.mktemp("mac") / "hello_ext.bundle"
    stamp(bundle / "_internal", "1.2.3")
    (bundle / "hello_ext.ext").write_bytes(mach_program())
    (bundle / "_internal" / "lib").mkdir()
    for number in range(600):
        (bundle / "_internal" / "lib" / f"file {number}.txt").write_text(f"{number}\n" * number)
    (bundle / "_internal" / "link.txt").symlink_to("lib/file 1.txt")
    return bundle


def pe_program(machine: int = 0x8664, more: bytes = b"") -> bytes:
    """The beginning of a program for Windows."""
    head = bytearray(b"MZ".ljust(0x40, b"\0"))
    struct.pack_into("<I", head, 0x3C, 0x40)
    return bytes(head) + struct.pack("<4sH", b"PE\0\0", machine) + bytes(200) + more


def mach_program(machine: int = 0x0100000C, more: bytes = b"") -> bytes:
    """The beginning of a program for macOS."""
    return struct.pack("<8I", 0xFEEDFACF, machine, 0, 2, 0, 0, 0, 0) + bytes(200) + more
