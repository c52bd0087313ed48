"""The bundle in a real osquery, beside its own tables: the same processes, sockets and values."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from ..support.compare import Compare

Ask = Callable[[str], list[dict[str, str]]]

pytestmark = pytest.mark.osqueryd


@pytest.fixture
def ask(ask_osqueryi: Callable[..., Any]) -> Ask:
    """Return a function that runs one statement in osqueryi."""

    def run(sql: str) -> list[dict[str, str]]:
        (rows,) = ask_osqueryi(sql)
        return list(rows)

    return run


def test_our_sockets_are_those_of_listening_ports(ask: Ask, compare: Compare) -> None:
    kinds = [
        (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"),
        (socket.AF_INET, socket.SOCK_DGRAM, "0.0.0.0"),
        (socket.AF_INET6, socket.SOCK_STREAM, "::1"),
        (socket.AF_INET6, socket.SOCK_DGRAM, "::"),
    ]
    made: list[Any] = []
    try:
        for family, kind, address in kinds:
            made.append(socket.socket(family, kind))
            made[-1].bind((address, 0))
            if kind == socket.SOCK_STREAM:
                made[-1].listen()
        rows = ask(
            "select 'core' as who, port, case protocol when 6 then 'tcp' else 'udp' end as protocol, "
            "address from listening_ports "
            f"where pid = {os.getpid()} and port > 0 union all "
            f"select 'ours', port, protocol, address from kolide_exposed_ports where pid = {os.getpid()}"
        )
        ports = {str(one.getsockname()[1]) for one in made}
    finally:
        for one in made:
            one.close()
    said: dict[str, set[tuple[str, str, str]]] = {"core": set(), "ours": set()}
    for row in rows:
        said[row["who"]].add((row["protocol"], row["address"], row["port"]))
    compare("exposed_ports", "core's listening_ports", said["ours"], said["core"])
    assert {port for _, _, port in said["ours"]} == ports


def test_a_join_with_processes_finds_every_process_that_lives(ask: Ask) -> None:
    rows = ask(
        "select p.pid, d.pid as found, d.num_fds, d.exe_deleted, d.terminal, p.on_disk from processes p "
        f"left join kolide_process_details d using (pid) where p.pid in ({os.getpid()}, {os.getppid()})"
    )
    assert {row["pid"] for row in rows} == {str(os.getpid()), str(os.getppid())}
    for row in rows:
        assert row["found"] == row["pid"]
        assert int(row["num_fds"]) > 2
        assert row["exe_deleted"] == str(int(row["on_disk"] == "0"))


def test_packages_of_exposed_programs_however_the_join_is_written(ask: Ask) -> None:
    """A join meets processes whose path is empty, which osqueryd does not pass on."""
    program = Path("/usr/bin/python3")
    if not program.exists() or not Path("/var/lib/dpkg/info").exists():
        pytest.skip("needs dpkg and its python3")
    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([program, "-c", code], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline()
            joins = (
                "kolide_exposed_ports e join kolide_path_packages k using (path)",
                "kolide_exposed_ports e left join kolide_path_packages k on k.path = e.path",
                "processes e join kolide_path_packages k using (path)",
            )
            selects = (f"select '{join}' as how, e.pid, k.package from {join}" for join in joins)
            rows = ask(" union all ".join(selects))
        finally:
            child.kill()
    found = {row["how"]: row["package"] for row in rows if row["pid"] == str(child.pid)}
    assert found.keys() == set(joins)
    assert all(package.startswith("python3") for package in found.values())


def test_ancestors_are_those_of_a_recursive_statement_over_core_s_processes(
    ask: Ask, compare: Compare
) -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60"]) as child:
        try:
            before = set(psutil.pids())
            rows = ask(
                "with recursive p as materialized (select pid, parent from processes), up (pid, depth, "
                "ancestor) as ("
                "select pid, 1, parent from p where parent > 0 union all select up.pid, up.depth + 1, "
                "p.parent "
                "from up join p on p.pid = up.ancestor where p.parent > 0) "
                "select 'core' as who, pid, depth, ancestor from up union all "
                "select 'ours', pid, depth, ancestor_pid from kolide_process_ancestry where pid in "
                "(select pid from p)"
            )
            lived = before & set(psutil.pids())
        finally:
            for one in psutil.Process(child.pid).children():
                one.kill()
            child.kill()
    said: dict[str, dict[tuple[str, str], str]] = {"core": {}, "ours": {}}
    for row in rows:
        said[row["who"]][row["pid"], row["depth"]] = row["ancestor"]
    # A process that has lost an ancestor meanwhile has another one.
    steady = {
        pid
        for pid in map(str, lived)
        if all(int(one) in lived for found in said.values() for (of, _), one in found.items() if of == pid)
    }
    assert str(os.getpid()) in steady
    ours, core = (
        {key: one for key, one in said[who].items() if key[0] in steady} for who in ("ours", "core")
    )
    compare("process_ancestry", "recursive CTE over core's processes", ours, core)


def test_values_of_a_file_are_those_that_are_in_it(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"name": "é", "n": [1, 2.5, true, null], "big": 12345678901234567890}')
    rows = ask(f"select fullkey, value from kolide_json where path like '{tmp_path}/%.json' order by fullkey")
    assert rows == [
        {"fullkey": "big", "value": "12345678901234567890"},
        {"fullkey": "n/0", "value": "1"},
        {"fullkey": "n/1", "value": "2.5"},
        {"fullkey": "n/2", "value": "true"},
        {"fullkey": "name", "value": "é"},
    ]


def test_calls_are_counted(ask: Ask) -> None:
    rows = ask(
        # CROSS JOIN keeps the order: the count is there before the counters are read.
        "select name, calls, last_rows, enabled from (select count(*) as n from kolide_json where "
        "raw_data in ('[1]', '[2]')) "
        "cross join kolide_ext_tables where n = 2 and name = 'kolide_json'"
    )
    assert rows == [{"name": "kolide_json", "calls": "1", "last_rows": "2", "enabled": "1"}]
