"""Find the extension that a person names; a mistake is reported in one line, before anything is made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING

import pytest

from osquery_sdk import install_command
from osquery_sdk.errors import TargetError
from osquery_sdk.freeze import FreezeError, Options, build
from osquery_sdk.freeze.build import probe
from osquery_sdk.freeze.target import find_target

from . import conftest

if TYPE_CHECKING:
    from pathlib import Path

EXTENSION = """
from osquery_sdk import Column, Extension, Query, Row, table

class Thing(Row):
    name: str = Column("Its name", required=True)

@table("things", examples=("select * from things where name = 'x'",))
def things(query: Query) -> list[Thing]:
    "Things."
    return []

def main() -> int:
    return Extension("things_ext", version="2.0", plugins=[things]).run()
"""
RUN = '\nif __name__ == "__main__":\n    raise SystemExit(main())\n'
PROJECT = """
[project]
name = "thing-tool"
[project.scripts]
thing-tool = "things.core:main"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A file, a package with relative imports, a folder that is none, and a pyproject.toml."""
    (tmp_path / "single.py").write_text(EXTENSION + RUN)
    package = tmp_path / "things"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "core.py").write_text(EXTENSION)
    (package / "__main__.py").write_text("from .core import main\n" + RUN)
    (package / "program.py").write_text("from things.core import main\n" + RUN)
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "__main__.py").write_text(EXTENSION + RUN)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path


@pytest.mark.parametrize(
    ("extension", "name"),
    [
        ("single.py", "single"),
        ("./single.py", "single"),
        ("things", "things"),
        ("things.program", "program"),
        ("single", "single"),
        ("plain", "plain"),
        (".", "thing-tool"),
        ("pyproject.toml", "thing-tool"),
        ("thing-tool", "thing-tool"),
        ("things.core:main", "core"),
    ],
)
def test_every_way_of_naming_leads_to_the_extension(
    home: Path, extension: str, name: str, tmp_path: Path
) -> None:
    target = find_target(extension, here=home)
    assert target.name == name
    facts = probe(target, tmp_path)
    assert (facts["name"], facts["version"]) == ("things_ext", "2.0")
    assert facts["tables"] == [
        {"name": "things", "required": ["name"], "examples": ["select * from things where name = 'x'"]}
    ]


def test_the_installed_bundle_is_found_by_its_name(tmp_path: Path) -> None:
    assert probe(find_target("kolide_ext", here=tmp_path), tmp_path)["name"] == "kolide_ext"


@pytest.mark.parametrize(
    ("extension", "says"),
    [
        ("none.py", "no such extension: none.py is neither a file nor a folder nor a module"),
        ("no_such_module", "no such extension: no_such_module is neither"),
        ("empty", "empty has neither a __main__.py nor a pyproject.toml"),
        ("README", "README is not a Python file"),
        ("several", r"pyproject.toml has one, two: name one"),
        ("without", r"pyproject.toml has no \[project.scripts\]"),
        ("broken", "pyproject.toml is no TOML"),
        ("json", "the package json has no __main__.py"),
        ("compiled", "the module compiled is not Python source"),
        ("sys", "the module sys is not Python source"),
        ("sys.monitoring", r"no such extension: sys\.monitoring is neither"),
    ],
)
def test_what_is_no_extension_is_told(tmp_path: Path, extension: str, says: str) -> None:
    (tmp_path / "README").write_text("text")
    for folder, content in {
        "several": '[project.scripts]\none = "a:b"\ntwo = "a:c"\n',
        "without": "[project]\n",
        "broken": "[project\n",
    }.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pyproject.toml").write_text(content)
    (tmp_path / "empty").mkdir()
    # Nothing is loaded that is no source: the name is enough.
    (tmp_path / f"compiled{EXTENSION_SUFFIXES[0]}").touch()
    with pytest.raises(TargetError, match=says):
        find_target(extension, here=tmp_path)


def test_a_name_has_to_be_one(home: Path) -> None:
    with pytest.raises(TargetError, match=r"^'\.\./x' cannot be a program's name"):
        find_target("single.py", name="../x", here=home)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "import no_such_module\n",
            "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("def (\n", "cannot be loaded: SyntaxError: "),
        ("print('hello')\n", "cannot be loaded: it ended without running an Extension"),
        ("raise SystemExit(3)\n", "cannot be loaded: it ended with 3 before it served"),
        (
            "from osquery_sdk import Extension\nExtension('x', version='1', plugins=[]).run()\n",
            "has no plugins: there is nothing to serve",
        ),
        (
            EXTENSION.replace("plugins=[things]", "plugins=[things, things]") + RUN,
            "two tables are named things",
        ),
    ],
)
def test_what_cannot_be_frozen_is_told_before_anything_is_made(
    tmp_path: Path, source: str, says: str
) -> None:
    conftest.needs_pyinstaller()
    file = tmp_path / "bad.py"
    file.write_text(source)
    with pytest.raises(FreezeError, match=re.escape(says)):
        build(str(file), Options(output=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_errors_are_one_line_with_their_code(tmp_path: Path) -> None:
    conftest.needs_pyinstaller()
    (tmp_path / "bad.py").write_text("import no_such_module\n")
    failed = conftest.build(tmp_path / "bad.py", "--output", tmp_path / "out")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[1:] == [
        "osquery-sdk: bad cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"
    ]
    misuse = conftest.build(tmp_path / "none.py")
    assert misuse.returncode == 2
    assert len(misuse.stderr.splitlines()) == 1


def test_without_pyinstaller_the_cure_is_named(home: Path, tmp_path: Path) -> None:
    script = f"""
