"""Loggers that keep log records in a spool on disk until they are delivered."""

from __future__ import annotations

import os
import random
import time
from threading import TIMEOUT_MAX, Event, Thread
from typing import TYPE_CHECKING, NamedTuple

from kolide_kit.author_code import SameProcess, shown

from ...errors import DefinitionError, Rejected, SpoolError
from ...wire.protocol import Reply, Status
from ..base import attempt
from ..logger import LoggerPlugin, StatusLog
from .queue import KINDS, LogRecord, Spool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WANTS = {"status": 1, "event": 2}
_OPEN_AGAIN = 1.0
_SAY_AGAIN = 60.0
_PATIENCE = 2.0
_STOP_WITHIN = 1.5
# Some systems let a thread wait for some weeks only. A day is long enough.
_LONGEST_WAIT = 86_400.0


class SpoolOptions(NamedTuple):
    """Limits and times of a `SpooledLogger`."""

    kinds: tuple[str, ...] = ("result", "snapshot", "status")
    """Kinds to log: result, snapshot, status, event, health.

    osqueryd sends status lines and events only on request.
    """
    max_bytes: int = 256 << 20
    """Most bytes on disk; further records are dropped and counted."""
    batch_records: int = 1000
    """Most records of one delivery."""
    batch_bytes: int = 1 << 20
    """Most bytes of one delivery, unless one record alone has more."""
    batch_seconds: float = 1.0
    """Seconds to wait for a batch to fill."""
    sync_seconds: float = 1.0
    """Seconds until a record is flushed to the disk itself; 0 for before osqueryd gets its answer."""
    first_retry: float = 0.5
    """Seconds before a failed delivery is tried again; doubled after each further failure."""
    last_retry: float = 60.0
    """Most seconds between two tries."""
    fatal: bool = False
    """Answer osqueryd with an error when a line is dropped: it ends instead of running without a log."""


class LogBatch(NamedTuple):
    """Records that are delivered together."""

    records: tuple[LogRecord, ...]
    """One record or more, with consecutive numbers."""
    spool: str
    """Name of the spool that numbered them; no other spool has it."""
    attempt: int
    """1, and one more each time this process gets the same records again."""

    @property
    def identity(self) -> str:
        """A name that is the same whenever these records come again, in any process.

        A receiver that stores batches under it stores each batch once.
        """
        return f"{self.spool}-{self.records[0].number}-{self.records[-1].number}"


