"""Read requests, run the service's methods, and send their results.

The life of a call, with the method that is responsible for each step:

    serve -> _read ---- whole request ----> _answer -> _run -> _execute -> _reply -> the connection is parked
               |                              ^          ^                           until its next request
               +-- part of one: _read_on -----+          |
                   (connection.reader)            _run gives its place to a call that waited

Exactly one thread works on a connection at a time. That thread either answers and parks it, or closes it, or
leaves it to the thread that runs the call. `CallContext.claim` decides between that thread and the watchdog,
which answers in `inspect` when the call's deadline has passed: only the first to claim a call may send its
answer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import SameProcess, end_if_forked, type_name

from ...errors import ProtocolError, WireError
from ..fast_request import whole_request
from ..protocol import (
    METHODS,
    RESPONSE,
    STATUS,
    UNKNOWN_METHOD,
    Reply,
    Request,
    RequestReader,
    Status,
    encode_exception,
    encode_reply,
)
from ..service import CallContext
from .admission import Busy
from .memory import LARGE_PIECE, LargeMessages

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..service import ServerOptions, Service
    from ..streams import Connection, Listener
    from .admission import Admission
    from .watchdog import Watchdog

_QUICK_SEND = 5.0
_MAX_RECENT = 100
_MAX_RECENT_SIZE = 2048


class _NotOffered(Exception):
    """The service lacks a method: an extension was asked for something that only a manager does."""


class Calls:
    """Answers what arrives on the connections of one server.

    Every method may be called from several threads.
    """

    def __init__(
        self,
        service: Service,
        listener: Listener,
        admission: Admission,
        watchdog: Watchdog,
        options: ServerOptions,
        is_quick: Callable[[Request], bool] | None,
        on_error: Callable[[str, BaseException], None] | None,
    ) -> None:
        """Take what `Server` was given, and its bounds and its watchdog."""
        self._service = service
        self._listener = listener
        self._admission = admission
        self._watchdog = watchdog
        self._options = options
        self._is_quick = is_quick
        self._on_error = on_error
        self._recent: dict[bytes, Request] = {}
        # Every ping is answered alike: both forms of the answer are made once.
        self._alive = service.ping()
        self._pong = b"".join(encode_reply(Request("ping", 0, ()), self._alive))
        self.memory = LargeMessages()
        """Counts large messages."""
        self.pid = os.getpid()
        """The process that serves; a fork of it must not answer."""

    def serve(self, connection: Connection) -> None:
        """Answer what has arrived on a connection; raises nothing."""
        try:
            self._read(connection)
        except WireError:
            connection.close()
        except BaseException as error:  # noqa: BLE001  whatever one connection does, the thread goes on
            connection.close()
            self.report("connection failed", error)
        # Only now does no variable of this thread refer to the message any more.
        if self.memory.untrimmed:
            self.memory.trim()

    def inspect(self, now: float) -> None:
        """Answer late calls, cancel calls whose caller hung up, and close those that stopped in a message.

        The watchdog's thread calls this, without the lock. `now` is its `time.monotonic()`.
        """
        for context in self._admission.snapshot():
            if context.deadline is not None and now >= context.deadline:
                self._answer_late(context)
            elif not context.cancelled and context.connection is not None and context.connection.hung_up():
                context.cancelled = True
        self._listener.evict(now - self._options.message_timeout)

    def report(self, message: str, error: BaseException) -> None:
        """Tell `on_error`; raises nothing."""
        if self._on_error is None:
            return
        try:
            with SameProcess():
                self._on_error(message, error)
        except BaseException:  # noqa: BLE001, S110  a failing error handler must not end the server
            pass

    # Reading

    def _read(self, connection: Connection) -> None:
        """Answer what has arrived on a connection, then park it."""
        data = connection.receive()
        if not data:
            if data is None:
                self._listener.park(connection)
            else:
                connection.close()
            return
        reader = connection.reader
        if reader is None:
            request = self._recent.get(data) or self._decode(data)
            if request is not None:
                if self._answer(connection, request):
                    self._listener.park(connection)
                return
            reader = connection.reader = RequestReader(self._options.limits)
        # The message is large, rare or incomplete. If the rest does not come, the watchdog closes.
        self._watchdog.watch(self._options.message_timeout)
        self.memory.count(len(data))
        self._read_on(connection, reader, data)

    def _decode(self, data: bytes) -> Request | None:
        """Decode one whole request, or return None.

        The request is kept, since a schedule sends the same bytes again and again.
        """
        request = whole_request(data, self._options.limits)
        if request is not None and len(data) <= _MAX_RECENT_SIZE:
            if len(self._recent) >= _MAX_RECENT:
                self._recent.clear()
            self._recent[data] = request
        return request

    def _read_on(self, connection: Connection, reader: RequestReader, data: bytes = b"") -> None:
        """Answer the messages of a connection that are complete, then park it.

        Without `data`, these came behind a message that was answered while others waited: calls among them
        wait too.
        """
        try:
            request = reader.feed(data) if data else reader.next()
            while request is not None:
                if not self._answer(connection, request, may_run=bool(data)):
                    return
                request = reader.next()
        except ProtocolError as error:
            answer = reader.answer_to_error(error)
            if answer is not None:
                connection.send(answer, 0)
            connection.close()
            return
        if not reader.pending:
            connection.reader = None
        self._listener.park(connection)

    # Answering

    def _answer(self, connection: Connection, request: Request, *, may_run: bool = True) -> bool:
        """Answer one request. Return False if the connection is not this thread's any more."""
        name = request.name
        if name == "ping":
            if request.sequence:
                self._reply(connection, request, self._alive, 0)
            else:
                connection.send(self._pong, 0)
            return True
        if self._is_quick is not None and self._is_quick(request):
            self._watchdog.watch(0)
            result = self._result(request, CallContext(None, request))
            self._reply(connection, request, result, min(_QUICK_SEND, self._options.send_timeout))
            return True
        if name == "shutdown":
            self._reply(connection, request, None, 0)
            self._service.shutdown()
            return True
        try:
            context = self._admission.admit(connection, request, may_run=may_run)
        except Busy as busy:
            self._reply(connection, request, _refusal(name, str(busy)), 0)
            return True
        return context is not None and self._run(context)

    def _run(self, context: CallContext) -> bool:
        """Run a call, then those that waited for its place.

        Return whether the first connection may be read on.
        """
        in_order = self._execute(context)
        following = self._admission.end(context)
        if following is None:
            return in_order
        self._release(context, in_order)
        while following is not None:
            context = following
            in_order = self._execute(context)
            # Release before the place is free: then a call behind this message waits, and this loop runs it.
            self._release(context, in_order)
            self.memory.trim()
            following = self._admission.end(context)
        return False

    def _execute(self, context: CallContext) -> bool:
        """Run one call and send its result.

        Return whether its connection is in order, and still this thread's.
        """
        request, connection = context.request, context.connection
        assert connection is not None
        try:
            result = self._result(request, context)
            if not context.claim():
                return False
            self._reply(connection, request, result, self._options.send_timeout)
        except WireError:
            connection.close()
            return False
        except BaseException as error:  # noqa: BLE001  one answer that breaks off must not end the thread
            self.report(f"the answer to {request.name} broke off", error)
            connection.close()
            return False
        return True

    def _release(self, context: CallContext, in_order: bool) -> None:
        """Park the connection of a call that was answered, after answering what came behind it."""
        connection = context.connection
        if not in_order or connection is None:
            return
        try:
            if connection.reader is None:
                self._listener.park(connection)
            else:
                self._read_on(connection, connection.reader)
        except WireError:
            connection.close()
        except BaseException as error:  # noqa: BLE001  as in serve
            connection.close()
            self.report("connection failed", error)

    def _result(self, request: Request, context: CallContext) -> Any:
        """Return the result of the service's method, or the exception that it raised."""
        method = getattr(self._service, METHODS[request.name].name, None)
        if method is None:
            return _NotOffered()
        try:
            more = (context,) if request.name == "call" else ()
            result = method(*request.arguments, *more)
        except BaseException as error:  # noqa: BLE001  SystemExit in a plugin must not end the process
            end_if_forked(self.pid, error)
            self.report(f"{request.name} raised {type_name(error)}", error)
            return error
        end_if_forked(self.pid)
        return result

    def _reply(self, connection: Connection, request: Request, result: Any, timeout: float) -> None:
        """Send a result, or an exception as Thrift's "Internal error", piece by piece.

        `timeout` is in seconds without progress.
        """
        name, sequence, _ = request
        if isinstance(result, _NotOffered):
            connection.send(
                encode_exception(name, sequence, f"unknown method {name!r}", UNKNOWN_METHOD), timeout
            )
            return
        if not isinstance(result, BaseException):
            try:
                pieces = encode_reply(request, result)
                piece = next(pieces)
            except Exception as error:  # noqa: BLE001  nothing was sent yet: the caller can be told
                self.report(f"the answer to {name} cannot be encoded", error)
            else:
                if len(piece) > LARGE_PIECE:
                    self.memory.count(len(piece))
                connection.send(piece, timeout)
                for piece in pieces:
                    self.memory.count(len(piece))
                    connection.send(piece, timeout)
                return
        connection.send(encode_exception(name, sequence, "Internal error"), timeout)

    def _answer_late(self, context: CallContext) -> None:
        """Send the late answer of a call whose time is over, unless the call has answered."""
        connection = context.connection
        if connection is None or not context.claim():
            return
        context.cancelled = True
        try:
            # Never wait here: this is the watchdog's thread, on which pings depend.
            self._reply(connection, context.request, context.late_answer, 0)
        except WireError:
            connection.close()
            return
        # A caller that sent more without waiting for its answer is cut off: no thread would answer the rest.
        if connection.reader is not None and connection.reader.pending:
            connection.close()
        else:
            connection.reader = None
            self._listener.park(connection)


def _refusal(name: str, message: str) -> Any:
    """Return a refusal of the type that the method returns."""
    result = METHODS[name].result
    if result is RESPONSE:
        return Reply.failure(message)
    return Status(1, message) if result is STATUS else RuntimeError(message)
