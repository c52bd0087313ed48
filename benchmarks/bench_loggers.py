"""Measure the results a second that each bundled logger takes and delivers, to real sinks on this machine.

acknowledged     lines a second until the last one is in the spool: osqueryd waits for this
delivered        lines a second until the last one is at the sink
over the socket  as `acknowledged`, with a message for each line, as osqueryd sends them
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.plugins import HttpSink, SyslogSink, ask, line

from osquery_sdk import Extension, SpooledLogger, SpoolOptions
from osquery_sdk.engine import Host
from osquery_sdk.wire.client import ExtensionConnection

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("json lines", "syslog", "http", "parquet", "kafka")


class Result(NamedTuple):
    """Lines a second of one logger."""

    logger: str
    lines: int
    acknowledged: float
    delivered: float
    socket: float


def logger_of(kind: str, folder: Path, stack: ExitStack, name: str) -> SpooledLogger | None:
    """Return a logger with a sink of its own; None if a library or program that it needs is not installed."""
    import kolide_plugins as plugins

    options = SpoolOptions(batch_seconds=0.05, batch_records=5000)
    spool = folder / f"spool-{name}"
    logger: Any
    match kind:
        case "json lines":
            logger = plugins.JsonLinesLogger(name, folder / "results.log", spool=spool, options=options)
        case "syslog":
            server = SyslogSink("unix", folder)
            stack.callback(server.close)
            logger = plugins.SyslogLogger(name, server.address, spool=spool, options=options)
        case "http":
            sink = HttpSink()
            stack.callback(sink.close)
            logger = plugins.HttpLogger(name, sink.url, spool=spool, options=options)
        case "parquet":
            logger = plugins.ParquetLogger(name, folder / "lake", spool=spool, options=options)
        case _:
            from confluent_kafka import Producer

            host = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1})
            broker = next(iter(host.list_topics(timeout=10).brokers.values()))
            stack.callback(lambda: host.flush(0))
            brokers = f"{broker.host}:{broker.port}"
            logger = plugins.KafkaLogger(name, brokers, "bench", spool=spool, options=options)
    spooled: SpooledLogger = logger
    return spooled


def measure(kind: str, count: int) -> Result:
    """Measure one logger, in this process and then over a socket."""
    lines = [line(n) for n in range(count)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        logger = logger_of(kind, folder, stack, "direct")
        assert logger is not None
        ask(logger, init="bench")
        acknowledged = timed(lambda: [ask(logger, string=text, category="event") for text in lines])
        delivered = acknowledged + timed(lambda: drained(logger))
        logger.stop()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        other = logger_of(kind, folder, stack, "socket")
        assert other is not None
        extension = Extension("bench", version="1", plugins=[other])
        host = stack.enter_context(Host([extension.start]))
        (uuid,) = host.manager.extensions()
        path = host.manager.extension_socket(uuid)

        def send() -> None:
            for text in lines[: count // 10]:
                # osqueryd pings before each call, on a connection of its own.
                with ExtensionConnection(path) as connection:
                    connection.ping()
                with ExtensionConnection(path) as connection:
                    connection.call("logger", "socket", {"string": text, "category": "event"})

        seconds = timed(send)
    return Result(kind, count, count / acknowledged, count / delivered, count / 10 / seconds)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def drained(logger: SpooledLogger) -> None:
    while logger.waiting:
        time.sleep(0.005)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--lines", type=int, default=100_000, metavar="N", help="results for each logger (100000)"
    )
    parser.add_argument(
        "--logger", action="append", choices=KINDS, help="measure only this logger; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array")
    options = parser.parse_args()
    results = []
    for kind in options.logger or KINDS:
        try:
            results.append(measure(kind, options.lines))
        except ModuleNotFoundError as error:
            print(f"{kind}: left out: {error}", file=sys.stderr)
    if options.json:
        print(json.dumps([result._asdict() for result in results]))
        return 0
    print(f"{'logger':12}{'acknowledged/s':>16}{'delivered/s':>14}{'over the socket/s':>20}")
    for result in results:
        print(
            f"{result.logger:12}{result.acknowledged:16,.0f}{result.delivered:14,.0f}{result.socket:20,.0f}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
