"""An author's code prints to standard error; standard output has only the program's own output."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from osquery_sdk import Column, Extension, Query, Row, table
from osquery_sdk.engine import Host

from ...support.commands import Terminal
from .noisy import WAYS

PROGRAM = Path(__file__).with_name("noisy.py")
OWN = (sys.executable, str(PROGRAM))
SDK = (sys.executable, "-m", "osquery_sdk.cli.main")
ROWS = [{"n": "1"}, {"n": "2"}]
# Text that is not flushed waits in a buffer, unless Python is told to have none.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def run(*command: str, shell: str = "", text: str = "", **options: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {shell}', "sh", *command],
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        env={**ENVIRONMENT, **options},
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def heard(place: str, said: str) -> bool:
    """Assert that it was said in every way."""
    missing = [way for way in WAYS if f"{place} {way}" not in said]
    assert missing == []
    return True


@pytest.mark.parametrize(
    "command",
    [
        (*OWN, "query", "--json", "select n from noisy"),
        (*SDK, "query", "--extension", str(PROGRAM), "--json", "select n from noisy"),
    ],
    ids=["extension", "osquery-sdk"],
)
def test_query(command: tuple[str, ...]) -> None:
    code, out, said = run(*command)
    assert (code, json.loads(out)) == (0, ROWS)
    assert heard("table", said)
    assert "imported" in said
    assert "table no UTF-8 \\udcff \\ud800" in said


@pytest.mark.parametrize(
    ("arguments", "text", "begins"),
    [
        (("query", "--csv", "select n from noisy"), "", "n\n1\n2\n"),
        (("explain", "--json", "select n from noisy"), "", '[\n  {\n    "sql"'),
        (("explain", "select n from noisy"), "", "select n from noisy\n2 rows in"),
        (("shell", "--csv"), "select n from noisy;\n.tables noisy", "n\n1\n2\nnoisy\n"),
        (("tables", "--all"), "", "noisy  Numbers with noise.\n"),
        (("schema",), "", '[\n  {\n    "name": "noisy"'),
        (("schema", "--format", "markdown", "noisy"), "", "## noisy"),
        (("version", "--json"), "", '{\n  "name": "noisy"'),
        (("completion", "bash"), "", "# "),
        (("doctor", "--json"), "", '{\n  "loads"'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_command(arguments: tuple[str, ...], text: str, begins: str) -> None:
    _, out, said = run(*OWN, *arguments, text=text)
    assert out.startswith(begins)
    assert not [line for line in out.splitlines() if line.startswith(("table ", "left out ", "imported"))]
    assert "imported" in said
    if "--all" in arguments:
        assert heard("left out", said)
    elif "select n from noisy" in (*arguments, text):
        assert heard("table", said)


def test_what_an_extension_is_served_to_is_not_printed_to(tmp_path: Path) -> None:
    """Nor by a process that a host starts, which has another standard output."""
    lines: list[str] = []
    with Host([PROGRAM], on_line=lines.append, timeout=30) as host:
        assert host.query("select n from noisy").rows == ROWS
        assert host.manager.call("config", "noisy", {"action": "genConfig"}).status.code == 0
    assert heard("table", "\n".join(lines))
    assert heard("config", "\n".join(lines))


@pytest.mark.osqueryd
def test_osqueryi(tmp_path: Path) -> None:
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    program = tmp_path / "noisy.ext"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {PROGRAM} "$@"\n')
    program.chmod(0o755)
    code, out, said = run(
        *(osqueryi, "--extension", str(program), "--extensions_require=noisy", "--allow_unsafe"),
        *(f"--extensions_socket={tmp_path}/em", "--json", "select n from noisy"),
        HOME=str(tmp_path),
    )
    assert (code, json.loads(out)) == (0, ROWS)
    assert heard("table", said)


@pytest.mark.parametrize("shell", ["2>&-", "2>/dev/full", "2>/dev/null", "<&-", "<&- 2>&-"])
def test_standard_error_that_cannot_be_written(shell: str) -> None:
    """It prints to nobody then, and neither to a file nor to a socket that has got the number."""
    assert run(*OWN, "query", "--csv", "select n from noisy", shell=shell)[:2] == (0, "n\n1\n2\n")


def test_standard_output_that_cannot_be_written() -> None:
    query = (*OWN, "query", "--csv", "select n from noisy")
    assert run(*query, shell=">&-") == (1, "", "noisy: standard output is closed\n")
    code, out, said = run(*query, shell=">/dev/full")
    assert (code, out, said.splitlines()[-1]) == (1, "", "noisy: No space left on device")
    assert heard("table", said)
    code, out, said = run(*query, shell=">/dev/full 2>&1")
    assert (code, out, said) == (1, "", "")
    code, out, said = run(*query, shell="| head -c 1")
    assert out == "n"
    assert heard("table", said)


def test_to_a_file(tmp_path: Path) -> None:
    """Standard output is at some place in it, and is left behind what was written."""
    path = tmp_path / "rows"
    path.write_text("before\n")
    for _ in range(2):
        code, _, said = run(*OWN, "query", "--csv", "select n from noisy", shell=f">>{path}")
        assert code == 0
        assert heard("table", said)
    assert path.read_text() == "before\nn\n1\n2\nn\n1\n2\n"
    # One file for both.
    code, _, _ = run(*OWN, "query", "--csv", "select n from noisy", shell=f">{path} 2>&1")
    assert code == 0
    assert path.read_text().endswith("n\n1\n2\n")
    assert heard("table", path.read_text(errors="replace"))


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_serving_with_closed_descriptors(closed: str, tmp_path: Path) -> None:
    """A socket that got the number of standard output would be printed to."""
    program = tmp_path / "closed"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {PROGRAM} "$@" {closed}\n')
    program.chmod(0o755)
    with Host([program], timeout=30) as host:
        for _ in range(5):
            assert host.query("select n from noisy").rows == ROWS


def test_a_terminal_for_the_rows_alone(tmp_path: Path) -> None:
    """The program looks at where its own words go, not at where the tables' go."""
    said = tmp_path / "said"
    command = (
        f'exec "{sys.executable}" "{PROGRAM}" query "select n, hex(zeroblob(100)) as h from noisy" 2>{said}'
    )
    with Terminal("/bin/sh", "-c", command, columns=40) as terminal:
        shown = terminal.expect("| 2 |")
        assert "…" in shown
        terminal.process.wait(20)
    assert heard("table", said.read_text(errors="replace"))


