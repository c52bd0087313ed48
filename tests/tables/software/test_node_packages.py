"""kolide_node_packages against npm ls, yarn list, pnpm's own flags and bun pm ls, on the tools' lock files of
one project.
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
from kolide_tables.reading.locked import Beside
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


def test_bun_ls_as_recorded(projects: Path, compare: Compare) -> None:
    rows = node_packages.rows(root=str(projects / "bun"))
    said = json.loads((projects / "bun-ls.json").read_text())
    compare("node_packages", "bun pm ls --all, recorded", named(rows), said["all"])
    compare(
        "node_packages", "bun pm ls --all --prod, recorded", named(rows, production=True), said["production"]
    )
    assert {row.manager for row in rows} == {"bun"}


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


def test_a_resolution_for_what_production_needs(projects: Path, tmp_path: Path) -> None:
    """Yarn 2 and later write the package under the key of the resolution, not of what its users ask for."""
    before = node_packages.rows(root=str(projects / "berry"))
    lock = (projects / "berry/yarn.lock").read_text()
    (tmp_path / "yarn.lock").write_text(lock.replace('"debug@npm:^4.3.4":', '"debug@npm:4.4.3":'))
    manifest = json.loads((projects / "berry/package.json").read_text())
    (tmp_path / "package.json").write_text(json.dumps(manifest | {"resolutions": {"debug": "4.4.3"}}))
    after = node_packages.rows(root=str(tmp_path))
    assert [(row.name, row.dev) for row in after] == [(row.name, row.dev) for row in before]
    assert {row.name for row in after if row.name in ("debug", "ms") and row.dev is False} == {"debug", "ms"}


def in_yarn_lock(entries: dict[str, dict[str, Any]]) -> str:
    """Return a lock file as Yarn 4 writes it; a key is the resolution, too, unless one is given."""
    lines = ["__metadata:", "  version: 8", ""]
    for key, facts in entries.items():
        resolution = facts.get("resolution", key.split(", ")[0])
        version = facts.get("version", resolution.rpartition(":")[2])
        lines += [f'"{key}":', f"  version: {version}", f'  resolution: "{resolution}"']
        if "needs" in facts:
            lines += ["  dependencies:", *(f'    "{n}": "{wanted}"' for n, wanted in facts["needs"].items())]
        lines += ["  languageName: node", ""]
    return "\n".join(lines)


DEMO = {"demo@workspace:.": {"version": "0.0.0-use.local", "needs": {"a": "^1.0.0", "tool": "1.0.0"}}}
MANIFEST = {"name": "demo", "dependencies": {"a": "^1.0.0"}, "devDependencies": {"tool": "1.0.0"}}


@pytest.mark.parametrize(
    ("resolutions", "key", "other"),
    [
        ({"a/b": "2.0.0"}, "b@npm:2.0.0", "b@npm:^1.0.0"),
        ({"a@1.0.0/b": "2.0.0"}, "b@npm:2.0.0", "b@npm:^1.0.0"),
        ({"a@npm:1.0.0/b@^1.0.0": "npm:2.0.0"}, "b@npm:2.0.0", "b@npm:^1.0.0"),
        ({"tool/b": "1.0.0", "a/b": "^2.0.0"}, "b@npm:^2.0.0", "b@npm:1.0.0"),
        ({"a@9.0.0/b": "1.5.0", "a/b": "npm:c@2.0.0"}, "b@npm:c@2.0.0", "b@npm:^1.0.0"),
        ({"b@^2.0.0": "9.0.0", "a/b": "2.0.0"}, "b@npm:2.0.0", "b@npm:^1.0.0"),
        (
            {"a/b": "patch:b@npm%3A2.0.0#./fix.patch"},
            "b@patch:b@npm%3A2.0.0#./fix.patch::locator=demo%40workspace%3A.",
            "b@npm:^1.0.0",
        ),
        ({"a/b": "portal:./b"}, "b@portal:./b::locator=demo%40workspace%3A.", "b@npm:^1.0.0"),
    ],
)
def test_resolutions_of_one_package_alone(
    resolutions: dict[str, str], key: str, other: str, tmp_path: Path
) -> None:
    """The rule changes what a needs; the tool, for development, needs what it asks for."""
    entries = DEMO | {
        "a@npm:^1.0.0": {"resolution": "a@npm:1.0.0", "needs": {"b": "npm:^1.0.0"}},
        "tool@npm:1.0.0": {"needs": {"b": "npm:^1.0.0"}},
        key: {"version": "2.0.0", "needs": {"production": "1.0.0"}},
        other: {"version": "1.0.0", "needs": {"development": "1.0.0"}},
        "production@npm:1.0.0": {},
        "development@npm:1.0.0": {},
    }
    (tmp_path / "yarn.lock").write_text(in_yarn_lock(entries))
    (tmp_path / "package.json").write_text(json.dumps(MANIFEST | {"resolutions": resolutions}))
    dev = {row.name: row.dev for row in node_packages.rows(root=str(tmp_path))}
    assert (dev["a"], dev["production"]) == (False, False)
    assert (dev["tool"], dev["development"]) == (True, True)


def test_what_is_changed_in_a_way_that_is_not_known_is_not_for_development(tmp_path: Path) -> None:
    entries = DEMO | {"a@npm:7.0.0": {}, "tool@npm:1.0.0": {}, "unasked@npm:1.0.0": {}}
    (tmp_path / "yarn.lock").write_text(in_yarn_lock(entries))
    (tmp_path / "package.json").write_text(json.dumps(MANIFEST))
    dev = {row.name: row.dev for row in node_packages.rows(root=str(tmp_path))}
    assert dev == {"a": False, "tool": True, "unasked": None}


def test_workspaces_catalogs_extensions_and_yarn_s_own_patches(tmp_path: Path) -> None:
    entries = {
        "demo@workspace:.": {"needs": {"inner": "workspace:^", "fsevents": "~2.3.2", "late": "^1.0.0"}},
        "inner@workspace:^, inner@workspace:packages/inner": {
            "resolution": "inner@workspace:packages/inner",
            "needs": {"used": "catalog:", "tool": "1.0.0"},
        },
        "used@npm:^3.0.0": {"version": "3.1.0"},
        "used@npm:^2.0.0": {"version": "2.9.0"},
        "tool@npm:1.0.0": {"needs": {"used": "npm:^2.0.0"}},
        "late@npm:^1.0.0": {"version": "1.0.0"},
        "lacking@npm:^5.0.0": {"version": "5.0.0"},
        "fsevents@npm:~2.3.2": {"version": "2.3.3"},
        "fsevents@patch:fsevents@npm%3A~2.3.2#optional!builtin<compat/fsevents>": {
            "version": "2.3.3",
            "needs": {"node-gyp": "npm:latest"},
        },
        "node-gyp@npm:latest": {"version": "10.0.0"},
    }
    (tmp_path / "yarn.lock").write_text(in_yarn_lock(entries))
    settings = (
        "catalog:\n  used: ^3.0.0\npackageExtensions:\n  late@*:\n    dependencies:\n      lacking: ^5.0.0\n"
    )
    (tmp_path / ".yarnrc.yml").write_text(settings)
    root = {"dependencies": {"inner": "workspace:^", "fsevents": "~2.3.2", "late": "^1.0.0"}}
    inner = {"dependencies": {"used": "catalog:"}, "devDependencies": {"tool": "1.0.0"}}
    (tmp_path / "packages/inner").mkdir(parents=True)
    (tmp_path / "package.json").write_text(json.dumps(root | {"workspaces": ["packages/*"]}))
    (tmp_path / "packages/inner/package.json").write_text(json.dumps(inner))
    dev = {f"{row.name}@{row.version}": row.dev for row in node_packages.rows(root=str(tmp_path))}
    assert {name for name, is_dev in dev.items() if is_dev} == {"tool@1.0.0", "used@2.9.0"}
    assert {name for name, is_dev in dev.items() if is_dev is False} == {
        "used@3.1.0",
        "late@1.0.0",
        "lacking@5.0.0",
        "fsevents@2.3.3",
        "node-gyp@10.0.0",
    }


def test_sources_of_bun_s_packages(tmp_path: Path) -> None:
    (tmp_path / "bun.lock").write_text(
        """{ // as Bun writes it
        "lockfileVersion": 1,
        "workspaces": {
          "": {"name": "top", "dependencies": {"git": "github:me/git", "inner": "workspace:*"}},
          "packages/inner": {"name": "inner", "devDependencies": {"tar": "x"}, "dependencies": {"dir": "x"}},
        },
        "packages": {
          "git": ["git@github:me/git#0123abc", {"dependencies": {"@s/n": "^1"}}, "me-git-0123abc"],
          "inner": ["inner@workspace:packages/inner"],
          "inner/dir": ["dir@file:vendor/dir", {}],
          "linked": ["linked@link:linked", {}],
          "tar": ["tar@https://u:hunter2@example.org/t.tgz", {"dependencies": {"@s/n": "^2"}}, "sha512-"""
        + "A" * 86
        + """=="],
          "@s/n": ["@s/n@1.0.0", "", {}, "sha512-AAAAAAAAAAAAAAAAAAAAAAAA"],
          "tar/@s/n": ["@s/n@2.0.0", "", {"bundled": true}, "sha512-BBBBBBBBBBBBBBBBBBBBBBBB"],
          "odd": [5], "worse": {}, "empty": [], "bare": ["bare"],
        },
        }"""
    )
    (tmp_path / "b").mkdir()
    (tmp_path / "b/bun.lockb").write_bytes(b"#!/usr/bin/env bun\nbun-lockfile-format-v0\n")
    warnings: list[str] = []
    query = Query.of(node_packages, equals={"root": str(tmp_path)}, warn=warnings.append)
    rows = {(row.name, row.version): (row.dev, row.integrity) for row in node_packages.rows(query)}
    assert rows == {
        ("git", "github:me/git#0123abc"): (False, None),
        ("dir", "file:vendor/dir"): (False, None),
        ("tar", "https://[redacted]@example.org/t.tgz"): (True, "sha512-" + "A" * 86 + "=="),
        ("@s/n", "1.0.0"): (False, "sha512-AAAAAAAAAAAAAAAAAAAAAAAA"),
        ("@s/n", "2.0.0"): (True, "sha512-BBBBBBBBBBBBBBBBBBBBBBBB"),
    }
    (warning,) = warnings
    assert "b/bun.lockb: binary and not read" in warning


def test_names_and_sources_that_lock_files_write_in_their_own_way(tmp_path: Path) -> None:
    for folder, name, content in (
        (
            "npm",
            "package-lock.json",
            '{"packages": {"packages/one": {"version": "1.0.0"}, "libs/@s/two": {"version": "2.0.0"}}}',
        ),
        (
            "pnpm9",
            "pnpm-lock.yaml",
            (
                "lockfileVersion: '9.0'\n"
                "importers: {.: {dependencies: {g: {version: git+ssh://git@h/a.git#1}, f: {version: file:x/@s/f}}}}\n"
                "packages: {g@git+ssh://git@h/a.git#1: {version: 1.0.0}, f@file:x/@s/f: {}}\n"
                "snapshots: {g@git+ssh://git@h/a.git#1: {}, f@file:x/@s/f: {}}\n"
            ),
        ),
        (
            "pnpm5",
            "pnpm-lock.yaml",
            "lockfileVersion: 5.4\npackages: {r.example.org/@s/x/1.0.0_y@2: {}, r.example.org/z/3.0.0: {}}\n",
        ),
        (
            "pnpm6",
            "pnpm-lock.yaml",
            (
                "lockfileVersion: '6.0'\npackages: {'r.example.org:1/@s/x@1.0.0(y@2)': {dev: true}, "
                "r.example.org/z@3.0.0: {}, /w@4.0.0: {}}\n"
            ),
        ),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(content)
    rows = node_packages.rows(root=str(tmp_path))
    assert [(row.name, row.version, row.dev) for row in rows] == [
        ("one", "1.0.0", False),
        ("@s/two", "2.0.0", False),
        ("@s/x", "1.0.0", False),
        ("z", "3.0.0", False),
        ("@s/x", "1.0.0", True),
        ("z", "3.0.0", False),
        ("w", "4.0.0", False),
        ("g", "1.0.0", False),
        ("f", "file:x/@s/f", False),
    ]


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
        for warning in sorted(warnings)
    ]
    assert [one[0] for one in said] == ["a", "b", "c", "d", "e", "f", "k", "k", "k"]
    assert "aliases stand for more than" in said[3]
    assert "aliases stand for more than" in said[5]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("package-lock.json", '{"packages": {\n"a": }}', "line 2, column 6: Expecting value"),
        ("npm-shrinkwrap.json", "[]", "it is not a JSON object"),
        ("pnpm-lock.yaml", "packages:\n  a: [b\n", "line 3, column 1: "),
        ("yarn.lock", "# yarn lockfile v1\n\nnot a lock file\n", "line 3, column 1: neither an entry"),
        ("yarn.lock", "__metadata:\n  version: 8\na: {\n", "line 4, column 1: "),
        ("bun.lock", '{"packages": {"a": [,]}}', "line 1, column 21: "),
    ],
)
def test_a_project_of_which_nothing_can_be_read_is_an_error(
    name: str, content: str, problem: str, projects: Path, tmp_path: Path
) -> None:
    """Without it the project would seem to have no packages."""
    (tmp_path / "p").mkdir()
    path = tmp_path / "p" / name
    path.write_text(content)
    for root in (path.parent, f"{path.parent}/", path):
        with pytest.raises(TableError, match=re.escape(f"{path}: {problem}")):
            node_packages.rows(root=str(root))
    # In a folder above, or beside others, it costs only itself.
    assert node_packages.rows(root=str(tmp_path)) == []
    shutil.copytree(projects / "npm3", tmp_path / "p/inner")
    warnings: list[str] = []
    query = Query.of(node_packages, equals={"root": str(path.parent)}, warn=warnings.append)
    assert len(node_packages.rows(query)) == 25
    assert [problem in warning for warning in warnings] == [True]


