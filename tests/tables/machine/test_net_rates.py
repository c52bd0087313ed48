"""kolide_net_rates against frames that were sent and counted, over a veth pair in a network namespace."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from kolide_tables.machine.net_rates import Meter, measured_rows, net_rates
from osquery_sdk import DeadlineExceeded, Query, TableError

from ...support.compare import Compare

# Within a namespace nothing else sends; the frames are of a protocol that nobody answers.
MEASURE = """
import json, socket, subprocess, threading, time
from kolide_tables.machine.net_rates import Meter, read_counters, measured_rows, net_rates
from osquery_sdk import Query

COUNT, SIZE = 200, 1000
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("va", 0))
frame = b"\\xff" * 6 + b"\\x02" * 6 + b"\\x88\\xb5" + b"x" * (SIZE - 14)

def counters():
    said = json.loads(subprocess.check_output(["ip", "-j", "-s", "link"]))
    return {f"{one['ifname']}/{way}_{what}": one["stats64"][way][what]
            for one in said for way in ("rx", "tx") for what in ("bytes", "packets", "errors", "dropped")}

begun, sent = threading.Event(), threading.Event()

def send():
    begun.wait()
    for _ in range(COUNT):
        sender.send(frame)
    sent.set()

def read():
    # All of it goes through between the first reading and the second one, however long that takes.
    if begun.is_set():
        sent.wait()
    found = read_counters()
    begun.set()
    return found

