"""Check the server with clients of other packages, and the client with their servers."""

from __future__ import annotations

import contextlib
import socket
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from thrift.protocol.TBinaryProtocol import (
    TBinaryProtocol,
    TBinaryProtocolAccelerated,
    TBinaryProtocolAcceleratedFactory,
    TBinaryProtocolFactory,
)
from thrift.server.TServer import TThreadedServer
from thrift.Thrift import TApplicationException
from thrift.transport.TSocket import TServerSocket, TSocket
from thrift.transport.TTransport import TBufferedTransport, TBufferedTransportFactory

from osquery_sdk.errors import RemoteError
from osquery_sdk.wire.client import ManagerConnection
from osquery_sdk.wire.gen import Extension, ExtensionManager, ttypes
from osquery_sdk.wire.protocol import ExtensionInfo, OptionInfo, Reply, Response, Status

from .support import Manager, connected, eventually, ping_works

if TYPE_CHECKING:
    from .conftest import Serve

ROUTES = [{"id": "column", "name": "a", "type": "TEXT", "op": "0"}]


class ThriftClient:
    """Thrift's own client of the generated service."""

    def __init__(self, path: str, service: Any, protocol: Any) -> None:
        self.socket = TSocket(unix_socket=path)
        self.transport = TBufferedTransport(self.socket)
        self.client = service.Client(protocol(self.transport))

    def __enter__(self) -> Any:
        self.transport.open()
        return self.client

    def __exit__(self, *_: object) -> None:
        self.transport.close()


@pytest.mark.parametrize("protocol", [TBinaryProtocol, TBinaryProtocolAccelerated])
def test_thrifts_client_of_an_extension(protocol: Any, serve: Serve) -> None:
    running = serve()
    with ThriftClient(running.path, Extension, protocol) as client:
        assert client.ping() == ttypes.ExtensionStatus(0, "OK", 0)
        for n in (0, 1, 1000):
            request = {str(i): "v" * i for i in range(n)}
            answer = client.call("table", "t", request)
            assert answer.response == [{k: v.encode() for k, v in request.items()}]
        client.shutdown()
        assert client.ping().code == 0


@pytest.mark.parametrize("protocol", [TBinaryProtocol, TBinaryProtocolAccelerated])
def test_thrifts_client_of_a_manager(protocol: Any, serve: Serve) -> None:
    service = Manager()
    running = serve(service=service)
    info = ttypes.InternalExtensionInfo("n", "1", "2", "3")
    with ThriftClient(running.path, ExtensionManager, protocol) as client:
        service.reply = {7: ExtensionInfo("n", "1", "2", "3")}
        assert client.extensions() == {7: info}
        service.reply = {"o": OptionInfo("v", "d", "bool")}
        assert client.options() == {"o": ttypes.InternalOptionInfo("v", "d", "bool")}
        service.reply = Status(0, "OK", 9)
        assert client.registerExtension(info, {"table": {"t": encoded(ROUTES)}}).uuid == 9
        assert service.arguments == (ExtensionInfo("n", "1", "2", "3"), {"table": {"t": ROUTES}})
        assert client.deregisterExtension(9).code == 0
        service.reply = Reply(Status(1, "no such table"), ())
        assert client.query("select").status.message == "no such table"
        service.reply = RuntimeError
        with pytest.raises(TApplicationException, match="Internal error"):
            client.getQueryColumns("select")
        assert client.ping().code == 0


def encoded(rows: list[dict[str, str]]) -> list[dict[str, bytes]]:
    return [{k: v.encode() for k, v in row.items()} for row in rows]


def test_the_clients_of_osquery_python(serve: Serve) -> None:
    """The clients of the published osquery package, as programs use them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        osquery = pytest.importorskip("osquery")
    service = Manager()
    running = serve(service=service)
    client = osquery.ExtensionClient(running.path)
    client.open()
    try:
        assert client.extension_client().ping().code == 0
        service.reply = Reply(Status(), [{"a": "b"}])
        answer = client.extension_client().call("table", "t", {"action": "generate"})
        assert (answer.status.code, answer.response) == (0, [{"a": "b"}])
        assert service.arguments == ("table", "t", {"action": "generate"})
        manager = client.extension_manager_client()
        assert manager.query("select 1").response == [{"a": "b"}]
        service.reply = {}
        assert manager.extensions() == {}
        service.reply = Status(0, "OK", 3)
        status = manager.registerExtension(
            osquery.extensions.ttypes.InternalExtensionInfo("n", "1", "2", "3"), {"table": {"t": ROUTES}}
        )
        assert status.uuid == 3
        assert service.arguments == (ExtensionInfo("n", "1", "2", "3"), {"table": {"t": ROUTES}})
    finally:
        client.close()


def test_the_extension_server_of_osquery_python_for_our_client(path: str) -> None:
    """An extension made with the published package, called by this project's client."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        osquery: Any = pytest.importorskip("osquery")
        managers: Any = pytest.importorskip("osquery.extension_manager")
        services: Any = pytest.importorskip("osquery.extensions.Extension")

    class One(osquery.TablePlugin):  # type: ignore[misc]
        def name(self) -> str:
            return "one"

        def columns(self) -> list[Any]:
            return [osquery.TableColumn(name="a", type=osquery.STRING)]

        def generate(self, context: dict[str, Any]) -> list[dict[str, str]]:
            return [{"a": "1"}]

    manager = managers.ExtensionManager()
    manager.add_plugin(One)
    with thrift_server(path, services.Processor(manager)), ManagerConnection(path) as extension:
        assert extension.ping().code == 0
        status, rows = extension.call("table", "one", {"action": "generate", "context": "{}"})
        assert (status.code, rows) == (0, [{"a": "1"}])


