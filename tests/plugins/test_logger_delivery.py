"""Loggers deliver batches in order to each bundled sink, again after failures, and count dropped records."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from kolide_plugins import HttpLogger, JsonLinesLogger, KafkaLogger, ParquetLogger, SyslogLogger
from osquery_sdk import LogBatch, Rejected, SpooledLogger, SpoolOptions

from ..support.plugins import HttpSink, SyslogSink, ask, certificates, line, number_of, tmpfs, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = SpoolOptions(batch_seconds=0.01, batch_records=100, first_retry=0.02, last_retry=0.05)


class Collector(SpooledLogger):
    """Keeps what is delivered; `plan` says what the next deliveries raise."""

    def __init__(self, spool: Path, options: SpoolOptions = QUICK) -> None:
        super().__init__("collector", spool=spool, options=options)
        self.batches: list[LogBatch] = []
        self.tries: list[LogBatch] = []
        self.plan: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()

    def deliver(self, batch: LogBatch) -> None:
        self.gate.wait(20)
        self.tries.append(batch)
        if self.plan:
            raise self.plan.pop(0)
        self.batches.append(batch)

    @property
    def texts(self) -> list[str]:
        return [record.text for batch in self.batches for record in batch.records]


@pytest.fixture
def stopping() -> Iterator[Any]:
    """Stops loggers at the end of a test."""
    made: list[SpooledLogger] = []
    yield lambda logger: made.append(logger) or logger
    for logger in made:
        logger.stop()


def log(logger: SpooledLogger, numbers: range, lines: list[str] | None = None) -> list[int]:
    """Log results; returns those that were acknowledged."""
    return [n for n in numbers if ask(logger, lines, string=line(n), category="event").status.message == "OK"]


def test_batches_in_order(tmp_path: Path, stopping: Any) -> None:
    logger = stopping(Collector(tmp_path / "s"))
    assert log(logger, range(1000)) == list(range(1000))
    until(lambda: len(logger.texts) == 1000)
    assert logger.texts == [line(n) for n in range(1000)]
    assert max(len(batch.records) for batch in logger.batches) <= 100
    assert logger.counters.dropped == 0


def test_a_failure_brings_the_same_batch_again(tmp_path: Path, stopping: Any) -> None:
    logger = stopping(Collector(tmp_path / "s"))
    said: list[str] = []
    logger.plan = [OSError("no route"), ValueError("a mistake"), OSError("no route")]
    log(logger, range(10), said)
    until(lambda: len(logger.texts) == 10)
    first = logger.tries[:4]
    assert [batch.attempt for batch in first] == [1, 2, 3, 4]
    assert len({batch.identity for batch in first}) == 1
    assert len({batch.records for batch in first}) == 1
    until(lambda: any("delivers again, after 4 attempts" in text for text in said))
    assert sum("no route" in text for text in said) == 1  # once, and not with each attempt


def test_what_is_rejected_is_counted_and_the_rest_goes_on(tmp_path: Path, stopping: Any) -> None:
    logger = stopping(Collector(tmp_path / "s"))
    logger.plan = [Rejected("no such field")]
    log(logger, range(1))
    until(lambda: logger.counters.dropped == 1)
    log(logger, range(1, 5))
    until(lambda: len(logger.texts) == 4)
    assert [number_of(text) for text in logger.texts] == [1, 2, 3, 4]


def test_osqueryd_does_not_wait_for_a_slow_sink(tmp_path: Path, stopping: Any) -> None:
    logger = stopping(Collector(tmp_path / "s"))
    logger.gate.clear()
    started = time.monotonic()
    assert len(log(logger, range(500))) == 500
    assert time.monotonic() - started < 2
    logger.gate.set()
    until(lambda: len(logger.texts) == 500)


def test_a_full_spool_holds_osqueryd_up_once_and_then_drops_counts_and_says_so(
    tmp_path: Path, stopping: Any
) -> None:
    options = QUICK._replace(max_bytes=65_536, sync_seconds=0)
    logger = stopping(Collector(tmp_path / "s", options))
    logger.gate.clear()
    said: list[str] = []
    started = time.monotonic()
    acknowledged = log(logger, range(1000), said)
    assert 1.9 < time.monotonic() - started < 10  # two seconds once, not for each line
    dropped = 1000 - len(acknowledged)
    assert logger.counters.dropped == dropped > 500
    assert any("lines dropped by now: the spool" in text for text in said)
    logger.gate.set()
    until(lambda: len(logger.texts) >= len(acknowledged))
    acknowledged += log(logger, range(1000, 1010), said)
    until(lambda: number_of(logger.texts[-1]) == 1009)
    notices = [json.loads(text)["message"] for text in logger.texts if number_of(text) is None]
    assert len(notices) == 1
    assert notices[0].startswith(f"collector: {dropped} log lines were dropped from ")
    assert [number for text in logger.texts if (number := number_of(text)) is not None] == acknowledged


def test_a_fatal_logger_ends_osqueryd_rather_than_drop(tmp_path: Path, stopping: Any) -> None:
    logger = stopping(Collector(tmp_path / "s", QUICK._replace(max_bytes=16_384, fatal=True)))
    logger.gate.clear()
    codes = Counter(ask(logger, string=line(n), category="event").status.code for n in range(200))
    assert codes[1] > 100
    logger.gate.set()


def test_back_pressure_lets_a_slow_sink_catch_up(tmp_path: Path, stopping: Any) -> None:
    """If delivery is a little too slow nothing is dropped: osqueryd waits."""
    logger = stopping(Collector(tmp_path / "s", QUICK._replace(max_bytes=65_536)))
    logger.gate.clear()
    threading.Timer(0.7, logger.gate.set).start()
    assert len(log(logger, range(600))) == 600
    until(lambda: len(logger.texts) == 600)
    assert logger.counters.dropped == 0


def test_the_next_process_delivers_what_this_one_could_not(tmp_path: Path, stopping: Any) -> None:
    logger = Collector(tmp_path / "s")
    logger.plan = [OSError("down")] * 1000
    log(logger, range(50))
    until(lambda: logger.tries)
    logger.stop()
    following = stopping(Collector(tmp_path / "s"))
    ask(following, init="osqueryd")
    until(lambda: len(following.texts) == 50)
    # The batch that was under way has the same records, and so the same identity.
    assert following.batches[0].identity == logger.tries[0].identity


@pytest.mark.parametrize(
    ("kinds", "features"),
    [(("result",), 0), (("result", "status"), 1), (("event",), 2), (("status", "event"), 3)],
)
def test_kinds(kinds: tuple[str, ...], features: int, tmp_path: Path, stopping: Any) -> None:
    logger = stopping(Collector(tmp_path / "s", QUICK._replace(kinds=kinds)))
    assert ask(logger, action="features").status.code == features
    status = json.dumps([{"s": 2, "f": "a.cpp", "i": 7, "m": "bad", "h": "vm", "c": "now", "u": 5}])
    for request in ({"string": "{}"}, {"snapshot": "{}"}, {"event": "{}"}, {"status": "true", "log": status}):
        ask(logger, **request)
    until(lambda: len(logger.texts) == len(kinds))
    assert {record.kind for batch in logger.batches for record in batch.records} == set(kinds)
    if "status" in kinds:
        assert {
            "hostIdentifier": "vm",
            "calendarTime": "now",
            "unixTime": 5,
            "severity": 2,
            "filename": "a.cpp",
            "line": 7,
            "message": "bad",
        } in [json.loads(text) for text in logger.texts]


# -- JSON lines


def test_lines_and_status_lines_in_files(tmp_path: Path, stopping: Any) -> None:
    logger = stopping(
        JsonLinesLogger("j", tmp_path / "results.log", status=tmp_path / "status.log", options=QUICK)
    )
    log(logger, range(5))
    ask(logger, status="true", log='[{"s":1,"m":"hello"}]')
    until(lambda: (tmp_path / "status.log").exists() and (tmp_path / "status.log").read_text())
    assert [number_of(text) for text in (tmp_path / "results.log").read_text().splitlines()] == list(range(5))
    assert json.loads((tmp_path / "status.log").read_text())["message"] == "hello"
    assert (tmp_path / "results.log").stat().st_mode & 0o777 == 0o600


def lines_of(path: Path) -> list[str]:
    """Return the lines of the file; none while it is being rotated away."""
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []


def test_rotation_keeps_whole_lines(tmp_path: Path, stopping: Any) -> None:
    path = tmp_path / "results.log"
    logger = stopping(JsonLinesLogger("j", path, max_bytes=50_000, keep=3, options=QUICK))
    log(logger, range(1000))
    until(lambda: 999 in map(number_of, lines_of(path)))
    files = [tmp_path / f"results.log.{n}" for n in (3, 2, 1)] + [path]
    assert not (tmp_path / "results.log.4").exists()
    found = [number_of(text) for file in files for text in file.read_text().splitlines()]
    assert found == list(range(1000 - len(found), 1000))
    assert all(file.stat().st_size <= 50_000 for file in files)


def test_a_file_that_is_moved_away_is_begun_anew(tmp_path: Path, stopping: Any) -> None:
    path = tmp_path / "results.log"
    logger = stopping(JsonLinesLogger("j", path, options=QUICK))
    log(logger, range(3))
    until(lambda: path.exists() and path.read_text().count("\n") == 3)
    path.rename(tmp_path / "moved.log")
    log(logger, range(3, 6))
    until(lambda: path.exists() and path.read_text().count("\n") == 3)
    assert number_of(path.read_text().splitlines()[0]) == 3


def test_a_line_that_was_cut_off_is_taken_off(tmp_path: Path, stopping: Any) -> None:
    path = tmp_path / "results.log"
    path.write_text(line(1) + "\n" + line(2)[:30])
    logger = stopping(JsonLinesLogger("j", path, options=QUICK))
    log(logger, range(2, 4))
    until(lambda: path.read_text().count("\n") == 3)
    assert [number_of(text) for text in path.read_text().splitlines()] == [1, 2, 3]


def test_a_link_is_not_followed(tmp_path: Path, stopping: Any) -> None:
    (tmp_path / "results.log").symlink_to(tmp_path / "victim")
    logger = stopping(JsonLinesLogger("j", tmp_path / "results.log", options=QUICK))
    said: list[str] = []
    log(logger, range(1), said)
    until(lambda: any("tries again" in text for text in said))
    assert not (tmp_path / "victim").exists()


def whole_lines(path: Path) -> list[str]:
    """Return the complete lines; on a full disk a part of a line may be there until it is cut off again."""
    text = path.read_text()
    return text[: text.rfind("\n") + 1].splitlines()


def test_a_full_disk_under_the_file_alone_loses_nothing(tmp_path: Path, stopping: Any) -> None:
    with tmpfs("256k") as disk:
        path = disk / "results.log"
        logger = JsonLinesLogger("j", path, spool=tmp_path / "s", options=QUICK)
        said: list[str] = []
        assert len(log(logger, range(2000), said)) == 2000
        until(lambda: any("No space left" in text for text in said))
        texts = whole_lines(path)
        assert [number_of(text) for text in texts] == list(range(len(texts)))
        path.unlink()  # somebody makes room
        until(lambda: path.exists() and path.stat().st_size > 100_000)
        more: list[str] = []
        while not texts or number_of(texts[-1]) != 1999:
            until(lambda: any("No space" in text for text in said) or logger.counters.dropped == 0)
            more = whole_lines(path)
            if number_of(more[-1]) != 1999:
                time.sleep(0.3)
                more = whole_lines(path)
                path.unlink()
                time.sleep(0.3)
            texts += more
        logger.stop()
    assert sorted({number_of(text) for text in texts}) == list(range(2000))


# -- HTTP


def test_http_over_tls_with_retries(tmp_path: Path, stopping: Any) -> None:
    certificate, key = certificates(tmp_path)
    sink = HttpSink((certificate, key))
    sink.fail_with = [(503, {}), (429, {"Retry-After": "1"}), (500, {}), (401, {})]
    logger = stopping(
        HttpLogger("h", sink.url, spool=tmp_path / "s", ca=certificate, headers={"X": "1"}, options=QUICK)
    )
    started = time.monotonic()
    log(logger, range(250))
    until(lambda: len(sink.lines()) == 250)
    assert time.monotonic() - started > 1  # as Retry-After says
    assert [number_of(text) for text in sink.lines()] == list(range(250))
    sink.close()


def test_http_does_not_trust_a_stranger(tmp_path: Path, stopping: Any) -> None:
    sink = HttpSink(certificates(tmp_path))
    said: list[str] = []
    logger = stopping(HttpLogger("h", sink.url, spool=tmp_path / "s", options=QUICK))
    log(logger, range(5), said)
    until(lambda: any("CERTIFICATE_VERIFY_FAILED" in text for text in said))
    assert sink.requests == 0
    sink.close()


def test_http_sends_halves_of_what_is_too_large_and_gives_up_what_is_unfit(
    tmp_path: Path, stopping: Any
) -> None:
    sink = HttpSink()
    sink.max_bytes = 2000
    logger = stopping(HttpLogger("h", sink.url, spool=tmp_path / "s", compress=False, options=QUICK))
    log(logger, range(40))
    until(lambda: len(sink.lines()) == 40)
    assert sorted(number_of(text) or 0 for text in sink.lines()) == list(range(40))
    sink.fail_with = [(400, {})]
    log(logger, range(40, 41))
    until(lambda: logger.counters.dropped == 1)
    sink.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/", "plain http is for this machine"),
        ("ftp://x/", "is not a URL"),
        ("https://u:p@example.com/", "would be logged"),
    ],
)
def test_urls_that_are_refused(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=message):
        HttpLogger("h", url, spool=tmp_path)


# -- syslog


@pytest.mark.parametrize("kind", ["unix", "udp", "tcp"])
def test_syslog(kind: str, tmp_path: Path, stopping: Any) -> None:
    sink = SyslogSink(kind, tmp_path)
    logger = stopping(
        SyslogLogger(
            "sy", sink.address, spool=tmp_path / "s", facility="local3", max_message=4000, options=QUICK
        )
    )
    log(logger, range(300))
    ask(logger, status="true", log='[{"s":2,"m":"bad"}]')
    ask(logger, snapshot=json.dumps({"snapshot": "x" * 5000}))
    until(lambda: len(sink.messages) == 301)
    assert [number_of(text) for text in sink.lines()[:300]] == list(range(300))
    first, status = sink.messages[0], sink.messages[300]
    assert first.startswith(b"<158>1 20")  # local3, informational
    assert f" {socket.gethostname()} osqueryd ".encode() in first
    assert status.startswith(b"<155>1 20")  # error
    until(lambda: logger.counters.dropped == 1)  # the snapshot is longer than a message may be
    sink.close()


def test_syslog_notices_that_the_server_went(tmp_path: Path, stopping: Any) -> None:
    sink = SyslogSink("tcp", tmp_path)
    port = int(sink.address.rpartition(":")[2])
    logger = stopping(SyslogLogger("sy", sink.address, spool=tmp_path / "s", options=QUICK))
    log(logger, range(10))
    until(lambda: len(sink.messages) == 10)
    sink.drop_connections()
    log(logger, range(10, 20))
    until(lambda: {number_of(text) for text in sink.lines()} == set(range(20)))
    assert port
    sink.close()


# -- Parquet


def test_parquet_by_day(tmp_path: Path, stopping: Any) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow.dataset as ds

    root = tmp_path / "lake"
    logger = stopping(ParquetLogger("p", root, spool=tmp_path / "s", options=QUICK))
    log(logger, range(50))
    ask(
        logger,
        snapshot=json.dumps(
            {
                "snapshot": [{"a": "1"}, {"a": "2"}],
                "action": "snapshot",
                "name": "snap",
                "unixTime": 86400 * 3,
                "hostIdentifier": "h",
                "epoch": 1,
                "counter": 2,
                "decorations": {"d": "e"},
            }
        ),
    )
    ask(logger, string="no JSON", category="event")
    until(lambda: logger._spool is not None and logger._spool.waiting == 0)  # noqa: SLF001
    table = ds.dataset(root, format="parquet", partitioning="hive").to_table().to_pylist()
    assert len(table) == 53
    snapshot = [row for row in table if row["name"] == "snap"]
    assert [dict(row["columns"]) for row in snapshot] == [{"a": "1"}, {"a": "2"}]
    assert (snapshot[0]["day"], snapshot[0]["action"], dict(snapshot[0]["decorations"])) == (
        "1970-01-04",
        "snapshot",
        {"d": "e"},
    )
    (odd,) = [row for row in table if row["line"] is not None]
    assert odd["line"] == "no JSON"
    numbers = sorted(int(dict(row["columns"])["n"]) for row in table if row["name"] == "numbers")
    assert numbers == list(range(50))
    assert not list(root.rglob(".*"))
    assert pq.read_schema(next(root.rglob("*.parquet"))).names[:3] == ["time", "name", "action"]


def test_parquet_through_fsspec_and_the_same_batch_once(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    logger = ParquetLogger("p", "memory://lake", spool=tmp_path / "s", options=QUICK)
    collector = Collector(tmp_path / "c")
    log(collector, range(10))
    until(lambda: len(collector.texts) == 10)
    collector.stop()
    for batch in [*collector.batches, *collector.batches]:
        logger.deliver(batch)
    memory = fsspec.filesystem("memory")
    files = memory.glob("/lake/day=*/*.parquet")
    rows = [row for file in files for row in pq.read_table(memory.open(file)).to_pylist()]
    assert sorted(int(dict(row["columns"])["n"]) for row in rows) == list(range(10))


# -- Kafka


def test_kafka(tmp_path: Path, stopping: Any) -> None:
    """Deliver to the brokers of librdkafka's own tests, which speak Kafka's protocol over sockets."""
    kafka = pytest.importorskip("confluent_kafka")
    host = kafka.Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 3})
    brokers = sorted({f"{b.host}:{b.port}" for b in host.list_topics(timeout=10).brokers.values()})
    logger = stopping(KafkaLogger("k", ",".join(brokers), "osquery", spool=tmp_path / "s", options=QUICK))
    log(logger, range(500))
    ask(logger, string="x" * 2_000_000, category="event")  # larger than the producer's limit
    consumer = kafka.Consumer(
        {"bootstrap.servers": brokers[0], "group.id": "g", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["osquery"])
    got: list[Any] = []

    def receive() -> bool:
        got.extend(message for message in consumer.consume(500, 0.5) if message.error() is None)
        return len(got) >= 500

    until(receive, 30)
    consumer.close()
    assert sorted(number_of(message.value().decode()) or 0 for message in got) == list(range(500))
    headers = dict(got[0].headers())
    assert headers["kind"] == b"result"
    until(lambda: logger.counters.dropped == 1)


def test_kafka_without_brokers_keeps_everything(tmp_path: Path, stopping: Any) -> None:
    pytest.importorskip("confluent_kafka")
    said: list[str] = []
    logger = stopping(
        KafkaLogger("k", "127.0.0.1:1", "osquery", spool=tmp_path / "s", timeout=1.0, options=QUICK)
    )
    log(logger, range(20), said)
    until(lambda: any("messages failed" in text for text in said))
    assert logger._spool is not None  # noqa: SLF001
    assert logger._spool.waiting == 20  # noqa: SLF001
