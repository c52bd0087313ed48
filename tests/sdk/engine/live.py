"""Extensions in the tests' process, on a socket: they answer from rows, and keep their requests."""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from osquery_sdk.wire.client import ManagerConnection
from osquery_sdk.wire.protocol import ExtensionInfo, Response, Status
from osquery_sdk.wire.server import Server
from osquery_sdk.wire.transport import listen

from .recordings import Call, decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    TextRows = Sequence[Mapping[str, str]]


class LiveTable(NamedTuple):
    """A table: route rows, and the answer to requests other than `columns`."""

    routes: TextRows
    answer: Callable[[dict[str, str]], Response]


def rows_matching(rows: TextRows, request: Mapping[str, str]) -> list[dict[str, str]]:
    """Answer `generate` as the recorded extension did: only `=` constraints count, compared as text."""
    constraints = json.loads(request.get("context") or '{"constraints":[]}')["constraints"]
    out = list(rows)
    for column in constraints:
        wanted = [entry["expr"] for entry in column["list"] if entry["op"] == 2]
        if wanted:
            out = [row for row in out if row.get(column["name"]) in wanted]
    return [dict(row) for row in out]


def table_of(routes: TextRows, rows: TextRows) -> LiveTable:
    """Return a table with fixed rows that honours `=`."""
    return LiveTable(routes, lambda request: Response(Status(), rows_matching(rows, request)))


class LiveExtension:
    """Registers at a manager's socket, and serves its tables."""

    def __init__(self, socket: str, tables: Mapping[str, LiveTable], *, name: str = "live") -> None:
        """Register and serve."""
        self._tables = dict(tables)
        self._lock = Lock()
        self.calls: list[Call] = []
        self.info = ExtensionInfo(name, "1.0.0", "5.23.0", "1.8.0")
        routes = {"table": {table: [dict(row) for row in live.routes] for table, live in tables.items()}}
        with ManagerConnection(socket) as manager:
            self.status = manager.register_extension(self.info, routes)
        if self.status.code != 0:
            raise RuntimeError(self.status.message)
        self.server = Server(self, listen(f"{socket}.{self.status.uuid}"))
        self.server.start()

    def ping(self) -> Status:
        return Status()

    def call(self, registry: str, item: str, request: dict[str, str], context: object) -> Response:
        with self._lock:
            self.calls.append(decoded(item, request))
        table = self._tables[item]
        return Response(Status(), table.routes) if request["action"] == "columns" else table.answer(request)

    def shutdown(self) -> None:
        """Do nothing: the test stops the extension."""

    def stop(self) -> None:
        self.server.stop()

    def taken_calls(self) -> list[Call]:
        """Return the calls since the last `take`."""
        with self._lock:
            calls, self.calls = self.calls, []
        return calls
