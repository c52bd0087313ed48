"""Measure the engine with 100,000 rows of 4 columns from an extension in another process.

``python -m tests.engine.measure``
"""

from __future__ import annotations

import os
import signal
import time

from osquery_sdk.engine import Host, TableCall
from osquery_sdk.wire.protocol import Response, Status

from .live import LiveExtension, LiveTable
from .reference import columns

ROUTES = columns(("pid", "BIGINT", 32), ("name", "TEXT", 32), ("path", "TEXT", 32), ("cpu", "DOUBLE", 32))
STATEMENTS = (
    "select count(*) from big",
    "select count(*) from big where pid >= 0 and name like '%process%' and path != '' and cpu >= 0",
    "select * from big",
)


def main() -> None:
    """Print the best of five runs of each statement."""
    rows = [
        {"pid": str(n), "name": f"process {n}", "path": f"/usr/bin/{n % 97}", "cpu": f"{n / 7:.3f}"}
        for n in range(100_000)
    ]
    with Host() as host:
        child = os.fork()
        if child == 0:
            LiveExtension(host.socket, {"big": LiveTable(ROUTES, lambda request: Response(Status(), rows))})
            signal.pause()
        host.wait_for_extensions(1)
        calls: list[TableCall] = []
        host.observer = calls.append
        for sql in STATEMENTS:
            seconds = []
            calls.clear()
            for _ in range(5):
                started = time.perf_counter()
                host.query(sql)
                seconds.append(time.perf_counter() - started)
            waiting = min(call.seconds for call in calls)
            print(f"{min(seconds):.3f} s, of which {waiting:.3f} s for the call: {sql}")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