def test_the_shell_on_a_terminal(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with Terminal("/bin/sh", "-c", f'exec "{sys.executable}" "{PROGRAM}" shell --line 2>{said}') as terminal:
        terminal.expect("osquery>")
        terminal.send("select n from noisy;\n")
        before = terminal.expect("n = 2")
        assert "table print" not in before
        terminal.expect("osquery>")
        terminal.send("\x04")
        terminal.process.wait(20)
    assert heard("table", said.read_text(errors="replace"))


class Number(Row):
    n: int = Column("a number")


@table("t", rows=Number)
def loud(query: Query) -> list[Number]:
    """A row."""
    print("from the table")
    return [Number(n=1)]


def test_within_another_program(capsys: pytest.CaptureFixture[str]) -> None:
    """A substitute for standard output gets the rows, and is back afterwards."""
    before = sys.stdout
    assert Extension("e", version="1", plugins=[loud]).run(["query", "--line", "select n from t"]) == 0
    assert sys.stdout is before
    assert capsys.readouterr() == ("n = 1\n", "from the table\n")


def test_a_program_goes_on_printing(tmp_path: Path) -> None:
    """`run` returns, and standard output is what it was."""
    program = tmp_path / "program.py"
    program.write_text(
        f"import os, sys\nsys.path.insert(0, {str(PROGRAM.parent)!r})\nimport noisy\n"
        "from osquery_sdk import Extension\n"
        "before = os.fstat(1), set(os.listdir('/proc/self/fd'))\n"
        "code = Extension('noisy', version='1', plugins=[noisy.noisy])"
        ".run(['query', '--csv', 'select n from noisy'])\n"
        "assert (os.fstat(1), set(os.listdir('/proc/self/fd'))) == before\n"
        "print('code', code)\nos.system('echo done')\n"
    )
    code, out, said = run(sys.executable, str(program))
    assert (code, out) == (0, "n\n1\n2\ndone\ncode 0\n")
    assert heard("table", said)
