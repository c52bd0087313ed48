"""Acknowledged lines arrive by each bundled logger, though the extension is killed or a disk is full.

The extension is a process of its own at an engine's socket, and lines are sent to it as osqueryd sends them.
The short form sends 1,200 lines a logger, the long one 100,000.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from osquery_sdk import DeadlineExceeded, WireError
from osquery_sdk.engine import Host
from osquery_sdk.wire.client import ExtensionConnection

from ..support.plugins import PROGRAM, HttpSink, SyslogSink, line, number_of, tmpfs, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHORT, LONG = 1_200, 100_000
KINDS = ["json lines", "syslog", "http", "parquet", "kafka"]
OPTIONS = {"batch_seconds": 0.1, "first_retry": 0.05, "last_retry": 0.5}


class Sink:
    """The sink of a logger, and the lines that arrived there."""

    def __init__(self, plugin: str, arguments: dict[str, Any], numbers: Callable[[], Counter[int]]) -> None:
        self.plugin = plugin
        self.arguments = arguments
        self.numbers = numbers


def counted(texts: list[str]) -> Counter[int]:
    return Counter(n for text in texts if (n := number_of(text)) is not None)


def make_sink(kind: str, folder: Path, stack: ExitStack) -> Sink:
    match kind:
        case "json lines":
            path = folder / "results.log"
            arguments = {"path": str(path), "max_bytes": 0}
            return Sink(
                "JsonLinesLogger",
                arguments,
                lambda: counted(path.read_text().splitlines() if path.exists() else []),
            )
        case "syslog":
            server = SyslogSink("unix", folder)
            stack.callback(server.close)
            return Sink("SyslogLogger", {"address": server.address}, lambda: counted(server.lines()))
        case "http":
            web = HttpSink()
            stack.callback(web.close)
            return Sink("HttpLogger", {"url": web.url}, lambda: counted(web.lines()))
        case "parquet":
            pytest.importorskip("pyarrow")
            root = folder / "lake"
            return Sink("ParquetLogger", {"root": str(root)}, lambda: parquet_numbers(root))
        case "kafka":
            return kafka_sink(stack)
    raise AssertionError(kind)


def parquet_numbers(root: Path) -> Counter[int]:
    import pyarrow.parquet as pq

    rows = [row for file in root.rglob("day=*/*.parquet") for row in pq.read_table(file).to_pylist()]
    return Counter(int(dict(row["columns"])["n"]) for row in rows if row["columns"] is not None)


def kafka_sink(stack: ExitStack) -> Sink:
    kafka = pytest.importorskip("confluent_kafka")
    brokers = os.environ.get("KAFKA_BROKERS", "")
    if not brokers:
        host = kafka.Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1})
        broker = next(iter(host.list_topics(timeout=10).brokers.values()))
        brokers = f"{broker.host}:{broker.port}"
        stack.callback(lambda: host.flush(0))  # it lives as long as this
    topic = f"osquery-{time.time_ns()}"
    got: Counter[int] = Counter()
    consumer = kafka.Consumer(
        {"bootstrap.servers": brokers, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    stack.callback(consumer.close)

    def numbers() -> Counter[int]:
        if not consumer.assignment():  # of a group, which some brokers take long to agree on
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([kafka.TopicPartition(topic, n, kafka.OFFSET_BEGINNING) for n in partitions])
        while messages := consumer.consume(10_000, 0.5):
            for message in messages:
                if message.error() is None and (n := number_of(message.value().decode())) is not None:
                    got[n] += 1
        return got

    return Sink("KafkaLogger", {"brokers": brokers, "topic": topic}, numbers)


def send(
    host: Host, total: int, kills: list[int], meanwhile: Callable[[int], None] = lambda n: None
) -> tuple[Counter[str], list[int]]:
    """Log results as osqueryd does, killing the extension before some.

    Return their fate and the acknowledged ones.
    """
    outcomes: Counter[str] = Counter()
    acknowledged: list[int] = []
    connection: ExtensionConnection | None = None
    number = 0
    while number < total:
        if number in kills:
            kills.remove(number)
            os.kill(host.processes[0].pid, signal.SIGKILL)
        meanwhile(number)
        try:
            if connection is None:
                (uuid,) = host.manager.extensions()
                connection = ExtensionConnection(host.manager.extension_socket(uuid), timeout=20)
            answer = connection.call("logger", "log", {"string": line(number), "category": "event"})
        except (WireError, DeadlineExceeded, ValueError):
            # osqueryd does not send a line again either; it waits for the extension here, to lose only a few.
            outcomes["not sent"] += 1
            if connection is not None:
                connection.close()
            connection = None
            time.sleep(0.02)
            if outcomes["not sent"] % 10:
                continue
        else:
            outcome = answer.status.message if answer.status.message == "OK" else "dropped"
            outcomes[outcome] += 1
            if outcome == "OK":
                acknowledged.append(number)
        number += 1
    if connection is not None:
        connection.close()
    return outcomes, acknowledged


def started(sink: Sink, spool: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Host:
    arguments = {"name": "log", "spool": str(spool), "options": {**OPTIONS, **options}, **sink.arguments}
    monkeypatch.setenv("PLUGINS", json.dumps([[sink.plugin, arguments]]))
    return Host([str(PROGRAM)], respawn=True, timeout=20)


def cases(*short: str) -> list[Any]:
    """Return the cases; the long forms are slow, and so are the short forms that are not named here."""
    long = [pytest.mark.slow, pytest.mark.timeout(900)]
    return [
        *(pytest.param(kind, SHORT, marks=() if kind in short else pytest.mark.slow) for kind in KINDS),
        *(pytest.param(kind, LONG, marks=long) for kind in KINDS),
    ]


@pytest.mark.parametrize(("kind", "total"), cases(*KINDS))
def test_what_was_acknowledged_survives_a_kill(
    kind: str, total: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        sink = make_sink(kind, tmp_path, stack)
        batch = total // 10
        with started(sink, tmp_path / "spool", monkeypatch, batch_records=batch) as host:
            outcomes, acknowledged = send(host, total, [total // 3, total // 2])
            until(lambda: set(sink.numbers()) >= set(acknowledged), 60)
        arrived = sink.numbers()
    assert outcomes["dropped"] == 0
    assert len(acknowledged) == outcomes["OK"] > total * 0.9
    twice = sum(1 for count in arrived.values() if count > 1)
    if kind in ("http", "parquet"):
        assert twice == 0  # who stores by a batch's identity has nothing twice
    assert twice <= 2 * batch  # one at each kill


# The spool is the same whoever delivers.
@pytest.mark.parametrize(("kind", "total"), cases("json lines", "http"))
def test_with_a_full_disk_what_is_dropped_is_counted(
    kind: str, total: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spool's disk is full, and nothing is taken out of it for a while.

    Killed in the middle of that as well.
    """
    with ExitStack() as stack:
        disk = stack.enter_context(tmpfs("512k"))
        sink = make_sink(kind, tmp_path, stack)
        ballast = disk / "ballast"

        def meanwhile(number: int) -> None:
            if total // 4 <= number < 3 * total // 4:
                with ballast.open(
                    "ab", buffering=0
                ) as file:  # whatever room there is, somebody else takes it
                    try:
                        while file.write(b"x" * 4096):
                            pass
                    except OSError:
                        pass
            elif number == 3 * total // 4:
                ballast.unlink()

        with started(sink, disk / "spool", monkeypatch) as host:
            outcomes, acknowledged = send(host, total, [total // 2], meanwhile)
            until(lambda: set(sink.numbers()) >= set(acknowledged), 60)
        arrived = set(sink.numbers())
        state = spool_state(disk / "spool")
    assert outcomes["dropped"] > 0
    assert state == outcomes["dropped"]  # counted on the disk that was full, over the kill
    # A line that got no answer, because of the kill, may have arrived or not; a dropped one has not.
    assert len(arrived) <= outcomes["OK"] + 2


def spool_state(folder: Path) -> int:
    """Return the spool's count of dropped records, by a new process: this one may hold the folder's lock."""
    code = (
        "from osquery_sdk.plugins.spool.queue import Spool; "
        f"print(Spool({str(folder)!r}, max_bytes=1 << 28).dropped)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)
