"""The result of `osquery-sdk build` in both forms: its contents, its omissions, its report."""

from __future__ import annotations

import json
import os
import platform
import re
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.doctor.unpacking import one_file_of

from .conftest import SOURCE, build_small, needs_pyinstaller

if TYPE_CHECKING:
    from .conftest import Frozen

MIB = 1 << 20
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the forms of Linux and macOS")


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        env={"PATH": "/usr/bin:/bin", **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_both_forms_lie_where_they_are_expected(folder: Frozen, onefile: Frozen) -> None:
    assert folder.program.parts[-2:] == ("small.bundle", "small.ext")
    assert folder.link.is_symlink()
    assert folder.link.readlink() == Path("small.bundle/small.ext")
    names = {path.name for path in folder.link.parent.iterdir()}
    assert names == {"small", "small.bundle", "small.cdx.json", "small.report.json"}
    assert {path.name for path in onefile.program.parent.iterdir()} == {
        "small.ext",
        "small.ext.cdx.json",
        "small.ext.report.json",
    }


def test_it_answers(either: Frozen) -> None:
    done = run(either.link, "query", "--json", "select name, is_there from small_modules where name = 'json'")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [{"name": "json", "is_there": "1"}]


def test_help_and_tables_are_those_of_the_source(either: Frozen) -> None:
    assert "Serve 5 tables to osquery" in run(either.link, "--help").stdout
    assert "small_process      This process." in run(either.link, "tables").stdout


@pytest.mark.parametrize(("module", "is_there"), [("named", "1"), ("unnamed", "0")])
def test_include_is_for_what_no_import_statement_names(either: Frozen, module: str, is_there: str) -> None:
    sql = f"select is_there from small_modules where name = '{module}'"
    assert run(either.link, "query", "--csv", sql).stdout.split() == ["is_there", is_there]


def test_data_files_are_those_of_the_package(either: Frozen) -> None:
    done = run(either.link, "query", "--json", "select text from small_phrases")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [{"text": (SOURCE / "phrases" / "words.txt").read_text().strip()}]


@pytest.mark.slow
def test_tmpdir_is_where_the_single_file_unpacks_itself(tmp_path: Path, directory: Path) -> None:
    needs_pyinstaller()
    place = tmp_path / "made" / "by the program"
    done = build_small(tmp_path / "source", "onefile", "--output", tmp_path / "out", "--tmpdir", place)
    assert done.returncode == 0, done.stderr
    assert list(place.iterdir()) == []
    program = Path(json.loads(done.stdout)["program"])
    place.rmdir()
    sql = "select folder from small_process"
    asked = run(program, "query", "--json", sql, TMPDIR=str(directory))
    assert (asked.returncode, asked.stderr) == (0, "")
    assert Path(json.loads(asked.stdout)[0]["folder"]).parent == place
    assert list(place.iterdir()) == []
    found = one_file_of(program)
    assert found is not None
    assert found.folder == str(place)


def test_the_stamp_is_found(either: Frozen) -> None:
    facts = json.loads(run(either.link, "version", "--json").stdout)
    stamp = either.facts["stamp"]
    assert facts == facts | {
        "name": "small",
        "version": "1.2.3",
        "date": "2023-11-14T22:13:20Z",
        "python": platform.python_version(),
    }
    assert {key: facts[key] for key in ("commit", "branch", "user")} == {
        key: stamp[key] for key in ("commit", "branch", "user")
    }
    assert stamp["user"] not in ("", "unknown")


def test_nobody_else_may_write(either: Frozen) -> None:
    top = either.program.parent if either.program.parent.suffix == ".bundle" else either.program
    for path in (top, *top.rglob("*")):
        mode = path.lstat().st_mode
        if not path.is_symlink():
            runs = path.is_dir() or path == either.program
            assert stat.S_IMODE(mode) == (0o755 if runs else 0o644), path


def test_it_is_small(folder: Frozen, onefile: Frozen) -> None:
    assert folder.facts["size"] <= 22 * MIB
    assert onefile.facts["size"] <= 15 * MIB
    listed = sum(folder.facts["packages"].values())
    assert abs(listed - folder.facts["size"]) < 0.02 * folder.facts["size"]


@pytest.mark.parametrize(
    "module", ["ssl", "_ssl", "_hashlib", "sqlite3", "tkinter", "pydoc", "unittest", "readline"]
)
def test_what_nothing_asks_for_is_left_out(folder: Frozen, module: str) -> None:
    sql = f"select is_there from small_modules where name = '{module}'"
    assert run(folder.link, "query", "--csv", sql).stdout.split() == ["is_there", "0"]


@pytest.mark.parametrize("module", ["hashlib", "hmac", "random", "uuid", "asyncio", "urllib.parse", "apsw"])
def test_what_is_asked_for_works_without_it(folder: Frozen, module: str) -> None:
    sql = f"select is_there from small_modules where name = '{module}'"
    assert run(folder.link, "query", "--csv", sql).stdout.split() == ["is_there", "1"]


def test_no_library_is_there_that_nothing_loads(folder: Frozen) -> None:
    names = {path.name for path in (folder.program.parent / "_internal").glob("lib*")}
    assert not [
        name for name in names if name.startswith(("libssl", "libcrypto", "libreadline", "libsqlite"))
    ]


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({}, None),
        ({"LD_LIBRARY_PATH": "/custom/lib"}, "/custom/lib"),
        ({"LD_LIBRARY_PATH": ""}, None),
    ],
)
def test_programs_that_a_table_runs_get_the_original_library_path(
    either: Frozen, given: dict[str, str], seen: str | None
) -> None:
    done = run(either.link, "query", "--json", "select name, value from small_environment", **given)
    variables = {row["name"]: row["value"] for row in json.loads(done.stdout)}
    assert (variables.get("LD_LIBRARY_PATH") or None) == seen
    assert not [name for name in variables if name.startswith(("_PYI", "_MEI")) or name.endswith("_ORIG")]
    assert variables["LC_ALL"] == "C"


