"""kolide_net_rates: what goes through each network interface right now, measured while the statement waits."""

import time
from collections.abc import Callable, Iterator, Mapping

from kolide_tables.text import shown
from osquery_sdk import Column, ColumnType, Query, Row, TableError, table

_USUAL_MS = 1_000
_MOST_MS = 5_000
# How soon a cancelled statement is noticed.
_LOOK = 0.05


class NetRate(Row):
    """What went through an interface in an interval that has just passed."""

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


@table(
    "kolide_net_rates",
    platforms=("linux", "darwin", "windows"),
    examples=(
        "select interface, rx_bytes_per_s, tx_bytes_per_s from kolide_net_rates where rx_bytes_per_s + tx_bytes_per_s > 0",
        (
            "select d.interface, d.mac, r.rx_packets_per_s, r.errors, r.drops from kolide_net_rates r join interface_details d using (interface) "
            "where r.interval_ms = 3000"
        ),
    ),
)
def net_rates(query: Query) -> Iterator[NetRate]:
    """Network interfaces: bytes and packets a second, errors and drops, measured for a second or for interval_ms."""
    import psutil

    return measured_rows(query, lambda: psutil.net_io_counters(pernic=True, nowrap=False))


def measured_rows(query: Query, read: Callable[[], Mapping[str, object]]) -> Iterator[NetRate]:
    """The rows of what psutil.net_io_counters returns, called once at the beginning and once after each interval."""
    started, first = time.monotonic(), _wanted(query, read)
    if not first:
        return
    # All intervals begin now: several of them take no longer than the longest.
    for interval in _intervals(query):
        _wait(query, started + interval / 1000)
        passed, last = time.monotonic() - started, read()
        for name, before in first.items():
            if name in last:
                yield _row(shown(name), interval, passed, before, last[name])


def _intervals(query: Query) -> list[int]:
    asked = query.equals("interval_ms")
    if asked is None:
        return [ms for ms in (_USUAL_MS,) if query.matches("interval_ms", ms)]
    for ms in asked:
        if not isinstance(ms, int) or not 1 <= ms <= _MOST_MS:
            raise TableError(f"interval_ms is {ms}: give a whole number from 1 to {_MOST_MS:,}")
    return sorted(asked)


def _wanted(query: Query, read: Callable[[], Mapping[str, object]]) -> dict[str, object]:
    return {name: found for name, found in read().items() if query.matches("interface", shown(name))}


def _wait(query: Query, until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        query.check()
        time.sleep(min(left, _LOOK))


def _row(name: str, interval: int, seconds: float, before: object, after: object) -> NetRate:
    def passed(*fields: str) -> int | None:
        """By how much counters have grown; None if the interface was made anew."""
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
