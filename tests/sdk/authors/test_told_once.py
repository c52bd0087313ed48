"""An exception in a table is printed once, as the statement's error; its traceback only when verbose."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SDK = str(Path(sys.executable).with_name("osquery-sdk"))
BODY = {
    "an exception": ('raise ValueError("no good")', "ValueError: no good"),
    "an exception without a text": ("raise KeyError", "KeyError"),
    "an exit": ('raise SystemExit("over")', "SystemExit: over"),
    "an exception that led to another": (
        (
            'try:\n        raise OSError("no good")\n    except OSError as error:\n'
            '        raise ValueError("no good") from error'
        ),
        "ValueError: no good",
    ),
    "a row's value": ('yield Number(n="many")', "broken.n = 'many'"),
    "a write": ("yield from ()", "ConnectionError: gone"),
}
STATEMENT = {name: "delete from things" if name == "a write" else "select n from broken" for name in BODY}


@pytest.fixture
def program(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A program with a table that fails as the case says."""
    path = tmp_path / "broken.py"
    path.write_text(
        f"#!{sys.executable}\n"
        "from osquery_sdk import Column, Extension, Row, WritableTable, table\n\n"
        "class Number(Row):\n    n: int = Column('A number', key=True)\n\n"
        "class Things(WritableTable[Number]):\n"
        "    '''Things.'''\n\n"
        "    def rows(self, query):\n        yield Number(n=1)\n\n"
        "    def delete(self, row):\n        raise ConnectionError('gone')\n\n"
        "@table('broken', rows=Number)\n"
        "def broken(query):\n    '''Fail.'''\n"
        f"    yield Number(n=1)\n    {BODY[request.param][0]}\n\n"
        "if __name__ == '__main__':\n"
        "    raise SystemExit(Extension('e', version='1', "
        "plugins=[broken, table('things')(Things())]).run())\n"
    )
    path.chmod(0o755)
    return path


def printed(command: list[str], sql: str = "") -> str:
    """Return all that a program prints, which ends at the end of its input."""
    done = subprocess.run(
        command,
        input=sql,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


def asking(way: str, program: Path, sql: str) -> tuple[list[str], str]:
    """Return the command that asks a statement in a way, and its standard input."""
    ways = {
        "query": ([sys.executable, str(program), "query", sql], ""),
        "shell": ([sys.executable, str(program), "shell"], f"{sql};\n"),
        "query of osquery-sdk": ([SDK, "query", "--extension", str(program), sql], ""),
        "run": ([SDK, "run", str(program)], f"{sql};\n"),
        "osqueryi": (
            [
                "osqueryi",
                "--allow_unsafe",
                "--extension",
                str(program),
                "--extensions_require=e",
                f"--extensions_socket={program.parent}/em",
                sql,
            ],
            "",
        ),
    }
    return ways[way]


CASES = [(name, name) for name in BODY]


@pytest.mark.parametrize(("program", "name"), CASES, ids=list(BODY), indirect=["program"])
@pytest.mark.parametrize("way", ["query", "shell", "query of osquery-sdk", "run", "osqueryi"])
def test_an_exception_is_printed_once(program: Path, name: str, way: str) -> None:
    if way == "osqueryi" and not shutil.which("osqueryi"):
        pytest.skip("no osqueryi on PATH")
    _, text = BODY[name]
    command, words = asking(way, program, STATEMENT[name])
    output = printed(command, words)
    assert output.count(text) == 1, output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("program", "name"),
    [case for case in CASES if case[0] != "a row's value"],
    ids=[name for name in BODY if name != "a row's value"],
    indirect=["program"],
)
@pytest.mark.parametrize("way", ["query", "shell", "query of osquery-sdk", "run", "osqueryi"])
def test_verbose_adds_the_traceback_and_repeats_nothing(program: Path, name: str, way: str) -> None:
    if way == "osqueryi" and not shutil.which("osqueryi"):
        pytest.skip("no osqueryi on PATH")
    _, text = BODY[name]
    command, words = asking(way, program, STATEMENT[name])
    # osqueryi takes the flag anywhere; the commands take it behind their name.
    output = printed([*command, "--verbose"], words)
    # Not counted: osqueryi's own log, with its time in front, and lines of source in the traceback.
    lines = [line for line in output.splitlines() if not re.match(r" |[IWE]\d{4} ", line)]
    assert sum(text in line for line in lines) == 1, output
    assert f'File "{program}", line ' in output
    assert output.count("Traceback") >= 1


def test_an_error_that_answers_nothing_is_printed_once(tmp_path: Path) -> None:
    """The end of a generator fails after its statement has failed: that is another error, and no answer."""
    path = tmp_path / "closing.py"
    path.write_text(
        "from osquery_sdk import Column, Extension, Row, table\n\n"
        "class Number(Row):\n    n: int = Column('A number')\n\n"
        "@table('closing', rows=Number)\n"
        "def closing(query):\n    '''Fail twice.'''\n"
        "    try:\n        while True:\n            yield Number(n='many')\n"
        "    finally:\n        raise OSError('cannot close')\n\n"
        "raise SystemExit(Extension('e', version='1', plugins=[closing]).run())\n"
    )
    output = printed([sys.executable, str(path), "query", "select * from closing"])
    assert output.count("closing: OSError: cannot close") == 1
    assert output.count("closing.n = 'many'") == 1
    assert "Traceback" not in output