def test_the_report_is_what_the_command_prints(either: Frozen) -> None:
    (file,) = (
        either.program.parent.parent.rglob("*.report.json")
        if either.program.parent.suffix
        else either.program.parent.glob("*.report.json")
    )
    report = json.loads(file.read_text())
    assert report == {key: value for key, value in either.facts.items() if key in report}
    assert report["tables"]["small_modules"] == "1 row"
    assert 0.005 < report["start"] < 20
    assert 8 * MIB < report["idle"] <= report["queried"] < 60 * MIB


@pytest.mark.skipif(platform.system() != "Linux", reason="ELF")
def test_no_binary_looks_for_libraries_in_folders_of_the_machine_that_built_it(folder: Frozen) -> None:
    files = [folder.program, *(folder.program.parent / "_internal").rglob("*.so*")]
    done = run("objdump", "-p", *files)
    if done.returncode != 0:
        pytest.skip(f"objdump: {done.stderr}")
    assert [line for line in done.stdout.splitlines() if re.match(r"\s+R(UN)?PATH\s+/", line)] == []


@pytest.mark.skipif(platform.system() != "Linux", reason="glibc")
def test_the_c_library_that_it_needs_is_the_newest_that_objdump_sees(folder: Frozen) -> None:
    files = [folder.program, *(folder.program.parent / "_internal").rglob("*.so*")]
    done = run("objdump", "-p", *files)
    if done.returncode != 0:
        pytest.skip(f"objdump: {done.stderr}")
    versions = {tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_([0-9.]+)", done.stdout)}
    assert folder.facts["glibc"] == ".".join(map(str, max(versions)))


def test_the_sbom_is_valid_and_names_what_is_in_it(either: Frozen) -> None:
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    text = Path(either.facts["sbom"]).read_text()
    assert validation.JsonStrictValidator(schema.SchemaVersion.V1_5).validate_str(text) is None
    names = {one["name"] for one in json.loads(text)["components"]}
    assert {"python", "osquery-sdk", "thrift", "apsw"} <= names
    assert not {"psutil", "PyYAML", "mypy", "pyinstaller", "opentelemetry-api"} & names
