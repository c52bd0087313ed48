"""A server that answers pings whatever its calls are doing.

One thread, the leader, waits on the listener, and answers what it reads itself: a small call costs no handing over from
thread to thread. A second one, the guard, looks on while calls run. When the leader has been busy for a few
milliseconds, the guard makes another thread of the pool the leader, and the busy one returns to the pool when it is done.
The guard also answers in the stead of calls whose time is over, and notices callers that hung up and messages that
stopped in the middle. It sleeps while there is nothing to watch.

Calls are bounded: beyond `max_calls` they queue, beyond `max_queue` they are refused.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ..authors import SameProcess, end_if_forked, type_name
from ..errors import ProtocolError, WireError
from .guard import Guard
from .memory import expect_large, give_back
from .protocol import (
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
    whole_request,
)
from .service import CallContext, ServerOptions, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transport import Connection, Listener

__all__ = ["CallContext", "Reply", "Request", "Server", "ServerOptions", "Service", "Status"]

_BUSY = 0.004
# After an answer the next request is most often a fraction of a millisecond away: osqueryd pings, then calls.
_SPIN = 0.00005
_QUICK_SEND = 5.0
_ABORT_PERIOD = 0.5
_PAUSE = 0.01
_LARGE = 64 << 10
_MANY = 1 << 20
_TIDY = 16 << 20
_MAX_RECENT = 100
_MAX_RECENT_SIZE = 2048


class _NotOffered(Exception):
    """The service has no such method: an extension is asked for what only a manager does."""


class _Turn:
    """One thread's time as the leader."""

    __slots__ = ("busy_since",)

    def __init__(self) -> None:
        self.busy_since: float | None = None


class _Moved(threading.local):
    """Bytes of large messages that a thread has moved: it alone knows when it refers to them no longer."""

    size = 0


