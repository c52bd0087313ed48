"""Serve `bench_floor`, the least that an extension can cost: a plain loop answers with prepared bytes.

The bytes are those that the SDK answers, with row identifiers; `bench_floor_bare` leaves those out. The time
of a statement over these tables is osquery's own share.
"""

import socket
import sys

from rows import COLUMNS, row_count

from osquery_sdk.wire.client import ManagerConnection
from osquery_sdk.wire.protocol import ExtensionInfo, Request, Response, Status, encode_reply

ROUTES = [{"id": "column", "name": name, "type": kind, "op": "32"} for name, kind in COLUMNS]
BARE = [{"i": str(i), "a": f"row {i}", "b": "x" * 41, "c": str(i * 1_000_003)} for i in range(row_count())]
TABLES = {"bench_floor": [{"rowid": row["i"], **row} for row in BARE], "bench_floor_bare": BARE}


def encoded(rows: list[dict[str, str]]) -> bytes:
    request = Request("call", 0, ("table", "", {}))
    return b"".join(encode_reply(request, Response(Status(), rows)))


def main() -> None:
    manager = sys.argv[sys.argv.index("--socket") + 1]
    answers = {name.encode(): encoded(rows) for name, rows in TABLES.items()}
    columns = encoded(ROUTES)
    pong = b"".join(encode_reply(Request("ping", 0, ()), Status()))
    with ManagerConnection(manager) as connection:
        info = ExtensionInfo("bench_floor", "1", "5.0.0", "5.0.0")
        status = connection.register_extension(info, {"table": dict.fromkeys(TABLES, ROUTES)})
    path = f"{manager}.{status.uuid}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(100)
    while True:
        connection_, _ = listener.accept()
        while data := connection_.recv(65536):
            if len(data) < 40:
                connection_.sendall(pong)
            elif b"generate" in data:
                # The message's head, "call" and the registry are 35 bytes. Then come the length and the name
                # of the table.
                size = int.from_bytes(data[31:35], "big")
                connection_.sendall(answers[data[35 : 35 + size]])
            else:
                connection_.sendall(columns)
        connection_.close()


if __name__ == "__main__":
    main()
