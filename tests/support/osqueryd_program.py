"""An extension for tests of the life cycle. NAME and TABLES in the environment set its name and tables.

Each table has a row that says which process serves it. A table whose name begins with `asleep` sleeps before
that, one whose name begins with `spinning` computes in Python, for as many seconds as its column `seconds`
has to equal; one whose name begins with `stubborn` leaves a thread behind that Python waits for at its end.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator

from osquery_sdk import Column, Extension, Query, Row, Table, table


class Served(Row):
    pid: int = Column("process that serves the table", index=True, key=True)
    seconds: int = Column("how long it took", additional=True)


def served(name: str) -> Table:
    @table(name)
    def rows(query: Query) -> Iterator[Served]:
        """The process that serves the table."""
        (seconds,) = query.equals("seconds") or (0,)
        end = time.monotonic() + seconds
        if name.startswith("stubborn"):
            threading.Thread(target=time.sleep, args=(600,)).start()
        elif name.startswith("asleep"):
            time.sleep(seconds)
        elif name.startswith("spinning"):
            while time.monotonic() < end:
                pass
        yield Served(pid=os.getpid(), seconds=seconds)

    return rows


def main() -> int:
    names = os.environ.get("TABLES", "served").split(",")
    return Extension(os.environ.get("NAME", "life"), version="1.0", plugins=[served(n) for n in names]).run()


if __name__ == "__main__":
    sys.exit(main())
