"""Hostile data ends in the parsers' own error, in little time and memory."""

import json
import plistlib
import struct
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Budget, Limits
from kolide_tables.documents.formats import OPENERS
from kolide_tables.documents.terms import parse_query
from kolide_tables.reading.parsing import ParseError

from .conftest import Select, write_yaml

NAMES = list(OPENERS)


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    # Time of this process: the machine may be busy.
    start = time.process_time()
    yield
    assert time.process_time() - start < 20


def run(form: str, data: bytes, query: str = "*") -> int:
    """Return the number of rows; ParseError and LimitExceeded are answers as well."""
    opener = OPENERS[form]
    budget = Budget(Limits())
    try:
        return len(opener(data, budget).select(parse_query(query), budget))
    except (ParseError, LimitExceeded) as error:
        message = str(error)
    assert message
    assert "\n" not in message
    return -1


@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("form", NAMES)
@given(st.binary(max_size=200), st.text(max_size=10))
def test_random_bytes(form: str, data: bytes, query: str) -> None:
    run(form, data, query)


# Pieces that make a parser read far before it fails.
PIECES = {
    "json": [
        b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b'"a"', b"1", b"-", b"1e5", b"null", b"NaN", b" ",
        b"\\u",
    ],
    "jsonc": [b"//", b"/*", b"*/", b"\n", b",", b"]", b"[", b"{", b'"', b"\\", b'"a":', b"1"],
    "jsonl": [b"{", b"}", b'{"a":1}', b"\n", b"\r", b"1", b"[", b"NaN", b'"'],
    "yaml": [
        b"a: ", b"- ", b"\n", b"  ", b"&a ", b"*a", b"{", b"}", b"[", b"]", b"<<: ", b"!!int ", b"!!set ",
        b"? ", b"---\n", b"|", b"'", b"%", b"!!binary ", b"!!timestamp ", b"1:2", b'"', b"\\", b"\t", b">",
        b"...\n", b" #", b": ", b"k:\n", b"- x\n", b"k: v\n", b",", b"!", b"*a : ", b"|2-\n", b"\r",
    ],
    "toml": [
        b"a", b" = ", b"\n", b"[", b"]", b"[[", b"]]", b".", b'"', b"'''", b"1", b"{", b"}", b"1979-05-27",
        b"T07:32:00Z", b"0x", b"1e9",
    ],
    "xml": [
        b"<a>", b"</a>", b"<a ", b"b='", b"'", b"/>", b"&lt;", b"&", b"<!DOCTYPE a [", b"<!ENTITY a 'b'>",
        b"]>", b"<![CDATA[", b"]]>", b"<?xml version='1.0' encoding='", b"utf-16", b"'?>", b"x:",
    ],
    "ini": [b"[", b"]", b"=", b":", b"a", b" ", b"\n", b"#", b";", b'"', b"\\", b"\t", b"%(a)s", b"yes"],
    "plist": [
        b"<plist>", b"</plist>", b"<dict>", b"</dict>", b"<key>", b"</key>", b"<array>", b"</array>",
        b"<integer>", b"</integer>", b"1", b"<date>", b"</date>", b"<real>", b"</real>", b"<data>",
        b"</data>", b"<true/>", b"<string/>", b"{", b"}", b"(", b")", b"a", b" = ", b";", b"<*I5>", b"<0f>",
        b'"', b"\\", b"/*", b"//", b",", b"bplist00",
    ],
    "csv": [b",", b'"', b"\n", b"\r", b"a", b";", b"\t", b"\0"],
}  # fmt: skip


@settings(deadline=None, max_examples=80)
@pytest.mark.parametrize("form", NAMES)
@given(st.data())
def test_random_pieces(form: str, data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.sampled_from(PIECES[form]) | st.binary(max_size=2), max_size=30))
    run(form, b"".join(pieces), data.draw(st.sampled_from(["*", "a", "#a", "0/a=>*"])))


BINARY = plistlib.dumps(
    {"a": [1, 2.5, "x", "é", b"z", True, {"b": plistlib.UID(3), "c": []}], "d": {"e": 2**63}},
    fmt=plistlib.FMT_BINARY,
)


