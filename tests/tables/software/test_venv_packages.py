"""kolide_venv_packages against pip list: the tests' own environment, new ones, and broken ones."""

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.software.venv_packages import VenvPackage, venv_packages
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.homes import Users
from ...support.paths import ROOT
from ...support.tools import Run

in_venv = pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="the tests run outside of an environment")


def environment(folder: Path, version: str = "3.11.2") -> Path:
    """Make an environment without a Python, with as much as identifies it."""
    site = folder / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {version}\n")
    return site


def package(site: Path, name: str, version: str, **files: str) -> Path:
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: no\n")
    for file, content in files.items():
        (folder / file.replace("_json", ".json")).write_text(content)
    return folder


def found(**equals: Any) -> list[tuple[str, str | None]]:
    return [(row.name, row.version) for row in venv_packages.rows(**equals)]


@in_venv
def test_this_environment_is_as_pip_lists_it(run: Run, compare: Compare) -> None:
    listed = run(sys.executable, "-m", "pip", "list", "--format=json", "--disable-pip-version-check")
    said = [(one["name"], one["version"], "editable_project_location" in one) for one in json.loads(listed)]
    rows = venv_packages.rows(root=sys.prefix)
    ours = [(row.name, row.version, row.editable) for row in rows]
    compare("venv_packages", "pip list --format=json", sorted(ours), sorted(said))
    assert len(rows) > 20
    assert {(row.root, row.venv_path, row.python_version) for row in rows} == {
        (sys.prefix, sys.prefix, platform.python_version())
    }
    assert {row.uid for row in rows} == {Path(sys.prefix).stat().st_uid}
    assert "pip" in {row.installer for row in rows}
    (mine,) = [row for row in rows if row.name == "osquery-sdk"]
    if mine.editable:
        assert mine.direct_url == ROOT.as_uri()


@in_venv
@pytest.mark.slow
def test_this_environment_is_as_pip_inspects_it(run: Run, compare: Compare) -> None:
    """Compare the sources and the installers of packages too."""
    said = json.loads(run(sys.executable, "-m", "pip", "inspect", "--local", "--disable-pip-version-check"))
    theirs = {
        one["metadata"]["name"]: (
            one["metadata"]["version"],
            one.get("direct_url", {}).get("url"),
            one.get("direct_url", {}).get("dir_info", {}).get("editable", False),
            one.get("installer") or None,
        )
        for one in said["installed"]
    }
    rows = venv_packages.rows(root=sys.prefix)
    ours = {row.name: (row.version, row.direct_url, row.editable, row.installer) for row in rows}
    compare("venv_packages", "pip inspect --local", ours, theirs)


def test_a_new_environment(run: Run, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "project" / ".venv")
    site = next((tmp_path / "project" / ".venv" / "lib").glob("python*")) / "site-packages"
    assert found(root=str(tmp_path)) == []
    package(site, "one", "1.0")
    (row,) = venv_packages.rows(root=str(tmp_path))
    assert (row.name, row.version, row.venv_path) == ("one", "1.0", str(tmp_path / "project" / ".venv"))
    assert row.python_version == platform.python_version()


def test_sources_have_no_credentials(tmp_path: Path) -> None:
    site = environment(tmp_path / "v")
    urls = {
        "plain": "https://example.org/a.whl",
        "login": "https://me:hunter2@example.org/a.git",
        "query": "https://example.org/a.whl?token=hunter2",
        "file": "file:///srv/a",
    }
    for name, url in urls.items():
        package(
            site,
            name,
            "1",
            direct_url_json=json.dumps({"url": url, "dir_info": {"editable": name == "file"}}),
            INSTALLER="uv\n",
        )
    rows = {row.name: row for row in venv_packages.rows(root=str(tmp_path))}
    assert {name: row.direct_url for name, row in rows.items()} == {
        "plain": urls["plain"],
        "login": "https://[redacted]@example.org/a.git",
        "query": "https://example.org/a.whl?token=[redacted]",
        "file": urls["file"],
    }
    assert [name for name, row in rows.items() if row.editable] == ["file"]
    assert {row.installer for row in rows.values()} == {"uv"}
    assert "hunter2" not in repr(rows)


def test_older_ways_to_install(tmp_path: Path) -> None:
    site = environment(tmp_path / "v")
    package(site, "Same_Name", "2")
    (site / "same.name-1.egg-info").write_text("Name: same-name\nVersion: 1\n")
    (site / "file-1.egg-info").write_text("Metadata-Version: 1.0\r\nName: file\r\nVersion: 1.5\r\n")
    (site / "folder-3.egg-info").mkdir()
    (site / "folder-3.egg-info" / "PKG-INFO").write_text("Name: folder\nVersion: 3\n")
    (site / "zipped.egg").write_bytes(b"PK\x03\x04")
    sources = tmp_path / "sources"
    (sources / "linked.egg-info").mkdir(parents=True)
    (sources / "linked.egg-info" / "PKG-INFO").write_text("Name: linked\nVersion: 0.1.dev0\n")
    (site / "linked.egg-link").write_text(f"{sources}\n.")
    rows = venv_packages.rows(root=str(tmp_path / "v"))
    assert sorted((row.name, row.version, row.editable) for row in rows) == [
        ("Same_Name", "2", False),
        ("file", "1.5", False),
        ("folder", "3", False),
        ("linked", "0.1.dev0", True),
    ]
    assert {row.direct_url for row in rows} == {None, f"file://{sources}"}


