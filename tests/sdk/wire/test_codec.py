"""Compare the codec with Thrift's own in both directions, and give it invalid messages."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thrift.protocol.TBinaryProtocol import TBinaryProtocol, TBinaryProtocolAccelerated
from thrift.Thrift import TApplicationException, TMessageType
from thrift.transport.TTransport import TMemoryBuffer

import osquery_sdk.wire
from osquery_sdk.errors import ProtocolError
from osquery_sdk.wire.codec import Limits
from osquery_sdk.wire.fast_request import whole_request
from osquery_sdk.wire.gen import Extension, ExtensionManager, ttypes
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
    encode_exception,
    encode_reply,
)

from .support import (
    PING,
    call_bytes,
    extension_exchanges,
    oracle_read,
    oracle_write,
    rows_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

WIRE = Path(osquery_sdk.wire.__file__).parent
EXCHANGES = extension_exchanges()
HEAD = b"\x80\x01\x00\x01\x00\x00\x00\x04call\x00\x00\x00\x00"

texts = st.text(max_size=20)
i64s = st.integers(-(2**63), 2**63 - 1)
i32s = st.integers(-(2**31), 2**31 - 1)
string_maps = st.dictionaries(texts, texts, max_size=4)
rows = st.lists(string_maps, max_size=4)
statuses = st.builds(Status, i32s, texts, i64s)
responses = st.builds(Response, statuses, rows)
infos = st.builds(ExtensionInfo, texts, texts, texts, texts)
options = st.builds(OptionInfo, texts, texts, texts)
registries = st.dictionaries(texts, st.dictionaries(texts, rows, max_size=2), max_size=2)

ARGUMENTS = {
    "ping": st.just(()),
    "call": st.tuples(texts, texts, string_maps),
    "shutdown": st.just(()),
    "extensions": st.just(()),
    "options": st.just(()),
    "registerExtension": st.tuples(infos, registries),
    "deregisterExtension": st.tuples(i64s),
    "query": st.tuples(texts),
    "getQueryColumns": st.tuples(texts),
}
RESULTS = {
    "ping": statuses,
    "call": responses,
    "shutdown": st.none(),
    "extensions": st.dictionaries(i64s, infos, max_size=3),
    "options": st.dictionaries(texts, options, max_size=3),
    "registerExtension": statuses,
    "deregisterExtension": statuses,
    "query": responses,
    "getQueryColumns": responses,
}


def fields(value: Any) -> dict[str, Any]:
    """Return the fields of a generated struct by name."""
    return {spec[2]: getattr(value, spec[2]) for spec in value.thrift_spec if spec is not None}


def plain(value: Any) -> Any:
    """Return a generated struct, or one of this package, as dicts and lists."""
    if isinstance(value, ttypes.ExtensionResponse):
        return {"status": plain(value.status), "rows": rows_of(value)}
    if isinstance(value, Response):
        return {"status": plain(value.status), "rows": list(value.rows)}
    if isinstance(value, (Status, ExtensionInfo, OptionInfo)):
        return value._asdict()
    if hasattr(value, "thrift_spec"):
        return fields(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def generated(value: Any) -> Any:
    """Return a value of this package as the struct that the Thrift compiler generated."""
    if isinstance(value, Response):
        rows = [{k: v.encode() for k, v in row.items()} for row in value.rows]
        return ttypes.ExtensionResponse(generated(value.status), rows)
    if isinstance(value, Status):
        return ttypes.ExtensionStatus(*value)
    if isinstance(value, ExtensionInfo):
        return ttypes.InternalExtensionInfo(*value)
    if isinstance(value, OptionInfo):
        return ttypes.InternalOptionInfo(*value)
    if isinstance(value, dict):
        return {key: generated(item) for key, item in value.items()}
    return value


def struct(name: str, suffix: str) -> Any:
    return getattr(ExtensionManager, f"{name}_{suffix}", None) or getattr(Extension, f"{name}_{suffix}")


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_thrift_reads_our_calls(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(METHODS)))
    arguments = data.draw(ARGUMENTS[name])
    read = oracle_read(encode_call(METHODS[name], arguments))
    assert read[:3] == (name, TMessageType.CALL, 0)
    assert [plain(v) for v in fields(read[3]).values()] == [plain(v) for v in arguments]


@given(st.data(), i32s)
@settings(max_examples=200, deadline=None)
def test_we_read_the_calls_of_thrift(data: st.DataObject, sequence: int) -> None:
    name = data.draw(st.sampled_from(sorted(METHODS)))
    arguments = data.draw(ARGUMENTS[name])
    values = [generated(v) for v in arguments]
    if name == "registerExtension":
        values[1] = {
            registry: {
                item: [{k: v.encode() for k, v in row.items()} for row in routes]
                for item, routes in plugins.items()
            }
            for registry, plugins in values[1].items()
        }
    message = oracle_write(name, TMessageType.CALL, sequence, struct(name, "args")(*values))
    assert RequestReader(Limits()).feed(message) == Request(name, sequence, arguments)


@given(st.data(), i32s)
@settings(max_examples=200, deadline=None)
def test_thrift_reads_our_replies(data: st.DataObject, sequence: int) -> None:
    name = data.draw(st.sampled_from(sorted(METHODS)))
    result = data.draw(RESULTS[name])
    reply = b"".join(encode_reply(Request(name, sequence, ()), result))
    read = oracle_read(reply)
    assert read[:3] == (name, TMessageType.REPLY, sequence)
    assert plain(getattr(read[3], "success", None)) == plain(result)


@pytest.mark.parametrize("protocol", [TBinaryProtocol, TBinaryProtocolAccelerated])
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_the_generated_structs_in_c_and_in_python(protocol: Any, data: st.DataObject) -> None:
    """The generated code reads and writes the same bytes with Thrift's decoder in C and the one in Python."""
    exchange = data.draw(st.sampled_from(EXCHANGES))
    name = oracle_read(exchange.reply)[0]
    options = {"fallback": False} if protocol is TBinaryProtocolAccelerated else {}
    source = TMemoryBuffer(exchange.reply)
    reader = protocol(source, **options)
    reader.readMessageBegin()
    result = struct(name, "result")()
    result.read(reader)
    target = TMemoryBuffer()
    writer = protocol(target, **options)
    writer.writeMessageBegin(name, TMessageType.REPLY, 0)
    result.write(writer)
    assert target.getvalue() == exchange.reply


