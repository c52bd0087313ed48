"""Check codec, server and client with every recorded message to and from osqueryd."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osquery_sdk.wire.client import ExtensionConnection, ManagerConnection
from osquery_sdk.wire.codec import Limits
from osquery_sdk.wire.fast_request import whole_request
from osquery_sdk.wire.protocol import (
    METHODS,
    ExtensionInfo,
    OptionInfo,
    Reply,
    Request,
    RequestReader,
    Response,
    Status,
    encode_call,
    encode_reply,
)

from .support import (
    Exchange,
    Manager,
    ask,
    connected,
    extension_exchanges,
    manager_exchanges,
    oracle_read,
    receive,
    recorded_calls,
    rows_of,
)

if TYPE_CHECKING:
    from .conftest import Serve

EXCHANGES = extension_exchanges()
MANAGER = manager_exchanges()
NAMES = [f"{n}-{e['call']}" for n, e in enumerate(MANAGER)]


def decoded(data: bytes) -> Request:
    request = RequestReader(Limits()).feed(data)
    assert request is not None
    return request


def recorded_answer(exchange: Exchange) -> Any:
    """Return the response that the recorded reply holds, read by Thrift."""
    result = getattr(oracle_read(exchange.reply)[3], "success", None)
    if result is None:
        return None
    if hasattr(result, "response"):
        status = result.status
        return Reply(Status(status.code, status.message, status.uuid), rows_of(result))
    return Status(result.code, result.message, result.uuid)


def test_the_recordings_are_there() -> None:
    assert len(EXCHANGES) > 150
    assert len(recorded_calls()) > 200
    assert len(MANAGER) == 50


def test_requests_decode_to_the_recorded_calls() -> None:
    for call, data in recorded_calls():
        expected = Request("call", 0, (call["registry"], call["item"], call["request"]))
        assert decoded(data) == expected
        assert whole_request(data, Limits()) == expected


def test_requests_decode_as_thrift_reads_them() -> None:
    for exchange in EXCHANGES:
        name, _, sequence, arguments = oracle_read(exchange.request)
        values = tuple(getattr(arguments, argument) for argument, _, _ in METHODS[name].arguments)
        assert decoded(exchange.request) == Request(name, sequence, values)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64])
def test_requests_that_arrive_in_pieces(step: int) -> None:
    for exchange in EXCHANGES:
        reader = RequestReader(Limits())
        data = exchange.request
        results = [reader.feed(data[at : at + step]) for at in range(0, len(data), step)]
        assert results[:-1] == [None] * (len(results) - 1)
        assert results[-1] == decoded(data)
        assert not reader.pending


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_several_requests_split_anywhere(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(EXCHANGES), min_size=1, max_size=4))
    stream = b"".join(exchange.request for exchange in chosen)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)) | {0, len(stream)})
    reader = RequestReader(Limits())
    requests = []
    for start, end in itertools.pairwise(cuts):
        request = reader.feed(stream[start:end])
        while request is not None:
            requests.append(request)
            request = reader.next()
    assert requests == [decoded(exchange.request) for exchange in chosen]
    assert not reader.pending


def test_a_server_answers_byte_for_byte(serve: Serve) -> None:
    answers: list[Any] = []
    running = serve(lambda registry, item, request, context: answers.pop())
    for exchange in EXCHANGES:
        answers[:] = [recorded_answer(exchange)]
        assert ask(running.path, exchange.request, len(exchange.reply)) == exchange.reply
    assert running.errors == []


def test_a_server_answers_one_connection_byte_for_byte_in_pieces(serve: Serve) -> None:
    answers: list[Any] = []
    running = serve(lambda registry, item, request, context: answers.pop())
    with connected(running.path) as sock:
        for number, exchange in enumerate(EXCHANGES):
            answers[:] = [recorded_answer(exchange)]
            cut = number * 7 % len(exchange.request)
            sock.sendall(exchange.request[:cut])
            sock.sendall(exchange.request[cut:])
            assert receive(sock, len(exchange.reply)) == exchange.reply


def test_a_server_answers_requests_that_are_glued_together(serve: Serve) -> None:
    pairs = [e for e in EXCHANGES if oracle_read(e.request)[0] == "call"]
    answers = [recorded_answer(e) for e in reversed(pairs)]
    running = serve(lambda registry, item, request, context: answers.pop())
    with connected(running.path) as sock:
        for first, second in zip(pairs[::2], pairs[1::2], strict=False):
            sock.sendall(first.request + second.request)
            expected = first.reply + second.reply
            assert receive(sock, len(expected)) == expected


def manager_result(exchange: dict[str, Any]) -> Any:
    """Return the recorded reply in this package's own types."""
    reply, call = exchange["reply"], exchange["call"]
    if call == "extensions":
        return {int(uuid): ExtensionInfo(**info) for uuid, info in reply.items()}
    if call == "options":
        return {name: OptionInfo(**option) for name, option in reply.items()}
    if "status" in reply:
        return Response(Status(**reply["status"]), reply["response"])
    return Status(**reply)


def manager_arguments(exchange: dict[str, Any]) -> tuple[Any, ...]:
    arguments = exchange["arguments"]
    if exchange["call"] == "registerExtension":
        return (ExtensionInfo(**arguments[0]), arguments[1])
    return tuple(arguments)


@pytest.mark.parametrize("exchange", MANAGER, ids=NAMES)
def test_a_client_asks_byte_for_byte_and_understands_the_reply(exchange: dict[str, Any], replay: Any) -> None:
    request, reply = bytes.fromhex(exchange["sent"]), bytes.fromhex(exchange["received"])
    method = METHODS[exchange["call"]]
    assert encode_call(method, manager_arguments(exchange)) == request
    path = replay(reply, len(request))
    with ManagerConnection(path) as manager:
        result = getattr(manager, method.name)(*manager_arguments(exchange))
    assert result == manager_result(exchange)


@pytest.mark.parametrize("exchange", MANAGER, ids=NAMES)
def test_a_manager_of_ours_answers_as_osqueryd_does(exchange: dict[str, Any], serve: Serve) -> None:
    service = Manager()
    service.reply = manager_result(exchange)
    if exchange["call"] == "ping":
        service.ping = lambda: service.reply  # type: ignore[method-assign]
    running = serve(service=service)
    request, reply = bytes.fromhex(exchange["sent"]), bytes.fromhex(exchange["received"])
    assert ask(running.path, request, len(reply)) == reply
    if exchange["call"] != "ping":
        assert service.arguments == manager_arguments(exchange)


def test_values_as_bytes_are_those_that_were_sent(replay: Any) -> None:
    for exchange in EXCHANGES:
        name, _, _, result = oracle_read(exchange.reply)
        if name == "call":
            path = replay(exchange.reply, len(exchange.request))
            registry, item, request = decoded(exchange.request).arguments
            with ExtensionConnection(path) as extension:
                status, rows = extension.call_raw(registry, item, request)
            assert rows == result.success.response
            assert status.code == result.success.status.code


@given(st.lists(st.dictionaries(st.text(max_size=5), st.binary(max_size=9), max_size=4), max_size=5))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_survive_as_text(rows: list[dict[str, bytes]]) -> None:
    text = [{k: v.decode("utf-8", "surrogateescape") for k, v in row.items()} for row in rows]
    reply = b"".join(encode_reply(Request("call", 0, ()), Reply(Status(), text)))
    assert oracle_read(reply)[3].success.response == rows