@pytest.mark.parametrize(
    "workspaces",
    [
        ["packages/*", "tools/one"],
        {"packages": ["packages/**", "tools/*"], "nohoist": ["**/x"]},
        ["./packages/*/", "tools/*", "!tools/two"],
    ],
)
def test_workspaces_of_yarn_1(workspaces: Any, tmp_path: Path) -> None:
    """Its lock file does not say where they are; the manifest does."""
    manifests: dict[str, dict[str, Any]] = {
        ".": {"workspaces": workspaces, "devDependencies": {"tool": "^1"}},
        "packages/app": {"dependencies": {"a": "^1", "inner": "1.0.0"}, "devDependencies": {"tool": "^1"}},
        "packages/inner": {"name": "inner", "optionalDependencies": {"b": ">=1, <3"}},
        "tools/one": {"devDependencies": {"only": "npm:real@^1"}},
        "packages/app/node_modules/z": {"dependencies": {"tool": "^1"}},
    }
    for folder, content in manifests.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "package.json").write_text(json.dumps(content))
    (tmp_path / "tools/two").mkdir()
    (tmp_path / "yarn.lock").write_text(
        'a@^1:\n  version "1.0.0"\n  dependencies:\n    deep "^2"\n\n"b@>=1, <3", b@^2:\n  version "2.0.0"\n\n'
        'deep@^2:\n  version "2.0.0"\n\n"only@npm:real@^1":\n  version "1.2.3"\n\ntool@^1:\n  version "1.0.0"\n'
    )
    dev = {f"{row.name}@{row.version}": row.dev for row in node_packages.rows(root=str(tmp_path))}
    assert dev == {
        "a@1.0.0": False,
        "b@2.0.0": False,
        "deep@2.0.0": False,
        "real@1.2.3": True,
        "tool@1.0.0": True,
    }


