"""The recorded conversations with osqueryd, and the `ref_*` tables that took part in them."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from osquery.extensions.Extension import call_args, call_result
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

from osquery_sdk.wire.protocol import Response, Status

from ...support.paths import RECORDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping


Rows = list[dict[str, str]]


class Call(NamedTuple):
    """Return a request in a form that can be compared: `colsUsed` has no order."""

    table: str
    action: str
    constraints: str
    used: frozenset[str] | None
    rest: tuple[tuple[str, str], ...]


def decoded(table: str, request: Mapping[str, str]) -> Call:
    """Return the request; parts of its context without an order are taken apart."""
    rest = {key: value for key, value in request.items() if key not in ("action", "context")}
    used = None
    constraints = ""
    if "context" in request:
        constraints = request["context"]
        context = json.loads(constraints)
        if "colsUsed" in context:
            used = frozenset(context["colsUsed"])
            before, _, after = constraints.partition(',"colsUsed":[')
            constraints = before + "," + after.partition("]")[2]
    return Call(table, request["action"], constraints, used, tuple(sorted(rest.items())))


class Exchange(NamedTuple):
    call: Call
    reply: Response


class Statement(NamedTuple):
    sql: str
    code: int
    message: str
    rows: Rows
    exchanges: tuple[Exchange, ...]


def _read(data: str, struct: Any) -> tuple[str, Any]:
    """Read a method's name, and its arguments or result, with PyPI's `osquery` package as the oracle."""
    protocol = TBinaryProtocol(TMemoryBuffer(bytes.fromhex(data)))
    name, _, _ = protocol.readMessageBegin()
    if name == "call":
        struct.read(protocol)
    return name, struct


def _exchange(entry: dict[str, Any]) -> Exchange | None:
    """Return a call and its reply; None for a ping.

    The bytes decide: in one statement the labels of the ping and of the call are swapped.
    """
    name, arguments = _read(entry["received"], call_args())
    if name != "call":
        return None
    result = _read(entry["sent"], call_result())[1].success
    status = Status(result.status.code, result.status.message, result.status.uuid or 0)
    return Exchange(decoded(arguments.item, arguments.request), Response(status, result.response or []))


@cache
def statements() -> tuple[Statement, ...]:
    """Return every recorded statement."""
    out = []
    for query in json.loads((RECORDINGS / "queries.json").read_text())["queries"]:
        exchanges = [_exchange(entry) for entry in query["exchanges"]]
        calls = tuple(exchange for exchange in exchanges if exchange is not None)
        status = query["status"]
        out.append(Statement(query["sql"], status["code"], status["message"], query["rows"], calls))
        assert len(exchanges) == 2 * len(calls), "each call comes with one ping"
    return tuple(out)


@cache
def manager_exchanges() -> tuple[dict[str, Any], ...]:
    """Return the requests of a client to osqueryd's manager."""
    return tuple(json.loads((RECORDINGS / "manager.json").read_text())["exchanges"])


def _columns(*columns: tuple[str, str, int]) -> Rows:
    rows = [{"id": "column", "name": name, "type": kind, "op": str(op)} for name, kind, op in columns]
    return [*rows, {"id": "attributes", "attributes": "0"}]


def _process(pid: int, name: int, others: int) -> Rows:
    return _columns(
        ("pid", "BIGINT", pid),
        ("name", "TEXT", name),
        ("parent", "BIGINT", others),
        ("cpu", "DOUBLE", others),
        ("path", "TEXT", others),
    )


# Of the routes only those of ref_alias were recorded. The others follow from the requests: names, types and
# positions from `affinity` and `colsUsedBitset`, options from what was pushed down.
ROUTES: dict[str, Rows] = {
    "ref_scan": _process(32, 32, 32),
    "ref_default": _process(0, 0, 0),
    "ref_indexed": _process(9, 9, 32),
    "ref_required": _columns(("path", "TEXT", 10), ("pid", "BIGINT", 32), ("name", "TEXT", 32)),
    "ref_hidden": _columns(("name", "TEXT", 32), ("query", "TEXT", 25), ("pid", "BIGINT", 32)),
    "ref_nocase": _columns(("name", "TEXT", 73), ("pid", "BIGINT", 32)),
    "ref_version": _columns(("name", "TEXT", 256), ("pid", "BIGINT", 32)),
    "ref_additional": _columns(("pid", "BIGINT", 4), ("name", "TEXT", 32)),
    "ref_alias": [
        {"id": "column", "name": "pid", "type": "BIGINT", "op": "9"},
        {"id": "column", "name": "name", "type": "TEXT", "op": "32"},
        {"id": "alias", "alias": "ref_alias_old"},
        {"id": "columnAlias", "name": "process_id", "target": "pid"},
        {"id": "attributes", "attributes": "0"},
    ],
    "ref_write": _columns(
        ("id", "BIGINT", 9), ("key", "TEXT", 32), ("value", "TEXT", 32), ("weight", "DOUBLE", 32)
    ),
    "ref_wide": _columns(*((f"c{number:02}", "TEXT", 32) for number in range(70))),
    "ref_types": _columns(
        ("t", "TEXT", 32),
        ("i", "INTEGER", 32),
        ("b", "BIGINT", 32),
        ("u", "UNSIGNED BIGINT", 32),
        ("d", "DOUBLE", 32),
        ("z", "BLOB", 32),
    ),
    "ref_error": _columns(("x", "INTEGER", 32)),
}
