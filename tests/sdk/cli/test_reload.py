"""A shell over an extension under development: statements say why it is broken, and work once mended."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ...support.commands import SDK, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

GOOD = '''
import os

from osquery_sdk import Column, Extension, Query, Row, table


class Word(Row):
    word: str = Column("A word", additional=True)


@table("words", rows=Word)
def words(query: Query):
    """Words."""
    asked = query.equals("word")
    if asked == ("end",):
        os._exit(3)
    if asked == ("kill",):
        os.kill(os.getpid(), 9)
    return [("hello",)]


if __name__ == "__main__":
    raise SystemExit(Extension("words", version="1", plugins=[words]).run())
'''
AGAIN = "it is started again when one of its files changes"


class Session:
    """A shell over an extension's file, used through pipes."""

    def __init__(self, folder: Path, text: str = GOOD) -> None:
        self.file = folder / "words.py"
        self.file.write_text(text)
        self._log = folder / "errors"
        with self._log.open("w") as errors:
            self._process = subprocess.Popen(
                [*SDK, "run", str(self.file), "--csv"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
            )
        self._asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def ask(self, sql: str) -> tuple[list[str], str]:
        """Return the lines of the answer, and the last error that came with it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        before = len(self.log())
        self._process.stdin.write(f"{sql};\nselect 1 as mark;\n")
        lines = list(iter(lambda: self._process.stdout.readline().strip(), "mark"))
        self._process.stdout.readline()
        errors = [line for line in self.log()[before:].splitlines() if line.startswith("Error: ")]
        return lines, errors[-1].removeprefix("Error: ") if errors else ""

    def log(self) -> str:
        return self._log.read_text()

    def change(self, text: str) -> None:
        """Write the file as editors do: put a new file in its place."""
        new = self.file.with_name("words.py~")
        new.write_text(text)
        new.replace(self.file)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(tmp_path) as session:
        yield session


ALL = "select word from words"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", "SyntaxError: invalid syntax (words.py, line 1: def broken(:)"),
        ("\n\nx = (1,\n", "SyntaxError: '(' was never closed (words.py, line 3: x = (1,)"),
        (
            "def f():\nreturn 1\n",
            (
                "IndentationError: expected an indented block after function definition on line 1 "
                "(words.py, line 2: return 1)"
            ),
        ),
        (
            f"{GOOD}\n".replace("import os\n", "import no_such_module\n"),
            "ModuleNotFoundError: No module named 'no_such_module' (words.py, line 2: import no_such_module)",
        ),
        ("1 / 0\n", "ZeroDivisionError: division by zero (words.py, line 1: 1 / 0)"),
        (
            "try:\n    {}[1]\nexcept KeyError:\n    raise ValueError('no')\n",
            "ValueError: no (words.py, line 4: raise ValueError('no'))",
        ),
        (
            GOOD.replace('"words",', '"select",'),
            "DefinitionError: table 'select' is a word of SQL; choose another name (",
        ),
        ("raise SystemExit(5)\n", "it ended with status 5"),
        ("raise SystemExit('not today')\n", "not today"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "it was killed by SIGKILL"),
        ("pass\n", "it ended with status 0"),
    ],
    ids=lambda value: value.splitlines()[-1][:20] if value.endswith("\n") else "",
)
def test_a_statement_says_why_it_is_broken_and_works_when_it_is_mended(session, text, message):
    assert session.ask(ALL) == (["word", "hello"], "")
    session.change(text)
    lines, error = session.ask(ALL)
    assert lines == []
    assert error.startswith(f"no such table: words; {session.file} does not run: ")
    assert message in error
    assert error.endswith(f"; {AGAIN}")
    assert "vtable" not in session.log()
    session.change(GOOD)
    assert session.ask(ALL) == (["word", "hello"], "")


def test_it_may_be_broken_from_the_beginning(tmp_path):
    with Session(tmp_path, "def broken(:\n") as session:
        lines, error = session.ask(ALL)
        assert (lines, "SyntaxError: invalid syntax (words.py, line 1: def broken(:)" in error) == ([], True)
        session.change(GOOD)
        assert session.ask(ALL) == (["word", "hello"], "")


@pytest.mark.parametrize(
    ("word", "message"), [("end", "it ended with status 3"), ("kill", "it was killed by SIGKILL")]
)
def test_a_crash_within_a_statement_is_told(session, word, message):
    assert session.ask(ALL)[0]
    for _ in range(2):
        lines, error = session.ask(f"select * from words where word = '{word}'")
        assert lines == []
        assert error.endswith(f"; {session.file} does not run: {message}; {AGAIN}")
    session.change(f"{GOOD}\n")
    assert session.ask(ALL) == (["word", "hello"], "")


def test_a_table_that_the_extension_has_no_more_is_told(session):
    assert session.ask(ALL)[0]
    session.change(GOOD.replace('"words", rows', '"wordss", rows'))
    assert session.ask("select word from wordss")[0] == ["word", "hello"]
    assert session.ask(ALL) == ([], "no such table: words; did you mean wordss?")
    session.change(GOOD.replace('"words", rows', '"quite_another", rows'))
    assert session.ask("select word from quite_another")[0] == ["word", "hello"]
    assert session.ask(ALL) == (
        [],
        "no such table: words; the extension had this table before, and has dropped it",
    )


def test_a_statement_waits_for_an_extension_that_is_being_started(session):
    assert session.ask(ALL)[0]
    session.change(f"import time\ntime.sleep(1.5)\n{GOOD}")
    assert session.ask(ALL) == (["word", "hello"], "")


def test_other_statements_are_answered_meanwhile(session):
    assert session.ask(ALL)[0]
    session.change("def broken(:\n")
    assert session.ask("select 1 as n") == (["n", "1"], "")
    assert "did you mean" not in session.ask("select nn from (select 1 as n)")[1]


def test_a_crash_is_told_without_reloading_too(tmp_path):
    file = tmp_path / "words.py"
    file.write_text(GOOD)
    done = run(SDK, "query", "--extension", str(file), "select * from words where word = 'end'")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"; {file} exited with status 3\n" in done.stderr
