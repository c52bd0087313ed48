"""Tables that show osqueryd's behaviour beyond the recordings, and statements over them.

`statements.sql` has a statement a line; a line that begins with "COLUMNS " asks for a statement's columns
instead. `outcomes.json` is what a real osqueryd 5.23 answered to each of them, and what it asked the tables.
Run this module to record it anew: ``python -m tests.engine.reference``.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from osquery_sdk.wire.client import ManagerConnection
from osquery_sdk.wire.protocol import Response, Status

from ...support.paths import RECORDINGS
from .live import LiveExtension, LiveTable, table_of
from .recordings import ROUTES, Call, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTCOMES = RECORDINGS / "outcomes.json"

PROCESSES: Rows = [
    {
        "pid": str(100 + i),
        "name": f"proc{i}",
        "parent": str(100 + i // 2),
        "cpu": str(i * 1.5),
        "path": f"/usr/bin/p{i % 4}",
        "rowid": str(100 + i),
    }
    for i in range(12)
]
WITHOUT_ROWID: Rows = [{key: value for key, value in row.items() if key != "rowid"} for row in PROCESSES]
_VERSIONS = ("1.2", "1.10", "1.9~rc1", "2:1.0", "1.2-3", "1.2^a", "", "10.0.1", "9.9")
_NUMBERS = (
    *(
        "1",
        " 2",
        "+3",
        "-4",
        "0x1F",
        "017",
        "1e3",
        "1.5",
        "nan",
        "inf",
        "-inf",
        "infinity",
        "1_000",
        "12abc",
        "",
        "  ",
    ),
    *(
        "99999999999",
        "9223372036854775808",
        "0x",
        "-0",
        "1.",
        "  .5",
        "1.5 ",
        "0x1p3",
        "08",
        "\u0663",
        "a\0b",
        "5\0",
    ),
)
# What a writable table may answer, by the `k` that is written.
WRITE_REPLIES: dict[str, Rows] = {
    "success": [{"status": "success", "id": "7"}],
    "noid": [{"status": "success"}],
    "two": [{"status": "success"}] * 2,
    "none": [],
    "weird": [{"status": "weird"}],
    "fail": [{"status": "failure"}],
    "failm": [{"status": "failure", "message": "nope"}],
    "cons": [{"status": "constraint"}],
    "ro": [{"status": "readonly"}],
}


def columns(*definitions: tuple[str, str, int]) -> Rows:
    """Return the route rows of plain columns."""
    rows = [{"id": "column", "name": name, "type": kind, "op": str(op)} for name, kind, op in definitions]
    return [*rows, {"id": "attributes", "attributes": "0"}]


def _written(request: dict[str, str]) -> Response:
    if request["action"] == "generate":
        rows = [
            {"id": "1", "k": key, "w": "1.5", "z": "q", "rowid": str(number)}
            for number, key in enumerate(WRITE_REPLIES)
        ]
        return Response(Status(), rows)
    for key, reply in WRITE_REPLIES.items():
        if f'"{key}"' in request.get("json_value_array", ""):
            return Response(Status(), reply)
    if request["action"] == "delete":
        return Response(Status(1, "the status of a write is not looked at"), [])
    return Response(Status(), [{"status": "success", "id": "9"}])


def tables() -> dict[str, LiveTable]:
    """Return the tables by name."""
    out = {name: table_of(ROUTES[name], PROCESSES) for name in ROUTES if name.startswith("ref_")}
    for name in ("ref_hidden", "ref_types", "ref_version", "ref_wide", "ref_write", "ref_error"):
        del out[name]
    out["norow"] = table_of(ROUTES["ref_indexed"], WITHOUT_ROWID)
    out["def2"] = table_of(ROUTES["ref_default"], WITHOUT_ROWID)
    versions = [{"name": version, "pid": str(number)} for number, version in enumerate(_VERSIONS)]
    for name, option in (("vers", 256 | 1 | 8), ("versa", 512), ("versd", 1024), ("versr", 2048)):
        out[name] = table_of(columns(("name", "TEXT", option), ("pid", "BIGINT", 32)), versions)
    kinds = {
        "i": "INTEGER",
        "b": "BIGINT",
        "u": "UNSIGNED BIGINT",
        "d": "DOUBLE",
        "t": "TEXT",
        "z": "BLOB",
    }
    out["nums"] = table_of(
        columns(*((name, kind, 32) for name, kind in kinds.items())),
        [dict.fromkeys(kinds, number) for number in _NUMBERS],
    )
    options = {"i": 9, "b": 1, "u": 1, "d": 9, "t": 9, "z": 9}
    pushed = {"i": "1", "b": "2", "u": "3", "d": "4.5", "t": "x", "z": "y", "h": "h", "rowid": "1"}
    out["pushed"] = LiveTable(
        columns(*((name, kinds[name], option) for name, option in options.items()), ("h", "TEXT", 25)),
        lambda request: Response(Status(), [pushed]),
    )
    out["onlyopt"] = table_of(columns(("a", "TEXT", 8), ("b", "INTEGER", 8)), [{"a": "x", "b": "1"}])
    out["req2"] = table_of(
        columns(("a", "TEXT", 2), ("b", "TEXT", 2), ("c", "TEXT", 32)), [{"a": "x", "b": "y", "c": "z"}]
    )
    out["user_based"] = table_of(
        [
            *columns(("a", "TEXT", 2), ("b", "TEXT", 32), ("uid", "BIGINT", 4))[:-1],
            {"id": "attributes", "attributes": "8"},
        ],
        [{"a": "x", "b": "y", "uid": "1"}],
    )
    out["reqalias"] = table_of(
        [
            {"id": "column", "name": "a", "type": "TEXT", "op": "2"},
            {"id": "columnAlias", "name": "aa", "target": "a"},
            {"id": "alias", "alias": "reqalias_view"},
        ],
        [{"a": "x"}],
    )
    out["badtype"] = table_of(columns(("a", "VARCHAR", 32), ("b", "TEXT", 32)), [{"a": "1", "b": "2"}])
    out["rowidcol"] = table_of(
        columns(("rowid", "BIGINT", 9), ("v", "TEXT", 32)),
        [{"rowid": "5", "v": "a"}, {"rowid": "bad", "v": "b"}],
    )
    out["badrow"] = table_of(columns(("a", "TEXT", 32)), [{"a": "x", "rowid": "zz"}])
    for name, option in (("wr", 1), ("wrn", 32)):
        out[name] = LiveTable(
            columns(("id", "BIGINT", option), ("k", "TEXT", 32), ("w", "DOUBLE", 32), ("z", "BLOB", 32)),
            _written,
        )
    out["emptyerr"] = LiveTable(
        columns(("a", "TEXT", 32)), lambda request: Response(Status(5, ""), [{"a": "never seen"}])
    )
    return out


def statements() -> list[str]:
    """Return the lines of statements.sql."""
    text = (Path(__file__).parent / "statements.sql").read_text()
    return [line for line in text.split("\n") if line and not line.startswith("#")]


class Outcome(NamedTuple):
    """The outcome of a statement."""

    code: int
    message: str
    rows: Rows
    calls: list[Call]


def outcomes(socket: str) -> list[Outcome]:
    """Run every statement at a manager whose only extension has the tables."""
    extension = LiveExtension(socket, tables())
    try:
        with ManagerConnection(socket, timeout=60) as manager:
            out = []
            for line in statements():
                if line.startswith("COLUMNS"):
                    response = manager.get_query_columns(line.removeprefix("COLUMNS").removeprefix(" "))
                else:
                    response = manager.query(line)
                status, rows = response.status, list(response.rows)
                out.append(Outcome(status.code, status.message, rows, extension.taken_calls()))
            return out
    finally:
        extension.stop()


@contextmanager
def osqueryi() -> Iterator[str]:
    """Run a real osqueryi as a manager, and yield its socket."""
    with tempfile.TemporaryDirectory(prefix="osqueryi-") as directory:
        socket = Path(directory) / "osquery.em"
        command = [
            *(
                "osqueryi",
                "--nodisable_extensions",
                "--extensions_socket",
                socket,
                "--extensions_interval",
                "600",
            ),
            *("--database_path", Path(directory) / "db", "--disable_events", "--disable_logging"),
            *("--config_path", os.devnull),
        ]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            end = time.monotonic() + 20
            while time.monotonic() < end:
                try:
                    with ManagerConnection(str(socket), timeout=5) as manager:
                        manager.ping()
                    break
                except Exception:
                    time.sleep(0.05)
            yield str(socket)
        finally:
            process.kill()
            process.communicate()


def to_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome in the form of outcomes.json."""
    calls = [
        [*call[:3], None if call.used is None else sorted(call.used), call.rest] for call in outcome.calls
    ]
    return {"code": outcome.code, "message": outcome.message, "rows": outcome.rows, "calls": calls}


def recorded() -> dict[str, Outcome]:
    """Return osqueryd's outcomes by number and text of the statement."""
    out = {}
    for number, entry in enumerate(json.loads(OUTCOMES.read_text())["outcomes"]):
        calls = [
            Call(
                table,
                action,
                constraints,
                None if used is None else frozenset(used),
                tuple((key, value) for key, value in rest),
            )
            for table, action, constraints, used, rest in entry["calls"]
        ]
        outcome = Outcome(entry["code"], entry["message"], entry["rows"], calls)
        out[f"{number} {entry['sql']}"] = outcome
    return out


def main() -> None:
    """Record outcomes.json from the osqueryi on PATH."""
    version = subprocess.run(
        ["osqueryi", "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    with osqueryi() as socket:
        entries = [
            {"sql": line, **to_json(outcome)}
            for line, outcome in zip(statements(), outcomes(socket), strict=True)
        ]
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    OUTCOMES.write_text(f'{{"osquery": "{version}", "outcomes": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