def test_environments_of_users(users: Users, opened: list[str]) -> None:
    for uid, name in ((1001, "ann"), (1002, "bob")):
        home = users.add(uid, name)
        package(environment(home / "src" / "project" / ".venv", "3.12.1"), name, "1")
        package(environment(home / ".local/share/pipx/venvs/tool"), f"{name}-tool", "2")
        package(environment(home / "a/b/c/too-deep"), f"{name}-deep", "3")
        package(environment(home / "node_modules/x"), f"{name}-skipped", "4")
        package(environment(home / "src/project/.venv/inner"), f"{name}-inner", "5")
        (home / "link").symlink_to(home / "a" / "b" / "c")
    rows = venv_packages.rows()
    assert [(row.uid, row.name, row.python_version, row.root) for row in rows] == [
        (1001, "ann", "3.12.1", None),
        (1001, "ann-tool", "3.11.2", None),
        (1002, "bob", "3.12.1", None),
        (1002, "bob-tool", "3.11.2", None),
    ]
    del opened[:]
    assert [row.name for row in venv_packages.rows(uid=1002)] == ["bob", "bob-tool"]
    assert not [path for path in opened if "/ann/" in path]
    assert found(root=[f"{users.root}/ann/src", f"{users.root}/bob/a"]) == [("ann", "1"), ("bob-deep", "3")]
    assert found(root=f"{users.root}/ann/src", uid=os.geteuid()) == [("ann", "1")]
    assert found(root=f"{users.root}/ann/src", uid=os.geteuid() + 1) == []


def test_what_is_not_used_is_not_read(tmp_path: Path, opened: list[str]) -> None:
    package(
        environment(tmp_path / "v"), "one", "1", direct_url_json='{"url": "https://a/b"}', INSTALLER="pip\n"
    )
    always = {"mountinfo", "pyvenv.cfg", "METADATA"}
    for used, more in (
        (("name", "version"), set()),
        (("name", "direct_url"), {"direct_url.json"}),
        (("editable",), {"direct_url.json"}),
        (("installer",), {"INSTALLER"}),
        (None, {"direct_url.json", "INSTALLER"}),
    ):
        del opened[:]
        rows = venv_packages.rows(Query.of(venv_packages, equals={"root": str(tmp_path)}, used=used))
        assert len(rows) == 1
        assert {Path(path).name for path in opened} == always | more


def test_what_is_broken_does_not_hide_the_rest(tmp_path: Path) -> None:
    site = environment(tmp_path / "v")
    for name in ("a-fifo", "b-link", "c-large", "d-binary", "e-deep", "g-empty"):
        package(site, name, "1").joinpath("METADATA").unlink()
    os.mkfifo(site / "a-fifo-1.dist-info" / "METADATA")
    (site / "b-link-1.dist-info" / "METADATA").symlink_to("/etc/shadow")
    with (site / "c-large-1.dist-info" / "METADATA").open("wb") as large:
        large.truncate(1 << 30)
    (site / "d-binary-1.dist-info" / "METADATA").write_bytes(b"Name: d\xff\nVersion: 1\n")
    (site / "e-deep-1.dist-info" / "METADATA").write_text("Name: e\nVersion: 1\n")
    (site / "e-deep-1.dist-info" / "direct_url.json").write_text("[" * 100_000)
    (site / "g-empty-1.dist-info" / "METADATA").write_text("")
    package(site, "z", "9")
    (tmp_path / "w").mkdir()
    os.mkfifo(tmp_path / "w" / "pyvenv.cfg")
    warnings: list[str] = []
    started = time.monotonic()
    query = Query.of(venv_packages, equals={"root": str(tmp_path)}, warn=warnings.append)
    rows = [row for row in venv_packages.rows(query) if isinstance(row, VenvPackage)]
    assert time.monotonic() - started < 20
    assert [(row.name, row.version) for row in rows] == [("d\\xff", "1"), ("e", "1"), ("z", "9")]
    assert len(warnings) == 4
    assert ["a FIFO" in warnings[0], "a symbolic link" in warnings[1], "the limit is" in warnings[2]] == [
        True
    ] * 3


def test_limits(tmp_path: Path) -> None:
    for number in range(12):
        package(environment(tmp_path / str(number)), "one", "1")
    with pytest.raises(LimitExceeded, match=r"more than 5 folders within 3 levels.*not searched"):
        venv_packages.configured(limits=Limits(max_folders=5)).rows(root=str(tmp_path))
    with pytest.raises(LimitExceeded, match="more than 5 rows"):
        venv_packages.configured(limits=Limits(max_rows=5)).rows(root=str(tmp_path))


def tree(top: Path, prefix: str, folders: int, files: int) -> None:
    """Make folders in three levels, with as many empty files in all."""
    names = [
        top / f"{prefix}{number // 100}" / f"{number // 10 % 10}" / f"{number % 10}"
        for number in range(folders)
    ]
    for number, folder in enumerate(names):
        folder.mkdir(parents=True)
        for file in range(files // folders + (number < files % folders)):
            os.close(os.open(folder / f"f{file}", os.O_CREAT | os.O_WRONLY))


@pytest.mark.slow
def test_a_home_of_200_000_files(users: Users) -> None:
    """The search stays within its limits, and says what it did not read."""
    home = users.add(1001, "ann")
    package(environment(home / "near"), "near", "1")
    tree(home, "wide", 3_000, 199_000)
    with (home / "wide0" / "large").open("wb") as large:
        large.truncate(1 << 30)
    started = time.monotonic()
    assert found() == [("near", "1")]
    assert time.monotonic() - started < 20
    tree(home, "more", 5_000, 5_000)
    started = time.monotonic()
    with pytest.raises(
        LimitExceeded,
        match=r"/ann has more than 4,000 folders within 3 levels: [\d,]+ or more were not searched",
    ):
        venv_packages.rows()
    assert time.monotonic() - started < 20
    with pytest.raises(LimitExceeded, match=r"no answer within 0.001 s"):
        venv_packages.configured(limits=Limits(max_seconds=0.001)).rows()
