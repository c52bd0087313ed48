"""The manager answers each recorded request with osqueryd's bytes."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
from osquery.extensions import Extension, ExtensionManager
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

from osquery_sdk.engine import VERSION, Host
from osquery_sdk.engine.answer import Answer
from osquery_sdk.wire.client import ManagerConnection
from osquery_sdk.wire.protocol import ExtensionInfo

from .recordings import manager_exchanges

if TYPE_CHECKING:
    from collections.abc import Iterator

# Exchanges that cannot be the same, by number: what is compared instead, and the reason.
OTHER_TABLES = {
    "pragma table_info(osquery_packs)": "the engine has no packs",
    "pragma table_info(osquery_events)": "the engine has no events",
}
OWN_VALUES = {
    (
        "select * from osquery_registry where registry in ('config','logger','distributed')"
        " order by registry, name"
    ),
    (
        "select name, type, description, default_value, value, shell_only from osquery_flags"
        " where name like 'extensions%' order by name"
    ),
}


def _read(data: bytes) -> Any:
    """Read a reply with PyPI's `osquery` package."""
    protocol = TBinaryProtocol(TMemoryBuffer(data))
    name, _, _ = protocol.readMessageBegin()
    struct = getattr(ExtensionManager, f"{name}_result", None) or getattr(Extension, f"{name}_result")
    result = struct()
    result.read(protocol)
    return result.success


def _ask(path: str, request: bytes) -> bytes:
    """Send a request as raw bytes on a new connection."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(path)
        sock.sendall(request)
        reply = b""
        while True:
            reply += sock.recv(1 << 16)
            try:
                _read(reply)
            except EOFError:
                continue
            return reply


@pytest.fixture(scope="module")
def conversation() -> list[tuple[dict[str, Any], bytes, int, str]]:
    """Return each recorded exchange, the engine's reply to its request, and the uuid and socket there."""
    out = []
    uuid = 0
    with Host(options={"extensions_interval": "600"}) as host:
        # One statement asks for the types of a core table that the engine does not have.
        routes = [
            {"id": "column", "name": name, "type": kind}
            for name, kind in (("pid", "BIGINT"), ("name", "TEXT"))
        ]
        host.engine.attach("processes", routes, lambda request, deadline: Answer(), extension=False)
        for exchange in manager_exchanges():
            request = bytes.fromhex(exchange["sent"])
            if exchange["call"] == "deregisterExtension" and exchange["arguments"] != [0]:
                request = request.replace((56550).to_bytes(8, "big"), uuid.to_bytes(8, "big"))
            reply = _ask(host.socket, request)
            if exchange["call"] == "registerExtension" and exchange["arguments"][0]["name"] == "first":
                uuid = _read(reply).uuid or uuid
            out.append((exchange, reply, uuid, host.socket))
    return out


def _id(index: int) -> str:
    exchange = manager_exchanges()[index]
    return f"{index} {exchange['call']} {str(exchange['arguments'])[:60]}"


@pytest.mark.parametrize("index", range(len(manager_exchanges())), ids=_id)
def test_same_reply(index: int, conversation: list[tuple[dict[str, Any], bytes, int, str]]) -> None:
    exchange, reply, uuid, path = conversation[index]
    recorded = bytes.fromhex(exchange["received"])
    if reply == recorded:
        return
    call, arguments = exchange["call"], exchange["arguments"]
    mine, theirs = _read(reply), _read(recorded)
    if call == "registerExtension":
        assert (mine.code, mine.message) == (theirs.code, theirs.message)
        assert (mine.uuid is None or mine.uuid == 0) == (theirs.uuid == 0)
    elif call == "extensions":
        assert sorted(map(vars, mine.values()), key=str) == sorted(map(vars, theirs.values()), key=str)
        assert all(0 < number < 1 << 16 for number in mine)
    elif call == "options":
        _check_options(mine, theirs, path)
    elif call == "call" and arguments[2] == {"action": "generate"}:
        assert mine.status == theirs.status
        (one,), (other,) = mine.response, theirs.response
        assert {key: re.sub(r"\d", "0", one[key]) for key in ("iso_8601", "datetime")} == {
            key: re.sub(r"\d", "0", other[key]) for key in ("iso_8601", "datetime")
        }
        assert one.keys() == other.keys()
        assert re.sub(r"[A-Z][a-z]+|\d+| +", "", one["timestamp"]) == re.sub(
            r"[A-Z][a-z]+|\d+| +", "", other["timestamp"]
        )
    else:
        assert call == "query", "every other reply is the same to the byte"
        assert (mine.status.code, mine.status.uuid) == (theirs.status.code, theirs.status.uuid)
        sql = arguments[0]
        if sql in OTHER_TABLES:
            assert mine.response == []
        elif sql in OWN_VALUES:
            assert all(row.keys() == theirs.response[0].keys() for row in mine.response)
        elif "osquery_extensions" in sql:
            text = re.sub("5.23.0-38-ga5b14f63d", VERSION, str(theirs.response)).replace(
                "/run/osquery/o.em", path
            )
            rows, expected = str(mine.response), text
            if "order by uuid" in sql:  # the two extensions have random numbers
                rows, expected = "".join(sorted(rows)), "".join(sorted(expected))
            assert rows == expected
        else:
            assert mine.status.message == theirs.status.message.replace(
                "/run/osquery/o.em.56550", f"{path}.{uuid}"
            )


