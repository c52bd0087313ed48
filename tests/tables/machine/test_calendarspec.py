"""Calendar expressions that systemd takes and refuses; systemd-analyze is the oracle."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.machine.calendarspec import is_calendar

TAKEN = (
    "Daily", "semi-annually", "minutely UTC", "weekly Europe/Paris", "Mon", "monday,", "Tue..Thu,Sun 7:00",
    "Sat-Sun *-*-1..7 18:00", "*-*-*", "*:*:*", "7-14", "2027-2-3", "97-1-1", "*-2~1", "*-*~02,1 6:00",
    "2027-*~*", "8:5", "*:0/15", "9..17/2:00", "1,2,3:4,5", "12:00:00.5", "0:0:0/0.25", "0:0:1.5..3.75",
    "*:10..19/20", "*:7..7", "@1700000000", "@0 UTC", "Fri *-12-24..26 10:30:00 utc",
)  # fmt: skip
REFUSED = (
    "", "tomorrow", "8", "25:00", "12:60", "0:0:60", "*-13-1", "*-*-32", "*-*-0", "2200-1-1", "Mon..", "Wed..Mon",
    "Mon..Wed..Fri", "Mon,12:00", "Funday", "12:00 Nowhere/City", "12.5:00", "*-1.5-1", "0:0:0..0.5", "*/2:00",
    "0/30:00", "*,1:00", "1,*:00", "*-*~29", "*~5/9", "5~1-1", "2027 -1-1", "12:00:00:00", "-1:00", "+1:00",
    "1..:00", "1/:00", "1/0:00", "@", "@x", "@99999999999999", "1" * 5000 + ":00", "12:00 x", "1;2:00",
)  # fmt: skip


@pytest.mark.parametrize("text", TAKEN)
def test_taken(text: str) -> None:
    assert is_calendar(text)


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    assert not is_calendar(text)


@pytest.mark.parametrize("text", [*TAKEN, *filter(None, REFUSED)])
def test_what_systemd_says(text: str) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze")
    done = subprocess.run([analyze, "calendar", "--", text], capture_output=True, text=True)
    assert is_calendar(text) == (done.returncode == 0)


@given(st.text(max_size=30) | st.text(alphabet="0123456789*-~:./, @MonTueUTC", max_size=24))
def test_any_text(text: str) -> None:
    is_calendar(text)


@given(
    st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59)),
    st.tuples(st.integers(1970, 2199), st.integers(1, 12), st.integers(1, 31)),
)
def test_every_moment_is_one(moment: tuple[int, int, int], date: tuple[int, int, int]) -> None:
    assert is_calendar("{}-{}-{} ".format(*date) + "{}:{}:{}".format(*moment))
