"""What a table says beside what an independent program says of the same things, compared and counted; and osqueryi, to ask.

``pytest tests/unit --comparisons FILE`` writes what was compared, a JSON object by table's name, and lists it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    AskOsqueryi = Callable[..., list[list[dict[str, str]]]]

COMPARISON = "comparison"


class Compare(Protocol):
    """What the fixture `compare` is."""

    def __call__(self, table: str, oracle: str, ours: Any, theirs: Any, *, rows: int | None = None) -> None:
        """Assert that both are the same, and say how many rows were compared.

        Args:
            table: the table's name, without its prefix.
            oracle: the program or file that says the same, as one would type it.
            ours: rows, or values by what identifies them, of the table.
            theirs: the same of the oracle.
            rows: how many these are; as many as `ours` has unless given.
        """


@pytest.fixture
def compare(record_property: Callable[[str, object], None]) -> Compare:
    """`compare(table, oracle, ours, theirs)` asserts that they are the same, and that there is something to compare."""

    def check(
        table: str,
        oracle: str,
        ours: Collection[Any],
        theirs: Collection[Any],
        *,
        rows: int | None = None,
    ) -> None:
        count = len(ours) if rows is None else rows
        said = {"table": f"kolide_{table}", "oracle": oracle, "rows": count}
        record_property(COMPARISON, said | {"differences": differences(ours, theirs)})
        assert count, f"{table}: there is no row to compare with {oracle}"
        assert ours == theirs

    return check


def differences(ours: Collection[Any], theirs: Collection[Any]) -> int:
    """How many rows only one of them has, or have other values in the other."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return sum(1 for key in ours.keys() | theirs.keys() if ours.get(key, ...) != theirs.get(key, ...))
    left, right = Counter(map(frozen, ours)), Counter(map(frozen, theirs))
    # Lists that differ in nothing but their order differ.
    return max((left - right).total(), (right - left).total()) or int(ours != theirs)


def frozen(row: object) -> Hashable:
    """A row as a value that can be compared whatever it is made of."""
    try:
        hash(row)
    except TypeError:  # a list, or a tuple with a list in it
        return repr(row)
    return row


@pytest.fixture
def ask_osqueryi(tmp_path: Path) -> AskOsqueryi:
    """Runs statements in osqueryi with `kolide_ext` and all of its tables; gives the rows of each statement.

    Skips the test where there is no osqueryi.
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
            input="".join(f"{one};\n" for one in statements),
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
    """A busybox that runs in a folder which has nothing else; skips the test where there is none.

    Debian has two packages of it: the one that most machines have needs the C library.
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
    """Have the programs that tests start meet signals as a terminal's shell starts them, whatever started the tests.

    What a script runs in the background ignores SIGINT, what nohup runs SIGHUP, and what either starts inherits that.
    A signal with a handler is not ignored by what is started, and these do to the tests themselves what they did before.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.name == "posix" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--comparisons", metavar="FILE", help="write what was compared with oracles to FILE")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List the comparisons by table, and write them, where they were asked for."""
    path = config.getoption("--comparisons")
    if path is None:
        return
    tables = gathered(said for reports in terminalreporter.stats.values() for said in of_reports(reports))
    Path(path).write_text(json.dumps(tables, indent=1) + "\n")
    terminalreporter.section("compared with oracles")
    width = max(map(len, tables), default=0)
    for name, said in tables.items():
        oracles = ", ".join(said["oracles"])
        terminalreporter.line(
            f"{name:<{width}}  {said['rows']:>9,} rows  {said['differences']:>3} differences  {oracles}"
        )


def of_reports(reports: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """What the tests of some reports compared."""
    for report in reports:
        if getattr(report, "when", None) == "call":
            yield from (said for name, said in report.user_properties if name == COMPARISON)


def gathered(comparisons: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The comparisons by table: its oracles, the rows compared with them, and the differences."""
    tables: dict[str, dict[str, Any]] = {}
    for said in sorted(comparisons, key=lambda one: (one["table"], one["oracle"])):
        table = tables.setdefault(said["table"], {"oracles": [], "rows": 0, "differences": 0})
        if said["oracle"] not in table["oracles"]:
            table["oracles"].append(said["oracle"])
        table["rows"] += said["rows"]
        table["differences"] += said["differences"]
    return tables
