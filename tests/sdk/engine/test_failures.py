"""Statements fail with osqueryd's text when an extension breaks, and the engine goes on."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.engine import Host, SqlError
from osquery_sdk.errors import WireError
from osquery_sdk.wire.client import ExtensionConnection, ManagerConnection
from osquery_sdk.wire.protocol import ExtensionInfo, Request, Response, Status, encode_exception, encode_reply

from .live import LiveExtension, LiveTable, table_of
from .reference import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .conftest import Extend

ROUTES = columns(("a", "TEXT", 32))
INFO = ExtensionInfo("raw", "1", "5.0.0", "0.0.0")
PONG = b"".join(encode_reply(Request("ping", 0, ()), Status()))
ANSWER = b"".join(encode_reply(Request("call", 0, ()), Response(Status(), [{"a": "x"}])))


class RawExtension:
    """An extension with a table "raw" that answers calls with the test's bytes; None is no answer."""

    def __init__(self, host: Host, reply: bytes | None) -> None:
        self.reply = reply
        with ManagerConnection(host.socket) as manager:
            self.uuid = manager.register_extension(INFO, {"table": {"raw": ROUTES}}).uuid
        self.path = host.manager.extension_socket(self.uuid)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                request = connection.recv(1 << 16)
                if b"ping" in request[:16]:
                    connection.sendall(PONG)
                elif self.reply is None:
                    self._leave.wait(10)
                else:
                    connection.sendall(self.reply)

    def stop(self) -> None:
        self._leave.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        Path(self.path).unlink()


@pytest.fixture
def raw(host: Host) -> Iterator[Callable[[bytes | None], RawExtension]]:
    extensions: list[RawExtension] = []

    def make(reply: bytes | None) -> RawExtension:
        extensions.append(RawExtension(host, reply))
        return extensions[-1]

    yield make
    for extension in extensions:
        extension.stop()


# The first five texts were seen from osqueryd. For bytes that are not a message, the engine says what is
# wrong.
@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"", "No more data to read."),
        (ANSWER[:40], "No more data to read."),
        (encode_exception("call", 0, "Internal error"), "Internal error"),
        (encode_exception("call", 0, ""), "TApplicationException: Unknown application exception"),
        (ANSWER[:16] + b"\0", "call failed: unknown result"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not a message of Thrift's strict binary protocol"),
        (PONG, "answer to 'ping' where one to 'call' belongs"),
    ],
)
def test_bad_answers(
    host: Host, raw: Callable[[bytes | None], RawExtension], reply: bytes, message: str
) -> None:
    raw(reply)
    with pytest.raises(SqlError) as caught:
        host.query("select * from raw")
    assert str(caught.value) == f"Extension call failed: {message}"
    with pytest.raises(SqlError, match=r"^SQL logic error$"):
        host.query("insert into raw values ('x')")
    assert host.query("select 1 a").rows == [{"a": "1"}]


def test_an_answer_that_never_comes(raw: Callable[[bytes | None], RawExtension], tmp_path: Path) -> None:
    with Host(options={"thrift_timeout": "1", "extensions_interval": "600"}) as host:
        extension = RawExtension(host, None)
        with pytest.raises(SqlError, match=r"^Extension call failed: THRIFT_EAGAIN \(timed out\)$"):
            host.query("select * from raw")
        extension.stop()


def test_a_registered_extension_that_does_not_listen(host: Host) -> None:
    with ManagerConnection(host.socket) as manager:
        uuid = manager.register_extension(INFO, {"table": {"raw": ROUTES}}).uuid
    with pytest.raises(SqlError) as caught:
        host.query("select * from raw")
    assert str(caught.value) == f"Extension socket not available: {host.socket}.{uuid}"


