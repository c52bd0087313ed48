"""kolide_package_upgrades beside dnf, zypper and pacman over repositories made here, and snapd's state."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.exposure.apt_upgrades import upgrade_rows as apt_rows
from kolide_tables.exposure.package_upgrades import package_upgrades, upgrades
from kolide_tables.reading.tools import find_tool
from osquery_sdk import Query, TableError

from ...support.compare import Compare
from ...support.tools import Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the table is for Linux")

SPEC = """
Name: {name}
Version: {version}
Release: 1
Summary: x
License: x
BuildArch: noarch
%description
x
%install
mkdir -p %{{buildroot}}/usr/share/{name}
%files
/usr/share/{name}
"""
ADVISORY = """<?xml version="1.0"?>
<updates><update from="x" status="final" type="security" version="1"><id>EX-1</id><title>t</title>
<issued date="2024-01-01 00:00:00"/><severity>Important</severity><summary>s</summary>
<description>d</description><pkglist><collection short="c"><name>n</name>
<package name="alpha" version="2.0" release="1" epoch="0" arch="noarch">
<filename>alpha-2.0-1.noarch.rpm</filename></package></collection></pkglist></update></updates>
"""


def call(*command: str, home: Path) -> bytes:
    environment = {**os.environ, "HOME": str(home), "LC_ALL": "C"}
    return subprocess.run(command, check=True, capture_output=True, env=environment, timeout=120).stdout


@pytest.fixture(scope="module")
def rpm_machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with alpha, beta and gamma 1.0 installed, and a repository with alpha and beta 2.0."""
    needed = ("rpm", "rpmbuild", "createrepo_c", "modifyrepo_c")
    missing = [name for name in needed if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing or needed)}")
    top = tmp_path_factory.mktemp("rpms")
    for version in ("1.0", "2.0"):
        for name in ("alpha", "beta", "gamma"):
            (top / "spec").write_text(SPEC.format(name=name, version=version))
            call("rpmbuild", "-bb", "--define", f"_topdir {top}/{version}", str(top / "spec"), home=top)
    (top / "repository").mkdir()
    for name in ("alpha", "beta"):
        shutil.copy(top / f"2.0/RPMS/noarch/{name}-2.0-1.noarch.rpm", top / "repository")
    call("createrepo_c", "-q", str(top / "repository"), home=top)
    (top / "updateinfo.xml").write_text(ADVISORY)
    repodata = str(top / "repository/repodata")
    call("modifyrepo_c", str(top / "updateinfo.xml"), repodata, "--mdtype=updateinfo", home=top)
    packages = map(str, sorted((top / "1.0/RPMS/noarch").iterdir()))
    # With rpm's own place for the database, which is in the home of root on Debian.
    call("rpm", "--root", str(top / "root"), "-i", "--nodeps", *packages, home=Path("/root"))
    for folder in ("etc/yum.repos.d", "etc/zypp/repos.d"):
        (top / "root" / folder).mkdir(parents=True)
        (top / "root" / folder / "made.repo").write_text(
            f"[made]\nname=made\nbaseurl=file://{top}/repository\nenabled=1\ngpgcheck=0\n"
        )
    return top


def rows_of(run: Callable[..., bytes], root: Path, manager: str) -> list[tuple[Any, ...]]:
    warnings: list[str] = []
    query = Query.of(package_upgrades, warn=warnings.append)
    rows = [tuple(row)[1:-1] for row in upgrades(query, run, str(root)) if row.manager == manager]
    assert [warning for warning in warnings if f"{manager}: " in warning] == []
    return rows


def test_upgrades_are_those_of_dnf(rpm_machine: Path, compare: Compare) -> None:
    if find_tool("dnf") is None:
        pytest.skip("needs dnf")
    root = rpm_machine / "root"
    options = (
        f"--installroot={root}",
        f"--setopt=reposdir={root}/etc/yum.repos.d",
        f"--setopt=cachedir={rpm_machine}/cache",
        "--releasever=1",
    )
    calls: list[tuple[str, ...]] = []

    def run(name: str, *arguments: str) -> bytes:
        if name != "dnf":
            return b""
        calls.append(arguments)
        return call("dnf", *options, *arguments, home=Path("/root"))

    run("dnf", "makecache")
    calls.clear()
    ours = rows_of(run, root, "dnf")
    assert all("-C" in arguments for arguments in calls)
    # It exits with 100 where there are upgrades.
    checked = subprocess.run(
        ["dnf", *options, "-C", "-q", "check-update"],
        capture_output=True,
        check=False,
        env={**os.environ, "HOME": "/root"},
    )
    said = [tuple(line.split()) for line in checked.stdout.decode().splitlines() if line.strip()]
    compare(
        "package_upgrades",
        "dnf check-update",
        [(name, after, from_) for name, _, after, from_, _ in ours],
        said,
    )
    assert ours == [
        ("alpha.noarch", "1.0-1", "2.0-1", "made", True),
        ("beta.noarch", "1.0-1", "2.0-1", "made", False),
    ]