@settings(deadline=None, max_examples=400)
@given(
    st.lists(st.tuples(st.integers(0, len(BINARY) - 1), st.integers(0, 255)), max_size=4),
    st.integers(0, len(BINARY)),
)
def test_damaged_binary_property_lists(changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(BINARY)
    for position, value in changes:
        data[position] = value
    run("plist", bytes(data))
    run("plist", bytes(data[:end]))


DEPTH = 100_000


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("json", b"[" * DEPTH),
        ("json", b'{"a":' * DEPTH + b"1" + b"}" * DEPTH),
        ("jsonl", b"[" * DEPTH + b"\n[1]"),
        ("jsonc", b"[" * DEPTH),
        ("yaml", b"[" * DEPTH),
        ("yaml", b"{a: " * DEPTH),
        ("yaml", b"- " * DEPTH),
        ("yaml", b"? " * DEPTH),
        ("yaml", b"".join(b" " * i + b"a:\n" for i in range(2_000))),
        ("yaml", b"&a " * DEPTH),
        ("yaml", b"&a\n" * DEPTH),
        ("toml", b"a = " + b"[" * DEPTH),
        ("toml", b"a = " + b"{a=" * DEPTH),
        ("toml", b"a" + b".a" * 2_000_000 + b" = 1"),
        ("toml", b"[x]\n[" + b' "a" .' * 200_000 + b"a]"),
        ("toml", b"x = {" + b"a." * 200_000 + b"a = 1}"),
        ("toml", b'"' + b" ' '." * 200_000),
        ("toml", b",".join([b"a . " * 60] * 2_000)),
        ("toml", b',"a,"' * 200_000),
        ("toml", b"a" + b" " * 1_000_000 + b"\n" + b"a" * 1_000_000),
        ("xml", b"<a>" * DEPTH),
        ("xml", b"<a>" * DEPTH + b"</a>" * DEPTH),
        ("plist", b"<plist>" + b"<array>" * DEPTH),
        ("plist", b"<plist>" + b"<dict><key>a</key>" * DEPTH),
    ],
)
def test_deep(form: str, data: bytes) -> None:
    assert run(form, data) <= 1


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("json", b"[" + b"1," * 1_500 + b"1]"),
        ("jsonc", b"[" + b"1," * 1_500 + b"]"),
        ("jsonl", b"1\n" * 1_500),
        ("yaml", b"- 1\n" * 1_500),
        ("toml", b"a = [" + b"1," * 1_500 + b"]"),
        ("csv", b"a\n" + b"1\n" * 1_500),
        ("ini", b"".join(b"k%d=1\n" % i for i in range(1_500))),
        ("xml", b"<r>" + b"<a/>" * 1_500 + b"</r>"),
        ("plist", b"<plist><array>" + b"<true/>" * 1_500 + b"</array></plist>"),
    ],
)
def test_wide(select: Select, form: str, data: bytes) -> None:
    with pytest.raises(LimitExceeded, match=r"more than 1,000 rows.*raise max_rows"):
        select(form, data, limits=Limits(max_rows=1_000))
    assert len(select(form, data, limits=Limits(max_rows=1_501))) >= 1_500


def test_rows_of_an_ordinary_answer(select: Select) -> None:
    assert len(select("json", b"[" + b"1," * 99_999 + b"1]")) == 100_000
    with pytest.raises(LimitExceeded, match=r"more than 100,000 rows"):
        select("json", b"[" + b"1," * 100_000 + b"1]")


def test_time_limit() -> None:
    budget = Budget(Limits(max_seconds=0))
    document = OPENERS["yaml"](b"- 1\n" * 10_000, budget)
    with pytest.raises(LimitExceeded, match=r"within 0 s.*raise max_seconds"):
        document.select(parse_query("*"), budget)


LAUGHS = b"<!DOCTYPE a [" + b"".join(
    b'<!ENTITY l%d "%s">' % (i, b"&l%d;" % (i - 1) * 10 if i else b"lol") for i in range(12)
)


@pytest.mark.parametrize("form", ["xml", "plist"])
@pytest.mark.parametrize(
    "data",
    [
        LAUGHS + b"]><a>&l11;</a>",
        b'<!DOCTYPE a [<!ENTITY l "' + b"x" * 50_000 + b'">]><a>' + b"&l;" * 50_000 + b"</a>",
        b'<!DOCTYPE a [<!ATTLIST a b CDATA "' + b"x" * 50_000 + b'">]><a>' + b"<a/>" * 50_000 + b"</a>",
        b'<!DOCTYPE a [<!ENTITY % e SYSTEM "http://127.0.0.1:9/"> %e;]><a/>',
    ],
    ids=["laughs", "quadratic", "attributes", "external"],
)
def test_entities(form: str, data: bytes) -> None:
    tracemalloc.start()
    # The elements are still read; what they refer to stays as it is written.
    assert run(form, data) <= len(data) // 4
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x, x]\n"
        + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 20)),
        "a0: &a0 []\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 20)),
        "a0: &a0 {k: 1}\n" + "".join(f"a{i}: &a{i} {{k: *a{i - 1}, l: *a{i - 1}}}\n" for i in range(1, 60)),
        "a: &a [" + "1, " * 1000 + "]\nb: [" + "*a, " * 1000 + "]\n",
        "a: &a {" + ", ".join(f"k{i}: 1" for i in range(1000)) + "}\nb: [" + "{<<: *a}, " * 1000 + "]\n",
    ],
    ids=["texts", "hollow", "maps", "wide", "merges"],
)
def test_yaml_alias_bombs(text: str) -> None:
    tracemalloc.start()
    assert run("yaml", text.encode()) == -1
    # Rows for the aliases before the last one are a part of it.
    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()


