"""kolide_dpkg_verify beside `dpkg -V`, on this machine and on packages made and changed for it."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kolide_tables.exposure.dpkg_verify as dpkg_verify_module
from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.exposure.dpkg_verify import (
    ChangedFile,
    changed_rows,
    dpkg_verify,
    parse_conffiles,
    parse_sums,
)
from osquery_sdk import DeadlineExceeded, Query, Table, TableError

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="dpkg is for Linux")
Said = set[tuple[str, bool, bool]]


def dpkg(*arguments: str) -> str:
    program = shutil.which("dpkg")
    if program is None or shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg is not installed: it is the oracle of this test")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def said_by_dpkg(*packages: str, root: str = "") -> Said:
    """Return path, missing and configuration of each change that dpkg reports."""
    said = dpkg(*([f"--root={root}"] if root else []), "--verify", *packages)
    found: Said = set()
    for line in said.splitlines():
        match = re.match(r"(missing  |\S{9})  ?(.) (/.*?)(?: \(.*\))?$", line)
        assert match is not None, line
        found.add((match[3], match[1].startswith("missing"), match[2] == "c"))
    return found


def ours(rows: list[Any]) -> Said:
    return {(row.path, row.actual_md5 is None, bool(row.conffile)) for row in rows}


def said_by_md5sum(package: str, root: Path) -> set[str]:
    """Return the paths of a package's files whose content has changed, at their places by dpkg-divert."""
    database = f"{root}/var/lib/dpkg"
    sums = ""
    for line in Path(f"{database}/info/{package}.md5sums").read_text().splitlines():
        md5, path = line.split("  ", 1)
        divert = ["dpkg-divert", "--admindir", database, "--truename", f"/{path}"]
        sums += f"{md5}  {root}{subprocess.check_output(divert, text=True)}"
    command = ["md5sum", "--check", "--quiet", "--ignore-missing"]
    said = subprocess.run(command, input=sums, capture_output=True, text=True).stdout
    return {line.removeprefix(str(root)).removesuffix(": FAILED") for line in said.splitlines()}


def installed() -> list[str]:
    """Return packages of this machine, without those with the most files, which take seconds each."""
    if shutil.which("dpkg-query") is None:
        pytest.skip("dpkg is not installed: it is the oracle of this test")
    form = "${db:Status-Abbrev}\t${binary:Package}\t${Installed-Size}\n"
    said = subprocess.check_output(["dpkg-query", "--show", f"--showformat={form}"], text=True)
    lines = [line.split("\t") for line in said.splitlines()]
    return [name for status, name, size in lines if status[1:2] == "i" and int(size or 0) < 20_000]


def test_this_machine_s_packages_are_what_dpkg_says(compare: Compare) -> None:
    names = installed()
    # Some of all kinds, and those with files that others have diverted.
    some = {"bash", "base-files", "coreutils", "login", "perl-base", "debconf", *names[::40]}
    packages = [name for name in names if name.partition(":")[0] in some or name in some]
    rows = [row for package in packages for row in dpkg_verify.rows(package=package)]
    assert dpkg_verify.rows(package="nosuch") == []
    compare("dpkg_verify", "dpkg -V", ours(rows), said_by_dpkg(*packages), rows=max(len(rows), len(packages)))


@pytest.mark.slow
def test_all_of_this_machine_s_packages_are_what_dpkg_says(compare: Compare) -> None:
    packages = installed()
    rows = [row for package in packages for row in dpkg_verify.rows(package=package)]
    compare("dpkg_verify", "dpkg -V", ours(rows), said_by_dpkg(*packages), rows=max(len(rows), len(packages)))