def test_upgrades_are_those_of_zypper(rpm_machine: Path, compare: Compare) -> None:
    if find_tool("zypper") is None:
        pytest.skip("needs zypper")
    root = rpm_machine / "root"
    calls: list[tuple[str, ...]] = []

    def run(name: str, *arguments: str) -> bytes:
        if name != "zypper":
            return b""
        calls.append(arguments)
        return call("zypper", "--root", str(root), *arguments, home=Path("/root"))

    run("zypper", "--non-interactive", "refresh")
    calls.clear()
    ours = rows_of(run, root, "zypper")
    assert all("--no-refresh" in arguments for arguments in calls)
    listing = run("zypper", "--non-interactive", "--no-refresh", "list-updates").decode()
    cells = [
        [cell.strip() for cell in line.split("|")] for line in listing.splitlines() if line.count("|") == 5
    ]
    said = [(f"{name}.{kind}", old, new, source) for _, source, name, old, new, kind in cells[1:]]
    compare("package_upgrades", "zypper list-updates", [row[:4] for row in ours], said)
    assert [(row[0], row[4]) for row in ours] == [("alpha.noarch", True), ("beta.noarch", False)]


def pacman_database(packages: dict[str, str], path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, version in packages.items():
            desc = f"%FILENAME%\n{name}.pkg\n\n%NAME%\n{name}\n\n%VERSION%\n{version}\n\n%ARCH%\nany\n\n".encode()
            entry = tarfile.TarInfo(f"{name}-{version}/desc")
            entry.size = len(desc)
            archive.addfile(entry, BytesIO(desc))


def test_upgrades_are_those_of_pacman(tmp_path: Path, run: Run, compare: Compare) -> None:
    database = tmp_path / "var/lib/pacman"
    (database / "sync").mkdir(parents=True)
    for name, version in {"a": "1.0-1", "b": "1:1-1", "c": "2.0-1", "held": "1-1", "own": "1-1"}.items():
        folder = database / f"local/{name}-{version}"
        folder.mkdir(parents=True)
        (folder / "desc").write_text(f"%NAME%\n{name}\n\n%VERSION%\n{version}\n\n%ARCH%\nany\n\n")
        (folder / "files").write_text("%FILES%\nusr/\n\n")
    (database / "local/ALPM_DB_VERSION").write_text("9\n")
    pacman_database({"a": "1.0.1-1", "b": "9-1", "held": "2-1"}, database / "sync/core.db")
    pacman_database({"b": "1:1-2", "a": "3-1", "c": "2.0-1"}, database / "sync/extra.db")
    settings = tmp_path / "pacman.conf"
    settings.write_text(
        "[options]\nArchitecture = auto\nIgnorePkg = held\nSigLevel = Never\n"
        "[core]\nServer = file:///x\n[extra]\nServer = file:///x\n"
    )
    options = ("--config", str(settings), "--root", str(tmp_path), "--dbpath", str(database))

    def asked(name: str, *arguments: str) -> bytes:
        return run("pacman", *options, *arguments, check=False).encode() if name == "pacman" else b""

    ours = rows_of(asked, tmp_path, "pacman")
    said = [line.split() for line in asked("pacman", "-Qu").decode().splitlines() if "[ignored]" not in line]
    compare("package_upgrades", "pacman -Qu", [row[:3] for row in ours], [(a, b, c) for a, b, _, c in said])
    assert ours == [("a", "1.0-1", "1.0.1-1", "core", None)]


STATE = {
    "data": {
        "snaps": {"firefox": {"current": "5187"}, "core22": {"current": "1600"}, "held": {"current": "7"}},
        "refresh-candidates": {
            "firefox": {
                "version": "132.0-1",
                "channel": "latest/stable",
                "side-info": {
                    "name": "firefox",
                    "revision": "5239",
                    "channel": "latest/stable",
                    "snap-id": "x",
                },
            },
            "core22": {"side-info": {"revision": "1612", "channel": "latest/stable"}},
            "held": {"version": "7", "side-info": {"revision": "7"}},
            "gone": {"version": "1", "side-info": {"revision": "1"}},
            "odd": 5,
        },
    }
}


def no_program(name: str, *arguments: str) -> bytes:
    return b""


def test_candidates_that_snapd_has_seen(tmp_path: Path) -> None:
    (tmp_path / "var/lib/snapd").mkdir(parents=True)
    (tmp_path / "var/lib/snapd/state.json").write_text(json.dumps(STATE))
    (tmp_path / "snap/firefox/5187/meta").mkdir(parents=True)
    (tmp_path / "snap/firefox/5187/meta/snap.yaml").write_text("name: firefox\nversion: 131.0.2-1\n")
    assert rows_of(no_program, tmp_path, "snap") == [
        ("firefox", "131.0.2-1 (5187)", "132.0-1 (5239)", "latest/stable", None),
        ("core22", "1600", "1612", "latest/stable", None),
    ]


@pytest.mark.parametrize("state", ["", "{", "[]", '{"data": 1}', '{"data": {"refresh-candidates": [1]}}'])
def test_a_manager_that_fails_hides_no_others(state: str, tmp_path: Path) -> None:
    (tmp_path / "var/lib/snapd").mkdir(parents=True)
    (tmp_path / "var/lib/snapd/state.json").write_text(state)
    (tmp_path / "etc/yum.repos.d").mkdir(parents=True)
    (tmp_path / "etc/yum.repos.d/x.repo").touch()
    (tmp_path / "etc/zypp/repos.d").mkdir(parents=True)
    (tmp_path / "etc/zypp/repos.d/x.repo").touch()
    (tmp_path / "var/lib/pacman/sync").mkdir(parents=True)
    (tmp_path / "var/lib/pacman/sync/x.db").touch()

    def run(name: str, *arguments: str) -> bytes:
        if name == "dnf":
            raise TableError("dnf ended with 1")
        if name == "pacman":
            return b"a 1 -> 2\n" if arguments == ("-Qu",) else b"nonsense"
        return b"<a" if name == "zypper" else b""

    warnings: list[str] = []
    query = Query.of(package_upgrades, warn=warnings.append)
    rows = [row for row in upgrades(query, run, str(tmp_path)) if row.manager != "apt"]
    assert [(row.manager, row.name, row.origin) for row in rows] == [("pacman", "a", None)]
    texts = [warning.removeprefix("kolide_package_upgrades: ") for warning in warnings]
    assert [text.partition(":")[0] for text in texts] == [
        "dnf",
        "zypper",
        *(["snap"] if state in ("", "{") else []),
    ]


def test_upgrades_of_apt_are_those_of_its_own_table(compare: Compare) -> None:
    if not all(map(find_tool, ("dpkg-query", "apt-cache", "apt-get"))):
        pytest.skip("needs apt")
    # Apt takes seconds where it keeps no cache of its lists, so it answers both once.
    answers: dict[tuple[str, ...], bytes] = {}

    def run(name: str, *arguments: str) -> bytes:
        if (name, *arguments) not in answers:
            output = subprocess.run(
                [find_tool(name) or "", *arguments], check=True, stdout=subprocess.PIPE
            ).stdout
            answers[name, *arguments] = output
        return answers[name, *arguments]

    own = [
        (row.name, row.installed, row.candidate, row.origin, row.security)
        for row in apt_rows(run, Query.of(package_upgrades))
    ]
    ours = rows_of(run, Path("/nonexistent"), "apt")
    compare("package_upgrades", "kolide_apt_upgrades", ours, own)


def test_patches_of_zypper_with_several_packages(tmp_path: Path) -> None:
    (tmp_path / "etc/zypp/repos.d").mkdir(parents=True)
    (tmp_path / "etc/zypp/repos.d/x.repo").touch()
    updates = "".join(
        f"<update name='{name}' edition='2-1' edition-old='1-1' arch='x86_64'><source alias='main'/></update>"
        for name in ("python3.11", "libx1", "other")
    )
    answers = {
        "list-updates": f"<stream><update-list>{updates}</update-list></stream>",
        "list-patches": "<stream><update name='SUSE-1' status='needed'/><update name='SUSE-2' status='not-needed'/></stream>",
        "info": "Name        : SUSE-1\nConflicts   : [2]\n    python3.11.x86_64 < 2-1\n    libx1.x86_64 < 2-1\n",
    }

    def run(name: str, *arguments: str) -> bytes:
        assert "SUSE-2" not in arguments
        return next((text for word, text in answers.items() if word in arguments), "").encode()

    rows = rows_of(run, tmp_path, "zypper")
    assert [(row[0], row[4]) for row in rows] == [
        ("python3.11.x86_64", True),
        ("libx1.x86_64", True),
        ("other.x86_64", False),
    ]


@given(st.binary(max_size=60))
def test_any_answer(output: bytes) -> None:
    folder = Path(__file__).parent

    def run(name: str, *arguments: str) -> bytes:
        return output

    list(upgrades(Query.of(package_upgrades, warn=lambda message: None), run, str(folder)))