def test_the_generated_package_is_what_the_compiler_makes(tmp_path: Path) -> None:
    thrift = shutil.which("thrift")
    if thrift is None:
        pytest.skip("no thrift compiler on PATH")
    head = (WIRE / "gen" / "ttypes.py").read_text()
    generator = head.split("(", 1)[1].split(")", 1)[0]
    flavour = head.split("options string: ", 1)[1].split("\n", 1)[0].strip()
    version = subprocess.run([thrift, "--version"], capture_output=True, text=True, check=True).stdout
    if generator != version.split()[-1]:
        pytest.skip(f"gen/ was made by {generator}, and the compiler on PATH is {version.strip()}")
    subprocess.run([thrift, "--gen", flavour, "-out", tmp_path, WIRE / "osquery.thrift"], check=True)
    regenerated = tmp_path / "osquery_sdk" / "wire" / "gen"
    for name in ("ttypes.py", "Extension.py", "ExtensionManager.py"):
        expected = [line.rstrip() for line in (regenerated / name).read_text().splitlines()]
        assert [line.rstrip() for line in (WIRE / "gen" / name).read_text().splitlines()] == expected, name


@given(texts, texts, i32s, st.integers(0, 10))
@settings(max_examples=50, deadline=None)
def test_thrift_reads_our_exceptions(name: str, message: str, sequence: int, kind: int) -> None:
    protocol = TBinaryProtocol(
        TMemoryBuffer(encode_exception(name, sequence, message, kind)), strictRead=True
    )
    assert protocol.readMessageBegin() == (name, TMessageType.EXCEPTION, sequence)
    error = TApplicationException()
    error.read(protocol)
    assert (error.message, error.type) == (message, kind)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("", b""),
        ("zürich \U0001f600", "zürich \U0001f600".encode()),
        ("\udcff\udc80", b"\xff\x80"),
        ("nul \0 inside", b"nul \0 inside"),
        ("lone \ud83d here", "lone \ufffd here".encode()),
        ("\udfff\udcff\ud800", "\ufffd".encode() + b"\xff" + "\ufffd".encode()),
    ],
)
def test_text_with_lone_surrogates(text: str, sent: bytes) -> None:
    reply = b"".join(encode_reply(Request("call", 0, ()), Reply(Status(), [{"v": text}])))
    assert oracle_read(reply)[3].success.response == [{"v": sent}]


