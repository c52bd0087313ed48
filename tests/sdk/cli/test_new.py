"""Check the projects that `new` makes: their tests, types, style, program, wheel and README commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ...support.commands import SDK, run, until
from ...support.paths import ROOT
from ...support.projects import TEMPLATES, give_environment, make, readme_commands

# Each run tests one template; slow runs test the others.
EACH = [pytest.param(name, marks=() if name == "table" else pytest.mark.slow) for name in TEMPLATES]
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def python(project: Path, *arguments: str, timeout: float = 120) -> str:
    """Return the output of this Python in a project."""
    done = run((sys.executable, *arguments), cwd=project, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the projects of all templates."""
    return tmp_path_factory.mktemp("new")


@pytest.fixture
def project(projects: Path, request: pytest.FixtureRequest) -> Path:
    """Return a project of the test's template."""
    template = request.node.callspec.params["template"]
    name = f"Ex-{template}"
    return projects / name if (projects / name).exists() else make(projects, name, "--template", template)


@pytest.fixture(scope="module")
def project_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project made without options."""
    return make(tmp_path_factory.mktemp("new"), "Free-Space")


# -- each template


@pytest.mark.parametrize("template", EACH)
def test_it_passes_its_own_tests(project: Path, template: str) -> None:
    message = python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert re.search(r"^\d+ passed", message, re.MULTILINE), message


@pytest.mark.parametrize("template", EACH)
def test_its_types_and_style_are_right(project: Path, template: str) -> None:
    python(project, "-m", "mypy")
    python(project, "-m", "ruff", "check", "--no-cache")
    python(project, "-m", "ruff", "format", "--no-cache", "--check")


@pytest.mark.parametrize("template", EACH)
def test_what_its_readme_shows_runs_on_the_engine(project: Path, template: str) -> None:
    """Compare word for word, except for `make`."""
    if not (project / ".venv").exists():
        give_environment(project)
    shown = [line for line in readme_commands(project) if not line.startswith(("make ", "./build/"))]
    assert shown
    for line in shown:
        done = run(("/bin/sh", "-c", line), cwd=project, env={"HOME": str(project)}, timeout=60)
        assert done.returncode == 0, line + done.stderr
        assert done.stdout or ' query "select' not in line, line


@pytest.mark.parametrize("name", ["q", "an-extension-with-a-name-of-forty-letters"[:40]])
def test_the_style_is_right_whatever_the_name(name: str, tmp_path: Path) -> None:
    """Check that the formatter agrees with the lines of long and short names."""
    for template in TEMPLATES:
        project = tmp_path / template
        assert (
            run(SDK, "new", name, "--template", template, "--folder", template, cwd=tmp_path).returncode == 0
        )
        python(project, "-m", "ruff", "check", "--no-cache")
        python(project, "-m", "ruff", "format", "--no-cache", "--check")


def test_there_is_a_page_for_each_template_and_a_word_in_the_help() -> None:
    shown = " ".join(run(SDK, "new", "--help").stdout.split())
    for template in TEMPLATES:
        assert f"{template}: " in shown


@pytest.mark.parametrize(
    ("template", "prepare", "start", "sql", "rows"),
    [
        (
            "database",
            ("-m", "tests.sample", "a.sqlite"),
            (),
            "select sum(total) as total",
            [{"total": "119.75"}],
        ),
        (
            "rest",
            ("--version",),
            ("-m", "tests.server", sys.executable),
            "select count(*) as n",
            [{"n": "250"}],
        ),
    ],
)
def test_a_template_answers(
    template: str,
    prepare: tuple[str, ...],
    start: tuple[str, ...],
    sql: str,
    rows: list[dict[str, str]],
    tmp_path: Path,
) -> None:
    """Check the values of the templates' sample files."""
    project = make(tmp_path, "hello", "--template", template)
    python(project, *prepare)
    program = (sys.executable, *start, "-m", "hello", "query", "--json", f"{sql} from hello")
    done = run(program, cwd=project, env={"HELLO_DATABASE": "a.sqlite"} if template == "database" else {})
    assert json.loads(done.stdout) == rows, done.stderr


# -- the project