before = counters()
threading.Thread(target=send).start()
rows = list(measured_rows(Query.of(net_rates(), equals={"interval_ms": 600}), Meter(read)))
after = counters()
print(json.dumps({"rows": [dict(zip(row.__columns__, row)) for row in rows],
                  "passed": {name: after[name] - before[name] for name in before}}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_rates_are_those_of_what_was_sent(compare: Compare) -> None:
    unshare, ip = shutil.which("unshare"), shutil.which("ip")
    if unshare is None or ip is None:
        pytest.skip("needs unshare and ip")
    made = (
        f"{ip} link add va type veth peer name vb && {ip} link set va up && {ip} link set vb up && "
        'sleep 0.2 && exec "$0" -c "$1"'
    )
    # No neighbour discovery: it sends frames of its own.
    quiet = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 2>/dev/null; "
    done = subprocess.run(
        [unshare, "--net", "sh", "-c", quiet + made, sys.executable, MEASURE], capture_output=True, text=True
    )
    if "Operation not permitted" in done.stderr or "not supported" in done.stderr:
        pytest.skip(f"no network namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    rows = {row["interface"]: row for row in said["rows"]}
    assert {"va", "vb", "lo"} <= rows.keys()
    sent, received = said["passed"]["va/tx_bytes"], said["passed"]["vb/rx_bytes"]
    assert sent == received == 200 * 1000
    for rate, total in (
        (rows["va"]["tx_bytes_per_s"], sent),
        (rows["vb"]["rx_bytes_per_s"], received),
        (rows["va"]["tx_packets_per_s"], said["passed"]["va/tx_packets"]),
        (rows["vb"]["rx_packets_per_s"], said["passed"]["vb/rx_packets"]),
    ):
        # The interval is at least the given one; on a busy machine it may be longer.
        assert total / 3 < rate <= total / 0.6 * 1.001
    # However long the interval was, it was the same for all interfaces.
    seconds = 200 / rows["va"]["tx_packets_per_s"]
    names = [f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets")]
    ours = {
        f"{name}/{one}": round(row[f"{one}_per_s"] * seconds, 6)
        for name, row in rows.items()
        for one in names
    }
    theirs = {name: said["passed"][name] for name in ours}
    for name, row in rows.items():
        for ours_, their in (("errors", "errors"), ("drops", "dropped")):
            ours[f"{name}/{their}"] = row[ours_]
            theirs[f"{name}/{their}"] = sum(said["passed"][f"{name}/{way}_{their}"] for way in ("rx", "tx"))
    compare("net_rates", "ip -s link", ours, theirs, rows=len(rows))
    assert {row["interval_ms"] for row in said["rows"]} == {600}


TABLE = net_rates()


def counted(**fields: int) -> Any:
    names = (
        "bytes_sent",
        "bytes_recv",
        "packets_sent",
        "packets_recv",
        "errin",
        "errout",
        "dropin",
        "dropout",
    )
    return SimpleNamespace(**dict.fromkeys(names, 0) | fields)


def sequence(*readings: dict[str, Any]) -> tuple[Callable[[], dict[str, Any]], list[float]]:
    """Return a function that returns the values one after the other, and the times of its calls."""
    left, times = list(readings), []

    def read() -> dict[str, Any]:
        times.append(time.monotonic())
        return left.pop(0)

    return read, times


def test_counters_become_rates() -> None:
    read, times = sequence(
        {"eth0": counted(bytes_recv=100, errin=1), "eth1": counted(bytes_sent=50), "gone": counted()},
        {"eth0": counted(bytes_recv=300, errin=2, errout=3, dropin=4), "eth1": counted(), "new": counted()},
    )
    rows = {
        row.interface: row for row in measured_rows(Query.of(TABLE, equals={"interval_ms": 100}), Meter(read))
    }
    assert rows.keys() == {"eth0", "eth1"}
    assert times[1] - times[0] >= 0.1
    assert 100 / (times[1] - times[0]) <= rows["eth0"].rx_bytes_per_s <= 200 / 0.1
    assert (rows["eth0"].errors, rows["eth0"].drops) == (4, 4)
    # An interface that was made anew with the same name has no known rate.
    assert (rows["eth1"].tx_bytes_per_s, rows["eth1"].rx_bytes_per_s) == (None, 0.0)


def test_the_interval_is_the_one_asked_for() -> None:
    for equals, least in (({}, 1.0), ({"interval_ms": 1}, 0.001)):
        started = time.monotonic()
        rows = net_rates().rows(**equals)
        assert time.monotonic() - started >= least
        assert {row.interval_ms for row in rows} <= {least * 1000}
        assert {row.interface for row in rows} == set(psutil.net_io_counters(pernic=True))


def test_each_interface_of_a_join_is_looked_up_in_one_measurement() -> None:
    read, times = sequence(*({"lo": counted(bytes_sent=n), "eth0": counted()} for n in (0, 10, 30, 40)))
    meter = Meter(read)
    for name in ("lo", "eth0", "nosuch"):
        query = Query.of(TABLE, equals={"interface": name, "interval_ms": 50})
        assert [row.interface for row in measured_rows(query, meter)] == ([name] if name != "nosuch" else [])
    assert len(times) == 2
    # Another interval is another measurement, and an old one counts no more.
    list(measured_rows(Query.of(TABLE, equals={"interval_ms": 60}), meter))
    assert len(times) == 4
    # Both results are fresh, so neither is measured again.
    for interval in (50, 60):
        list(measured_rows(Query.of(TABLE, equals={"interval_ms": interval}), meter))
    assert len(times) == 4
    with pytest.raises(IndexError):
        meter.measure(60, Query.of(TABLE), time.monotonic() + 1.1)


def test_an_interface_by_its_name() -> None:
    names = sorted(psutil.net_io_counters(pernic=True))
    if not names:
        pytest.skip("no interfaces here")
    assert [row.interface for row in TABLE.rows(interface=names[0], interval_ms=1)] == [names[0]]


@pytest.mark.parametrize("interval", [0, -1, 5001, 1 << 40, "1.5"])
def test_intervals_that_are_none(interval: Any) -> None:
    with pytest.raises(TableError, match="give a whole number from 1 to 5,000"):
        list(
            measured_rows(Query.of(TABLE, equals={"interval_ms": interval}), Meter(lambda: {"lo": counted()}))
        )


def test_the_deadline_ends_the_measurement() -> None:
    query = Query.of(TABLE, equals={"interval_ms": 5000}, timeout=0.1)
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        list(measured_rows(query, Meter(lambda: {"lo": counted()})))
    assert time.monotonic() - started < 2


def test_measurements_at_the_same_time_do_not_disturb_each_other() -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(TABLE.rows(interval_ms=100)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [len(psutil.net_io_counters(pernic=True))] * 4


def test_who_waits_for_another_s_measurement_may_give_up() -> None:
    meter, begun = Meter(lambda: begun.set() or {"lo": counted()}), threading.Event()
    thread = threading.Thread(target=lambda: meter.measure(1000, Query.of(TABLE), time.monotonic()))
    thread.start()
    assert begun.wait(10)
    with pytest.raises(DeadlineExceeded):
        meter.measure(1000, Query.of(TABLE, timeout=0.01), time.monotonic())
    thread.join()
