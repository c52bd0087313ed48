"""Python's log records in osquery's own status log.

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

from .authors import SameProcess, describe, pass_on_interrupt, to_stderr

if TYPE_CHECKING:
    from .client import Client

_MOST = 1000
_BATCH = 100
_MAX_TEXT = 64 << 10
_PERIOD = 0.2
_RETRY = 1.0
_TIMEOUT = 5.0
_PATIENCE = 2.0
# osqueryd's severities. Its fourth, FATAL, is left out: osqueryd ends itself when it is logged.
_INFO, _WARNING, _ERROR = 0, 1, 2


class HasClient(Protocol):
    """Whoever can ask osquery: an extension."""

    @property
    def client(self) -> Client:
        """Asks it; raises ConnectionFailed before there is one."""


class StatusLogHandler(logging.Handler):
    """Sends log records to the loggers that osquery uses: with its own filesystem logger they are in its INFO, WARNING and ERROR files.

    Records are sent from a thread, so that whoever logs does not wait. Those from before the extension is served are sent once
    it is. If osquery does not take them, the oldest are dropped, and how many is logged as a warning when it does again.

    Args:
        extension: whose client asks osquery.
        level: of the least important records to send; osquery's INFO is all below WARNING.
        most: records that are kept while osquery does not take them.
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
        """Records that were dropped."""
        self._untold = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; it is sent soon. A forked process has no thread that sends, and drops its records."""
        if self._is_forked():
            return
        try:
            with SameProcess():
                line = _line(record, self.format(record))
        except BaseException as error:  # noqa: BLE001  as every handler does with what cannot be formatted
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
        except BaseException as problem:  # noqa: BLE001  it prints the record and the error; both may raise
            pass_on_interrupt(problem)
            to_stderr(f"a log record cannot be formatted: {describe(error)}")

    def flush(self) -> None:
        """Wait until what was logged is sent, for two seconds at the most."""
        if self._is_forked():
            return
        end = time.monotonic() + _PATIENCE
        with self._changed:
            while (self._waiting or self._sending) and self._thread is not None:
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return

    def close(self) -> None:
        """Send what is left, within two seconds, and stop."""
        if self._is_forked():
            return
        self.flush()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        super().close()

    def _is_forked(self) -> bool:
        """Return True where this is a copy in a forked process: its thread and the owners of its locks are elsewhere."""
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
            if untold:
                lines.insert(
                    0, _told(f"{untold} log records of this extension were dropped: osquery took none")
                )
            sent = self._send(lines)
            with self._changed:
                if not sent:
                    self._untold += untold
                    self._waiting.extendleft(reversed(lines[1 if untold else 0 :]))
                self._sending = 0
                self._changed.notify_all()
                if not sent and not self._closed:
                    self._changed.wait_for(lambda: self._closed, _RETRY)
            if sent:
                # What is logged in quick succession goes together.
                time.sleep(_PERIOD if len(lines) < _BATCH else 0)

    def _send(self, lines: list[dict[str, Any]]) -> bool:
        try:
            client = self._extension.client
            if self._where is None:
                self._where = _logger(client)
            item, host = self._where
            log = json.dumps([{**line, "h": host} for line in lines], ensure_ascii=False)
            client.call("logger", item, {"status": "true", "log": log}, timeout=_TIMEOUT)
        except BaseException:  # noqa: BLE001  osquery does not take it now, or there is no client
            self._where = None
            return False
        return True


def _logger(client: Client) -> tuple[str, str]:
    """The logger plugin to call, "" for those in use, and what osquery calls this host."""
    options = client.options()
    names = options["logger_plugin"].value.split(",") if "logger_plugin" in options else []
    # osqueryd's filesystem logger passes a record on to the others: called with these, they would log it twice.
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


def _told(message: str) -> dict[str, Any]:
    made = logging.LogRecord("osquery_sdk", logging.WARNING, __file__, 0, message, None, None)
    return _line(made, message)


def _line(record: logging.LogRecord, text: str) -> dict[str, Any]:
    """A record as osqueryd's JSON has it: severity, file, line, message, calendar time, Unix time."""
    severity = (
        _ERROR
        if record.levelno >= logging.ERROR
        else _WARNING
        if record.levelno >= logging.WARNING
        else _INFO
    )
    seconds = int(record.created)
    # osqueryd reads texts up to the first NUL, and surrogates are not in its UTF-8.
    text = text[:_MAX_TEXT].replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    return {
        "s": severity,
        "f": record.filename.encode("utf-8", "backslashreplace").decode(),
        "i": max(record.lineno, 0),
        "m": text,
        "c": time.strftime("%a %b %d %H:%M:%S %Y UTC", time.gmtime(seconds)),
        "u": seconds,
    }


__all__ = ["HasClient", "StatusLogHandler"]