def test_its_files(project_folder: Path) -> None:
    files = {
        path.relative_to(project_folder).as_posix() for path in project_folder.rglob("*") if path.is_file()
    }
    assert files == {
        ".ci/run",
        ".github/workflows/check.yml",
        ".gitignore",
        "Makefile",
        "README.md",
        "free_space/__init__.py",
        "free_space/__main__.py",
        "free_space/files.py",
        "pyproject.toml",
        "requirements.txt",
        "tests/__init__.py",
        "tests/test_files.py",
    }
    text = "".join((project_folder / name).read_text() for name in files)
    assert not re.search(r"my[-_]ext", text, re.IGNORECASE)
    assert os.access(project_folder / ".ci/run", os.X_OK)


def test_its_workflow_is_one_and_runs_what_a_change_has_to_pass(project_folder: Path) -> None:
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((project_folder / ".github/workflows/check.yml").read_text())["jobs"]
    assert {"run": ".ci/run"} in jobs["check"]["steps"]
    targets = re.findall(r"^make (\w+)$", (project_folder / ".ci/run").read_text(), re.MULTILINE)
    assert targets == ["deps", "test", "lint"]
    known = run(("make",), cwd=project_folder).stdout
    for target in (*targets, "build", "xp", "run", "package", "wheel", "clean"):
        assert re.search(rf"^  make {target} ", known, re.MULTILINE), known


