"""kolide_net_rates: the traffic of each network interface right now, measured while the statement waits."""

import time
from collections.abc import Callable, Iterator, Mapping

from kolide_kit.text import shown
from osquery_sdk import Column, ColumnType, Query, Row, Table, TableError, table

_USUAL_MS = 1_000
_MOST_MS = 5_000
# Seconds for which a measurement is good.
_FRESH = 1.0
# Seconds between two looks at whether the statement is cancelled.
_LOOK = 0.05


class NetRate(Row):
    """The traffic of an interface in an interval that has just passed."""

    interface: str = Column("Name: eth0, en0, Ethernet", index=True, key=True)
    interval_ms: int = Column(
        "Milliseconds to measure for, 1 to 5,000; 1,000 unless given",
        type=ColumnType.INTEGER,
        additional=True,
        hidden=True,
        key=True,
    )
    rx_bytes_per_s: float | None = Column("Bytes received a second; NULL if its counters began anew")
    tx_bytes_per_s: float | None = Column("Bytes sent a second")
    rx_packets_per_s: float | None = Column("Packets received a second")
    tx_packets_per_s: float | None = Column("Packets sent a second")
    errors: int | None = Column("Errors of receiving and sending within the interval")
    drops: int | None = Column("Packets dropped, received or to be sent, within the interval")


def net_rates() -> Table:
    """Return the table, with a meter of its own.

    It is made by a function because the meter keeps its last measurements for the requests that come with the
    same statement. The SDK's cache would not do: each interface of a join is a request with other terms.
    """
    meter = Meter(read_counters)

    @table(
        "kolide_net_rates",
        platforms=("linux", "darwin", "windows"),
        examples=(
            (
                "select interface, rx_bytes_per_s, tx_bytes_per_s from kolide_net_rates "
                "where rx_bytes_per_s + tx_bytes_per_s > 0"
            ),
            (
                "select d.interface, d.mac, r.rx_packets_per_s, r.errors, r.drops from kolide_net_rates r "
                "join interface_details d using (interface) where r.interval_ms = 3000"
            ),
        ),
    )
    def rows(query: Query) -> Iterator[NetRate]:
        """Network interfaces: bytes and packets a second, errors and drops, over a second or interval_ms."""
        return measured_rows(query, meter)

    return rows


def measured_rows(query: Query, meter: "Meter") -> Iterator[NetRate]:
    """Yield the rows of a meter's measurements."""
    started = time.monotonic()
    for interval in _intervals(query):
        for row in meter.measure(interval, query, started):
            if query.matches("interface", row.interface):
                yield row


def read_counters() -> Mapping[str, object]:
    """Return the counters of all interfaces by name, as psutil reads them."""
    import psutil

    counters: Mapping[str, object] = psutil.net_io_counters(pernic=True, nowrap=False)
    return counters


class Meter:
    """Measures all interfaces for an interval, once for all requests at about the same time.

    SQLite may look up each interface of a join by itself: n of them must not take n intervals. Requests for
    one interval wait on its lock in `_busy`, and take the result that the first of them leaves in `_done`;
    `_lock` guards both.
    """

    def __init__(self, read: Callable[[], Mapping[str, object]]) -> None:
        """Take a function that reads the counters as psutil.net_io_counters does."""
        from threading import Lock

        self._read = read
        self._lock = Lock()
        self._busy: dict[int, Lock] = {}
        self._done: dict[int, tuple[float, list[NetRate]]] = {}

    def measure(self, interval: int, query: Query, asked_at: float) -> list[NetRate]:
        """Return the rates over `interval` milliseconds, at most a second old when they were `asked` for
        (time.monotonic).
        """
        from threading import Lock

        with self._lock:
            for old in [kept for kept, (ended, _) in self._done.items() if ended < asked_at - _FRESH]:
                del self._done[old]
            busy = self._busy.setdefault(interval, Lock())
        while not busy.acquire(timeout=_LOOK):
            query.check()
        try:
            ended, rows = self._done.get(interval, (0.0, []))
            if ended < asked_at - _FRESH:
                rows = self._measured(interval, query)
                with self._lock:
                    self._done[interval] = time.monotonic(), rows
            return rows
        finally:
            busy.release()

    def _measured(self, interval: int, query: Query) -> list[NetRate]:
        first, started = self._read(), time.monotonic()
        while (left := started + interval / 1000 - time.monotonic()) > 0:
            query.check()
            time.sleep(min(left, _LOOK))
        last, passed = self._read(), time.monotonic() - started
        return [
            _row(shown(name), interval, passed, before, last[name])
            for name, before in first.items()
            if name in last
        ]


def _intervals(query: Query) -> list[int]:
    intervals = query.equals("interval_ms")
    if intervals is None:
        return [ms for ms in (_USUAL_MS,) if query.matches("interval_ms", ms)]
    for ms in intervals:
        if not isinstance(ms, int) or not 1 <= ms <= _MOST_MS:
            raise TableError(f"interval_ms is {ms}: give a whole number from 1 to {_MOST_MS:,}")
    return sorted(intervals)


def _row(name: str, interval: int, seconds: float, before: object, after: object) -> NetRate:
    def passed(*fields: str) -> int | None:
        """Return by how much counters have grown; None if the interface was made anew."""
        counts = [getattr(after, field) - getattr(before, field) for field in fields]
        return sum(counts) if min(counts) >= 0 else None

    def rate(field: str) -> float | None:
        count = passed(field)
        return None if count is None else count / seconds

    return NetRate(
        interface=name,
        interval_ms=interval,
        rx_bytes_per_s=rate("bytes_recv"),
        tx_bytes_per_s=rate("bytes_sent"),
        rx_packets_per_s=rate("packets_recv"),
        tx_packets_per_s=rate("packets_sent"),
        errors=passed("errin", "errout"),
        drops=passed("dropin", "dropout"),
    )