def _binary(objects: list[bytes], *, offsets: list[int] | None = None, width: int = 2) -> bytes:
    """Return a binary property list of these objects, the first one on top, all numbers of `width` bytes."""
    body = b"bplist00"
    places = []
    for item in objects:
        places.append(len(body))
        body += item
    table = b"".join(place.to_bytes(width) for place in offsets or places)
    count = len(offsets or places)
    return body + table + struct.pack(">6xBBQQQ", width, width, count, 0, len(body))


def _array(*references: int, width: int = 2) -> bytes:
    assert len(references) < 15
    return bytes([0xA0 | len(references)]) + b"".join(r.to_bytes(width) for r in references)


def _long_array(count: int) -> bytes:
    """Return an array of the objects 1 to `count`, with references of three bytes."""
    return b"\xaf\x11" + count.to_bytes(2) + b"".join((i + 1).to_bytes(3) for i in range(count))


_LONG_TEXT = b"\x5f\x11\xc3\x50" + b"x" * 50_000


def test_a_binary_property_list_made_by_hand_is_one() -> None:
    assert run("plist", _binary([_array(1, 2), b"\x51x", b"\x10\x07"])) == 2


@pytest.mark.parametrize(
    "data",
    [
        # nothing but what cannot be read
        _binary([_array(0)]),
        _binary([_array(1, 1), _array(0, 0)]),
        _binary([b"\xd1\x00\x01\x00\x00", b"\x51k"]),
        # thirty levels of twice the next one: a thousand million, of nothing or of something
        _binary([_array(i + 1, i + 1) for i in range(30)] + [_array()]),
        _binary([_array(i + 1, i + 1) for i in range(30)] + [b"\x51x"]),
        _binary([_array(i + 1) for i in range(5_000)] + [b"\x51x"]),
        # one long text in ten thousand places of the offset table
        _binary([_LONG_TEXT, _long_array(10_000)], offsets=[8 + len(_LONG_TEXT), *[8] * 10_000], width=3),
        # texts that lie on top of each other
        _binary(
            [b"\x5f\x11\x75\x30" * 10_000, _long_array(2_000)],
            offsets=[40_008, *[8 + 4 * i for i in range(2_000)]],
            width=3,
        ),
        # counts of what is not there
        _binary([b"\xaf\x13" + b"\x7f" * 8]),
        _binary([b"\x5f\x13" + b"\x7f" * 8]),
        b"bplist00" + struct.pack(">6xBBQQQ", 8, 8, 2**60, 0, 8),
        b"bplist00" + b"\0" * 8 + struct.pack(">6xBBQQQ", 1, 1, 1, 5, 8),
    ],
    ids=[
        "self",
        "each-other",
        "map",
        "hollow",
        "texts",
        "deep",
        "same",
        "overlap",
        "refs",
        "chars",
        "table",
        "top",
    ],
)
def test_binary_property_list_bombs(data: bytes) -> None:
    tracemalloc.start()
    assert run("plist", data) == -1
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        _binary([_array(0, 1), b"\x51x"]),
        _binary([_array(2, 1, 2), b"\x51x", _array(0, 0)]),
        _binary([b"\xd2\x00\x02\x00\x03\x00\x00\x00\x01", b"\x51x", b"\x51k", b"\x51l"]),
        # the same place under two numbers
        _binary([_array(2, 1), b"\x51x"], offsets=[8, 13, 8]),
    ],
    ids=["self", "each-other", "map", "twice"],
)
def test_a_container_that_is_inside_itself_costs_only_itself(data: bytes) -> None:
    budget = Budget(Limits())
    document = OPENERS["plist"](data, budget)
    assert [cell[3] for cell in document.select(parse_query("*"), budget)] == ["x"]
    assert "inside itself" in document.problems[0]


