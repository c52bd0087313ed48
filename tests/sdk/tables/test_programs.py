"""Programs that tables run: ended in time, bounded, and told apart when they fail."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from osquery_sdk import (
    Column,
    DeadlineExceeded,
    LimitExceeded,
    Query,
    QueryCancelled,
    Row,
    TableError,
    run_program,
    table,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="runs /bin/sh")


class Thing(Row):
    name: str = Column("A name")


@table("things")
def things(query: Query) -> list[Thing]:
    """No rows."""
    return []


def sh(script: str, **options):
    return run_program("/bin/sh", "-c", script, **options)


def test_what_it_writes_comes_back_with_its_code() -> None:
    assert sh("echo out; echo err >&2; exit 3", codes=(3,)) == (b"out\n", b"err\n", 3)


def test_text_keeps_what_is_not_utf_8() -> None:
    assert sh(r"printf 'a\377'").text == os.fsdecode(b"a\xff")


def test_more_than_a_pipe_holds_goes_in_and_out() -> None:
    data = os.urandom(1 << 20)
    assert run_program("/bin/cat", input=data).stdout == data


def test_input_that_nobody_reads_is_no_error() -> None:
    assert sh("exit 0", input=b"x" * (1 << 20)).code == 0


def test_it_runs_in_c_and_in_the_root_without_a_standard_input() -> None:
    output = sh('echo "$LC_ALL"; pwd; readlink /proc/self/fd/0; echo $OTHER', environment={"OTHER": "yes"})
    assert output.text.split() == ["C", "/", "/dev/null", "yes"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 2", "/bin/sh ended with 2$"),
        ("echo >&2; echo no such disk >&2; echo more >&2; exit 1", "/bin/sh ended with 1: no such disk$"),
        ("kill -TERM $$", "/bin/sh was ended by SIGTERM$"),
    ],
)
def test_a_failure_is_one_line(script: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        sh(script)


@pytest.mark.parametrize("codes", [(0, 1), None])
def test_codes_say_what_is_no_failure(codes) -> None:
    assert sh("exit 1", codes=codes).code == 1


def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"^cannot run /no/such: No such file or directory$"):
        run_program("/no/such")
    plain = tmp_path / "plain"
    plain.write_text("no program")
    with pytest.raises(TableError, match=f"^cannot run {re.escape(str(plain))}: Permission denied$"):
        run_program(plain)


def test_path_decides_nothing() -> None:
    with pytest.raises(ValueError, match="absolute path"):
        run_program("sh")


def alive(pids: list[int]) -> list[int]:
    """Return the processes of the list that still run."""
    return [
        pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def test_all_that_it_started_ends_with_its_time(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"^/bin/sh took longer than 0\.5 s$"):
        sh(f"sleep 30 & echo $! $$ > {file}; trap '' TERM; wait; sleep 30", timeout=0.5)
    assert time.monotonic() - start < 2
    pids = [int(pid) for pid in file.read_text().split()]
    assert len(pids) == 2
    time.sleep(0.1)
    assert alive(pids) == []


def test_what_it_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    start = time.monotonic()
    assert sh(f"echo done; sleep 30 & echo $! > {file}").text == "done\n"
    assert time.monotonic() - start < 3
    time.sleep(0.1)
    assert alive([int(file.read_text())]) == []


def test_what_has_left_its_group_holds_nobody_up() -> None:
    """A daemon keeps the pipes; the answer comes all the same."""
    script = (
        "import os, sys, time; print('up', flush=True); os.fork() and os._exit(0); os.setsid(); time.sleep(4)"
    )
    start = time.monotonic()
    assert run_program(sys.executable, "-c", script).text == "up\n"
    assert time.monotonic() - start < 3.5


def test_a_program_that_closes_its_output_is_waited_for() -> None:
    assert sh("exec >&- 2>&-; sleep 0.3; exit 4", codes=None).code == 4


@pytest.mark.parametrize("stream", ["", ">&2"])
def test_too_much_output_is_an_error(stream: str) -> None:
    start = time.monotonic()
    with pytest.raises(LimitExceeded, match=r"^/bin/sh wrote more than 10,000 bytes$"):
        sh(f"while :; do echo 0123456789 {stream}; done", max_bytes=10_000)
    assert time.monotonic() - start < 3


def test_as_much_as_is_allowed_is_none() -> None:
    assert len(sh("printf 0123456789", max_bytes=10).stdout) == 10


class Call:
    """A substitute for the call that a query belongs to."""

    cancelled = False


def test_a_query_s_deadline_ends_the_program() -> None:
    query = Query.of(things, timeout=0.4)
    with pytest.raises(DeadlineExceeded, match=r"took longer than 0\.[34]"):
        sh("sleep 20", query=query)
    with pytest.raises(DeadlineExceeded, match="no time is left to run /bin/sh"):
        sh("true", query=query)


def test_a_cancelled_query_ends_the_program() -> None:
    query = Query.of(things)
    query.call = call = Call()  # type: ignore[assignment]
    timer = threading.Timer(0.3, lambda: setattr(call, "cancelled", True))
    timer.start()
    start = time.monotonic()
    with pytest.raises(QueryCancelled, match="cancelled while /bin/sh ran"):
        sh("sleep 20", query=query)
    assert time.monotonic() - start < 2
    timer.join()