import sys
sys.modules["PyInstaller"] = None
from importlib.machinery import PathFinder
real = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name == "PyInstaller" else real(name, *rest)
del sys.modules["PyInstaller"]
from osquery_sdk.cli.main import main
raise SystemExit(main(["build", {str(home / "single.py")!r}, "--output", {str(tmp_path / "out")!r}]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        1,
        f"osquery-sdk: PyInstaller is not installed; run: {install_command('build')}\n",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="PyInstaller needs them on Linux")
def test_without_the_programs_that_it_calls_the_cure_is_named(home: Path, tmp_path: Path) -> None:
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    failed = conftest.build(home / "single.py", "--output", tmp_path / "out", PATH=str(tmp_path))
    assert failed.returncode == 1
    said = "osquery-sdk: PyInstaller needs ldd, objdump, objcopy, strip: install binutils and libc-bin"
    assert failed.stderr.splitlines()[-1] == said


def test_where_nothing_may_be_written_is_told(home: Path, tmp_path: Path) -> None:
    conftest.needs_pyinstaller()
    file = tmp_path / "file"
    file.write_text("in the way")
    with pytest.raises(FreezeError, match=r"^cannot write to .*/file/out: Not a directory$"):
        build(str(home / "single.py"), Options(output=file / "out"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.slow
def test_a_full_disk_is_told_and_leaves_the_former_build(home: Path, tmp_path: Path) -> None:
    conftest.needs_pyinstaller()
    out = tmp_path / "out"
    out.mkdir()
    script = f"""
mount -t tmpfs -o size=1m none {out} && echo former > {out}/single.ext || exit 77
{sys.executable} -m osquery_sdk.cli.main build {home}/single.py --output {out}
code=$?; ls -A {out}; cat {out}/single.ext; exit $code
"""
    done = subprocess.run(
        ["unshare", "-m", "/bin/sh", "-c", script], capture_output=True, text=True, timeout=250
    )
    if done.returncode == 77:
        pytest.skip("cannot mount")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr.splitlines()[-1]
    assert done.stdout.split() == ["single.ext", "former"]


@pytest.mark.parametrize(
    ("given", "says"), [("soon", "has to be a number of seconds"), ("9" * 30, "has to be")]
)
def test_a_date_that_is_none_is_told(home: Path, tmp_path: Path, given: str, says: str, monkeypatch) -> None:
    conftest.needs_pyinstaller()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
    with pytest.raises(FreezeError, match=says):
        build(str(home / "single.py"), Options(output=tmp_path / "out"))