class SpooledLogger(LoggerPlugin):
    """A logger whose delivery may be slow or fail: osqueryd does not wait for it, and lines are kept on disk.

    A line is acknowledged once it is in the spool, which outlives the process. A thread takes the records out
    again and passes them to `deliver` in batches. If that raises, the same batch is delivered again, until it
    succeeds. If the process is killed during a delivery, the next process delivers the same batch again: each
    record is delivered at least once.

    When the spool is full, osqueryd waits two seconds for room, once. Then lines are dropped. Their number is
    in the log, in `counters.dropped`, and in a warning among the status records once there is room again.

    Args:
        name: the plugin's name.
        spool: a folder that nothing else uses.
        options: limits and times.

    Raises:
        DefinitionError: an option has a wrong value; the text names it.
    """

    def __init__(
        self,
        name: str,
        *,
        spool: str | os.PathLike[str],
        options: SpoolOptions = SpoolOptions(),  # noqa: B008  a constant
    ) -> None:
        """Check the options; the folder is made when osqueryd begins to log."""
        super().__init__(name, fatal=options.fatal)
        _check_options(name, spool, options)
        self.options = options
        self._folder = spool
        self._spool: Spool | None = None
        self._opened_at = float("-inf")
        self._stopping = Event()
        self._threads: list[Thread] = []
        self._dropping = self._dropped_now = 0
        self._dropping_since = 0.0
        self._why = ""
        self._said_at = self._failed_at = float("-inf")

    @property
    def waiting(self) -> int:
        """Records in the spool that are not delivered yet; 0 before osqueryd begins to log."""
        spool = self._spool
        return 0 if spool is None else spool.waiting

    # -- methods to override

    def deliver(self, batch: LogBatch) -> None:
        """Deliver records; when this returns, they are removed from the spool.

        It is called in a thread of its own, with one batch after the other, in osqueryd's order.

        Raises:
            Rejected: do not try again; the records are counted as dropped.
            Exception: any other error; the same records come again.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """Close what `deliver` opened; called after the last batch of this process."""

    def count_dropped(self, count: int, why: str) -> None:
        """Count records of the batch that are lost; to be called by `deliver`.

        Args:
            count: the number of lost records.
            why: the reason, for the log.
        """
        self.counters.dropped += count
        if self._spool is not None:
            self._spool.add_dropped(count)
        self.warn(f"{count} {'record' if count == 1 else 'records'} dropped: {why}")

    # -- requests of osqueryd

    @property
    def features(self) -> int:
        """The bits that ask osqueryd for status lines and events, as the options say."""
        return sum(bit for kind, bit in _WANTS.items() if kind in self.options.kinds)

    def init(self, process: str) -> None:
        """Open the spool."""
        self._opened_at = float("-inf")
        self._open()

    def log_string(self, line: str, category: str) -> None:
        """Spool a result."""
        self._keep([("result", category, line)])

    def log_snapshot(self, line: str) -> None:
        """Spool a snapshot."""
        self._keep([("snapshot", "", line)])

    def log_event(self, event: str) -> None:
        """Spool an event."""
        self._keep([("event", "", event)])

    def log_health(self, health: str) -> None:
        """Spool a report of osqueryd's health."""
        self._keep([("health", "", health)])

    def log_status(self, lines: Sequence[StatusLog]) -> None:
        """Spool osqueryd's own log, a record for each line, in the form that its TLS logger sends."""
        self._keep([("status", "", status_json(line)) for line in lines])

    def answer(self, request: Mapping[str, str]) -> Reply:
        """Answer osqueryd: "OK" only once the line is in the spool."""
        self._dropped_now = 0
        response = super().answer(request)
        if lost := self._dropped_now:
            text = f"{self.name}: {lost} {'line' if lost == 1 else 'lines'} dropped: {self._why}"
            return Reply(Status(int(self.options.fatal), text))
        return response

    def _keep(self, records: list[tuple[str, str, str]]) -> None:
        wanted = [record for record in records if record[0] in self.options.kinds]
        spool = self._open()
        if spool is None:
            self._drop(len(wanted), spool)
            return
        # While lines are being dropped, a wait for each line would only delay osqueryd's schedule.
        patience = 0.0 if self._dropping else _PATIENCE
        if self._dropping and wanted and spool.append([self._notice()]):
            self.warn(f"there is room again; {self._dropping} lines were dropped")
            self._dropping = 0
        written = spool.append(wanted, patience=patience)
        if not self.options.sync_seconds:
            spool.sync()
        if written < len(wanted):
            self._why = f"the spool {self._folder} is full, or its disk is"
            self._drop(len(wanted) - written, spool)

    def _drop(self, count: int, spool: Spool | None) -> None:
        if not self._dropping:
            self._dropping_since = time.time()
        self._dropping += count
        self._dropped_now += count
        self.counters.dropped += count
        if spool is not None:
            spool.add_dropped(count)
        if time.monotonic() - self._said_at >= _SAY_AGAIN:
            self._said_at = time.monotonic()
            self.warn(f"{self._dropping} lines dropped by now: {self._why}")

    def _notice(self) -> tuple[str, str, str]:
        """Return the status record that tells readers of the log how many lines are missing."""
        began, now = (
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t)) for t in (self._dropping_since, time.time())
        )
        message = f"{self.name}: {self._dropping} log lines were dropped from {began} to {now}: {self._why}"
        calendar = time.strftime("%a %b %e %H:%M:%S %Y UTC", time.gmtime())
        return "status", "", status_json(StatusLog(1, "spool", 0, message, "", calendar, int(time.time())))

    # -- delivery

    def _open(self) -> Spool | None:
        """Return the spool; None if it cannot be opened now."""
        if self._spool is None and time.monotonic() - self._opened_at >= _OPEN_AGAIN:
            self._opened_at = time.monotonic()
            try:
                self._spool = spool = Spool(self._folder, max_bytes=self.options.max_bytes)
            except SpoolError as error:
                self._why = self.complain(error)
                return None
            self._stopping = stopping = Event()
            work = spool, stopping
            self._threads = [Thread(target=self._deliver_all, args=work, name=self.name, daemon=True)]
            if self.options.sync_seconds:
                self._threads.append(Thread(target=self._sync, args=work, daemon=True))
            for thread in self._threads:
                thread.start()
        return self._spool

    def stop(self) -> None:
        """Deliver for 1.5 seconds at most; the rest stays in the spool."""
        super().stop()
        spool, self._spool = self._spool, None
        self._stopping.set()
        if spool is None:
            return
        spool.wake()
        end = time.monotonic() + _STOP_WITHIN
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0))

    def _sync(self, spool: Spool, stopping: Event) -> None:
        """Flush the spool every `sync_seconds`; the work of a thread."""
        while not stopping.wait(self.options.sync_seconds):
            try:
                spool.sync()
            except OSError as error:
                self.complain(error)

    def _deliver_all(self, spool: Spool, stopping: Event) -> None:
        options = self.options
        try:
            while True:
                if not spool.wait(1.0, stopping):
                    if stopping.is_set():
                        return
                    continue
                spool.wait(
                    options.batch_seconds, stopping, records=options.batch_records, size=options.batch_bytes
                )
                records = spool.read(options.batch_records, options.batch_bytes)
                if spool.damaged:
                    self._count_damaged(spool)
                if records:
                    spool.mark(records)
                    if not self._deliver_batch(spool, tuple(records), stopping):
                        return
        except BaseException as error:  # noqa: BLE001  a thread has no caller to raise to
            self.complain(error)
            self.warn("delivers nothing more until osqueryd begins to log again")
        finally:
            attempt(self, self.finish)
            if self._spool is spool:
                self._spool = None
            spool.close()

    def _deliver_batch(self, spool: Spool, records: tuple[LogRecord, ...], stopping: Event) -> bool:
        """Deliver a batch, with as many tries as it takes; return False if the extension stopped first."""
        pause = self.options.first_retry
        attempt = 0
        while True:
            attempt += 1
            try:
                with SameProcess():
                    self.deliver(LogBatch(records, spool.identity, attempt))
            except Rejected as error:
                self.counters.dropped += len(records)
                spool.commit(records, dropped=len(records))
                self.complain(error)
                self.warn(f"{len(records)} records are given up")
                return True
            except BaseException as error:  # noqa: BLE001  after any error it is tried again
                if time.monotonic() - self._failed_at >= _SAY_AGAIN:
                    self._failed_at = time.monotonic()
                    self.complain(error)
                    self.warn(f"tries again in up to {pause:g} s; {spool.waiting} records wait")
                if stopping.is_set():
                    return False
                # Random, so that the machines of a fleet do not all try at once.
                stopping.wait(max(_retry_after(error), pause * random.uniform(0.5, 1.0)))  # noqa: S311
                pause = min(2 * pause, self.options.last_retry)
            else:
                spool.commit(records)
                if attempt > 1:
                    self._failed_at = float("-inf")
                    self.warn(f"delivers again, after {attempt} attempts")
                return True

    def _count_damaged(self, spool: Spool) -> None:
        count, spool.damaged = spool.damaged, 0
        self.counters.dropped += count
        spool.add_dropped(count)
        self.warn(f"{count} records of the spool {self._folder} are damaged, and lost")


