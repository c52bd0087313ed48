"""Check the server with callers that are slow, silent, wrong, or too many."""

from __future__ import annotations

import os
import resource
import socket
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from osquery_sdk.wire.client import ExtensionConnection
from osquery_sdk.wire.protocol import Reply, Status
from osquery_sdk.wire.server import ServerOptions

from .support import (
    PING,
    PONG,
    Service,
    ask,
    call_bytes,
    connected,
    eventually,
    oracle_read,
    ping_works,
    receive,
    rows_of,
    until_closed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from osquery_sdk.wire.server import CallContext

    from .conftest import Serve, ServerProcess

ECHO = call_bytes("echo", {"k": "v"})


def echoed(data: bytes) -> Any:
    return rows_of(oracle_read(data)[3].success)


def echo_works(path: str) -> bool:
    with ExtensionConnection(path, timeout=10) as extension:
        rows = extension.call("table", "echo", {"k": "v"}).rows
        return list(rows) == [{"k": "v"}]


def test_a_message_byte_by_byte(serve: Serve) -> None:
    running = serve()
    with connected(running.path) as sock:
        for byte in ECHO:
            sock.sendall(bytes([byte]))
        assert echoed(receive_message(sock)) == [{"k": "v"}]
        sock.sendall(PING)
        assert receive(sock, len(PONG)) == PONG


def receive_message(sock: socket.socket) -> bytes:
    """Receive bytes until Thrift can read a whole message."""
    data = b""
    while True:
        piece = sock.recv(65536)
        assert piece, data
        data += piece
        try:
            oracle_read(data)
        except EOFError:
            continue
        return data


def test_a_slow_writer_holds_up_nobody(serve: Serve) -> None:
    running = serve()
    with connected(running.path) as slow:
        slow.sendall(ECHO[:30])
        times = []
        for _ in range(50):
            start = time.perf_counter()
            assert ping_works(running.path)
            assert echo_works(running.path)
            times.append(time.perf_counter() - start)
        assert max(times) < 0.5
        slow.sendall(ECHO[30:])
        assert echoed(receive_message(slow)) == [{"k": "v"}]


def test_a_message_must_be_complete_in_time(serve: Serve) -> None:
    running = serve(options=ServerOptions(message_timeout=0.3))
    with connected(running.path) as stopped, connected(running.path) as silent:
        start = time.monotonic()
        stopped.sendall(ECHO[:10])
        assert until_closed(stopped) == b""
        assert 0.25 < time.monotonic() - start < 1.5
        # A connection on which no message has begun may stay silent.
        silent.sendall(PING)
        assert receive(silent, len(PONG)) == PONG


def send_slowly(sock: socket.socket, data: bytes, step: int, pause: float) -> None:
    for at in range(0, len(data), step):
        sock.sendall(data[at : at + step])
        time.sleep(pause)


def test_a_slow_trickle_is_cut_off(serve: Serve) -> None:
    """The whole message must arrive in time, however steadily its bytes come."""
    running = serve(options=ServerOptions(message_timeout=0.3))
    long = call_bytes("echo", {"k": "v" * 1000})
    with connected(running.path) as trickle:
        start = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            send_slowly(trickle, long, 1, 0.01)
        assert time.monotonic() - start < 2


def test_an_idle_connection_stays_usable_after_a_message_in_pieces(serve: Serve) -> None:
    running = serve(options=ServerOptions(message_timeout=0.2))
    with connected(running.path) as sock:
        sock.sendall(ECHO[:9])
        time.sleep(0.05)
        sock.sendall(ECHO[9:])
        receive_message(sock)
        time.sleep(0.6)
        sock.sendall(PING)
        assert receive(sock, len(PONG)) == PONG


def test_pipelined_messages_are_answered_in_order(serve: Serve) -> None:
    running = serve()
    messages = [call_bytes("echo", {"n": str(n)}) for n in range(50)]
    with connected(running.path) as sock:
        sock.sendall(b"".join(m + PING for m in messages))
        data = b""
        for n in range(50):
            while PONG not in data:
                data += sock.recv(65536)
            answer, _, data = data.partition(PONG)
            assert echoed(answer) == [{"n": str(n)}]
    assert running.errors == []


def test_pipelined_messages_are_answered_in_order_when_calls_queue(serve: Serve) -> None:
    """Messages behind a call that waited are answered too, and no caller is overtaken for ever."""
    running = serve(options=ServerOptions(max_calls=1, max_queue=50))
    done: list[list[str]] = []

    def pipeline(name: str) -> None:
        with connected(running.path) as sock:
            sock.sendall(b"".join(call_bytes("echo", {"n": f"{name}{n}"}) + PING for n in range(20)))
            data = b""
            seen = []
            for _ in range(20):
                while PONG not in data:
                    piece = sock.recv(65536)
                    assert piece
                    data += piece
                answer, _, data = data.partition(PONG)
                seen.append(echoed(answer)[0]["n"])
            done.append(seen)

    threads = [threading.Thread(target=pipeline, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(done) == [[f"{name}{n}" for n in range(20)] for name in "abcd"]


def test_a_caller_that_says_it_will_send_no_more_is_answered(serve: Serve) -> None:
    contexts: list[CallContext] = []

    def call(registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        contexts.append(context)
        time.sleep(0.3)
        return Reply(Status(), [request])

    running = serve(call)
    with connected(running.path) as sock:
        sock.sendall(ECHO)
        sock.shutdown(socket.SHUT_WR)
        assert echoed(until_closed(sock)) == [{"k": "v"}]
    assert not contexts[0].cancelled


@pytest.mark.parametrize("sent", [b"", PING[:5], PING, ECHO[:40], ECHO, ECHO + ECHO[:9]], ids=len)
def test_a_caller_that_hangs_up_at_any_point(sent: bytes, serve: Serve) -> None:
    running = serve()
    for _ in range(50):
        with connected(running.path) as sock:
            sock.sendall(sent)
    assert ping_works(running.path)
    assert echo_works(running.path)
    assert [str(error) for _, error in running.errors] == []


def test_a_caller_that_never_reads_its_answer_is_dropped(serve: Serve) -> None:
    row = {"v": "x" * 100_000}
    running = serve(
        lambda registry, item, request, context: Reply(Status(), [row] * 1000),
        options=ServerOptions(send_timeout=0.3, max_calls=1),
    )
    with connected(running.path) as sock:
        sock.sendall(ECHO)
        start = time.monotonic()
        times = []
        while time.monotonic() < start + 0.25:
            before = time.perf_counter()
            assert ping_works(running.path)
            times.append(time.perf_counter() - before)
        assert max(times) < 0.25
        # Its place is free again: the next call is answered, although only one may run at a time.
        with ExtensionConnection(running.path, timeout=20) as extension:
            assert len(extension.call_raw("table", "t", {})[1]) == 1000
        assert time.monotonic() - start < 10


def test_a_caller_that_reads_no_quick_answers_holds_up_no_pings(serve: Serve) -> None:
    """Answers to quick calls, which have no bounds, can fill a socket as well."""
    row = {"v": "x" * 100_000}
    running = serve(
        lambda registry, item, request, context: Reply(Status(), [row] * 10),
        is_quick=lambda request: True,
        options=ServerOptions(send_timeout=1.0),
    )
    with connected(running.path) as sock:
        sock.sendall(ECHO * 20)
        times = []
        for _ in range(100):
            before = time.perf_counter()
            assert ping_works(running.path)
            times.append(time.perf_counter() - before)
            time.sleep(0.005)
        assert max(times) < 0.25


def test_a_caller_that_reads_no_pongs_is_dropped(serve: Serve) -> None:
    running = serve()
    with connected(running.path, 5) as sock, pytest.raises((BrokenPipeError, ConnectionResetError)):
        send_slowly(sock, PING * 1_000_000, 1700, 0)
    assert ping_works(running.path)


def test_a_large_request_in_tiny_pieces(serve: Serve) -> None:
    running = serve(lambda registry, item, request, context: Reply(Status(), [{"n": str(len(request["k"]))}]))
    message = call_bytes("echo", {"k": "v" * (4 << 20)})
    with connected(running.path) as sock:
        for at in range(0, len(message), 300):
            sock.sendall(message[at : at + 300])
        assert echoed(receive_message(sock)) == [{"n": str(4 << 20)}]


@pytest.mark.slow
def test_the_largest_request_in_small_pieces(serve_apart: Callable[..., ServerProcess]) -> None:
    process = serve_apart(message_timeout=120.0)

    def seconds(megabytes: int) -> float:
        message = call_bytes("sleep", {"k": "v" * (megabytes << 20), "seconds": "0"})
        before = sum(process.process.cpu_times()[:2])
        with connected(process.path, 120) as sock:
            for at in range(0, len(message), 4096):
                sock.sendall(message[at : at + 4096])
            receive(sock, len(message) // 2)
        return sum(process.process.cpu_times()[:2]) - before

    small, large = seconds(7), seconds(63)
    assert large < small * 9 * 3, (small, large)


def test_an_answer_larger_than_any_limit_of_requests(serve: Serve) -> None:
    running = serve(lambda registry, item, request, context: Reply(Status(), [{"v": "x" * (70 << 20)}]))
    with ExtensionConnection(running.path, timeout=30) as extension:
        status, rows = extension.call_raw("table", "t", {})
    assert status.code == 0
    assert len(rows[0]["v"]) == 70 << 20


@pytest.fixture
def many_descriptors() -> Any:
    """Raise the limit of descriptors to the hard limit, but at most 8192."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield min(hard, 8192)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_connections_at_once(
    many_descriptors: int, serve_apart: Callable[..., ServerProcess]
) -> None:
    if many_descriptors < 2500:
        pytest.skip("the hard limit of descriptors is too low for a thousand connections")
    process = serve_apart(descriptors=4096, max_connections=2000)
    socks = [connected(process.path) for _ in range(1000)]
    try:
        for sock in socks:
            sock.sendall(PING)
        for sock in socks:
            assert receive(sock, len(PONG)) == PONG
        for sock in socks:
            sock.sendall(ECHO)
        for sock in socks:
            assert echoed(receive_message(sock)) == [{"k": "v"}]
        assert process.process.num_threads() <= 40
    finally:
        for sock in socks:
            sock.close()
    assert ping_works(process.path)
    assert eventually(lambda: process.process.num_fds() < 30)


def test_connections_that_never_speak_give_way_to_new_ones(serve: Serve) -> None:
    running = serve(max_connections=20)
    silent = [connected(running.path) for _ in range(60)]
    try:
        assert ping_works(running.path)
        # The oldest were closed, the youngest are still open.
        assert eventually(lambda: closed(silent[0]))
        silent[-1].sendall(PING)
        assert receive(silent[-1], len(PONG)) == PONG
    finally:
        for sock in silent:
            sock.close()


def closed(sock: socket.socket) -> bool:
    try:
        return sock.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_a_process_with_few_descriptors(serve_apart: Callable[..., ServerProcess]) -> None:
    """A process that runs out of descriptors closes silent connections."""
    process = serve_apart(descriptors=40, max_connections=10_000)
    assert ask_rows(process.path, "limits") == [{"soft": "40"}]
    silent = [connected(process.path) for _ in range(100)]
    try:
        for _ in range(20):
            assert ping_works(process.path)
            assert echo_works(process.path)
    finally:
        for sock in silent:
            sock.close()
    assert ping_works(process.path)


def ask_rows(path: str, item: str, **request: str) -> Any:
    with ExtensionConnection(path, timeout=20) as extension:
        return extension.call("table", item, request).rows


def test_pings_are_answered_when_a_table_has_taken_all_descriptors(
    serve_apart: Callable[..., ServerProcess],
) -> None:
    process = serve_apart(descriptors=64)
    thread = threading.Thread(target=ask_rows, args=(process.path, "hoard"), kwargs={"seconds": "1"})
    thread.start()
    try:
        assert eventually(lambda: process.process.num_fds() >= 60)
        for _ in range(100):
            assert ping_works(process.path)
    finally:
        thread.join(20)
    assert echo_works(process.path)


@pytest.mark.parametrize("library_timeout", [0.01, 5])
def test_a_default_timeout_that_some_library_set(library_timeout: float, serve: Serve) -> None:
    running = serve()
    socket.setdefaulttimeout(library_timeout)
    try:
        with connected(running.path) as sock:
            time.sleep(0.05)
            start = time.monotonic()
            assert ping_works(running.path)
            sock.sendall(PING)
            assert receive(sock, len(PONG)) == PONG
            assert time.monotonic() - start < 1
    finally:
        socket.setdefaulttimeout(None)


def test_a_program_that_gave_sigpipe_its_default_action(serve: Serve) -> None:
    import signal

    running = serve(lambda registry, item, request, context: Reply(Status(), [{"v": "x" * (1 << 20)}]))
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        for _ in range(20):
            with connected(running.path) as sock:
                sock.sendall(ECHO)
        assert ping_works(running.path)
    finally:
        signal.signal(signal.SIGPIPE, before)


@pytest.mark.parametrize(
    ("request_bytes", "kind", "message"),
    [
        (b"\x80\x01\x00\x01\x00\x00\x00\x04pong\x00\x00\x00\x09\x00", 1, "unknown method 'pong'"),
        (ECHO[:12] + b"\0\0\0\x09" + b"\x63\0\1", 7, "unknown Thrift type 99"),
    ],
)
def test_an_invalid_request_is_answered_with_its_error(
    request_bytes: bytes, kind: int, message: str, serve: Serve
) -> None:
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.Thrift import TApplicationException, TMessageType
    from thrift.transport.TTransport import TMemoryBuffer

    running = serve()
    with connected(running.path) as sock:
        sock.sendall(request_bytes)
        protocol = TBinaryProtocol(TMemoryBuffer(until_closed(sock)), strictRead=True)
        assert protocol.readMessageBegin()[1:] == (TMessageType.EXCEPTION, 9)
        error = TApplicationException()
        error.read(protocol)
        assert (error.type, error.message) == (kind, message)


def test_an_extension_refuses_a_managers_methods(serve: Serve) -> None:
    from osquery_sdk.errors import RemoteError
    from osquery_sdk.wire.client import ManagerConnection

    running = serve()
    with ManagerConnection(running.path) as manager:
        with pytest.raises(RemoteError, match="unknown method 'query'"):
            manager.query("select 1")
        assert manager.ping().code == 0


def test_the_sequence_number_comes_back(serve: Serve) -> None:
    running = serve()
    numbered = PING[:12] + (77).to_bytes(4, "big") + b"\0"
    assert oracle_read(ask(running.path, numbered, len(PONG)))[2] == 77
    with connected(running.path) as sock:
        sock.sendall(call_bytes("echo", {}, sequence=-5))
        assert oracle_read(receive_message(sock))[2] == -5


def test_shutdown_is_answered_before_it_is_obeyed(serve: Serve) -> None:
    service = Service()
    running = serve(service=service)
    with ExtensionConnection(running.path) as extension:
        extension.shutdown()
    assert eventually(lambda: service.shutdowns == 1)


def test_a_forked_child_does_not_disturb_the_server(serve: Serve) -> None:
    """A table may fork: the descriptors that its child inherits must not confuse the parent."""
    running = serve()
    with connected(running.path) as sock:
        sock.sendall(PING)
        assert receive(sock, len(PONG)) == PONG
        read_end, write_end = os.pipe()
        child = os.fork()
        if not child:
            os.close(write_end)
            os.read(read_end, 1)
            os._exit(0)
        os.close(read_end)
        try:
            sock.close()
            times = []
            for _ in range(100):
                start = time.perf_counter()
                assert ping_works(running.path)
                times.append(time.perf_counter() - start)
            assert statistics.median(times) < 0.05
        finally:
            os.close(write_end)
            os.waitpid(child, 0)