class Batches:
    """Rows whose encoding is ready, as the encoder of tables hands them over."""

    def __init__(self, chunks: list[bytes], count: int) -> None:
        self._chunks = chunks
        self.count = count

    def chunks(self) -> Iterator[bytes]:
        return iter(self._chunks)


@pytest.mark.parametrize("method", ["call", "query", "getQueryColumns"])
@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 2000])
def test_answers_of_any_length_are_the_same_in_pieces(method: str, count: int) -> None:
    rows = [{"n": str(n), "v": "x" * (n % 90)} for n in range(count)]
    request = Request(method, 0, ())
    status = Status(0, "fine")
    whole = b"".join(encode_reply(request, Reply(status, rows)))
    assert rows_of(oracle_read(whole)[3].success) == rows
    chunks = [
        b"\x0b\x0b\0\0\0\2" + b"".join(pack(">I", len(t)) + t.encode() for kv in row.items() for t in kv)
        for row in rows
    ]
    pieces = list(encode_reply(request, Reply(status, Batches(chunks, count))))
    assert b"".join(pieces) == whole
    assert all(len(piece) > 4096 for piece in pieces[:-1])


def nested(depth: int) -> bytes:
    return HEAD + b"\x0c\0\x09" * depth + b"\0" * (depth + 1)


INVALID = {
    "not thrift": b"GET / HTTP/1.0\r\n\r\n",
    "old encoding": pack(">i", 4) + b"ping" + b"\1" + pack(">i", 0) + b"\0",
    "compact protocol": b"\x82\x21\x00\x04ping\x00",
    "framed": pack(">I", len(PING)) + PING,
    "a reply": b"\x80\x01\x00\x02" + PING[4:],
    "an exception": b"\x80\x01\x00\x03" + PING[4:],
    "type 0": b"\x80\x01\x00\x00" + PING[4:],
    "long name": b"\x80\x01\x00\x01\x00\x00\x00\x81",
    "negative name": b"\x80\x01\x00\x01\xff\xff\xff\xff",
    "unknown method": b"\x80\x01\x00\x01\x00\x00\x00\x04pong\x00\x00\x00\x00\x00",
    "negative string": HEAD + b"\x0b\0\1" + pack(">i", -1),
    "huge string": HEAD + b"\x0b\0\1" + pack(">i", 2**31 - 1),
    "string over the limit": HEAD + b"\x0b\0\1" + pack(">i", (64 << 20) + 1),
    "negative map": HEAD + b"\x0d\0\3\x0b\x0b" + pack(">i", -1),
    "huge map": HEAD + b"\x0d\0\3\x0b\x0b" + pack(">i", 2**31 - 1),
    "map of numbers": HEAD + b"\x0d\0\3\x08\x08" + pack(">iii", 1, 2, 3),
    "unknown type": HEAD + b"\x07\0\1",
    "unknown type in a list": HEAD + b"\x0f\0\x09\x63" + pack(">i", 1),
    "too deep": nested(17),
    "list in list too deep": HEAD + b"\x0f\0\x09" + b"\x0f\0\0\0\1" * 17,
    "too many in all": HEAD
    + b"\x0f\0\x09\x0f\0\0\0\2"
    + b"\x02\0\x0f\x42\x3f"
    + b"\1" * 999999
    + b"\2\0\0\0\1",
}


