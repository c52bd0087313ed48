"""Sends Python's log records to osquery's own status log.

::

    extension = Extension("name", version="1.0", plugins=tables, log=logging.getLogger("name").info)
    logging.getLogger().addHandler(StatusLogHandler(extension))
    raise SystemExit(extension.run())
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from kolide_kit.author_code import SameProcess, describe, pass_on_interrupt, to_stderr

if TYPE_CHECKING:
    from ..asking.client import Client

_MOST = 1000
_BATCH = 100
_MAX_TEXT = 64 << 10
_PERIOD = 0.2
_RETRY = 1.0
_TIMEOUT = 5.0
_PATIENCE = 2.0


class HasClient(Protocol):
    """An object that can ask osquery, such as an extension."""

    @property
    def client(self) -> Client:
        """A client of osquery; raises ConnectionFailed before the extension is served."""


class StatusLogHandler(logging.Handler):
    """A handler that sends log records to the loggers that osquery uses.

    osquery's own filesystem logger writes them to its INFO, WARNING and ERROR files. A thread sends the
    records, so that the code that logs does not wait. Records from before the extension is served are sent
    once it is. While osquery takes none, the oldest are dropped; a warning says how many once osquery takes
    records again.

    Args:
        extension: the extension; its client asks osquery.
        level: the lowest level to send. Levels below WARNING become osquery's INFO.
        most: the most records to keep while osquery takes none.
    """

    def __init__(self, extension: HasClient, *, level: int = logging.INFO, most: int = _MOST) -> None:
        """Set up; the thread starts with the first record."""
        super().__init__(level)
        self._pid = 0
        self._extension = extension
        self._waiting: deque[dict[str, Any]] = deque()
        self._most = most
        self._changed = threading.Condition()
        self._sending = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._where: tuple[str, str] | None = None
        self.dropped = 0
        """Number of records that were dropped."""
        self._untold = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record, to be sent soon. A forked process has no thread to send it, and drops it."""
        if self._is_forked():
            return
        try:
            with SameProcess():
                line = _line(record, self.format(record))
        except BaseException as error:  # noqa: BLE001  reported, as by any handler
            pass_on_interrupt(error)
            self._lose(record, error)
            return
        with self._changed:
            if self._closed:
                return
            self._waiting.append(line)
            while len(self._waiting) > self._most:
                self._waiting.popleft()
                self.dropped += 1
                self._untold += 1
            if self._thread is None:
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._run, name="status-log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _lose(self, record: logging.LogRecord, error: BaseException) -> None:
        try:
            with SameProcess():
                self.handleError(record)
        except BaseException as problem:  # noqa: BLE001  printing the record or the error may raise
            pass_on_interrupt(problem)
            to_stderr(f"a log record cannot be formatted: {describe(error)}")

    def flush(self) -> None:
        """Wait until the records are sent, for two seconds at most."""
        if self._is_forked():
            return
        end = time.monotonic() + _PATIENCE
        with self._changed:
            while (self._waiting or self._sending) and self._thread is not None:
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return

    def close(self) -> None:
        """Send the remaining records, for two seconds at most, and stop."""
        if self._is_forked():
            return
        self.flush()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        super().close()

    def _is_forked(self) -> bool:
        """Return True in a forked process, which has neither the thread nor the owners of the locks."""
        return self._pid not in (0, os.getpid())

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                lines = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                self._sending = len(lines)
                untold, self._untold = self._untold, 0
            sent = self._send([_dropped(untold), *lines] if untold else lines)
            with self._changed:
                if not sent:
                    self._untold += untold
                    self._waiting.extendleft(reversed(lines))
                self._sending = 0
                self._changed.notify_all()
                if not sent and not self._closed:
                    self._changed.wait_for(lambda: self._closed, _RETRY)
            if sent:
                # Records that are logged in quick succession are sent together.
                time.sleep(_PERIOD if len(lines) < _BATCH else 0)

    def _send(self, lines: list[dict[str, Any]]) -> bool:
        try:
            client = self._extension.client
            if self._where is None:
                self._where = _logger(client)
            item, host = self._where
            log = json.dumps([{**line, "h": host} for line in lines], ensure_ascii=False)
            client.call("logger", item, {"status": "true", "log": log}, timeout=_TIMEOUT)
        except BaseException:  # noqa: BLE001  osquery takes no records now, or is not there yet
            self._where = None
            return False
        return True


def _logger(client: Client) -> tuple[str, str]:
    """Return the logger plugin to call, "" for all in use, and osquery's name for this host."""
    options = client.options()
    names = options["logger_plugin"].value.split(",") if "logger_plugin" in options else []
    # osqueryd's filesystem logger passes a record on to the others, which must not get it a second time.
    item = "filesystem" if "filesystem" in names and len(names) > 1 else ""
    kind = options["host_identifier"].value if "host_identifier" in options else "hostname"
    if kind == "specified":
        return item, options["specified_identifier"].value
    sql = {
        "uuid": "select uuid as h from osquery_info",
        "instance": "select instance_id as h from osquery_info",
        "ephemeral": "select '' as h",
    }
    if kind in sql:
        rows = client.query(sql[kind], timeout=_TIMEOUT)
        return item, rows[0]["h"] if rows else ""
    import socket

    return item, socket.gethostname()


def _dropped(count: int) -> dict[str, Any]:
    """Return a warning that records were dropped."""
    message = f"{count} log records of this extension were dropped: osquery took none"
    record = logging.LogRecord("osquery_sdk", logging.WARNING, __file__, 0, message, None, None)
    return _line(record, message)


def _line(record: logging.LogRecord, text: str) -> dict[str, Any]:
    """Return a record in osqueryd's JSON: severity, file, line, message, calendar time, Unix time."""
    # INFO is 0, WARNING 1, ERROR 2. FATAL is left out: osqueryd ends when it logs such a record.
    severity = (record.levelno >= logging.WARNING) + (record.levelno >= logging.ERROR)
    seconds = int(record.created)
    # osqueryd reads a text up to its first NUL, and takes no surrogates in UTF-8.
    text = text[:_MAX_TEXT].replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    return {
        "s": severity,
        "f": record.filename.encode("utf-8", "backslashreplace").decode(),
        "i": max(record.lineno, 0),
        "m": text,
        "c": time.strftime("%a %b %d %H:%M:%S %Y UTC", time.gmtime(seconds)),
        "u": seconds,
    }
