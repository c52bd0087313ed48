"""Check that calls which sleep, spin, fail or never end hold up neither pings nor other calls."""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from osquery_sdk.errors import ConnectionFailed, RemoteError
from osquery_sdk.wire.client import ExtensionConnection, ManagerConnection
from osquery_sdk.wire.protocol import ExtensionInfo, Reply, Response, Status
from osquery_sdk.wire.server import Server, ServerOptions
from osquery_sdk.wire.transport import listen

from .support import (
    Manager,
    Service,
    call_bytes,
    connected,
    eventually,
    percentile,
    ping_works,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from osquery_sdk.wire.protocol import Request
    from osquery_sdk.wire.server import CallContext

    from .conftest import Serve, ServerProcess

Rows = Any


class Gate:
    """A plugin whose calls named "wait" wait until it is opened; it notes the calls in order."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.order: list[str] = []
        self.contexts: queue.Queue[CallContext] = queue.Queue()

    def call(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        self.order.append(request.get("n", item))
        self.contexts.put(context)
        if item == "wait":
            assert self.opened.wait(30)
        return Reply(Status(), [request])


@pytest.fixture
def gate() -> Any:
    """A gate that is opened at the end of the test, so that no thread waits for ever."""
    closed = Gate()
    yield closed
    closed.opened.set()


class Callers:
    """Threads that each make one call."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.results: dict[int, Any] = {}
        self._threads: list[threading.Thread] = []

    def call(self, item: str, **request: str) -> int:
        number = len(self._threads)

        def run() -> None:
            try:
                with ExtensionConnection(self._path, timeout=60) as extension:
                    self.results[number] = extension.call("table", item, request)
            except Exception as error:
                self.results[number] = error

        thread = threading.Thread(target=run)
        thread.start()
        self._threads.append(thread)
        return number

    def join(self) -> dict[int, Any]:
        for thread in self._threads:
            thread.join(60)
        return self.results


@pytest.fixture
def pings() -> Callable[[str, int], list[float]]:
    """Measure pings in seconds, each on a new connection, as osqueryd sends them."""

    def measure(path: str, count: int) -> list[float]:
        times = []
        for _ in range(count):
            start = time.perf_counter()
            assert ping_works(path)
            times.append(time.perf_counter() - start)
        return times

    return measure


def test_eight_calls_asleep_hold_up_nothing(
    serve: Serve, gate: Gate, pings: Callable[[str, int], list[float]]
) -> None:
    running = serve(gate.call)
    sleepers = Callers(running.path)
    for _ in range(8):
        sleepers.call("wait")
    assert eventually(lambda: len(gate.order) == 8)
    assert percentile(pings(running.path, 500), 0.99) < 0.05
    with ExtensionConnection(running.path) as extension:
        times = []
        for n in range(200):
            start = time.perf_counter()
            assert extension.call("table", "t", {"n": str(n)}).rows == [{"n": str(n)}]
            times.append(time.perf_counter() - start)
    assert percentile(times, 0.99) < 0.05
    gate.opened.set()
    assert all(answer.status.code == 0 for answer in sleepers.join().values())


@pytest.mark.slow
def test_eight_calls_asleep_for_thirty_seconds_hold_up_nothing(
    serve_apart: Callable[..., ServerProcess], pings: Callable[[str, int], list[float]]
) -> None:
    process = serve_apart()
    sleepers = Callers(process.path)
    start = time.monotonic()
    for _ in range(8):
        sleepers.call("sleep", seconds="30")
    times = []
    while time.monotonic() < start + 29:
        times += pings(process.path, 20)
        time.sleep(0.05)
    assert percentile(times, 0.99) < 0.05
    assert all(answer.status.code == 0 for answer in sleepers.join().values())


def test_a_tight_loop_of_python_holds_up_no_pings(
    serve_apart: Callable[..., ServerProcess], pings: Callable[[str, int], list[float]]
) -> None:
    process = serve_apart()
    spinner = Callers(process.path)
    spinner.call("spin", seconds="2")
    time.sleep(0.05)
    assert percentile(pings(process.path, 60), 0.99) < 0.25
    # The loop was still running when the pings were measured.
    assert not spinner.results
    spinner.join()


def test_the_queue_drains_in_order_and_more_is_refused(serve: Serve, gate: Gate) -> None:
    running = serve(gate.call, options=ServerOptions(max_calls=1, max_queue=4))
    callers = Callers(running.path)
    callers.call("wait", n="0")
    assert eventually(lambda: len(gate.order) == 1)
    for n in range(1, 5):
        callers.call("t", n=str(n))
        assert eventually(lambda n=n: running.server.waiting == n)  # type: ignore[misc]
    with ExtensionConnection(running.path) as extension:
        refused = extension.call("table", "t", {})
        assert refused == Response(
            Status(1, "extension is busy: 1 calls are running and 4 wait; try again later"), []
        )
        assert extension.ping().code == 0
    assert gate.order == ["0"]
    gate.opened.set()
    assert {n: answer.rows[0]["n"] for n, answer in callers.join().items()} == {n: str(n) for n in range(5)}
    assert gate.order == ["0", "1", "2", "3", "4"]
    with ExtensionConnection(running.path) as extension:
        assert extension.call("table", "t", {}).status.code == 0


def test_a_caller_that_left_the_queue_is_not_served(serve: Serve, gate: Gate) -> None:
    running = serve(gate.call, options=ServerOptions(max_calls=1))
    callers = Callers(running.path)
    callers.call("wait", n="first")
    assert eventually(lambda: gate.order == ["first"])
    with connected(running.path) as sock:
        sock.sendall(call_bytes("t", {"n": "gone"}))
        assert eventually(lambda: running.server.waiting == 1)
    callers.call("t", n="last")
    assert eventually(lambda: running.server.waiting == 2)
    gate.opened.set()
    callers.join()
    assert gate.order == ["first", "last"]


@pytest.mark.parametrize("method", ["registerExtension", "extensions"])
def test_a_busy_manager_refuses_in_the_types_of_the_method(method: str, serve: Serve, gate: Gate) -> None:
    service = Manager()
    service.call = gate.call  # type: ignore[method-assign]
    running = serve(service=service, options=ServerOptions(max_calls=1, max_queue=0))
    callers = Callers(running.path)
    callers.call("wait")
    assert eventually(lambda: len(gate.order) == 1)
    with ManagerConnection(running.path) as manager:
        if method == "registerExtension":
            status = manager.register_extension(ExtensionInfo("x"), {})
            assert (status.code, status.message.split(":")[0]) == (1, "extension is busy")
        else:
            with pytest.raises(RemoteError, match="Internal error"):
                manager.extensions()
    gate.opened.set()
    callers.join()


def test_the_late_answer_is_sent_at_the_deadline(serve: Serve, gate: Gate) -> None:
    def call(registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        if item == "wait":
            deadline = context.limit(0.2, Reply(Status(1, "late")))
            assert 0.1 < deadline - time.monotonic() <= 0.2
        return gate.call(registry, item, request, context)

    running = serve(call)
    with ExtensionConnection(running.path) as extension:
        start = time.monotonic()
        assert extension.call("table", "wait", {}) == Response(Status(1, "late"), [])
        assert 0.2 <= time.monotonic() - start < 0.6
        assert gate.contexts.get().cancelled
        # The connection stays usable while the call is still asleep; its result is dropped.
        assert extension.call("table", "t", {"k": "v"}).rows == [{"k": "v"}]
        gate.opened.set()
        assert eventually(lambda: not running.server.running)
        assert extension.call("table", "t", {"k": "w"}).rows == [{"k": "w"}]
    assert running.errors == []


def test_a_call_that_is_in_time_is_not_answered_twice(serve: Serve) -> None:
    def call(registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        context.limit(0.1, Reply(Status(1, "late")))
        time.sleep(float(request["seconds"]))
        return Reply(Status(), [{"v": "x" * 500_000}])

    running = serve(call)
    with ExtensionConnection(running.path) as extension:
        # Around the deadline either answer may win, but only one of them is sent.
        for n in range(10):
            answer = extension.call("table", "t", {"seconds": str(0.05 + n / 50)})
            assert (answer.status.message, len(answer.rows)) in (("OK", 1), ("late", 0))
    assert running.errors == []


def test_a_late_answer_that_nobody_reads_holds_up_no_pings(
    serve: Serve, gate: Gate, pings: Callable[[str, int], list[float]]
) -> None:
    """The watchdog's thread, on which pings depend, sends it."""

    def call(registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        if item == "wait":
            context.limit(0.1, Reply(Status(1, "late" * 1_000_000)))
        return gate.call(registry, item, request, context)

    running = serve(call)
    with connected(running.path) as sock:
        sock.sendall(call_bytes("wait"))
        end = time.monotonic() + 0.6
        times = []
        while time.monotonic() < end:
            callers = Callers(running.path)
            callers.call("t")
            times += pings(running.path, 5)
            callers.join()
        assert max(times) < 0.25


def test_a_caller_that_hangs_up_cancels_its_call(serve: Serve, gate: Gate) -> None:
    running = serve(gate.call)
    with connected(running.path) as sock:
        sock.sendall(call_bytes("wait"))
        context = gate.contexts.get(timeout=5)
        time.sleep(0.25)
        assert not context.cancelled
    assert eventually(lambda: context.cancelled, 1)
    gate.opened.set()
    assert eventually(lambda: not running.server.running)
    assert running.errors == []


class Interrupted(BaseException):
    """An error that is not an Exception."""


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), Interrupted(), RecursionError()]
)
def test_a_call_that_raises_is_an_internal_error(error: BaseException, serve: Serve) -> None:
    def call(registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        if item == "bad":
            raise error
        return Reply(Status(), [request])

    running = serve(call)
    with ExtensionConnection(running.path) as extension:
        with pytest.raises(RemoteError, match=r"^Internal error$"):
            extension.call("table", "bad", {})
        assert extension.call("table", "good", {"k": "v"}).rows == [{"k": "v"}]
    assert [(message, raised) for message, raised in running.errors] == [
        (f"call raised {type(error).__name__}", error)
    ]


@pytest.mark.parametrize(
    "result",
    [
        None,
        Reply(Status(), [{"k": None}]),  # type: ignore[dict-item]
        Reply(Status("no", 1, 2), []),  # type: ignore[arg-type]
        Reply(Status(2**40), []),
    ],
)
def test_an_answer_that_cannot_be_encoded_is_an_internal_error(result: Any, serve: Serve) -> None:
    running = serve(lambda registry, item, request, context: result)
    with ExtensionConnection(running.path) as extension:
        with pytest.raises(RemoteError, match=r"^Internal error$"):
            extension.call("table", "bad", {})
        assert extension.ping().code == 0
    assert [message for message, _ in running.errors] == ["the answer to call cannot be encoded"]


def test_an_answer_that_breaks_off_closes_its_connection_only(serve: Serve) -> None:
    rows: Any = [{"k": "v" * 1000}] * 3000 + [{"k": None}]
    running = serve(lambda registry, item, request, context: Reply(Status(), rows))
    with ExtensionConnection(running.path) as extension, pytest.raises(ConnectionFailed):
        extension.call("table", "bad", {})
    assert ping_works(running.path)
    assert [message for message, _ in running.errors] == ["the answer to call broke off"]


def test_an_error_handler_may_fail_as_well(path: str) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError("again")

    server = Server(Service(fail), listen(path), on_error=fail)
    server.start()
    try:
        with ExtensionConnection(path) as extension:
            for _ in range(3):
                with pytest.raises(RemoteError, match="Internal error"):
                    extension.call("table", "t", {})
        assert ping_works(path)
    finally:
        server.stop()


def test_a_shutdown_that_raises_ends_no_thread(serve: Serve) -> None:

    class Leaving(Service):
        def shutdown(self) -> None:
            raise SystemExit(1)

    running = serve(service=Leaving())
    for _ in range(3):
        with ExtensionConnection(running.path) as extension:
            extension.shutdown()
        assert ping_works(running.path)


def test_a_service_may_change_the_request_that_it_is_given(serve: Serve) -> None:
    def call(registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        request["seen"] = "yes" if "seen" not in request else "before"
        return Reply(Status(), [request])

    running = serve(call)
    # A call without its map of arguments, as Thrift allows.
    bare = call_bytes("t")[:16] + b"\0"
    for _ in range(2):
        with connected(running.path) as sock:
            sock.sendall(bare)
            assert b"before" not in sock.recv(65536)


def test_quick_calls_are_outside_the_bounds(serve: Serve, gate: Gate) -> None:
    def quick(request: Request) -> bool:
        return bool(request.name == "call" and request.arguments[1] == "columns")

    running = serve(gate.call, options=ServerOptions(max_calls=1, max_queue=0), is_quick=quick)
    callers = Callers(running.path)
    callers.call("wait")
    assert eventually(lambda: len(gate.order) == 1)
    with ExtensionConnection(running.path) as extension:
        assert extension.call("table", "other", {}).status.code == 1
        assert extension.call("table", "columns", {"k": "v"}).rows == [{"k": "v"}]
    gate.opened.set()
    callers.join()


def test_a_quick_call_that_is_not_quick_holds_up_no_pings(
    serve: Serve, gate: Gate, pings: Callable[[str, int], list[float]]
) -> None:
    running = serve(gate.call, is_quick=lambda request: True)
    callers = Callers(running.path)
    callers.call("wait")
    assert eventually(lambda: len(gate.order) == 1)
    assert max(pings(running.path, 50)) < 0.25
    gate.opened.set()
    callers.join()


def test_one_pipelining_caller_does_not_keep_the_others_waiting(serve: Serve, gate: Gate) -> None:
    """A caller that has its answer can go on, even if that thread has a long queue to work off."""
    running = serve(gate.call, options=ServerOptions(max_calls=1))
    callers = Callers(running.path)
    with ExtensionConnection(running.path) as first:
        thread = threading.Thread(target=lambda: first.call("table", "t", {"n": "a"}))
        thread.start()
        thread.join()
        callers.call("wait", n="b")
        assert eventually(lambda: gate.order == ["a", "b"])
        callers.call("wait", n="c")
        assert eventually(lambda: running.server.waiting == 1)
        gate.opened.set()
        assert first.ping(timeout=1).code == 0
        callers.join()


def test_stop_while_calls_run(serve: Serve, gate: Gate) -> None:
    """Running calls that end in time are answered, the others cut off; waiting calls are dropped."""
    running = serve(gate.call, options=ServerOptions(max_calls=2, stop_timeout=0.5))
    callers = Callers(running.path)
    for n in range(2):
        callers.call("wait", n=str(n))
        assert eventually(lambda n=n: len(gate.order) == n + 1)  # type: ignore[misc]
    callers.call("t", n="2")
    assert eventually(lambda: running.server.waiting == 1)
    timer = threading.Timer(0.1, gate.opened.set)
    timer.start()
    start = time.monotonic()
    running.server.stop()
    assert time.monotonic() - start < 1
    results = callers.join()
    assert [results[n].rows[0]["n"] for n in (0, 1)] == ["0", "1"]
    assert isinstance(results[2], ConnectionFailed)
    assert all(gate.contexts.get().cancelled for _ in range(2))
    assert gate.order == ["0", "1"]
    timer.join()


def test_stop_does_not_wait_for_ever(serve: Serve, gate: Gate) -> None:
    running = serve(gate.call, options=ServerOptions(stop_timeout=0.2))
    callers = Callers(running.path)
    callers.call("wait")
    assert eventually(lambda: len(gate.order) == 1)
    start = time.monotonic()
    running.server.stop()
    assert 0.2 <= time.monotonic() - start < 2
    # The connection breaks at once, not when the call ends.
    assert isinstance(callers.join()[0], ConnectionFailed)


def test_stop_cuts_off_a_caller_that_does_not_read(serve: Serve) -> None:
    row = {"v": "x" * 100_000}
    running = serve(
        lambda registry, item, request, context: Reply(Status(), [row] * 1000),
        options=ServerOptions(stop_timeout=0.2),
    )
    with connected(running.path) as sock:
        sock.sendall(call_bytes("t"))
        time.sleep(0.1)
        start = time.monotonic()
        running.server.stop()
        assert time.monotonic() - start < 1.5
        assert eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("extension-")])


def test_stop_from_within_a_call(path: str) -> None:
    """A plugin may shut its own extension down."""
    stopped = threading.Event()
    servers: list[Server] = []

    class Stopping(Service):
        def shutdown(self) -> None:
            servers[0].stop()
            stopped.set()

    servers.append(Server(Stopping(), listen(path), options=ServerOptions(stop_timeout=5)))
    servers[0].start()
    start = time.monotonic()
    with ExtensionConnection(path) as extension:
        extension.call("table", "t", {})
        extension.shutdown()
    assert stopped.wait(5)
    assert time.monotonic() - start < 3
    assert not os.path.lexists(path)


def test_stop_twice_and_before_the_start(path: str) -> None:
    server = Server(Service(), listen(path))
    server.stop()
    server.stop()
    assert not os.path.lexists(path)
    server = Server(Service(), listen(path))
    server.start()
    assert ping_works(path)
    server.stop()
    server.stop()
    with pytest.raises(ConnectionFailed):
        ExtensionConnection(path, timeout=1)


def test_two_hundred_servers_leave_nothing_behind(directory: Any) -> None:
    process = psutil.Process()

    def serve_once(n: int) -> None:
        target = str(directory / f"s{n % 3}")
        server = Server(Service(), listen(target))
        server.start()
        with ExtensionConnection(target) as extension:
            extension.call("table", "t", {})
        with connected(target), connected(target) as half:
            half.sendall(call_bytes("t")[:20])
            server.stop()

    serve_once(0)
    descriptors, threads = process.num_fds(), process.num_threads()
    for n in range(200):
        serve_once(n)
    # The system may count a joined thread for a moment longer.
    assert eventually(lambda: process.num_fds() <= descriptors and process.num_threads() <= threads)
    assert sorted(os.listdir(directory)) == []  # noqa: PTH208


def test_a_storm_of_callers_is_answered_by_few_threads(serve_apart: Callable[..., ServerProcess]) -> None:
    process = serve_apart(max_calls=8, max_queue=1000)
    callers = [Callers(process.path) for _ in range(4)]
    for n in range(200):
        callers[n % 4].call("sleep", seconds="0.01", n=str(n))
    results = [answer for group in callers for answer in group.join().values()]
    assert len(results) == 200
    assert all(answer.status.code == 0 for answer in results)
    assert process.process.num_threads() < 8 + 8
    assert ping_works(process.path)


def test_a_process_that_may_have_no_more_threads(
    serve: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls wait for each other while there is one thread; none is lost, and the server recovers."""
    running = serve(gate.call)
    assert ping_works(running.path)
    original = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("extension"):
            raise RuntimeError("can't start new thread")
        original(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        callers = Callers(running.path)
        callers.call("t", n="1")
        assert callers.join()[0].rows == [{"n": "1"}]
    callers = Callers(running.path)
    callers.call("wait")
    assert eventually(lambda: "wait" in gate.order)
    assert ping_works(running.path)
    gate.opened.set()
    callers.join()
    assert running.errors == []
