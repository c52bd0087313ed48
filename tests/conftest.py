"""Fixtures for all tests: compare a table's rows with an independent program's, and run osqueryi.

``pytest tests/tables --comparisons FILE`` lists the comparisons and writes them as JSON by the table's name.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .support.compare import COMPARISON, Compare, differences, gathered, of_reports

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    AskOsqueryi = Callable[..., list[list[dict[str, str]]]]


@pytest.fixture
def compare(record_property: Callable[[str, object], None]) -> Compare:
    """Return `compare(table, oracle, ours, theirs)`: it asserts that both are equal and not empty."""

    def check(
        table: str,
        oracle: str,
        ours: Collection[Any],
        theirs: Collection[Any],
        *,
        rows: int | None = None,
    ) -> None:
        count = len(ours) if rows is None else rows
        comparison = {"table": f"kolide_{table}", "oracle": oracle, "rows": count}
        record_property(COMPARISON, comparison | {"differences": differences(ours, theirs)})
        assert count, f"{table}: there is no row to compare with {oracle}"
        assert ours == theirs

    return check


@pytest.fixture
def ask_osqueryi(tmp_path: Path) -> AskOsqueryi:
    """Return a function that runs statements in osqueryi with all tables of `kolide_ext`.

    The test is skipped if osqueryi is not on PATH.
    """
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    program = tmp_path / "kolide_ext.ext"
    program.write_text(
        f"#!{sys.executable}\nfrom kolide_ext.__main__ import main\nraise SystemExit(main())\n"
    )
    program.chmod(0o755)
    command = [osqueryi, "--extension", str(program), "--extensions_require=kolide_ext", "--allow_unsafe"]
    command += ["--json", f"--extensions_socket={tmp_path}/em"]

    def run(*statements: str) -> list[list[dict[str, str]]]:
        done = subprocess.run(
            command,
            input="".join(f"{statement};\n" for statement in statements),
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "HOME": str(tmp_path), "KOLIDE_EXT_ENABLED": "file_lines"},
        )
        assert done.returncode == 0, done.stderr
        assert "Error" not in done.stderr, done.stderr
        answers = done.stdout.replace("\n]\n[\n", "\n]\n\0[\n").split("\0")
        assert len(answers) == len(statements)
        return [json.loads(answer) for answer in answers]

    return run


@pytest.fixture(scope="session")
def static_busybox() -> Path:
    """Return a busybox that needs no library; skip the test if there is none.

    Debian has two packages of busybox. The one that most machines have needs the C library.
    """
    found = shutil.which("busybox")
    if found is None:
        pytest.skip("busybox is not on PATH")
    from elftools.elf.elffile import ELFFile

    with Path(found).open("rb") as file:
        if any(segment.header.p_type == "PT_INTERP" for segment in ELFFile(file).iter_segments()):
            pytest.skip(f"{found} is no static program (Debian: busybox-static)")
    return Path(found)


def pytest_configure() -> None:
    """Let programs that tests start receive SIGINT and SIGHUP, as programs of a terminal's shell do.

    If a script runs the tests in the background, they ignore SIGINT; if nohup does, SIGHUP. Child processes
    inherit an ignored signal, but not a handler. So this installs handlers, which change nothing for tests.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.name == "posix" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--comparisons", metavar="FILE", help="write what was compared with oracles to FILE")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List the comparisons by table, and write them to the file of --comparisons."""
    path = config.getoption("--comparisons")
    if path is None:
        return
    tables = gathered(each for reports in terminalreporter.stats.values() for each in of_reports(reports))
    Path(path).write_text(json.dumps(tables, indent=1) + "\n")
    terminalreporter.section("compared with oracles")
    width = max(map(len, tables), default=0)
    for name, sums in tables.items():
        oracles = ", ".join(sums["oracles"])
        terminalreporter.line(
            f"{name:<{width}}  {sums['rows']:>9,} rows  {sums['differences']:>3} differences  {oracles}"
        )
