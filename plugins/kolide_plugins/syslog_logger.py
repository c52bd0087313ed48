"""Send log records to a syslog server."""

import os
import socket
import time
from collections.abc import Callable
from typing import Any

from osquery_sdk import DefinitionError, LogBatch, LogRecord, SpooledLogger, SpoolOptions

_FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news"),
    *("uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
_INFORMATIONAL = 6
_SEVERITIES = (6, 4, 3, 2)  # for osqueryd's severities: information, warning, error, fatal
_SEND_WITHIN = 10.0


class SyslogLogger(SpooledLogger):
    """Sends each record as one RFC 5424 message.

    Syslog acknowledges nothing. A message to `/dev/log` has arrived when it is sent. Over TCP, messages that
    the kernels still hold when a connection breaks are lost; over UDP any message may be, without a trace.
    Use TCP for another machine.

    Args:
        name: the plugin's name.
        address: a path such as `/dev/log`, or `tcp://host:port`, `udp://host:port`.
        spool: a folder for this logger alone.
        facility: a facility such as `daemon` or `local0`.
        max_message: bytes; a longer record is dropped, counted and logged. 0: whatever the socket takes.
        options: bounds and times.

    Raises:
        DefinitionError: the address or an option has a wrong value.
    """

    def __init__(
        self,
        name: str,
        address: str = "/dev/log",
        *,
        spool: str | os.PathLike[str],
        facility: str = "daemon",
        max_message: int = 0,
        options: SpoolOptions = SpoolOptions(batch_seconds=0.2),  # noqa: B008  a constant
    ) -> None:
        """Check the address; it is connected to for the first batch."""
        super().__init__(name, spool=spool, options=options)
        if facility not in _FACILITIES:
            raise DefinitionError(
                f"logger {name}: no facility is named {facility!r}; there are {', '.join(_FACILITIES)}"
            )
        self._connect = _connector(name, address)
        self._is_stream = address.startswith("tcp://")
        self._facility = _FACILITIES.index(facility)
        self._max_message = max_message
        self._host = socket.gethostname() or "-"
        self._socket: socket.socket | None = None

    def deliver(self, batch: LogBatch) -> None:
        """Send the messages; after a failure the whole batch is sent again."""
        try:
            connection = self._socket = self._socket or self._connect()
            if self._is_stream:
                self._require_open(connection)
                data = b"".join(
                    b"%d %s" % (len(message), message)
                    for record in batch.records
                    if self._fits(message := self._message(record), record)
                )
                connection.sendall(data)
            else:
                for record in batch.records:
                    self._send(connection, record)
        except OSError:
            self.finish()
            raise

    def _send(self, connection: socket.socket, record: LogRecord) -> None:
        message = self._message(record)
        if not self._fits(message, record):
            return
        try:
            connection.send(message)
        except OSError as error:
            import errno

            if error.errno != errno.EMSGSIZE:
                raise
            self._give_up(record, len(message))

    def _fits(self, message: bytes, record: LogRecord) -> bool:
        if self._max_message and len(message) > self._max_message:
            self._give_up(record, len(message))
            return False
        return True

    def _give_up(self, record: LogRecord, size: int) -> None:
        self.count_dropped(1, f"record {record.number} has {size:,} bytes, more than a message may have")

    @staticmethod
    def _require_open(connection: socket.socket) -> None:
        """Raise ConnectionResetError if the server has closed the connection: messages sent on it would be
        lost silently.
        """
        connection.setblocking(False)
        try:
            if connection.recv(4096) == b"":
                raise ConnectionResetError("the syslog server has closed the connection")
        except BlockingIOError:
            pass
        finally:
            connection.settimeout(_SEND_WITHIN)

    def _message(self, record: LogRecord) -> bytes:
        seconds, rest = divmod(record.time, 1)
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(rest * 1e6):06}Z"
        severity = _INFORMATIONAL
        if record.kind == "status":
            import json

            severity = _SEVERITIES[min(max(int(json.loads(record.text).get("severity", 0)), 0), 3)]
        text = record.text.replace("\n", " ")
        head = (
            f"<{self._facility * 8 + severity}>1 {when} {self._host} osqueryd {os.getpid()} {record.kind} - "
        )
        return (head + text).encode(errors="surrogateescape")

    def finish(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connector(name: str, address: str) -> Callable[[], socket.socket]:
    """Return a function that connects to an address."""
    kind, slashes, place = address.partition("://")
    if not slashes:
        return lambda: _connected(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), address)
    host, _, port = place.rpartition(":")
    if kind not in ("tcp", "udp") or not host or not port.isdecimal():
        raise DefinitionError(
            f"logger {name}: {address!r} is not an address; write a path, tcp://host:port or udp://host:port"
        )
    host = host.strip("[]")
    if kind == "tcp":
        return lambda: socket.create_connection((host, int(port)), timeout=_SEND_WITHIN)

    def datagrams() -> socket.socket:
        family, kind, protocol, _, target = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
        return _connected(socket.socket(family, kind, protocol), target)

    return datagrams


def _connected(connection: socket.socket, target: Any) -> socket.socket:
    try:
        connection.settimeout(_SEND_WITHIN)
        connection.connect(target)
    except BaseException:
        connection.close()
        raise
    return connection