FILES = {
    "usr/bin/tool": b"#!/bin/sh\n",
    "usr/lib/a b/odd ü": b"one",
    "usr/share/same": b"same",
    "usr/share/changed": b"before",
    "usr/share/gone": b"gone",
    "usr/share/pipe": b"pipe",
    "usr/share/link": b"link",
    "usr/share/moved": b"moved",
    "etc/tool.conf": b"default",
    "etc/own.conf": b"default",
    "etc/lost.conf": b"default",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a root folder with two packages that dpkg has installed there."""
    folder = tmp_path_factory.mktemp("dpkg")
    root = folder / "root"
    for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "var/log"):
        (root / name).mkdir(parents=True)
    for name in ("status", "available", "diversions"):
        (root / "var/lib/dpkg" / name).touch()
    (root / "var/lib/dpkg/diversions").write_text("/usr/share/moved\n/usr/share/moved.real\nother\n")
    for package, prefix in (("tool", b""), ("other", b"other ")):
        build = folder / package
        sums = ""
        for path, content in FILES.items():
            if package == "other" and path != "usr/share/moved":
                continue
            file = build / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(prefix + content)
            if not path.startswith("etc/"):
                sums += f"{hashlib.md5(prefix + content).hexdigest()}  {path}\n"
        (build / "DEBIAN").mkdir()
        (build / "DEBIAN/control").write_text(
            f"Package: {package}\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b>\nDescription: x\n"
        )
        (build / "DEBIAN/md5sums").write_text(sums)
        if package == "tool":
            (build / "usr/share/empty").mkdir()
            (build / "DEBIAN/conffiles").write_text("/etc/tool.conf\n/etc/own.conf\n/etc/lost.conf\n")
        dpkg("--version")
        subprocess.run(
            ["dpkg-deb", "--build", "--root-owner-group", build, folder / f"{package}.deb"],
            check=True,
            capture_output=True,
        )
    done = subprocess.run(
        [
            "dpkg",
            f"--root={root}",
            "--force-not-root",
            "--force-bad-path",
            "-i",
            folder / "other.deb",
            folder / "tool.deb",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return root


def rows_below(root: Path, package: str | list[str], table: Table = dpkg_verify) -> list[ChangedFile]:
    """Return the table's rows about what is installed below a root folder."""
    return list(changed_rows(Query.of(table, equals={"package": package}), str(root)))


def test_an_untouched_package_has_no_rows(root: Path) -> None:
    assert rows_below(root, ["tool", "other"]) == []
    assert said_by_dpkg("tool", "other", root=str(root)) == set()


@pytest.fixture
def changed(root: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "root"
    shutil.copytree(root, copy, symlinks=True)
    (copy / "usr/share/changed").write_bytes(b"after!")
    (copy / "usr/share/gone").unlink()
    (copy / "etc/own.conf").write_text("mine")
    (copy / "etc/lost.conf").unlink()
    (copy / "usr/share/empty").rmdir()
    (copy / "usr/share/moved.real").write_bytes(b"not moved")
    (copy / "usr/lib/a b/odd ü").write_bytes(b"two")
    return copy


def test_changes_are_those_of_dpkg(changed: Path, compare: Compare) -> None:
    rows = rows_below(changed, "tool")
    said = said_by_dpkg("tool", root=str(changed))
    # dpkg knows no sum for the new place of a diverted file, and only checks that it exists.
    diverted = {("/usr/share/moved.real", False, False)}
    compare("dpkg_verify", "dpkg -V", ours(rows), said | diverted)
    content = {row.path for row in rows if row.actual_md5 is not None and not row.conffile}
    compare("dpkg_verify", "dpkg-divert, md5sum --check", content, said_by_md5sum("tool", changed))
    assert {path for path, _, _ in said} == {
        "/usr/share/changed",
        "/usr/share/gone",
        "/usr/share/empty",
        "/usr/lib/a b/odd ü",
        "/etc/own.conf",
        "/etc/lost.conf",
    }
    (row,) = (row for row in rows if row.path == "/usr/share/changed")
    assert (row.expected_md5, row.actual_md5) == tuple(
        subprocess.check_output(["md5sum"], input=data, text=True).split()[0] for data in ("before", "after!")
    )
    # The package that diverted the other's file has its own file in its place.
    assert rows_below(changed, "other") == []


def test_what_is_no_file_any_more(changed: Path) -> None:
    for name in ("pipe", "link"):
        (changed / "usr/share" / name).unlink()
    os.mkfifo(changed / "usr/share/pipe")
    (changed / "usr/share/link").symlink_to("/etc/shadow")
    rows = {row.path: row for row in rows_below(changed, "tool")}
    for name in ("pipe", "link"):
        assert rows[f"/usr/share/{name}"].actual_md5 is None


def test_only_that_package_s_files_are_read(root: Path, opened: list[str]) -> None:
    rows_below(root, "other")
    below = {path.removeprefix(str(root)) for path in opened}
    assert below == {
        "/var/lib/dpkg/info/other.list",
        "/var/lib/dpkg/info/other.md5sums",
        "/var/lib/dpkg/status",
        "/var/lib/dpkg/diversions",
        "/usr/share/moved",
    }


@pytest.mark.parametrize("name", ["", "../tool", "tool/", "TOOL", "a b", "tool:../x", "-x", "\0", "é"])
def test_what_is_no_package(root: Path, name: str) -> None:
    assert rows_below(root, name) == []


def test_all_packages_at_once_are_refused(root: Path) -> None:
    with pytest.raises(TableError, match="name a package"):
        list(changed_rows(Query.of(dpkg_verify, like={"package": "%"}), str(root)))
    assert list(changed_rows(Query.of(dpkg_verify), str(root))) == []  # the term was one with NULL


def test_limits(changed: Path) -> None:
    with pytest.raises(LimitExceeded, match="max_rows"):
        rows_below(changed, "tool", dpkg_verify.configured(limits=Limits(max_rows=2)))
    with pytest.raises(DeadlineExceeded):
        list(changed_rows(Query.of(dpkg_verify, equals={"package": "tool"}, timeout=-1), str(changed)))


def test_a_file_that_has_become_huge_ends_at_the_limit_of_time(changed: Path) -> None:
    with (changed / "usr/share/same").open("wb") as file:
        file.truncate(1 << 40)
    started = time.monotonic()
    with pytest.raises(LimitExceeded, match=r"no answer within 0\.3 s: ask for less, or raise max_seconds"):
        rows_below(changed, "tool", dpkg_verify.configured(limits=Limits(max_seconds=0.3)))
    assert time.monotonic() - started < 10


def test_a_file_that_grows_while_it_is_read_has_changed(
    changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = dpkg_verify_module.open_file

    def grows(path: str) -> BinaryIO:
        file = real(path)
        if path.endswith("usr/share/same"):
            with (changed / "usr/share/same").open("ab") as other:
                other.write(b"more")
        return file

    monkeypatch.setattr(dpkg_verify_module, "open_file", grows)
    rows = {row.path: row for row in rows_below(changed, "tool")}
    assert rows["/usr/share/same"].actual_md5 == hashlib.md5(b"samemore").hexdigest()


def test_a_file_that_may_not_be_read_is_not_said_to_have_changed(changed: Path) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv")
    code = (
        "import sys; "
        "from kolide_tables.exposure.dpkg_verify import ChangedFile, changed_rows, dpkg_verify as t; "
        "from osquery_sdk import Query\n"
        "import hashlib, os; said = []\n"
        "list(changed_rows(Query.of(t, equals={'package': 'none'}), sys.argv[1])); os.setgroups([]); "
        "os.setgid(65534); os.setuid(65534)\n"
        "rows = list(changed_rows(Query.of(t, equals={'package': 'tool'}, warn=said.append), sys.argv[1]))\n"
        "print(sorted(row.path for row in rows), len(said))"
    )
    (changed / "usr/share/changed").chmod(0o600)
    for folder in (changed, *changed.parents):
        if folder.stat().st_uid == 0 and folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o111)
    output = subprocess.check_output([sys.executable, "-c", code, str(changed)], text=True)
    assert "/usr/share/changed" not in output
    assert output.strip().endswith(" 1")


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    list(parse_sums(data))
    list(parse_conffiles(data))
    list(parse_conffiles(b"\nConffiles:\n " + data))


@pytest.mark.parametrize(
    ("stanza", "paths"),
    [
        (b"Package: a\nConffiles:\n /etc/a 0123456789abcdef0123456789abcdef\nVersion: 1\n", [b"/etc/a"]),
        (b"x\nConffiles:\n /etc/a b 0123456789abcdef0123456789abcdef\n /etc/n newconffile\n", [b"/etc/a b"]),
        (b"x\nConffiles:\n /etc/o 0123456789abcdef0123456789abcdef obsolete\n", []),
        (b"x\nVersion: 1\n", []),
    ],
)
def test_configuration(stanza: bytes, paths: list[bytes]) -> None:
    assert [one.path for one in parse_conffiles(stanza)] == paths