def test_git_tracks_its_sources_and_nothing_that_is_made(project_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project_folder, copy)
    for name in (".venv/x", "build/x", "dist/x", "free_space/__pycache__/x.pyc", ".mypy_cache/x"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("")
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    subprocess.run(["git", "add", "."], cwd=copy, check=True)
    tracked = subprocess.check_output(["git", "ls-files"], cwd=copy, text=True).split()
    assert set(tracked) == {
        path.relative_to(project_folder).as_posix() for path in project_folder.rglob("*") if path.is_file()
    }


def test_its_program_runs(project_folder: Path) -> None:
    program = (sys.executable, "-m", "free_space")
    assert run(program, "version", cwd=project_folder).stdout == "free-space version 0.1.0\n"
    done = run(
        program, "query", "--json", "select name from free_space where name = 'hosts'", cwd=project_folder
    )
    assert json.loads(done.stdout) == [{"name": "hosts"}]
    for example in json.loads(run(program, "schema", cwd=project_folder).stdout)[0]["examples"]:
        assert run(program, "query", example, cwd=project_folder).returncode == 0


def test_it_takes_a_second_module_and_says_its_version_once(project_folder: Path, tmp_path: Path) -> None:
    """Check the wheel, mypy, the tests, and the program that the wheel installs."""
    project = tmp_path / "Free-Space"
    shutil.copytree(project_folder, project, ignore=shutil.ignore_patterns(".venv"))
    (project / "free_space/words.py").write_text(SECOND)
    (project / "tests/test_words.py").write_text(SECOND_TEST)
    main = project / "free_space/__main__.py"
    text = main.read_text().replace(
        "from .files import files\n", "from .files import files\nfrom .words import words\n"
    )
    main.write_text(text.replace("plugins=[files]", "plugins=[files, words]"))
    (project / "free_space/__init__.py").write_text('"""Two tables."""\n\n__version__ = "2.5"\n')
    python(project, "-m", "mypy")
    python(project, "-m", "ruff", "check", "--no-cache")
    python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_words.py")
    done = run(
        (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", "."),
        cwd=project,
        env=OFFLINE,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (project / "dist").glob("*.whl")
    assert wheel.name == "free_space-2.5-py3-none-any.whl"
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if "dist-info" not in name}
    assert packed == {f"free_space/{name}.py" for name in ("__init__", "__main__", "files", "words")}
    target = tmp_path / "installed"
    install = ("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel))
    assert run((sys.executable, *install), env=OFFLINE, timeout=60).returncode == 0
    program = (sys.executable, str(target / "bin" / "free-space"))
    env = {"PYTHONPATH": str(target)}
    assert run(program, "version", env=env).stdout == "free-space version 2.5\n"
    assert [line.split()[0] for line in run(program, "tables", env=env).stdout.splitlines()] == [
        "free_space",
        "words",
    ]


SECOND = '''"""The table words."""

from osquery_sdk import Column, Query, Row, table


class Word(Row):
    """A word."""

    word: str = Column("The word")


@table("words")
def words(query: Query) -> list[Word]:
    """Words."""
    return [Word(word="hello")]
'''
SECOND_TEST = '''"""The table words."""

from free_space.words import words


def test_words() -> None:
    assert [row.word for row in words.rows()] == ["hello"]
'''


@pytest.mark.osqueryd
def test_osquery_starts_it(project_folder: Path, tmp_path: Path) -> None:
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    project = tmp_path / "Free-Space"
    shutil.copytree(project_folder, project)
    give_environment(project)
    flags = ("--extensions_require=free-space", f"--extensions_socket={tmp_path}/em")
    sql = "select name from free_space where name = 'hosts'"
    done = run(
        (osqueryi, "--extension", ".venv/bin/free-space", *flags, "--csv", sql),
        cwd=project,
        env={"HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (0, "name\nhosts\n"), done.stderr


@pytest.mark.parametrize("name", ["Free-Space", "Free-Space/free_space", "Free-Space/pyproject.toml"])
def test_commands_take_the_project_as_it_is(project_folder: Path, name: str) -> None:
    """Run it from its folder or package, before it is installed."""
    if name.endswith(".toml"):
        done = run(SDK, "query", "--extension", name, "select 1", cwd=project_folder.parent)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        return
    sql = "select name from free_space where name = 'hosts'"
    done = run(SDK, "query", "--extension", name, "--csv", sql, cwd=project_folder.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "name\nhosts\n", "")


@pytest.mark.parametrize("name", ["free_space", "."])
def test_and_within_it_by_its_module(project_folder: Path, name: str) -> None:
    sql = "select name from free_space where name = 'hosts'"
    done = run(SDK, "query", "--extension", name, "--csv", sql, cwd=project_folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "name\nhosts\n", "")


# -- what cannot be made


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("9lives", "use letters, digits and underscores, not starting with a digit"),
        ("a b", "use letters, digits and underscores"),
        ("naïve", "use letters, digits and underscores"),
        ("", "use letters, digits and underscores"),
        ("../up", "use letters, digits and underscores"),
        ("select", "is a word of SQL"),
        ("x" * 200, "use letters, digits and underscores"),
        ("x" * 41, "has 41 characters; use at most 40"),
        ("_x", "begin and end it with a letter or digit"),
        ("x-", "begin and end it with a letter or digit"),
        ("class", "is taken by a word of Python; choose another, such as my_class"),
        ("Lambda", "is taken by a word of Python"),
        ("json", "is taken by a module of Python's own; choose another, such as my_json"),
        ("asyncio", "is taken by a module of Python's own"),
        ("osquery_sdk", "is taken by a module that is installed"),
        ("kolide-tables", "is taken by a module that is installed"),
        ("thrift", "is taken by a module that is installed"),
        ("pytest", "is taken by a module that is installed"),
        ("osquery", "is taken by another distribution"),
        ("tests", "is taken by its folder of tests"),
        ("build", "is taken by its folder of programs"),
        ("python3", "is taken by a program of its environment"),
        ("processes", "is taken by a table of osquery's own; choose another, such as my_processes"),
        ("Etc-Hosts", "is taken by a table of osquery's own"),
    ],
)
def test_names_that_something_else_has(name: str, error: str, tmp_path: Path) -> None:
    done = run(SDK, "new", name, cwd=tmp_path)
    assert done.returncode == 2
    assert error in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_plugin_may_be_called_as_a_table_is(tmp_path: Path) -> None:
    assert make(tmp_path, "processes", "--template", "config").is_dir()


def test_a_folder_beside_it_takes_no_name(tmp_path: Path) -> None:
    (tmp_path / "hello").mkdir()
    (tmp_path / "hello.py").write_text("")
    assert make(tmp_path, "hello").is_dir()


def test_names_of_tables_are_those_of_osquery(tmp_path: Path) -> None:
    """Check against osquery's own list, if its source is at hand."""
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    sql = "select name from osquery_registry where registry = 'table'"
    flags = ("--disable_extensions", "--csv")
    message = run((osqueryi, *flags, sql), env={"HOME": str(tmp_path)}).stdout.split()[1:]
    known = (ROOT / "sdk/osquery_sdk/cli/core_tables.txt").read_text().split()
    assert len(message) > 50
    assert set(message) <= set(known)


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    for wrong, error in (
        ("tabel", "unknown template 'tabel'; did you mean table?"),
        ("nope", f"unknown template 'nope'; there are {', '.join(TEMPLATES)}"),
    ):
        done = run(SDK, "new", "thing", "--template", wrong, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (
            2,
            f"osquery-sdk new: argument --template: {error}; see osquery-sdk new --help\n",
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["folder", "file", "link", "broken link"])
def test_what_is_there_is_left_alone(what: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").write_text("")
    thing = tmp_path / "thing"
    if what == "folder":
        (tmp_path / "other").rename(thing)
    elif what == "file":
        thing.write_text("precious")
    else:
        thing.symlink_to("other" if what == "link" else "nowhere")
    before = sorted((path.name, path.is_symlink()) for path in tmp_path.rglob("*"))
    done = run(SDK, "new", "thing", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "osquery-sdk: thing exists and is not empty; give --folder, or another name\n"
    assert sorted((path.name, path.is_symlink()) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("folder", [".", "empty", "a/b/c", "a/../b"])
def test_where_it_is_made(folder: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    here = tmp_path / "empty" if folder == "." else tmp_path
    done = run(SDK, "new", "hello", "--folder", folder, cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    project_folder = Path(os.path.normpath(here / folder))
    assert (project_folder / "hello/__main__.py").is_file()
    assert not list(tmp_path.rglob(".new-*"))


@pytest.mark.parametrize(
    ("folder", "error"),
    [
        ("file/x", "cannot make file/x: "),
        ("/proc/x", "cannot make /proc/x: No such file or directory"),
        ("a/" + "x" * 300, "File name too long"),
    ],
)
def test_where_nothing_can_be_made_nothing_is(folder: str, error: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(SDK, "new", "hello", "--folder", folder, cwd=tmp_path)
    assert done.returncode == 1
    assert error in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


@pytest.mark.parametrize("blocks", [0, 1, 2])
@pytest.mark.parametrize("folder", ["new/hello", "empty"])
def test_a_disk_that_is_full_leaves_no_half(blocks: int, folder: str, tmp_path: Path) -> None:
    """Limit files to some blocks of 512 bytes: some files fit, and one does not."""
    (tmp_path / "empty").mkdir()
    command = (
        f"ulimit -f {blocks}; exec '{sys.executable}' -m osquery_sdk.cli.main new hello --folder {folder}"
    )
    done = run(("/bin/sh", "-c", command), cwd=tmp_path, env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert (done.returncode, done.stderr) == (1, f"osquery-sdk: cannot make {folder}: File too large\n")
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    done = run(SDK, "new", "hello", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "osquery-sdk: cannot make hello: Permission denied\n")


# -- a day with it


def test_run_follows_changes(project_folder: Path, tmp_path: Path) -> None:
    """Edit in one session: a good version, a broken one, and a good one again."""
    project = tmp_path / "Free-Space"
    shutil.copytree(project_folder, project, ignore=shutil.ignore_patterns(".venv"))
    file = project / "free_space/files.py"
    good = file.read_text()
    sql = "select size from free_space where name = 'hosts'"
    with (
        (tmp_path / "errors").open("w") as errors,
        subprocess.Popen(
            [*SDK, "run", str(project), "--csv"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            bufsize=1,
        ) as process,
    ):

        def output() -> str:
            return (tmp_path / "errors").read_text()

        def ask(sql: str) -> list[str]:
            # A statement that fails prints nothing here, so a mark shows the end of its output.
            process.stdin.write(f"{sql};\nselect 1 as mark;\n")
            lines = list(iter(lambda: process.stdout.readline().strip(), "mark"))
            process.stdout.readline()
            return lines

        try:
            assert ask(sql) == ["size", str(Path("/etc/hosts").stat().st_size)]
            file.write_text(good.replace("size=facts.st_size", "size=4711"))
            until(lambda: "files.py changed" in output())
            until(lambda: ask(sql)[1:] == ["4711"])
            file.write_text("def broken(:\n")
            until(lambda: "ended with status 1; waiting for a change" in output())
            until(lambda: "SyntaxError: invalid syntax (files.py, line 1)\n" in output())
            assert "Traceback" not in output()
            file.write_text(good)
            until(lambda: output().count("files.py changed") == 3)
            until(lambda: ask(sql)[1:] == [str(Path("/etc/hosts").stat().st_size)])
        finally:
            process.stdin.close()
            process.stdout.read()
        process.wait(15)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("template", TEMPLATES)
def test_every_command_of_its_readme_runs(template: str, tmp_path: Path) -> None:
    """Run them in order in a fresh copy, with a new home and only the system's programs on PATH."""
    env = {
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
    }
    probe = ["pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path / "probe"), "hatchling"]
    if subprocess.run([sys.executable, "-m", *probe], capture_output=True).returncode:
        pytest.skip("no package index can be reached")
    project = make(tmp_path, "my_first", "--template", template)
    commands = readme_commands(project)
    assert commands[0] == "make deps"
    for line in [*commands, ".ci/run", "make xp", "make wheel", "make clean"]:
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=project,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"
