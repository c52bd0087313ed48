"""Tables that run the system's programs survive programs that hang, fail, or write without end or anything at
all.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kolide_tables.exposure.apt_upgrades import apt_upgrades
from kolide_tables.exposure.nftables_rules import nftables_rules
from kolide_tables.machine.journal import journal
from kolide_tables.machine.systemd_timers import systemd_timers
from osquery_sdk import DeadlineExceeded, LimitExceeded, Query, Table, TableError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tables are for Linux")

Install = Callable[[str, str], Path]

# Each row: the table, the programs that it needs, and the one of them that misbehaves.
CASES = [
    pytest.param(nftables_rules, ("nft",), "nft", id="nft"),
    pytest.param(journal, ("journalctl",), "journalctl", id="journalctl"),
    *(
        pytest.param(apt_upgrades, ("dpkg-query", "apt-cache", "apt-get"), name, id=name)
        for name in ("dpkg-query", "apt-cache", "apt-get")
    ),
    pytest.param(systemd_timers, ("systemctl",), "systemctl", id="systemctl"),
]

# Answers of the programs that run before the one that misbehaves.
GOOD = {
    "dpkg-query": "echo 'ii  one'",
    "apt-cache": (
        "printf '%s\\n' one: '  Installed: 1' '  Candidate: 2' '  Version table:' '     2 500' '        "
        "500 x' ' *** 1 100'"
    ),
    "apt-get": "exit 0",
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a shell script in the place of one of the system's programs; no others exist."""
    monkeypatch.setattr("kolide_tables.reading.tools.FOLDERS", (str(tmp_path),))
    monkeypatch.setattr("kolide_tables.machine.systemd_timers.RUNNING", str(tmp_path))
    # nft is needed where the kernel does not answer.
    monkeypatch.setattr("kolide_tables.exposure.nftables_rules.kernel_listing", _refuse)

    def put(name: str, script: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return put


def _refuse(*_: object) -> None:
    raise OSError(93, "Protocol not supported")


def all_good(install: Install, programs: tuple[str, ...]) -> None:
    for name in programs:
        install(name, GOOD.get(name, "exit 0"))


@pytest.mark.parametrize(("table", "programs", "bad"), CASES)
def test_one_that_hangs_is_ended_with_all_that_it_has_started(
    install: Install, table: Table, programs: tuple[str, ...], bad: str, tmp_path: Path
) -> None:
    all_good(install, programs)
    install(bad, f"echo $$ > {tmp_path}/pids\nsleep 600 &\necho $! >> {tmp_path}/pids\nwait")
    pids: list[str] = []
    for timeout in (0.25, 1.0, 4.0, 16.0):  # on a busy machine it may not even have begun
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            list(table(Query.of(table, timeout=timeout)))
        assert time.monotonic() - started < timeout + 5
        pids = (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []
        if len(pids) == 2:
            break
    assert len(pids) == 2
    assert all(is_gone(int(pid)) for pid in pids)


def is_gone(pid: int) -> bool:
    """Return whether a process has ended; its new parent may take a moment to reap it."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(("table", "programs", "bad"), CASES)
def test_one_that_writes_without_end_is_stopped_at_a_limit(
    install: Install, table: Table, programs: tuple[str, ...], bad: str
) -> None:
    all_good(install, programs)
    install(bad, "exec yes '  a line of some length, so that it does not take long'")
    said: list[str] = []
    query = Query.of(table, warn=said.append)
    if table is systemd_timers:  # what the files say is left
        assert isinstance(list(table(query)), list)
        assert "wrote more than 16,777,216 bytes" in "".join(said)
        return
    with pytest.raises(LimitExceeded, match=rf"{bad} wrote more than [0-9,]+ bytes"):
        list(table(query))


@pytest.mark.parametrize(("table", "programs", "bad"), CASES)
def test_what_one_that_fails_says_is_the_statement_s_error(
    install: Install, table: Table, programs: tuple[str, ...], bad: str
) -> None:
    all_good(install, programs)
    install(bad, "echo something; echo 'it is broken' >&2; exit 3")
    said: list[str] = []
    query = Query.of(table, warn=said.append)
    if table is systemd_timers:
        assert isinstance(list(table(query)), list)
        assert "ended with 3: it is broken" in "".join(said)
        return
    with pytest.raises(TableError, match=rf"{bad} ended with 3: it is broken"):
        list(table(query))


@pytest.mark.parametrize(("table", "programs", "bad"), CASES)
@pytest.mark.parametrize("answer", ["\\377\\376\\000\\n{\\n", '{"nftables": [{"rule": 7}, 8]}\\n', "[[[[\\n"])
def test_an_answer_of_another_form_is_no_crash_and_not_passed_over(
    install: Install, table: Table, programs: tuple[str, ...], bad: str, answer: str
) -> None:
    all_good(install, programs)
    install(bad, f"printf '{answer}'")
    said: list[str] = []
    query = Query.of(table, warn=said.append)
    if table is nftables_rules and not answer.startswith("{"):
        with pytest.raises(TableError, match="nft's answer cannot be read"):
            list(table(query))
        return
    rows = list(table(query))
    if table is journal and not answer.startswith("{"):
        assert "not a JSON object" in "".join(said)
    if bad == "apt-get":  # where the candidate comes from is told by apt-cache's own words
        assert [(row.name, row.candidate, row.origin) for row in rows] == [("one", "2", "x")]


def test_nothing_of_the_environment_decides_which_program_is_run(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "nft").write_text("#!/bin/sh\ntouch $0.ran\n")
    (other / "nft").chmod(0o755)
    monkeypatch.setenv("PATH", f"{other}:{os.environ['PATH']}")
    install("nft", """echo '{"nftables": []}'""")
    assert nftables_rules.rows() == []
    assert not (other / "nft.ran").exists()
