"""kolide_node_packages against npm ls, yarn list and pnpm's own flags, on the tools' lock files of one
project.
"""

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Budget, Limits
from kolide_tables.reading.lockfiles import LOCK_FILES
from kolide_tables.reading.parsing import ParseError
from kolide_tables.software.node_packages import NodePackage, node_packages
from osquery_sdk import Query, TableError

from ...support.compare import Compare
from ...support.tools import Run

NPM = ("npm1", "npm2", "npm3")
PNPM = ("pnpm7", "pnpm8", "pnpm9")


@pytest.fixture
def projects(fixtures: Path) -> Path:
    return fixtures / "node"


def named(rows: list[NodePackage], *, production: bool = False) -> list[str]:
    return sorted(f"{row.name}@{row.version}" for row in rows if not production or row.dev is False)


def in_tree(tree: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for name, inner in tree.get("dependencies", {}).items():
        if "version" in inner:
            found.add(f"{'chalk' if name == 'chalk-alias' else name}@{inner['version']}")
        found |= in_tree(inner)
    return found


@pytest.mark.parametrize("project", [*NPM, "workspaces"])
def test_npm_ls_as_recorded(project: str, projects: Path, compare: Compare) -> None:
    said = json.loads((projects / "npm-ls.json").read_text())[project]
    rows = node_packages.rows(root=str(projects / project))
    compare("node_packages", "npm ls --all --json, recorded", named(rows), said["all"])
    compare("node_packages", "npm ls --omit=dev, recorded", named(rows, production=True), said["production"])
    assert {row.manager for row in rows} == {"npm"}
    assert {row.lockfile for row in rows} == {str(projects / project / "package-lock.json")}


def test_npm_ls(projects: Path, run: Run, tmp_path: Path, compare: Compare) -> None:
    shutil.copytree(projects / "npm3", tmp_path / "p")
    rows = node_packages.rows(root=str(tmp_path))
    text = run(
        *("npm", "ls", "--all", "--json", "--package-lock-only", "--offline"),
        cwd=tmp_path / "p",
        env={**os.environ, "HOME": str(tmp_path), "NO_UPDATE_NOTIFIER": "1"},
    )
    compare("node_packages", "npm ls --all --json", named(rows), sorted(in_tree(json.loads(text))))


@pytest.mark.parametrize("project", ["yarn1", "berry"])
def test_yarn_list_as_recorded(project: str, projects: Path, compare: Compare) -> None:
    rows = node_packages.rows(root=str(projects / project))
    said = json.loads((projects / "yarn-list.json").read_text())[project]
    compare("node_packages", "yarn list, recorded", named(rows), said)
    assert {row.manager for row in rows} == {"yarn"}
    npm = node_packages.rows(root=str(projects / "npm3"))
    # The newer Yarn counts what builds fsevents from its sources.
    assert {row.name for row in rows if row.dev} == {row.name for row in npm if row.dev}


def test_pnpm_says_the_same_in_all_versions(projects: Path) -> None:
    """Until version 8 pnpm marks what is for development; in version 9 it follows from the graph."""
    said = [node_packages.rows(root=str(projects / project)) for project in PNPM]
    columns = [sorted((row.name, row.version, row.dev, row.integrity) for row in rows) for rows in said]
    assert columns[0] == columns[1] == columns[2]
    assert named(said[0]) == named(node_packages.rows(root=str(projects / "npm3")))
    assert {row.dev for row in said[2]} == {False, True}


def test_checksums_are_those_of_npm(projects: Path) -> None:
    npm = {(row.name, row.version): row.integrity for row in node_packages.rows(root=str(projects / "npm3"))}
    assert all(value and value.startswith("sha512-") for value in npm.values())
    for project in ("npm1", "yarn1", "pnpm9"):
        rows = node_packages.rows(root=str(projects / project))
        assert {(row.name, row.version): row.integrity for row in rows} == npm, project


def test_a_folder_of_projects(projects: Path, tmp_path: Path, opened: list[str]) -> None:
    for place in ("a", "b/c/d", "b/node_modules/x", "b/c/d/too-deep"):
        shutil.copytree(projects / "npm3", tmp_path / place, dirs_exist_ok=True)
    shutil.copytree(projects / "yarn1", tmp_path / "y")
    rows = node_packages.rows(root=[str(tmp_path), str(tmp_path / "nothing")])
    assert {str(Path(row.lockfile).parent.relative_to(tmp_path)) for row in rows} == {"a", "b/c/d", "y"}
    assert [path for path in opened if not path.startswith("/proc")] == [
        f"{tmp_path}/{name}"
        for name in ("a/package-lock.json", "y/yarn.lock", "y/package.json", "b/c/d/package-lock.json")
    ]
    patterns = Query.of(node_packages, like={"root": f"{tmp_path}/%"})
    with pytest.raises(TableError, match="name root with = or IN"):
        node_packages.rows(patterns)


def test_what_is_for_development_without_a_manifest(projects: Path, tmp_path: Path) -> None:
    for project in ("yarn1", "berry"):
        shutil.copytree(projects / project, tmp_path / project)
        (tmp_path / project / "package.json").unlink()
    rows = node_packages.rows(root=str(tmp_path))
    assert len(rows) == 70
    assert {row.dev for row in rows} == {None}


def test_sources_have_no_credentials(tmp_path: Path) -> None:
    source = "git+https://me:hunter2@example.org/a.git#0123"
    (tmp_path / "package-lock.json").write_text(
        json.dumps({"lockfileVersion": 1, "dependencies": {"a": {"version": source}}})
    )
    (row,) = node_packages.rows(root=str(tmp_path))
    assert row.version == "git+https://[redacted]@example.org/a.git#0123"


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)
)


