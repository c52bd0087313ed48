"""Messages of the kernel's packet filter, taken apart; the tests of nftables_rules have real ones."""

from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.exposure.nfnetlink import number, parsed, parsed_list, text


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