class Server:
    """Serves `service` on `listener` from `start` to `stop`."""

    def __init__(
        self,
        service: Service,
        listener: Listener,
        *,
        options: ServerOptions | None = None,
        is_quick: Callable[[Request], bool] | None = None,
        on_error: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        """Set up without starting a thread.

        Args:
            service: answers the calls, from several threads at once.
            listener: where they come from; the server closes it.
            options: bounds.
            is_quick: says which calls are answered at once, outside the bounds, as pings are; they must not block.
            on_error: told of a call that raised, which the caller sees only as "Internal error".
        """
        self._pid = os.getpid()
        self._service = service
        self._listener = listener
        self._options = options or ServerOptions()
        self._is_quick = is_quick or (lambda request: False)
        self._on_error = on_error or (lambda message, error: None)
        self._lock = threading.Lock()
        self._pool: list[threading.Thread] = []
        self._spare = 0
        self._promotions = threading.Semaphore(0)
        self._turn: _Turn | None = None
        self._running: set[CallContext] = set()
        self._queue: deque[tuple[Connection, Request]] = deque()
        self._stopping = False
        self._spin = _SPIN if _processors() > 1 else 0.0
        self._recent: dict[bytes, Request] = {}
        self._moved = _Moved()
        self._untidy = False
        self._guard = Guard(self._lock, self._relieve, self._inspect, self._retire)
        self._alive = service.ping()
        self._pong = b"".join(encode_reply(Request("ping", 0, ()), self._alive))

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._listener.address

    def intact(self) -> bool:
        """The socket file is still the one made at the start."""
        return self._listener.intact()

    def start(self) -> None:
        """Begin to answer; returns at once."""
        self._pid = os.getpid()
        with self._lock:
            self._promote()

    def stop(self) -> None:
        """Stop listening, give running calls a moment to be answered, and drop the rest.

        It may be called from within a call, which is then not waited for.
        """
        if os.getpid() != self._pid:
            return  # a fork of the process has neither its threads nor a right to its socket
        end = time.monotonic() + self._options.stop_timeout
        with self._lock:
            self._stopping = True
            dropped = list(self._queue)
            self._queue.clear()
            for context in self._running:
                context.cancelled = True
            spare, self._spare = self._spare, 0
            self._guard.stop()
            threads = list(self._pool)
        self._promotions.release(spare or 1)
        self._listener.close()
        for connection, _ in dropped:
            connection.close()
        _join(threads, end)
        with self._lock:
            for context in self._running:
                if context.connection is not None:
                    context.connection.abort()
        if self._guard.thread is not None:
            threads.append(self._guard.thread)
        _join(threads, time.monotonic() + _ABORT_PERIOD)

    def _promote(self) -> None:
        """Give the listener to a thread of the pool, or to a new one; the lock is held.

        Raises:
            RuntimeError: the system lets this process have no more threads; nothing has changed.
        """
        if self._spare:
            self._spare -= 1
        else:
            name = f"extension-{len(self._pool) + 1}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            thread.start()
            self._pool.append(thread)
        self._turn = None
        self._promotions.release()

    def _work(self) -> None:
        """A thread of the pool: lead until another one does, then wait to be the leader again."""
        while True:
            self._promotions.acquire()
            if self._stopping:
                return
            self._lead()
            with self._lock:
                if self._stopping:
                    return
                self._spare += 1

    def _lead(self) -> None:
        """Serve what the listener has until somebody else is the leader.

        Two leaders for a moment, after a promotion that came as the work ended, are harmless: each has its own turn.
        """
        self._turn = turn = _Turn()
        spin = 0.0
        while self._turn is turn:
            turn.busy_since = None
            try:
                # A table that is at work has a better use for the processor, and for the interpreter.
                connection = self._listener.wait(0.0 if self._running else spin)
            except Exception as error:  # noqa: BLE001  without a leader nothing would be answered any more
                self._report("the socket cannot be waited for", error)
                time.sleep(_PAUSE)
                continue
            if connection is None:
                return
            turn.busy_since = time.monotonic()
            self._serve(connection)
            if self._untidy:
                self._tidy()
            spin = self._spin

    def _serve(self, connection: Connection) -> None:
        """Answer what a connection has to say, whatever that is."""
        try:
            self._read(connection)
        except WireError:
            connection.close()
        except BaseException as error:  # noqa: BLE001  whatever one connection does, the thread goes on
            connection.close()
            self._report("connection failed", error)

    def _move(self, size: int) -> None:
        """Count bytes of a message that is not small."""
        self._moved.size += size
        if self._moved.size > _MANY and not self._untidy:
            self._untidy = True
            expect_large()

    def _tidy(self) -> None:
        """Give memory back after large messages, once this thread refers to nothing of them any more."""
        if self._moved.size > _TIDY:
            self._moved.size = 0
            give_back()

    def _retire(self) -> None:
        """The same for whatever other threads have left, when there is nothing more to do."""
        if self._untidy:
            self._untidy = False
            give_back()

    def _report(self, message: str, error: BaseException) -> None:
        try:
            with SameProcess():
                self._on_error(message, error)
        except BaseException:  # noqa: BLE001, S110  whoever is told of errors has no say in what becomes of the server
            pass

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
            request = self._recent.get(data) or self._understand(data)
            if request is not None:
                if self._answer(connection, request):
                    self._listener.park(connection)
                return
            reader = connection.reader = RequestReader(self._options.limits)
        self._guard.watch(self._options.message_timeout)
        self._move(len(data))
        self._go_on(connection, reader, data)

    def _understand(self, data: bytes) -> Request | None:
        """See `whole_request`; what comes again and again, as a schedule makes it come, is kept."""
        request = whole_request(data, self._options.limits)
        if request is not None and len(data) <= _MAX_RECENT_SIZE:
            if len(self._recent) >= _MAX_RECENT:
                self._recent.clear()
            self._recent[data] = request
        return request

    def _go_on(self, connection: Connection, reader: RequestReader, data: bytes = b"") -> None:
        """Answer those messages of a connection that are complete, then park it.

        Without data, these are what came behind a message that was answered; calls among them queue.
        """
        try:
            request = reader.feed(data) if data else reader.next()
            while request is not None:
                if not self._answer(connection, request, run=bool(data)):
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

    def _answer(self, connection: Connection, request: Request, *, run: bool = True) -> bool:
        """Answer one request; False if the connection is not this thread's any more."""
        name = request.name
        if name == "ping":
            if request.sequence:
                self._reply(connection, request, self._alive, 0)
            else:
                connection.send(self._pong, 0)
            return True
        if self._is_quick(request):
            self._guard.watch(0)
            result = self._result(request, CallContext(None, request))
            self._reply(connection, request, result, min(_QUICK_SEND, self._options.send_timeout))
            return True
        if name == "shutdown":
            self._reply(connection, request, None, 0)
            self._service.shutdown()
            return True
        context = None
        with self._lock:
            if self._stopping:
                connection.close()
                return False
            if run and len(self._running) < self._options.max_calls:
                context = self._begin(connection, request)
            elif len(self._queue) < self._options.max_queue:
                self._queue.append((connection, request))
                return False
        if context is not None:
            return self._run(context)
        self._reply(connection, request, self._refusal(name), 0)
        return True

    def _refusal(self, name: str) -> Any:
        """An answer that says no, of the type the method returns."""
        o = self._options
        message = (
            f"extension is busy: {o.max_calls} calls are running and {o.max_queue} wait; try again later"
        )
        result = METHODS[name].result
        if result is RESPONSE:
            return Reply.failure(message)
        return Status(1, message) if result is STATUS else RuntimeError(message)

    def _begin(self, connection: Connection, request: Request) -> CallContext:
        """Count a call in; the lock is held."""
        context = CallContext(connection, request)
        self._running.add(context)
        if not self._guard.awake:
            self._guard.start()
        return context

    def _run(self, context: CallContext) -> bool:
        """Run a call, and those that waited for its place; whether the connection of the first may be read on."""
        keep = self._execute(context)
        following = self._end(context)
        if following is None:
            return keep
        self._release(context, keep)
        while following is not None:
            context = following
            keep = self._execute(context)
            # What came behind this message queues while its place is held, so that this loop comes to it.
            self._release(context, keep)
            self._tidy()
            following = self._end(context)
        return False

    def _end(self, context: CallContext) -> CallContext | None:
        """Count a call out; gives its place to the one that has waited longest, unless that caller has gone."""
        with self._lock:
            self._running.discard(context)
            while self._queue and not self._stopping:
                connection, request = self._queue.popleft()
                if not connection.hung_up():
                    return self._begin(connection, request)
                connection.close()
        return None

    def _execute(self, context: CallContext) -> bool:
        """Run one call and answer it, unless that was done in its stead; whether its connection is in order."""
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
            self._report(f"the answer to {request.name} broke off", error)
            connection.close()
            return False
        return True

    def _release(self, context: CallContext, keep: bool) -> None:
        """Give back the connection of a call, if it is in order, and answer what came behind."""
        connection = context.connection
        if not keep or connection is None:
            return
        try:
            if connection.reader is None:
                self._listener.park(connection)
            else:
                self._go_on(connection, connection.reader)
        except WireError:
            connection.close()
        except BaseException as error:  # noqa: BLE001  as in _serve
            connection.close()
            self._report("connection failed", error)

    def _result(self, request: Request, context: CallContext) -> Any:
        """What the service returns, or the exception that the caller is to see."""
        method = getattr(self._service, METHODS[request.name].name, None)
        if method is None:
            return _NotOffered()
        try:
            result = (
                method(*request.arguments, context) if request.name == "call" else method(*request.arguments)
            )
        except BaseException as error:  # noqa: BLE001  SystemExit in a plugin must not end the process
            end_if_forked(self._pid, error)
            self._report(f"{request.name} raised {type_name(error)}", error)
            return error
        end_if_forked(self._pid)
        return result

    def _reply(self, connection: Connection, request: Request, result: Any, timeout: float) -> None:
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
                self._report(f"the answer to {name} cannot be encoded", error)
            else:
                if len(piece) > _LARGE:
                    self._move(len(piece))
                connection.send(piece, timeout)
                for piece in pieces:
                    self._move(len(piece))
                    connection.send(piece, timeout)
                return
        connection.send(encode_exception(name, sequence, "Internal error"), timeout)

    def _relieve(self, now: float) -> bool:
        """Replace a leader that is busy; whether any call is running. The lock is held."""
        turn = self._turn
        since = None if turn is None else turn.busy_since
        if since is not None and now - since > _BUSY:
            try:
                self._promote()
            except RuntimeError:
                # No more threads for this process just now: there will be another look.
                pass
        return bool(self._running)

    def _inspect(self, now: float) -> None:
        """Answer in the stead of late calls; notice callers that hung up and messages that stopped in the middle."""
        with self._lock:
            running = list(self._running)
        for context in running:
            if context.deadline is not None and now >= context.deadline:
                self._answer_late(context)
            elif not context.cancelled and context.connection is not None and context.connection.hung_up():
                context.cancelled = True
        self._listener.evict(now - self._options.message_timeout)

    def _answer_late(self, context: CallContext) -> None:
        connection = context.connection
        if connection is None or not context.claim():
            return
        context.cancelled = True
        try:
            # Never wait here: pings depend on this thread.
            self._reply(connection, context.request, context.late_answer, 0)
        except WireError:
            connection.close()
            return
        # One that did not wait for its answer cannot be read on: what it said next would have nobody to run it.
        if connection.reader is not None and connection.reader.pending:
            connection.close()
        else:
            connection.reader = None
            self._listener.park(connection)


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _join(threads: list[threading.Thread], end: float) -> None:
    """Wait for threads other than this one to end."""
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(max(0.0, end - time.monotonic()))