def test_an_extension_that_dies_in_a_query(host: Host, tmp_path: Path) -> None:
    program = tmp_path / "dies.py"
    program.write_text(
        "import os, osquery\n"
        "@osquery.register_plugin\n"
        "class T(osquery.TablePlugin):\n"
        "    def name(self): return 'dies'\n"
        "    def columns(self): return [osquery.TableColumn(name='a', type=osquery.STRING)]\n"
        "    def generate(self, context): os.kill(os.getpid(), 9)\n"
        "osquery.start_extension(name='dies', version='1')\n"
    )
    host.launch(program)
    with pytest.raises(SqlError, match=r"^Extension call failed: No more data to read\.$"):
        host.query("select * from dies")
    with pytest.raises(SqlError, match=r"^Extension socket not available: "):
        host.query("select * from dies")
    assert host.processes[0].describe_exit() == f"{program} was killed by SIGKILL"


def test_200_000_rows(host: Host, extend: Extend) -> None:
    rows = [{"a": f"{number:06} and a few words beside"} for number in range(200_000)]
    extend({"big": LiveTable(ROUTES, lambda request: Response(Status(), rows))})
    result = host.query(
        "select count(*) n, count(distinct a) d, max(a) m from big where a like '%words%'"
    ).rows
    assert result == [{"d": "200000", "m": "199999 and a few words beside", "n": "200000"}]
    with ManagerConnection(host.socket, timeout=60) as manager:
        assert len(manager.query("select a from big").rows) == 200_000


# -- the watcher


def _eventually(condition: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def watchful() -> Iterator[Host]:
    with Host(options={"extensions_interval": "0.2", "extensions_timeout": "1"}) as host:
        yield host


def test_an_extension_that_stops_answering_is_removed(watchful: Host) -> None:
    extension = LiveExtension(watchful.socket, {"t": table_of(ROUTES, [{"a": "x"}])})
    time.sleep(0.5)
    assert watchful.query("select a from t").rows == [{"a": "x"}]
    extension.stop()
    assert _eventually(lambda: "t" not in watchful.tables())
    assert watchful.manager.extensions() == {}
    with pytest.raises(SqlError, match="vtable constructor failed: t"):
        watchful.query("select a from t")
    # Another extension may have its name and its tables.
    successor = LiveExtension(watchful.socket, {"t": table_of(ROUTES, [{"a": "y"}])})
    assert watchful.query("select a from t").rows == [{"a": "y"}]
    successor.stop()


def test_a_new_extension_has_time_to_listen(watchful: Host) -> None:
    with ManagerConnection(watchful.socket) as manager:
        manager.register_extension(INFO, {"table": {"raw": ROUTES}})
    time.sleep(0.6)
    assert len(watchful.manager.extensions()) == 1, "--extensions_timeout is not over"
    assert _eventually(lambda: watchful.manager.extensions() == {})


def test_until_then_a_successor_is_a_duplicate(host: Host) -> None:
    extension = LiveExtension(host.socket, {"t": table_of(ROUTES, [])})
    extension.stop()
    with ManagerConnection(host.socket) as manager:
        again = manager.register_extension(extension.info, {"table": {"t": ROUTES}})
        assert again.message == "Duplicate extension registered"
        assert manager.deregister_extension(extension.status.uuid).code == 0
        assert manager.register_extension(extension.info, {"table": {"t": ROUTES}}).code == 0


def test_a_client_that_talks_nonsense_harms_nobody(host: Host) -> None:
    for nonsense in (b"", b"\0" * 100, os.urandom(1000), b"GET / HTTP/1.1\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(host.socket)
            sock.sendall(nonsense)
    with ExtensionConnection(host.socket) as connection:
        assert connection.ping() == (0, "pong", 0)


def test_the_socket_is_its_owners_alone(host: Host) -> None:
    path = Path(host.socket)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_nothing_is_left_behind() -> None:
    with Host(options={"extensions_interval": "600"}) as host:
        extension = LiveExtension(host.socket, {"t": table_of(ROUTES, [])})
        stale = Path(f"{host.socket}.12345")
        stale.touch()
        path = host.socket
    extension.stop()
    assert not Path(path).parent.exists()
    with pytest.raises(WireError):
        ExtensionConnection(path)