_MANY = [{"id": f"{i}", "name": f"host {i}", "os": {"v": "6.1"}, "tags": ["a", "b"]} for i in range(800)]


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("yaml", write_yaml({"hosts": _MANY}).encode()),
        ("yaml", json.dumps(_MANY).encode()),
        ("csv", b"id,name\n" + b"".join(b"%d,host %d\n" % (i, i) for i in range(4_000))),
        ("xml", b"<r>" + b"<h i='1'><n>host</n><t>a</t><t>b</t></h>\n" * 1_500 + b"</r>"),
        ("plist", plistlib.dumps({"hosts": _MANY})),
        ("plist", b"{h = (" + b'{i = 1; n = "host"; t = (a, b); },\n' * 1_500 + b");}"),
    ],
    ids=["yaml", "flow", "csv", "xml", "xml-plist", "openstep"],
)
def test_a_large_document_is_not_in_memory(form: str, data: bytes) -> None:
    """Only its text is; as dicts and lists it would take ten times that."""
    run(form, data, "x/y")
    tracemalloc.start()
    try:
        assert run(form, data, "x/y") == 0
        assert tracemalloc.get_traced_memory()[1] < 3 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("json", b"[" + b"9" * 1_000_000 + b"]"),
        ("json", b"[1e" + b"9" * 1_000_000 + b"]"),
        ("json", b"[1e-" + b"9" * 1_000_000 + b"]"),
        ("yaml", b"a: " + b"9" * 1_000_000),
        ("yaml", b"a: 0x" + b"f" * 1_000_000),
        ("yaml", b"a: !!float 1e" + b"9" * 100_000),
        ("toml", b"a = 0x" + b"f" * 1_000_000),
        ("plist", b"<plist><integer>0x" + b"f" * 1_000_000 + b"</integer></plist>"),
        ("plist", b"<plist><integer>" + b"9" * 1_000_000 + b"</integer></plist>"),
    ],
)
def test_long_numbers(form: str, data: bytes) -> None:
    assert run(form, data) <= 1


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b"\\a" * 300_000,
        b'["' + b"\\n" * 300_000 + b'", // x\n]',
        b'"\\"' * 100_000,
        b"[" + b" " * 600_000,
        b"[1," + b" " * 600_000,
    ],
    ids=["escapes", "string", "quotes", "blanks", "comma"],
)
def test_json_with_comments_takes_memory_in_proportion(data: bytes) -> None:
    tracemalloc.start()
    run("jsonc", data)
    # A few copies of the text; what remembers each escape would be 36 MB.
    assert tracemalloc.get_traced_memory()[1] < 12_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        b"a: '" + b" " * 200_000 + b"x\n " + b" " * 200_000 + b"'",
        b'a: "' + b"\\ " * 20_000 + b'\n b"',
        b"a" + b": b" * 20_000,
        b"a:b" * 20_000,
        b"a: b" + b":c" * 20_000 + b"\n",
        b"a:" + b" b" * 25_000 + b": c\n",
        b"a: |\n" + b" \n" * 20_000 + b"b",
        b"a" + b"\n\n" * 20_000 + b" b",
        b"# c\n" * 200_000 + b"a: b",
        b"[" + b"a\n " * 25_000 + b"]",
        b"[" + b"'a', " * 25_000 + b"]: b",
        b"a: " + b"#" * 40_000,
        b"- ? a\n" * 20_000,
        b"---\n" * 25_000,
        b"...\n" * 25_000,
        b"%X y\n" * 25_000,
        b"&" + b"a" * 40_000,
        b"!" + b"a" * 40_000,
        b"*" + b"a" * 40_000,
        b"a b c - @+ " * 25_000,
    ],
)
def test_yaml_takes_time_in_proportion(data: bytes) -> None:
    tracemalloc.start()
    run("yaml", data)
    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("line", [b"{", b'"', b'{"a":', b"x", b"[NaN]", b'{"a":1} x', b"[[1],"])
def test_nothing_but_wrong_lines(line: bytes) -> None:
    # the time shows that each costs no more than itself
    run("jsonl", (line + b"\n") * 20_000)


@pytest.mark.parametrize("form", NAMES)
@pytest.mark.parametrize(
    "piece",
    [
        b"\0", b"\xff", b'"', b"'", b"[", b"{", b"<", b"&", b"\\", b"/*", b",", b"\n", b"a:", b"- ", b"=",
        b"#a=>",
    ],
)  # fmt: skip
def test_the_same_over_and_over(form: str, piece: bytes) -> None:
    run(form, piece * (100_000 // len(piece)))