def test_a_lock_file_by_its_name(projects: Path, tmp_path: Path) -> None:
    path = projects / "npm3/package-lock.json"
    rows = node_packages.rows(root=str(path))
    assert {(row.root, row.lockfile) for row in rows} == {(str(path), str(path))}
    assert named(rows) == named(node_packages.rows(root=str(path.parent)))
    assert node_packages.rows(root=str(projects / "npm3/yarn.lock")) == []
    (tmp_path / "bun.lockb").write_bytes(b"#!/usr/bin/env bun\n")
    with pytest.raises(TableError, match="binary and not read"):
        node_packages.rows(root=str(tmp_path / "bun.lockb"))
    assert node_packages.rows(root=str(tmp_path)) == []
    assert node_packages.rows(root=str(tmp_path / "none/bun.lockb")) == []
    large = node_packages.configured(limits=Limits(max_file_bytes=100))
    with pytest.raises(LimitExceeded, match="the limit is 100"):
        large.rows(root=str(path))


def test_both_sides_of_an_unfinished_merge(tmp_path: Path) -> None:
    sides = ['a@^1.0:\n  version "1.0.1"\n', 'a@^1.1:\n  version "1.1.2"\n']
    (tmp_path / "yarn.lock").write_text(f"<<<<<<< HEAD\n{sides[0]}=======\n{sides[1]}>>>>>>> other\n")
    assert named(node_packages.rows(root=str(tmp_path))) == ["a@1.0.1", "a@1.1.2"]


def test_a_lock_file_with_as_many_edges_as_can_be_is_read_in_time(tmp_path: Path) -> None:
    """All packages have one name, and each needs versions of it that no entry has."""
    entries = "".join(
        f'a@{n}:\n  version "{n}"\n  dependencies:\n    a missing\n    "@b/{n}" "*"\n' for n in range(20_000)
    )
    (tmp_path / "yarn.lock").write_text(entries)
    rules = {f"x{n}/a": "1" for n in range(300)}
    (tmp_path / "package.json").write_text(json.dumps({"dependencies": {"a": "1"}, "resolutions": rules}))
    started = time.monotonic()
    rows = node_packages.rows(root=str(tmp_path))
    assert time.monotonic() - started < 15
    assert len(rows) == 20_000
    assert {row.dev for row in rows} == {False}


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
        found = list(LOCK_FILES[path.name][1](bytes(content), Beside(lambda name: b"{}"), Budget(Limits())))
    except ParseError:
        return
    for one in found:
        assert isinstance(one.name, str)
        assert isinstance(one.version, str)
