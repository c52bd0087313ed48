"""Quoted strings end at the right place, in little time and memory."""

import re
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.quoted import past_quoted

# This pattern is right in every Python, but takes 120 bytes of memory a character.
WHOLE = {'"': r'"(?:[^"\\]|\\.)*', "'": r"'(?:[^'\\]|\\.)*"}
LINE = {'"': r'"(?:[^"\\\n]|\\.)*', "'": r"'(?:[^'\\\n]|\\.)*"}


@given(
    before=st.text("ab\"'\\", max_size=3),
    quote=st.sampled_from("\"'"),
    after=st.text("ab\"'\\\n", max_size=20),
    one_line=st.booleans(),
)
def test_ends_are_those_of_a_simple_pattern(before: str, quote: str, after: str, one_line: bool) -> None:
    text = before + quote + after
    simple = re.compile((LINE if one_line else WHOLE)[quote]).match(text, len(before))
    assert simple is not None
    closed = text.startswith(quote, simple.end())
    assert past_quoted(text, len(before), one_line=one_line) == (simple.end() + closed, closed)


@pytest.mark.parametrize("count", [0, 1, 498, 499, 500, 501, 502, 999, 1000, 1001, 5000])
@pytest.mark.parametrize("one_line", [False, True])
def test_any_number_of_escapes(count: int, one_line: bool) -> None:
    text = 'x"' + "\\a" * count + 'y"z"'
    assert past_quoted(text, 1, one_line=one_line) == (len(text) - 2, True)
    assert past_quoted(text[:-4], 1, one_line=one_line) == (len(text) - 4, False)


@pytest.mark.parametrize("unit", ["a", "\\a", "\\\\", '\\"', "\\\n", "\n", "'"])
@pytest.mark.parametrize("one_line", [False, True])
def test_megabytes_take_no_time_and_no_memory(unit: str, one_line: bool) -> None:
    text = '"' + unit * (4_000_000 // len(unit))
    tracemalloc.start()
    started = time.process_time()
    for _ in range(3):
        past_quoted(text, 0, one_line=one_line)
    assert time.process_time() - started < 5
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
