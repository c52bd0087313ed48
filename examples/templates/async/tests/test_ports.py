"""The table my_ext, against sockets of this machine."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from osquery_sdk import DeadlineExceeded, Query
from osquery_sdk.engine import Host, SqlError

from my_ext.ports import ports

Serve = Callable[..., Host]


@pytest.fixture
def listening() -> Iterator[int]:
    """A port that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    """A port that does not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[int]:
    """A port whose queue is full: nobody answers, and nobody refuses."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(server.getsockname())
            waiting.append(client)
        time.sleep(0.1)
        yield server.getsockname()[1]
        for client in waiting:
            client.close()


def test_open_and_closed(osquery_host: Serve, listening: int, closed: int) -> None:
    host = osquery_host(ports)
    where = f"host = '127.0.0.1' and port in ({listening}, {closed})"
    found = host.query(f"select * from my_ext where {where}").rows
    rows = {row["port"]: (row["open"], row["error"]) for row in found}
    assert rows[str(listening)] == ("1", "")
    assert rows[str(closed)][0] == "0"
    assert "refused" in rows[str(closed)][1].lower()


def test_a_host_is_needed(osquery_host: Serve) -> None:
    with pytest.raises(SqlError, match="required column"):
        osquery_host(ports).query("select port from my_ext")


def test_without_ports_the_usual_ones_are_tried() -> None:
    assert sorted(row.port for row in ports.rows(host="127.0.0.1")) == [22, 80, 443]


@pytest.mark.parametrize("port", [0, -1, 65536, "x"])
def test_what_is_no_port_has_no_row(port: object) -> None:
    assert ports.rows(host="127.0.0.1", port=port) == []


@pytest.mark.parametrize("host", ["no such host", "", "a" * 70, "x..y"])
def test_a_name_that_leads_nowhere_has_an_error(host: str) -> None:
    (row,) = ports.rows(host=host, port=1)
    assert not row.open
    assert row.error


def test_attempts_wait_at_the_same_time(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("my_ext.ports.PATIENCE", 1.0)
    hosts = [f"127.0.0.{number}" for number in range(1, 21)]
    started = time.monotonic()
    rows = ports.rows(host=hosts, port=silent)
    assert time.monotonic() - started < 10
    assert len(rows) == 20
    assert [row.error for row in rows if row.host == "127.0.0.1"] == ["no answer"]


def test_attempts_are_given_up_in_time(silent: int) -> None:
    query = Query.of(ports, equals={"host": "127.0.0.1", "port": silent}, timeout=1.0)
    started = time.monotonic()
    assert [row.open for row in ports.rows(query)] == [False]
    assert time.monotonic() - started < 5


def test_nothing_is_left_behind(listening: int) -> None:
    """A query that is over ends the attempts that are still under way."""
    query = Query.of(ports, equals={"host": "127.0.0.1", "port": listening}, timeout=0.0)
    with pytest.raises(DeadlineExceeded):
        ports.rows(query)
    with closing(socket.create_connection(("127.0.0.1", listening), timeout=5)):
        pass
