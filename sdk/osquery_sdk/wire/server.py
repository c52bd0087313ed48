"""A server that answers pings whatever its calls are doing.

One thread, the leader, waits on the listener, and answers what it reads itself: a small call costs no handing over from
thread to thread. A second one, the guard, looks on while calls run. When the leader has been busy for a few
milliseconds, the guard makes another thread of the pool the leader, and the busy one returns to the pool when it is done.
The guard also answers in the stead of calls whose time is over, and notices callers that hung up and messages that
stopped in the middle. It sleeps while there is nothing to watch.

Calls are bounded: beyond `max_calls` they queue, beyond `max_queue` they are refused.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..errors import DeadlineExceeded, ProtocolError, WireError
from .codec import Limits
from .protocol import (
    METHODS,
    UNKNOWN_METHOD,
    Request,
    RequestReader,
    Response,
    Status,
    encode_exception,
    encode_reply,
    whole_request,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transport import Connection, Listener

_BUSY = 0.004
_GUARD_PERIOD = 0.005
_GUARD_LINGER = 1.0
_INSPECT_PERIOD = 0.1


class ServerOptions(NamedTuple):
    """Bounds of a server."""

    max_calls: int = 32
    """Calls that run at once."""
    max_queue: int = 256
    """Calls that wait for one of those to end; one more is refused."""
    message_timeout: float = 10.0
    """Seconds within which a message that has begun must be complete."""
    send_timeout: float = 30.0
    """Seconds without progress after which a caller that does not read its answer is dropped."""
    stop_timeout: float = 3.0
    """Seconds that running calls get when the server stops."""
    limits: Limits = Limits()
    """Of each message."""


class Service(Protocol):
    """What a server serves: an object with the Python-named methods of the Thrift service it offers."""

    def ping(self) -> Status:
        """Must return at once."""

    def call(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Response:
        """May take as long as `context` allows."""

    def shutdown(self) -> None:
        """Begin to stop; called after the reply has been sent."""


class _NotOffered(Exception):
    """The service has no such method: an extension is asked for what only a manager does."""


class CallContext:
    """One call while it runs: how much time it has, and whether anybody still waits for it."""

    __slots__ = ("_claim", "cancelled", "connection", "deadline", "late_answer", "request")

    def __init__(self, connection: Connection | None, request: Request) -> None:
        """Start without a deadline."""
        self.connection = connection
        self.request = request
        self.cancelled = False
        self.deadline: float | None = None
        self.late_answer: Response | None = None
        self._claim = threading.Lock()

    def limit(self, seconds: float, answer: Response) -> float:
        """Let `answer` be sent if the call has not returned in `seconds`; returns that `time.monotonic()`."""
        self.late_answer = answer
        self.deadline = time.monotonic() + seconds
        return self.deadline

    def claim(self) -> bool:
        """Take the right to answer; only the first to ask gets it."""
        return self._claim.acquire(blocking=False)


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
        self._service = service
        self._listener = listener
        self._options = options or ServerOptions()
        self._is_quick = is_quick or (lambda request: False)
        self._on_error = on_error or (lambda message, error: None)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._threads = 0
        self._parked_threads = 0
        self._promotions = threading.Semaphore(0)
        self._leader: object = None
        self._busy_since: float | None = None
        self._running: set[CallContext] = set()
        self._queue: deque[tuple[Connection, Request]] = deque()
        self._stopping = False
        self._guard_wake = threading.Event()
        self._quiet_since = 0.0
        self._guard: threading.Thread | None = None
        self._pong = b"".join(encode_reply(Request("ping", 0, ()), service.ping()))

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._listener.address

    def intact(self) -> bool:
        """The socket file is still the one made at the start."""
        return self._listener.intact()

    def start(self) -> None:
        """Begin to answer; returns at once."""
        with self._lock:
            self._promote()

    def stop(self) -> None:
        """Stop listening, give running calls a moment to be answered, and drop the rest."""
        with self._lock:
            self._stopping = True
            dropped = list(self._queue)
            self._queue.clear()
            for context in self._running:
                context.cancelled = True
            for _ in range(self._parked_threads):
                self._promotions.release()
        self._listener.close()
        for connection, _ in dropped:
            connection.close()
        end = time.monotonic() + self._options.stop_timeout
        with self._idle:
            while self._running and (left := end - time.monotonic()) > 0:
                self._idle.wait(left)
            guard = self._guard
        self._guard_wake.set()
        if guard is not None:
            guard.join(1)

    def _promote(self) -> None:
        """Give the listener to a thread of the pool, or to a new one; the lock is held."""
        self._busy_since = None
        self._leader = None
        if self._parked_threads:
            self._parked_threads -= 1
        else:
            self._threads += 1
            threading.Thread(target=self._work, name=f"extension-{self._threads}", daemon=True).start()
        self._promotions.release()

    def _work(self) -> None:
        """A thread of the pool: lead until another one does, then wait to be the leader again."""
        while True:
            self._promotions.acquire()
            if self._stopping:
                return
            self._leader = me = object()
            # Two leaders for a moment, after a promotion that came as the work ended, are harmless.
            while self._leader is me:
                self._busy_since = None
                connection = self._listener.wait()
                if connection is None:
                    return
                if self._leader is me:
                    self._busy_since = time.monotonic()
                self._serve(connection)
            with self._lock:
                self._parked_threads += 1

    def _serve(self, connection: Connection) -> None:
        """Answer what a connection has to say, whatever that is."""
        try:
            self._read(connection)
        except (WireError, DeadlineExceeded):
            connection.close()
        except Exception as error:  # noqa: BLE001  whatever one connection does, the thread goes on
            connection.close()
            self._on_error("connection failed", error)

    def _read(self, connection: Connection) -> None:
        """Answer what has arrived on a connection, then park it."""
        data = connection.receive()
        reader = connection.reader
        if not data:
            if data is None:
                self._listener.park(connection)
            else:
                connection.close()
            return
        if reader is None:
            request = whole_request(data, self._options.limits.message)
            if request is not None:
                if self._answer(connection, request):
                    self._listener.park(connection)
                return
            reader = connection.reader = RequestReader(self._options.limits)
        try:
            request = reader.feed(data)
            while request is not None:
                if not self._answer(connection, request):
                    return
                request = reader.feed(b"")
        except ProtocolError as error:
            answer = reader.answer_to_error(error)
            if answer is not None:
                connection.send(answer, 0)
            connection.close()
            return
        if reader.pending:
            self._watch()
        else:
            connection.reader = None
        self._listener.park(connection)

    def _answer(self, connection: Connection, request: Request) -> bool:
        """Answer one request; False if the connection is not this thread's any more."""
        if request.name == "ping" and not request.sequence:
            connection.send(self._pong, 0)
            return True
        if request.name == "ping" or self._is_quick(request):
            self._reply(connection, request, self._result(request, None))
            return True
        if request.name == "shutdown":
            self._reply(connection, request, None)
            self._service.shutdown()
            return True
        with self._lock:
            if self._stopping:
                connection.close()
                return False
            if len(self._running) >= self._options.max_calls:
                if len(self._queue) < self._options.max_queue:
                    self._queue.append((connection, request))
                    return False
                context = None
            else:
                context = self._begin(connection, request)
        if context is None:
            o = self._options
            message = (
                f"extension is busy: {o.max_calls} calls are running and {o.max_queue} wait; try again later"
            )
            self._reply(connection, request, self._refusal(request, message))
            return True
        return self._run(context)

    @staticmethod
    def _refusal(request: Request, message: str) -> Any:
        """An answer that says no, of the type the method returns."""
        if request.name in ("call", "query", "getQueryColumns"):
            return Response(Status(1, message), ())
        if request.name in ("registerExtension", "deregisterExtension"):
            return Status(1, message)
        return RuntimeError(message)

    def _begin(self, connection: Connection, request: Request) -> CallContext:
        """Count a call in; the lock is held."""
        context = CallContext(connection, request)
        self._running.add(context)
        if not self._guard_wake.is_set():
            self._start_guard()
        return context

    def _run(self, context: CallContext) -> bool:
        """Run a call, and those that waited for its place; whether the connection of the first may be read on."""
        first = context
        keep = True
        while True:
            request, connection = context.request, context.connection
            assert connection is not None
            answered = False
            try:
                result = self._result(request, context)
                if context.claim():
                    answered = True
                    self._reply(connection, request, result)
            except (WireError, DeadlineExceeded):
                connection.close()
                answered = False
            except Exception as error:  # noqa: BLE001  an answer that cannot be encoded must not end the thread
                self._on_error(f"{request.name} could not be answered", error)
                connection.close()
                answered = False
            if context is first:
                keep = answered
            elif answered:
                self._release(connection)
            with self._idle:
                self._running.discard(context)
                if not self._queue or self._stopping:
                    self._idle.notify_all()
                    return keep
                context = self._begin(*self._queue.popleft())

    def _release(self, connection: Connection) -> None:
        """Park a connection from outside the thread that reads it; one that did not wait for its answer is closed."""
        if connection.reader is not None and connection.reader.pending:
            connection.close()
        else:
            self._listener.park(connection)

    def _result(self, request: Request, context: CallContext | None) -> Any:
        """What the service returns, or the exception that the caller is to see."""
        method = getattr(self._service, METHODS[request.name].name, None)
        if method is None:
            return _NotOffered()
        try:
            if request.name == "call":
                return method(*request.arguments, context or CallContext(None, request))
            return method(*request.arguments)
        except BaseException as error:  # noqa: BLE001  SystemExit in a plugin must not end the process
            self._on_error(f"{request.name} raised {type(error).__name__}", error)
            return error

    def _reply(self, connection: Connection, request: Request, result: Any) -> None:
        timeout = self._options.send_timeout
        if isinstance(result, _NotOffered):
            message = f"unknown method {request.name!r}"
            connection.send(
                encode_exception(request.name, request.sequence, message, UNKNOWN_METHOD), timeout
            )
        elif isinstance(result, BaseException):
            connection.send(encode_exception(request.name, request.sequence, "Internal error"), timeout)
        else:
            for piece in encode_reply(request, result):
                connection.send(piece, timeout)

    def _watch(self) -> None:
        """Have the guard look at connections in the middle of a message."""
        with self._lock:
            self._quiet_since = time.monotonic() + self._options.message_timeout
            self._start_guard()

    def _start_guard(self) -> None:
        """Wake the guard, or start it; the lock is held."""
        if self._guard is None and not self._stopping:
            self._quiet_since = time.monotonic()
            self._guard = threading.Thread(target=self._watch_over, name="extension-guard", daemon=True)
            self._guard.start()
        self._guard_wake.set()

    def _watch_over(self) -> None:
        """The guard: look around while there is anything to watch, and a little longer, then sleep."""
        inspected = 0.0
        while not self._stopping:
            time.sleep(_GUARD_PERIOD)
            now = time.monotonic()
            with self._lock:
                busy_since = self._busy_since
                if busy_since is not None and now - busy_since > _BUSY and not self._stopping:
                    self._promote()
                if self._running:
                    self._quiet_since = max(self._quiet_since, now)
                elif now > self._quiet_since + _GUARD_LINGER:
                    self._guard_wake.clear()
                running = list(self._running) if now - inspected > _INSPECT_PERIOD else None
            if running is not None:
                inspected = now
                for context in running:
                    self._inspect(context, now)
                self._listener.evict(now - self._options.message_timeout)
            self._guard_wake.wait()

    def _inspect(self, context: CallContext, now: float) -> None:
        """Answer in a late call's stead; notice a caller that hung up."""
        connection, late = context.connection, context.late_answer
        assert connection is not None
        if context.deadline is not None and now >= context.deadline and late is not None:
            if not context.claim():
                return
            context.cancelled = True
            try:
                self._reply(connection, context.request, late)
                self._release(connection)
            except (WireError, DeadlineExceeded):
                connection.close()
        elif not context.cancelled and connection.hung_up():
            context.cancelled = True
