"""The table my_ext: attempts to connect to TCP ports, all at the same time."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator

from osquery_sdk import Column, ColumnType, Query, Row, table

# The ports of a statement that names none.
PORTS = (22, 80, 443)
# Seconds for one attempt, and attempts at a time.
PATIENCE = 5.0
AT_ONCE = 100


class Attempt(Row):
    """An attempt to connect."""

    host: str = Column("Name or address", index=True, required=True, key=True)
    port: int = Column(
        "TCP port; 22, 80 and 443 unless it is said", type=ColumnType.INTEGER, index=True, key=True
    )
    open: bool = Column("1 if the port took the connection")
    seconds: float = Column("Time until it was taken or refused")
    error: str | None = Column("Why it was not taken; empty if it was", default=None)


@table(
    "my_ext",
    # The deadline of the whole statement, however many attempts it makes.
    deadline=30.0,
    examples=(
        "select port, open, error from my_ext where host = 'localhost'",
        "select host from my_ext where host in ('localhost', '127.0.0.1') and port = 22 and open",
    ),
)
async def ports(query: Query) -> AsyncIterator[Attempt]:
    """Attempts to connect to TCP ports. Each host and port is tried once, all at the same time."""
    numbers = query.equals("port")
    pairs = [
        (host, port)
        for host in query.equals("host") or ()
        for port in (PORTS if numbers is None else numbers)
        if isinstance(port, int) and 0 < port < 65_536
    ]
    turns = asyncio.Semaphore(AT_ONCE)
    # Half of the time that is left: the rest is for sending the rows.
    timeout = min(PATIENCE, query.remaining() / 2)
    attempts = [asyncio.create_task(attempt(host, port, timeout, turns)) for host, port in pairs]
    try:
        for one in attempts:
            query.check()
            yield await one
    finally:
        for one in attempts:
            one.cancel()


async def attempt(host: str, port: int, timeout: float, turns: asyncio.Semaphore) -> Attempt:
    """Connect, and hang up."""
    async with turns:
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, UnicodeError) as error:  # a timeout is an OSError; a name may be too long for one
            spent = time.monotonic() - started
            return Attempt(host=host, port=port, open=False, seconds=spent, error=reason(error))
        spent = time.monotonic() - started
        writer.close()
        return Attempt(host=host, port=port, open=True, seconds=spent)


def reason(error: Exception) -> str:
    """Return the system's words for why there is no connection."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    if isinstance(error, TimeoutError):
        return "no answer"
    return getattr(error, "strerror", None) or str(error)