def _check_options(mine: dict[str, Any], theirs: dict[str, Any], path: str) -> None:
    """Check the engine's flags: they have osqueryd's types, and its defaults save for plugins and socket."""
    for name, option in mine.items():
        assert option.type == theirs[name].type, name
        if name not in ("config_plugin", "logger_plugin", "distributed_plugin", "extensions_socket"):
            assert option.default_value == theirs[name].default_value, name
    assert mine["extensions_socket"].value == path
    assert mine["extensions_interval"].value == "600"


def test_most_replies_are_the_same_to_the_byte(
    conversation: list[tuple[dict[str, Any], bytes, int, str]],
) -> None:
    same = sum(reply == bytes.fromhex(exchange["received"]) for exchange, reply, _, _ in conversation)
    assert same >= 37, f"{same} of {len(conversation)}"


@pytest.fixture
def manager(host: Host) -> Iterator[ManagerConnection]:
    with ManagerConnection(host.socket) as manager:
        yield manager


INFO = ExtensionInfo("ext", "1.0.0", "5.0.0", "0.0.0")
COLUMN = [{"id": "column", "name": "a", "type": "TEXT", "op": "32"}]


@pytest.mark.parametrize(
    ("registry", "message"),
    [
        ({"table": {"time": COLUMN}}, "Registry item time conflicts with another item of the same name."),
        ({"table": {"dup": COLUMN * 2}}, "SQLITE_ERROR"),
        ({"table": {"has space": COLUMN}}, "SQLITE_ERROR"),
        ({"table": {"select": COLUMN}}, "SQLITE_ERROR"),
        ({"table": {"t": [{"id": "attributes", "attributes": "0"}]}}, "SQLITE_ERROR"),
        ({"table": {"t": [{"id": "column", "name": "a`b", "type": "TEXT"}]}}, "SQLITE_ERROR"),
        ({"table": {"fine": COLUMN, "zzz": []}}, "Invalid route info"),
        ({"config": {"update": []}}, "Registry item update conflicts with another item of the same name."),
    ],
)
def test_refused(manager: ManagerConnection, registry: dict[str, Any], message: str) -> None:
    assert manager.register_extension(INFO, registry) == (1, f"Failed adding registry: {message}", 0)
    assert manager.extensions() == {}


def test_names_with_other_letters_are_taken_as_sql_takes_them(manager: ManagerConnection) -> None:
    assert manager.register_extension(INFO, {"table": {"tést_1": COLUMN}}).code == 0
    assert manager.get_query_columns("select * from tést_1").rows == [{"a": "TEXT"}]


def test_a_name_that_failed_stays_poisoned(manager: ManagerConnection) -> None:
    registry = {"table": {"good": COLUMN, "poisoned": COLUMN * 2, "untouched": COLUMN}}
    assert manager.register_extension(INFO, registry).message == "Failed adding registry: SQLITE_ERROR"
    assert manager.query("select * from poisoned").status.message == "vtable constructor failed: poisoned"
    again = manager.register_extension(INFO, {"table": {"poisoned": COLUMN}})
    assert again.message == (
        "Failed adding registry: Registry item poisoned conflicts with another item of the same name."
    )
    # Earlier tables of the same extension are gone, too, and SQLite does not take them again.
    assert manager.query("select * from good").status.message == "vtable constructor failed: good"
    again = manager.register_extension(INFO, {"table": {"good": COLUMN}})
    assert again.message == "Failed adding registry: SQLITE_ERROR"
    assert manager.register_extension(INFO, {"table": {"untouched": COLUMN}}).code == 0


def test_a_table_may_come_back(manager: ManagerConnection) -> None:
    other = [{"id": "column", "name": "b", "type": "BIGINT"}, {"id": "alias", "alias": "back_old"}]
    for columns, names in ((COLUMN, [{"a": "TEXT"}]), (other, [{"b": "BIGINT"}]), (COLUMN, [{"a": "TEXT"}])):
        uuid = manager.register_extension(INFO, {"table": {"back": columns}}).uuid
        assert manager.get_query_columns("select * from back").rows == names
        assert manager.deregister_extension(uuid).code == 0
        assert manager.query("select * from back").status.message == "vtable constructor failed: back"


@pytest.mark.parametrize(
    ("version", "accepted"),
    [
        ("1.7.7", True),
        ("1.7.6", False),
        ("1.8", True),
        ("2", True),
        ("1.7", True),
        ("0.0.0", True),
        ("1.0.0", False),
        ("5.23.0-38-gabc", True),
        ("", True),
        ("1.7.x", True),
    ],
)
def test_sdk_version(manager: ManagerConnection, version: str, *, accepted: bool) -> None:
    info = INFO._replace(sdk_version=version)
    status = manager.register_extension(info, {})
    assert status.message == ("OK" if accepted else "Incompatible extension SDK version")


