#!/usr/bin/env python3
# osquery-sdk query --extension ./async_table.py \
#   "select port, open, error from tcp_connect where host = 'localhost' and port in (22, 80, 443)"
"""An asynchronous table: it tries all connections at once, and none takes longer than the query may."""

import asyncio
import time
from collections.abc import AsyncIterator

from osquery_sdk import Column, ColumnType, Extension, Query, Row, TableError, table


class Attempt(Row):
    host: str = Column("Name or address", index=True, required=True)
    port: int = Column("TCP port", type=ColumnType.INTEGER, index=True, required=True)
    open: bool = Column("1 if the port accepted the connection")
    seconds: float = Column("Seconds until the port accepted or refused the connection")
    error: str | None = Column("Reason why there is no connection", default=None)


async def attempt(host: str, port: int, timeout: float) -> Attempt:
    started = time.monotonic()
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except (OSError, OverflowError) as error:  # a timeout is an OSError too
        spent = time.monotonic() - started
        return Attempt(host=host, port=port, open=False, seconds=spent, error=str(error) or "timed out")
    return Attempt(host=host, port=port, open=True, seconds=time.monotonic() - started)


@table("tcp_connect", deadline=10.0)
async def tcp_connect(query: Query) -> AsyncIterator[Attempt]:
    """Attempts to connect to TCP ports."""
    hosts, ports = query.equals("host"), query.equals("port")
    # osqueryd accepts a statement with one of the two required columns; this table needs both.
    # all_required=True would check that, but then each port would come in a call of its own.
    if hosts is None or ports is None:
        raise TableError("tcp_connect needs both host and port in the WHERE clause")
    timeout = query.remaining() / 2
    for done in asyncio.as_completed([attempt(host, port, timeout) for host in hosts for port in ports]):
        yield await done


if __name__ == "__main__":
    raise SystemExit(Extension("async_example", version="1.0", plugins=[tcp_connect]).run())
