"""Messages of the kernel's packet filter, taken apart; the tests of nftables_rules have real ones."""

from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.exposure.nfnetlink import number, parsed, parsed_list, text
from kolide_tables.exposure.nftkernel import expand_rule


def attribute(kind: int, value: bytes) -> bytes:
    return pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def test_attributes() -> None:
    data = (
        attribute(1, b"name\0")
        + attribute(0x8002, attribute(1, b"\xff\xff\xff\xfb"))
        + attribute(1, b"last\0")
    )
    values = parsed(data)
    assert text(values, 1) == "last"
    inner = parsed(values[2])  # the upper bits of a type say how the value is written
    assert (number(inner, 1), number(inner, 1, signed=True)) == (0xFFFFFFFB, -5)
    assert (number(inner, 9), number(inner, 9, default=7), text(inner, 9)) == (0, 7, "")
    assert parsed_list(attribute(1, b"a") + attribute(1, b"b")) == [b"a", b"b"]


def test_what_is_not_whole_ends_the_attributes() -> None:
    assert parsed(attribute(1, b"abcd") + pack("=HH", 90, 2) + b"short") == {1: b"abcd"}
    assert parsed(attribute(1, b"abcd") + pack("=HH", 3, 2)) == {1: b"abcd"}
    assert parsed(b"\x04") == {}


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    for value in parsed(data).values():
        assert len(value) <= len(data)
    parsed_list(data)


@given(st.dictionaries(st.integers(0, 0x3FFF), st.binary(max_size=20), max_size=5))
def test_attributes_come_back(values: dict[int, bytes]) -> None:
    assert parsed(b"".join(attribute(*each) for each in values.items())) == values


def expression(name: str, *values: bytes) -> bytes:
    return attribute(1, attribute(1, name.encode() + b"\0") + attribute(2, b"".join(values)))


def test_expressions_of_a_rule() -> None:
    to_chain = attribute(2, attribute(2, attribute(1, pack(">i", -3)) + attribute(2, b"web\0")))
    data = (
        expression("match", attribute(1, b"comment\0"), attribute(3, b"two words\0\0rest"))
        + expression("counter", attribute(1, pack(">Q", 5)), attribute(2, pack(">Q", 1 << 40)))
        + expression("objref", attribute(1, pack(">I", 1)), attribute(2, b"named\0"))
        + expression("lookup", attribute(1, b"ports\0"))
        + expression("lookup", attribute(1, b"verdicts\0"), attribute(3, pack(">I", 0)))
        + expression("newer")
        + expression("immediate", to_chain)
    )
    rule = {"comment": None, "data": data}
    expand_rule(rule, {})
    assert rule["comment"] == "two words"
    assert rule["expr"] == [
        {"xt": {"type": "match", "name": "comment", "comment": "two words"}},
        {"counter": {"packets": 1 << 40, "bytes": 5}},
        {"counter": "named"},
        {"lookup": None},
        {"vmap": {"data": "@verdicts"}},
        {"newer": None},
        {"jump": {"target": "web"}},
    ]


@given(
    st.sampled_from(["match", "target", "immediate", "counter", "objref", "lookup", "nat", "x"]),
    st.dictionaries(st.integers(1, 4), st.binary(max_size=24), max_size=4),
)
def test_any_expression(name: str, values: dict[int, bytes]) -> None:
    data = b"".join(attribute(*each) for each in values.items())
    expand_rule({"comment": None, "data": expression(name, data)}, {})
    expand_rule({"comment": None, "data": data}, {})
