"""Bytes that are kept compressed: they come out as they went in, and take little memory meanwhile."""

import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.packed import PackedBytes
from kolide_kit.programs import run_program


def packed(parts: list[bytes]) -> PackedBytes:
    kept = PackedBytes()
    for part in parts:
        kept.add(part)
    return kept


@given(st.lists(st.binary(max_size=300) | st.integers(0, 300_000).map(lambda size: b"ab" * size), max_size=6))
def test_what_goes_in_comes_out(parts: list[bytes]) -> None:
    assert b"".join(packed(parts).pieces()) == b"".join(parts)


@given(st.lists(st.text("ab\n", max_size=9).map(str.encode), max_size=6))
def test_lines(parts: list[bytes]) -> None:
    expected = b"".join(parts).split(b"\n")
    assert list(packed(parts).lines()) == (expected if expected[-1] else expected[:-1])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_a_long_output_takes_little_memory() -> None:
    tracemalloc.start()
    kept = PackedBytes()
    done = run_program("/bin/sh", "-c", "head -c 5000000 /dev/zero", take=kept.add)
    size = sum(map(len, kept.pieces()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (done.stdout, size) == (b"", 5_000_000)
    assert peak < 1_500_000