@pytest.mark.parametrize("data", INVALID.values(), ids=INVALID)
def test_invalid_messages_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        RequestReader(Limits()).feed(data)
    assert whole_request(data, Limits()) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(nested(15), id="nested as deep as allowed"),
        pytest.param(HEAD + b"\x08\0\1\0\0\0\5\0", id="a known field of another type"),
        pytest.param(HEAD + b"\x0d\0\3\0\0\0\0\0\0\0", id="an empty map without types"),
        pytest.param(HEAD + b"\x0f\0\x09\x02\0\0\0\3\1\0\1\0", id="an unknown list"),
        pytest.param(HEAD + b"\x0e\0\x09\x0a\0\0\0\1" + b"\0" * 8 + b"\0", id="an unknown set"),
        pytest.param(HEAD + b"\x0d\0\x09\x0b\x0c\0\0\0\1\0\0\0\1k\0\0", id="an unknown map of structs"),
    ],
)
def test_fields_of_a_newer_version_are_skipped(data: bytes) -> None:
    expected = Request("call", 0, ("", "", {}))
    assert RequestReader(Limits()).feed(data) == expected
    assert whole_request(data, Limits()) in (None, expected)


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_the_fast_request_agrees_with_the_decoder(data: st.DataObject) -> None:
    message = bytearray(data.draw(st.sampled_from(EXCHANGES)).request)
    for _ in range(data.draw(st.integers(0, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    message = message[: data.draw(st.integers(max(0, len(message) - 3), len(message)))]
    short = whole_request(bytes(message), Limits())
    if short is not None:
        assert RequestReader(Limits()).feed(bytes(message)) == short


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(message=60), call_bytes("t", {"k": "v" * 40})),
        (Limits(string=39), call_bytes("t", {"k": "v" * 40})),
        (Limits(elements=1), call_bytes("t", {"k": "v", "l": "w"})),
    ],
)
def test_limits_hold_for_the_fast_request(limits: Limits, message: bytes) -> None:
    assert whole_request(message, Limits()) is not None
    assert whole_request(message, limits) is None
    with pytest.raises(ProtocolError, match="limit"):
        RequestReader(limits).feed(message)


def test_a_promise_of_a_gigabyte_costs_nothing() -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        reader = RequestReader(Limits(message=2**31, string=2**30, elements=2**30))
        assert reader.feed(HEAD + b"\x0d\0\3\x0b\x0b" + pack(">i", 2**30) + pack(">i", 2**30)) is None
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def decode_in_pieces(size: int, step: int) -> float:
    message = call_bytes("t", {"k": "v" * size})
    reader = RequestReader(Limits())
    start = time.process_time()
    for at in range(0, len(message), step):
        request = reader.feed(message[at : at + step])
    assert request is not None
    return time.process_time() - start


def test_decoding_takes_time_linear_in_the_pieces() -> None:
    """Sixteen times as many pieces take about sixteen times as long; a quadratic decoder takes 256 times."""
    small = min(decode_in_pieces(40_000, 1) for _ in range(3))
    large = min(decode_in_pieces(640_000, 1) for _ in range(2))
    assert large < small * 50, (small, large)


def test_many_small_fields_take_linear_time() -> None:
    def seconds(count: int) -> float:
        message = call_bytes("t", {str(n): "" for n in range(count)})
        reader = RequestReader(Limits())
        start = time.process_time()
        for at in range(0, len(message), 100):
            request = reader.feed(message[at : at + 100])
        assert request is not None
        return time.process_time() - start

    small = min(seconds(2_000) for _ in range(3))
    large = min(seconds(32_000) for _ in range(2))
    assert large < small * 50, (small, large)


def test_importing_the_server_imports_only_what_it_needs() -> None:
    """Starting must be fast: Thrift itself is imported with the first large answer that a client reads."""
    code = (
        "import sys, osquery_sdk\n"
        "before = set(sys.modules)\n"
        "import osquery_sdk.wire.server, osquery_sdk.wire.unix, osquery_sdk.wire.client\n"
        "heavy = {'dataclasses', 'inspect', 'asyncio', 'logging', 'json', 'ctypes'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)), 'thrift' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"