def test_uuids_are_different_16_bit_numbers(manager: ManagerConnection) -> None:
    uuids = [manager.register_extension(INFO._replace(name=str(number)), {}).uuid for number in range(50)]
    assert len(set(uuids)) == 50
    assert all(0 < uuid < 1 << 16 for uuid in uuids)
    assert sorted(manager.extensions()) == sorted(uuids)


def test_shutdown_does_not_stop_the_manager(manager: ManagerConnection) -> None:
    manager.shutdown()
    assert manager.ping() == (0, "pong", 0)


def test_database_plugin(manager: ManagerConnection) -> None:
    def database(**request: str) -> tuple[int, str, list[dict[str, str]]]:
        response = manager.call("database", "", request)
        return response.status.code, response.status.message, list(response.rows)

    assert database(action="get", domain="d", key="k") == (1, "Domain d does not exist", [])
    assert database(action="put", domain="d", key="k") == (
        1,
        "Database plugin put action requires a value",
        [],
    )
    assert database(action="put", domain="d", key="k1", value="é")[0] == 0
    assert database(action="putBatch", domain="d", json='{"k2": "b", "x": "c"}')[0] == 0
    assert database(action="get", domain="d", key="nosuch") == (
        1,
        "Key nosuch in domain d does not exist",
        [],
    )
    assert database(action="get", domain="d", key="k1") == (0, "OK", [{"v": "é"}])
    assert database(action="scan", domain="d", prefix="k", max="0")[2] == [{"k": "k1"}, {"k": "k2"}]
    assert database(action="scan", domain="d", prefix="", max="1")[2] == [{"k": "k1"}]
    assert database(action="remove_range", domain="d", key="k1", key_high="k9")[0] == 0
    assert database(action="scan", domain="d")[2] == [{"k": "x"}]


def test_pushed_config_becomes_the_schedule(manager: ManagerConnection) -> None:
    def push(data: str) -> tuple[int, str]:
        status = manager.call("config", "update", {"action": "update", "source": "s", "data": data}).status
        return status.code, status.message

    assert push("{") == (1, "Error parsing the config JSON")
    assert manager.query("select config_valid, config_hash from osquery_info").rows == [
        {"config_hash": "", "config_valid": "0"}
    ]
    assert push('{"schedule": {"q": {"query": "select 2", "interval": 5}}}') == (0, "OK")
    rows = manager.query("select name, query, interval, executions, blacklisted from osquery_schedule").rows
    assert rows == [
        # As osqueryd: an aliased column's key is its own name, but the table answers with its target's.
        {"blacklisted": "0", "executions": "0", "interval": "5", "name": "q", "query": "select 2"}
    ]
    (info,) = manager.query("select config_valid, length(config_hash) n from osquery_info").rows
    assert info == {"config_valid": "1", "n": "40"}


def test_sql_through_the_registry(manager: ManagerConnection) -> None:
    assert manager.call("sql", "sql", {"action": "query", "query": "select 1 a"}).rows == [{"a": "1"}]
    columns = manager.call("sql", "", {"action": "columns", "query": "select 1 a"})
    assert columns.rows == [{"n": "a", "o": "0", "t": "INTEGER"}]
    assert manager.call("sql", "sql", {"action": "query", "query": "selec"}).status[:2] == (
        1,
        'near "selec": syntax error',
    )


def test_core_tables_are_read_only(manager: ManagerConnection) -> None:
    assert manager.query("delete from time").status.message == "table time may not be modified"
    assert manager.call("table", "time", {"action": "delete", "id": "0"}).rows == [{"status": "readonly"}]
    assert (
        manager.call("table", "time", {"action": "dance"}).status.message
        == "Unknown table plugin action: dance"
    )


def test_info_says_that_it_is_the_engine(manager: ManagerConnection) -> None:
    (row,) = manager.query("select version, extensions, watcher, pid > 0 running from osquery_info").rows
    assert row == {"extensions": "active", "running": "1", "version": "5.23.0-engine", "watcher": "-1"}


def test_flags_are_options(host: Host) -> None:
    rows = host.query("select name, value from osquery_flags where name = 'extensions_socket'").rows
    assert rows == [{"name": "extensions_socket", "value": host.socket}]


@pytest.mark.parametrize("flag", ["extensions_interval", "extensions_timeout", "thrift_timeout"])
def test_a_flag_that_is_no_number_is_refused(flag: str) -> None:
    with pytest.raises(ValueError, match=f"--{flag} must be a number of seconds, not 'soon'"):
        Host(options={flag: "soon"}).__enter__()


def test_unknown_options_are_passed_on() -> None:
    with (
        Host(options={"my_flag": "x", "nullvalue": "NIL"}) as host,
        ManagerConnection(host.socket) as manager,
    ):
        assert manager.options()["my_flag"] == ("x", "", "string")
        assert host.query("select null n").rows == [{"n": "NIL"}]