def test_what_is_broken_does_not_hide_the_rest(projects: Path, tmp_path: Path) -> None:
    for folder, name, content in (
        ("a", "package-lock.json", b"{"),
        ("b", "package-lock.json", b"[" * 200_000),
        ("c", "package-lock.json", b"[]"),
        ("d", "pnpm-lock.yaml", BOMB.encode()),
        ("e", "pnpm-lock.yaml", b"{" * 10_000),
        ("f", "yarn.lock", b"__metadata:\n  version: 8\n\n" + BOMB.encode()),
        (
            "g",
            "package-lock.json",
            b'{"packages": {"node_modules/a": 5, "node_modules/b": {"version": []}, "": []}}',
        ),
        ("h", "yarn.lock", b'a@1:\n  version "1"\nb@\xff:\n  version "\xff"\n'),
        ("i", "package-lock.json", b'{"dependencies": {"a": {"dependencies": [1]}, "b": null}}'),
        ("j", "pnpm-lock.yaml", b"packages: [1, 2]\nsnapshots: 5\nimporters: {x: y}\n"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(content)
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "yarn.lock").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "k" / "package-lock.json")
    with (tmp_path / "k" / "pnpm-lock.yaml").open("wb") as large:
        large.truncate(1 << 30)
    shutil.copytree(projects / "npm3", tmp_path / "z")
    warnings: list[str] = []
    started = time.monotonic()
    query = Query.of(node_packages, equals={"root": str(tmp_path)}, warn=warnings.append)
    rows = node_packages.rows(query)
    assert time.monotonic() - started < 20
    assert [(row.name, row.version) for row in rows if "/z/" not in row.lockfile] == [
        ("a", "1"),
        ("b", "\\xff"),
    ]
    assert len([row for row in rows if "/z/" in row.lockfile]) == 25
    said = [
        re.sub(r".*/(\w)/[\w.-]+", r"\1", warning.removeprefix("kolide_node_packages: "))
        for warning in warnings
    ]
    assert [one[0] for one in said] == ["a", "b", "c", "d", "e", "f", "k", "k", "k"]
    assert "aliases stand for more than" in said[3]
    assert "aliases stand for more than" in said[5]


def test_limits(projects: Path) -> None:
    with pytest.raises(LimitExceeded, match="more than 10 rows"):
        node_packages.configured(limits=Limits(max_rows=10)).rows(root=str(projects / "npm3"))
    with pytest.raises(LimitExceeded, match="more than 3 folders"):
        node_packages.configured(limits=Limits(max_folders=3)).rows(root=str(projects))


@settings(deadline=None)  # the machine may be busy
@given(data=st.data())
def test_a_changed_lock_file_has_rows_or_is_broken(data: st.DataObject, fixtures: Path) -> None:
    path = data.draw(st.sampled_from(sorted((fixtures / "node").glob("*/*lock*"))))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        found = list(LOCK_FILES[path.name][1](bytes(content), lambda name: b"{}", Budget(Limits())))
    except ParseError:
        return
    for one in found:
        assert isinstance(one.name, str)
        assert isinstance(one.version, str)