class Listening(TServerSocket):  # type: ignore[misc]
    """Thrift's listening socket, with an exception that ends the server's loop.

    The loop goes on after any other exception.
    """

    def listen(self) -> None:
        # Thrift's own method leaves its probing socket open.
        self.handle = socket.socket(socket.AF_UNIX)
        self.handle.bind(self._unix_socket)
        self.handle.listen()

    def accept(self) -> Any:
        try:
            return super().accept()
        except OSError as error:
            raise KeyboardInterrupt from error


class thrift_server:  # noqa: N801  a context manager
    """Run Thrift's TThreadedServer at a path."""

    def __init__(self, path: str, processor: Any, factory: Any = TBinaryProtocolFactory) -> None:
        self._path = path
        self._transport = Listening(unix_socket=path)
        self._server = TThreadedServer(
            processor, self._transport, TBufferedTransportFactory(), factory(), daemon=True
        )
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            self._server.serve()

    def __enter__(self) -> None:
        self._thread.start()
        assert eventually(lambda: connects(self._path))

    def __exit__(self, *_: object) -> None:
        self._transport.handle.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._transport.close()


def connects(path: str) -> bool:
    try:
        connected(path).close()
    except OSError:
        return False
    return True


class Handler:
    """A manager behind Thrift's own server."""

    def ping(self) -> Any:
        return ttypes.ExtensionStatus(0, "pong", 0)

    def call(self, registry: str, item: str, request: dict[str, str]) -> Any:
        if item == "raise":
            raise ValueError("no")
        rows = [{k: v.encode() for k, v in request.items()}] * int(request.get("n", "1"))
        return ttypes.ExtensionResponse(ttypes.ExtensionStatus(0, item, 5), rows)

    def shutdown(self) -> None:
        pass

    def extensions(self) -> Any:
        return {5: ttypes.InternalExtensionInfo("n", "1", "2", "3")}

    def options(self) -> Any:
        return {"o": ttypes.InternalOptionInfo("v", "d", "bool")}

    def registerExtension(self, info: Any, registry: Any) -> Any:  # noqa: N802
        column = registry["table"]["t"][0]["name"].decode()
        return ttypes.ExtensionStatus(0, f"{info.name} {column}", 11)

    def deregisterExtension(self, uuid: int) -> Any:  # noqa: N802
        return ttypes.ExtensionStatus(1, f"no {uuid}", 0)

    def query(self, sql: str) -> Any:
        return ttypes.ExtensionResponse(ttypes.ExtensionStatus(0, sql, 0), [{"a": b"\xff"}])

    def getQueryColumns(self, sql: str) -> Any:  # noqa: N802
        return ttypes.ExtensionResponse(ttypes.ExtensionStatus(0, sql, 0), [{"a": b"TEXT"}])


@pytest.mark.parametrize("factory", [TBinaryProtocolFactory, TBinaryProtocolAcceleratedFactory])
def test_our_client_at_thrifts_server(factory: Any, path: str) -> None:
    with (
        thrift_server(path, ExtensionManager.Processor(Handler()), factory),
        ManagerConnection(path) as manager,
    ):
        assert manager.ping() == Status(0, "pong", 0)
        assert manager.extensions() == {5: ExtensionInfo("n", "1", "2", "3")}
        assert manager.options() == {"o": OptionInfo("v", "d", "bool")}
        assert manager.register_extension(ExtensionInfo("x"), {"table": {"t": ROUTES}}) == Status(
            0, "x a", 11
        )
        assert manager.deregister_extension(-7) == Status(1, "no -7", 0)
        assert manager.query("select 'z\u00fcrich'") == Response(
            Status(0, "select 'z\u00fcrich'", 0), [{"a": "\udcff"}]
        )
        assert manager.get_query_columns("q").rows == [{"a": "TEXT"}]
        for n in (0, 1, 5000):
            request = {"n": str(n), "v": "x" * 100}
            assert manager.call("table", "t", request) == Response(Status(0, "t", 5), [request] * n)
        with pytest.raises(RemoteError):
            manager.call("table", "raise", {})
        assert manager.shutdown() is None  # type: ignore[func-returns-value]
        assert manager.ping().code == 0


def test_a_hundred_pythons_worth_of_clients(serve: Serve) -> None:
    """Thrift's client in a hundred threads, each with its own connection, all at once."""
    running = serve()
    failures: list[BaseException] = []

    def run(n: int) -> None:
        try:
            with ThriftClient(running.path, Extension, TBinaryProtocolAccelerated) as client:
                for i in range(20):
                    assert client.call("table", "t", {"n": f"{n}.{i}"}).response == [
                        {"n": f"{n}.{i}".encode()}
                    ]
                    assert client.ping().code == 0
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert ping_works(running.path)
    assert running.errors == []
