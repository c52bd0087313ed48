"""The spinner on a terminal: it begins after a second, uses standard error only, and leaves nothing."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from ...support.commands import EXTENSION, SDK, Terminal, run

MARK = re.compile(rb"\r\x1b\[K([^\r\n]*?\d+ s)\r")
NAP = "select seconds from sample_naps where seconds = {}"


class Watched(Terminal):
    """A terminal that keeps all bytes it was sent."""

    def __init__(self, *command: str, **options: object) -> None:
        self.all = b""
        super().__init__(*command, **options)

    def read(self) -> bool:
        before = len(self._seen)
        goes_on = super().read()
        self.all += self._seen[before:]
        return goes_on


def marks(data: bytes) -> list[str]:
    return [match.decode() for match in MARK.findall(data)]


def screen(data: bytes) -> list[str]:
    """Return the lines that such bytes leave on a terminal. It knows carriage return and clear to the end."""
    lines = [""]
    column = 0
    for part in re.findall(r"\r|\n|\x1b\[K|\x1b\[[0-9;?]*[A-Za-z]|[^\r\n\x1b]", data.decode()):
        if part == "\r":
            column = 0
        elif part == "\n":
            lines.append("")
            column = 0
        elif part == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif len(part) == 1:
            lines[-1] = lines[-1][:column].ljust(column) + part + lines[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


@pytest.mark.parametrize("command", ["query", "explain"])
def test_a_statement_that_takes_long_shows_that_it_runs(command):
    with Watched(*EXTENSION, command, NAP.format(2.5)) as terminal:
        terminal.expect("2.5" if command == "query" else "pushed down", seconds=40)
        while terminal.read():
            pass
        assert terminal.process.wait(20) == 0
        seen = marks(terminal.all)
    assert len(seen) > 5
    assert {text.rpartition(" ")[0].split()[-1] for text in seen} <= {str(n) for n in range(1, 30)}
    assert not any(re.search(r"\d s$|[⠋⠙⠹⠸]", line) for line in screen(terminal.all) if "row" not in line)


def test_what_is_quick_shows_nothing(tmp_path):
    with Watched(*EXTENSION, "shell", "--csv", env={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        terminal.expect("osquery>")
        started = time.monotonic()
        terminal.send("select 1 as n;\n")
        terminal.expect("osquery>")
        if time.monotonic() - started < 0.9:
            # On a busy machine, a program's start may take longer.
            assert marks(terminal.all.rpartition(b"osquery>")[0].rpartition(b"osquery>")[2]) == []


@pytest.mark.parametrize(("name", "environment"), [("dumb", {"TERM": "dumb"}), ("piped", {})])
def test_nothing_is_shown_elsewhere(name, environment):
    if name == "piped":
        done = run(EXTENSION, "query", "--csv", NAP.format(1.6))
        assert (done.stdout, done.stderr) == ("seconds\n1.6\n", "")
        return
    with Watched(*EXTENSION, "query", "--csv", NAP.format(1.6), env=environment) as terminal:
        terminal.expect("1.6")
        assert marks(terminal.all) == []


def test_standard_output_stays_clean():
    with Watched(
        "/bin/sh", "-c", f"{' '.join(EXTENSION)} query --json '{NAP.format(2.2)}' | cat -v"
    ) as terminal:
        shown = terminal.expect("]", seconds=40)
        assert marks(terminal.all) != []
    assert "^[" not in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_of_it(number):
    with Watched(*EXTENSION, "query", NAP.format(60)) as terminal:
        end = time.monotonic() + 30
        while len(marks(terminal.all)) < 3:
            terminal.read()
            assert time.monotonic() < end
        os.kill(terminal.process.pid, number)
        while terminal.read():
            pass
        assert terminal.process.wait(20) == -number
    assert [line for line in screen(terminal.all) if line] == []


def test_lines_that_an_extension_writes_meanwhile_are_whole(tmp_path):
    file = tmp_path / "talks.py"
    file.write_text(
        "import sys, time\n"
        "from osquery_sdk import Column, Extension, Row, table\n\n\n"
        "class One(Row):\n    n: int = Column('n')\n\n\n"
        "@table('talks', rows=One)\ndef talks(query):\n"
        "    for n in range(4):\n        time.sleep(0.7)\n        query.warn(f'line {n}')\n"
        "    return [(1,)]\n\n\n"
        "raise SystemExit(Extension('talks', version='1', plugins=[talks]).run())\n"
    )
    for command in ((sys.executable, str(file), "query"), (*SDK, "query", "--extension", str(file))):
        with Watched(*command, "select n from talks") as terminal:
            terminal.expect("| 1 |", seconds=40)
            while terminal.read():
                pass
        assert len(marks(terminal.all)) > 3
        lines = [line for line in screen(terminal.all) if line]
        assert lines[:4] == [f"talks: line {n}" for n in range(4)]
        assert lines[4:] == ["+---+", "| n |", "+---+", "| 1 |", "+---+"]


def test_without_utf8_the_mark_is_plain():
    with Watched(
        *EXTENSION,
        "query",
        NAP.format(2),
        env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"},
    ) as terminal:
        terminal.expect("2.0", seconds=40)
        seen = marks(terminal.all)
    assert seen
    assert {text[0] for text in seen} <= set("|/-\\")


def test_a_build_shows_its_step_and_the_seconds():
    code = (
        "import time; from kolide_kit.progress import Progress; p = Progress(steps=2)\n"
        "p.step('first'); p.detail('a part'); time.sleep(1.6); p.step('second'); p.close()"
    )
    with Watched(sys.executable, "-c", code) as terminal:
        terminal.expect("[2/2] second  0.", seconds=40)
        while terminal.read():
            pass
        assert terminal.process.wait(20) == 0
    assert any(re.fullmatch(r". \[1/2\] first: a part 1 s", text) for text in marks(terminal.all))
    lines = [line for line in screen(terminal.all) if line]
    assert [re.sub(r"\d\.\d", "N", line) for line in lines] == ["[1/2] first  N s", "[2/2] second  N s"]


def test_a_build_in_a_log_has_a_line_for_each_step():
    code = (
        "import time; from kolide_kit.progress import Progress; p = Progress(steps=2)\n"
        "p.step('first'); p.detail('a part'); time.sleep(1.2); p.step('second'); p.close()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "[1/2] first\n[2/2] second\n")
