"""What `new` makes works: its test, its types, its program, and its reloading."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .support import SDK, run, until


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new extension."""
    parent = tmp_path_factory.mktemp("new")
    done = run(SDK, "new", "Free-Space", cwd=parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "  osquery-sdk run ./free_space.py"
    return parent / "Free-Space"


def test_it_is_small(made):
    files = sorted(path.name for path in made.iterdir() if path.is_file())
    assert files == ["README.md", "free_space.py", "pyproject.toml", "test_free_space.py"]
    assert sum(len((made / name).read_text().splitlines()) for name in files) < 150


def test_it_passes_its_own_test(made):
    done = run((sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"), cwd=made, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_its_types_are_strictly_right(made):
    done = run((sys.executable, "-m", "mypy"), cwd=made, timeout=120)
    assert done.returncode == 0, done.stdout


def test_it_is_clean_and_formatted(made):
    for command in (("check", "--isolated"), ("format", "--isolated", "--check", "--line-length", "110")):
        done = run((sys.executable, "-m", "ruff", *command, "."), cwd=made)
        assert done.returncode == 0, done.stdout


def test_its_program_runs(made):
    program = (sys.executable, str(made / "free_space.py"))
    assert run(program, "version").stdout == "free-space version 0.1.0\n"
    rows = json.loads(
        run(program, "query", "--json", "select path, total > 0 as sized from free_space").stdout
    )
    assert rows == [{"path": "/", "sized": "1"}]
    (example,) = json.loads(run(program, "schema").stdout)[0]["examples"]
    assert run(program, "query", example).returncode == 0


@pytest.mark.osqueryd
def test_osquery_starts_it(made, tmp_path):
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    flags = (
        "--extension",
        "./free_space.py",
        "--extensions_require=free-space",
        f"--extensions_socket={tmp_path}/em",
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = run(
        (osqueryi, *flags, "--csv", "select path from free_space"),
        cwd=made,
        env={"HOME": str(tmp_path), "PATH": path},
    )
    assert (done.returncode, done.stdout) == (0, "path\n/\n"), done.stderr


@pytest.mark.parametrize("name", ["./free_space.py", "free_space", "."])
def test_it_is_loaded_as_file_module_or_folder(made, name):
    if name == ".":
        (made / "__main__.py").write_text("import free_space\nraise SystemExit(free_space.main())\n")
    done = run(SDK, "query", "--extension", name, "--csv", "select path from free_space", cwd=made)
    (made / "__main__.py").unlink(missing_ok=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "path\n/\n", "")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "precious").write_text("")
    done = run(SDK, "new", "thing", cwd=tmp_path)
    assert done.returncode == 1
    assert (
        done.stderr == "osquery-sdk: thing is there already and not empty; give --folder, or another name\n"
    )
    assert [path.name for path in (tmp_path / "thing").iterdir()] == ["precious"]


def test_run_follows_changes(made, tmp_path):
    """One session: a good version, a broken one, and a good one again."""
    file = made / "free_space.py"
    good = file.read_text()
    with (
        (tmp_path / "errors").open("w") as errors,
        subprocess.Popen(
            [*SDK, "run", str(file), "--csv"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            bufsize=1,
        ) as process,
    ):

        def said() -> str:
            return (tmp_path / "errors").read_text()

        def ask(sql: str) -> list[str]:
            # A statement that fails prints nothing here, so a mark tells where its output ends.
            process.stdin.write(f"{sql};\nselect 1 as mark;\n")
            lines = list(iter(lambda: process.stdout.readline().strip(), "mark"))
            process.stdout.readline()
            return lines

        try:
            assert ask("select path from free_space") == ["path", "/"]
            file.write_text(good.replace("free=space.free", "free=4711"))
            until(lambda: "free_space.py changed" in said())
            until(lambda: ask("select count(*) as n, max(free) as free from free_space")[1:] == ["1,4711"])
            file.write_text("def broken(:\n")
            until(lambda: "ended with status 1; waiting for a change" in said())
            until(lambda: "SyntaxError: invalid syntax (free_space.py, line 1)\n" in said())
            assert "Traceback" not in said()
            file.write_text(good)
            until(lambda: said().count("free_space.py changed") == 3)
            until(lambda: ask("select path from free_space") == ["path", "/"])
        finally:
            file.write_text(good)
            process.stdin.close()
            process.stdout.read()
        process.wait(15)
