"""Python's log in osquery's status log: in the files of a real osqueryd, and as a logger plugin gets it."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from osquery_sdk import ConnectionFailed, RemoteError
from osquery_sdk.asking.client import Client
from osquery_sdk.serving.status_log import StatusLogHandler
from osquery_sdk.wire.protocol import OptionInfo

from ...support.osqueryd import Manager, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Osquery:
    """A substitute for an extension and its client, without osquery: it keeps the calls."""

    def __init__(self, client: Any = None) -> None:
        self._client = client
        self.lines: list[dict[str, Any]] = []
        self.items: list[str] = []
        self.fails = False
        self.plugins = "filesystem"

    @property
    def client(self) -> Any:
        return self._client or self

    def options(self) -> dict[str, OptionInfo]:
        return {
            "logger_plugin": OptionInfo(self.plugins),
            "host_identifier": OptionInfo("specified"),
            "specified_identifier": OptionInfo("this-host"),
        }

    def call(
        self, registry: str, item: str, request: dict[str, str], *, timeout: float
    ) -> list[dict[str, str]]:
        if self.fails:
            raise ConnectionFailed("gone")
        assert (registry, request["status"]) == ("logger", "true")
        self.items.append(item)
        self.lines += json.loads(request["log"])
        return []


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.Logger("test")  # noqa: LOG001  one that nobody else has
    yield made
    for handler in made.handlers:
        handler.close()


@pytest.mark.osqueryd
@pytest.mark.parametrize("item", ["filesystem", "filesystem,syslog"])
def test_in_the_files_of_osqueryd(directory: Path, logger: logging.Logger, item: str) -> None:
    path = shutil.which("osqueryd")
    if path is None:
        pytest.skip("no osqueryd on PATH")
    (directory / "osquery.conf").write_text("{}")
    command = [
        path,
        "--ephemeral",
        "--disable_database",
        "--force",
        "--disable_watchdog",
        f"--logger_path={directory}",
    ]
    command += [
        f"--config_path={directory}/osquery.conf",
        f"--pidfile={directory}/pid",
        f"--extensions_socket={directory}/em",
    ]
    manager = Manager([*command, f"--logger_plugin={item}"], directory)
    try:
        logger.addHandler(StatusLogHandler(Osquery(Client(manager.socket))))
        logger.info("an info of %s, é", "ours")
        logger.warning("a warning\nin two lines")
        logger.error("an error")
        logger.critical("as bad as it gets")
        logger.debug("not this")
        logger.handlers[0].flush()
        until(lambda: "as bad as it gets" in text_of(directory, "ERROR"))
        info = text_of(directory, "INFO")
        line = sys._getframe().f_lineno - 8  # noqa: SLF001
        assert f"test_statuslog.py:{line}] an info of ours, é\n" in info
        assert info.count("an info of ours") == 1
        assert "not this" not in info
        assert "a warning\nin two lines\n" in text_of(directory, "WARNING")
        assert "an info" not in text_of(directory, "WARNING")
        assert "an error" in text_of(directory, "ERROR")
        # What osqueryd calls fatal would have ended it.
        assert manager.is_serving()
    finally:
        manager.close()


def text_of(directory: Path, severity: str) -> str:
    return "".join(path.read_text() for path in directory.glob(f"osqueryd.{severity}.*"))


def test_the_engine_has_no_logger(tmp_path: Path, logger: logging.Logger) -> None:
    """Records that nobody takes are kept up to a limit; the oldest are dropped first."""
    manager = Osquery()
    manager.fails = True
    handler = StatusLogHandler(manager, most=5)
    logger.addHandler(handler)
    for number in range(20):
        logger.info("%d", number)
    until(lambda: handler.dropped >= 10)
    manager.fails = False
    until(lambda: len(manager.lines) >= 6, 5)
    handler.flush()
    texts = [line["m"] for line in manager.lines]
    assert texts[-1] == "19"
    assert texts[0] == f"{handler.dropped} log records of this extension were dropped: osquery took none"
    assert handler.dropped == 20 - (len(texts) - 1)


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (logging.INFO, 0),
        (logging.WARNING, 1),
        (logging.ERROR, 2),
        (logging.CRITICAL, 2),
        (25, 0),
        (35, 1),
        (1000, 2),
    ],
)
def test_severities(logger: logging.Logger, level: int, severity: int) -> None:
    osquery = Osquery()
    logger.addHandler(StatusLogHandler(osquery))
    before = int(time.time())
    logger.log(level, "x\0y \udcff")
    logger.handlers[0].flush()
    (line,) = osquery.lines
    assert line.pop("i") > 0
    assert before <= line.pop("u") <= time.time()
    assert line.pop("c").endswith("UTC")
    assert line == {"s": severity, "f": "test_statuslog.py", "m": "x\\0y \\udcff", "h": "this-host"}


@pytest.mark.parametrize(
    ("plugins", "item"),
    [
        ("filesystem", ""),
        ("tls", ""),
        ("tls,mine", ""),
        ("filesystem,tls", "filesystem"),
        ("tls,filesystem", "filesystem"),
    ],
)
def test_which_logger_is_called(logger: logging.Logger, plugins: str, item: str) -> None:
    osquery = Osquery()
    osquery.plugins = plugins
    logger.addHandler(StatusLogHandler(osquery))
    logger.info("x")
    logger.handlers[0].flush()
    assert osquery.items == [item]


def test_exceptions_and_formats(logger: logging.Logger) -> None:
    osquery = Osquery()
    handler = StatusLogHandler(osquery)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger.addHandler(handler)
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        logger.exception("failed")
    handler.flush()
    (line,) = osquery.lines
    assert line["m"].startswith("test: failed\nTraceback")
    assert line["m"].endswith("RuntimeError: boom")


def test_whoever_logs_does_not_wait(logger: logging.Logger) -> None:
    osquery = Osquery()
    release = threading.Event()
    call = osquery.call

    def late(*given: Any, **more: Any) -> Any:
        release.wait(5)
        return call(*given, **more)

    osquery.call = late  # type: ignore[method-assign]
    logger.addHandler(StatusLogHandler(osquery))
    started = time.monotonic()
    for number in range(300):
        logger.info("%d", number)
    assert time.monotonic() - started < 0.5
    release.set()
    logger.handlers[0].close()
    assert [line["m"] for line in osquery.lines] == [str(number) for number in range(300)]


def test_a_refusal_is_tried_again(logger: logging.Logger) -> None:
    osquery = Osquery()
    call = osquery.call
    refusals = [RemoteError("no logger"), ConnectionFailed("gone")]

    def refuse(*given: Any, **more: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return call(*given, **more)

    osquery.call = refuse  # type: ignore[method-assign]
    handler = StatusLogHandler(osquery)
    logger.addHandler(handler)
    logger.info("once")
    until(lambda: osquery.lines, 5)
    assert [line["m"] for line in osquery.lines] == ["once"]
    assert handler.dropped == 0