def _check_options(name: str, spool: object, options: SpoolOptions) -> None:
    """Raise DefinitionError for an option that would fail only when osqueryd logs."""
    if not isinstance(spool, (str, os.PathLike)):
        raise DefinitionError(f"logger {name}: spool is the path of a folder, not {shown(spool)}")
    for option in ("max_bytes", "batch_records", "batch_bytes"):
        number = getattr(options, option)
        if not isinstance(number, int):
            raise DefinitionError(f"logger {name}: {option} is a whole number, not {shown(number)}")
    for option in ("batch_seconds", "sync_seconds", "first_retry", "last_retry"):
        seconds = getattr(options, option)
        if not isinstance(seconds, (int, float)) or not 0 <= seconds <= TIMEOUT_MAX:
            raise DefinitionError(f"logger {name}: {option} is a number of seconds, not {shown(seconds)}")
    for kind in options.kinds:
        if kind not in KINDS:
            raise DefinitionError(
                f"logger {name}: no kind of record is named {kind!r}; the kinds are {', '.join(KINDS)}"
            )
    if options.max_bytes < 16_384 or options.batch_records < 1 or options.batch_bytes < 1:
        raise DefinitionError(
            f"logger {name}: max_bytes has to be 16,384 or more, batch_records and batch_bytes 1 or more"
        )


def _retry_after(error: BaseException) -> float:
    """Return the seconds that an error asks to wait, as the HTTP logger's errors do.

    0 if it asks for none, or for a number that nobody can wait.
    """
    try:
        seconds = float(getattr(error, "retry_after", 0.0))
    except BaseException:  # noqa: BLE001  an attribute of an author's class
        return 0.0
    return min(seconds, _LONGEST_WAIT) if seconds > 0 else 0.0


def status_json(line: StatusLog) -> str:
    """Return a line of osqueryd's own log as one JSON object, with the names that its TLS logger uses."""
    import json

    return json.dumps(
        {
            "hostIdentifier": line.host,
            "calendarTime": line.calendar_time,
            "unixTime": line.unix_time,
            "severity": line.severity,
            "filename": line.file,
            "line": line.line,
            "message": line.message,
        }
    )


__all__ = ["LogBatch", "LogRecord", "SpoolOptions", "SpooledLogger", "status_json"]
