"""Standard streams that are closed, full or unreadable: at most one line of error, and an exit code."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ...support.commands import EXTENSION, SAMPLE, SDK

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell's redirections")

BOTH = pytest.mark.parametrize("program", [SDK, EXTENSION], ids=["osquery-sdk", "extension"])
FULL = Path("/dev/full")


def shell(command: tuple[str, ...], redirections: str, **options) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that closes or redirects its streams."""
    line = f"{shlex.join(command)} {redirections}"
    return subprocess.run(
        ["/bin/sh", "-c", line], capture_output=True, text=True, errors="replace", timeout=60, **options
    )


def name_of(program: tuple[str, ...]) -> str:
    return "osquery-sdk" if program is SDK else "sample"


@BOTH
@pytest.mark.parametrize("arguments", [("shell",), ("query", "-"), ("explain", "-")], ids=" ".join)
@pytest.mark.parametrize(
    ("redirections", "says"),
    [
        ("<&-", "standard input is closed"),
        ("0>/dev/null", "standard input is open for writing only"),
        ("<&- 2>&-", ""),
    ],
)
def test_no_input(program, arguments, redirections, says):
    done = shell((*program, *arguments), redirections)
    assert (done.returncode, done.stdout) == (1, "")
    if says:
        assert re.fullmatch(f"{name_of(program)}: {says}[^\n]*\n", done.stderr), done.stderr
    else:
        assert done.stderr == ""


def test_run_without_input_starts_nothing(tmp_path):
    started = tmp_path / "started"
    extension = tmp_path / "ext.py"
    extension.write_text(f"open({str(started)!r}, 'w')\n")
    done = shell((*SDK, "run", str(extension)), "<&-")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "standard input is closed" in done.stderr
    assert not started.exists()


@BOTH
def test_input_that_is_no_text(program, tmp_path):
    """Check that a statement that is not UTF-8 fails like any other, and that the next one runs."""
    statements = tmp_path / "statements"
    statements.write_bytes(b"select '\xff';\nselect 6 * 7 as answer;\n\x00\xfe")
    done = shell((*program, "shell", "--csv"), f"< {statements}")
    assert done.returncode == 1
    assert "answer\n42\n" in done.stdout
    assert "Traceback" not in done.stderr
    done = shell((*program, "query", "-"), f"< {statements}")
    assert (done.returncode, done.stderr) == (1, f"{name_of(program)}: the statement is not valid UTF-8\n")


@BOTH
def test_a_program_for_input_takes_no_time(program):
    began = time.monotonic()
    done = shell(
        (*program, "shell"),
        f"< {sys.executable if Path(sys.executable).stat().st_size < 1 << 20 else '/bin/ls'}",
    )
    assert done.returncode == 1
    assert time.monotonic() - began < 30


@BOTH
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize(
    ("arguments", "code", "stdout"),
    [
        (("query", "--csv", "select 1 as one"), 0, "one\n1\n"),
        (("query", "selct 1"), 1, ""),
        (("nosuch",), 2, ""),
        (("query",), 2, ""),
        (("query", "--nosuch", "x"), 2, ""),
        (("query", "select 1", "--timeout", "0"), 2, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_nobody_reads_errors(program, redirection, arguments, code, stdout):
    """Check that they neither go to standard output nor change the exit code."""
    if "full" in redirection and not FULL.exists():
        pytest.skip("no /dev/full")
    done = shell((*program, *arguments), redirection)
    assert (done.returncode, done.stdout, done.stderr) == (code, stdout, "")


@BOTH
def test_a_shell_goes_on_when_nobody_reads_its_errors(program):
    done = shell((*program, "shell", "--csv"), "2>/dev/full", input="selct 1;\nselect 6 * 7 as answer;\n")
    assert (done.returncode, done.stdout) == (1, "answer\n42\n")


@BOTH
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("query", "--help"),
        ("query", "select 1"),
        ("version",),
        ("completion", "bash"),
    ],
    ids=" ".join,
)
def test_a_full_disk_for_what_is_printed(program, arguments, unbuffered):
    if not FULL.exists():
        pytest.skip("no /dev/full")
    done = shell((*program, *arguments), ">/dev/full", env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    assert (done.returncode, done.stderr) == (1, f"{name_of(program)}: No space left on device\n")


@BOTH
def test_all_streams_closed(program):
    for arguments in (("query", "select 1"), ("shell",), ("version",)):
        assert shell((*program, *arguments), "<&- >&- 2>&-").returncode == 1


@pytest.mark.parametrize(
    "arguments", [("new", "x"), ("build", "x.py"), ("run", "x.py"), ("doctor", "x.ext")], ids=" ".join
)
def test_a_working_folder_that_is_gone_is_named(arguments, tmp_path):
    command = (
        f"mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone && "
        f"{shlex.join((*SDK, *arguments))}"
    )
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[-1] == "osquery-sdk: the working folder was removed; change to another one"
    )
    assert "Traceback" not in done.stderr


def test_an_engine_goes_on_when_nobody_reads_what_its_extensions_say(tmp_path):
    """Check that the program goes on reading: an extension whose output nobody reads would stop."""
    chatty = tmp_path / "chatty.py"
    chatty.write_text(
        SAMPLE.read_text().replace(
            'if __name__ == "__main__":\n',
            'if __name__ == "__main__":\n    import sys, threading\n'
            '    say = lambda: [print("x" * 1000, file=sys.stderr, flush=True) for _ in range(2000)]\n'
            "    threading.Thread(target=say, daemon=True).start()\n",
        )
    )
    socket = f"{tmp_path}/em"
    reader, writer = os.pipe()
    engine = subprocess.Popen(
        [*SDK, "engine", "--socket", socket, "--extension", str(chatty)],
        stdout=subprocess.DEVNULL,
        stderr=writer,
    )
    os.close(writer)
    os.read(reader, 100)
    os.close(reader)
    try:
        end = time.monotonic() + 20
        while True:
            schema = subprocess.run(
                [*SDK, "schema", "--socket", socket, "--format", "spec", "sample_texts"],
                capture_output=True,
                text=True,
                timeout=30,
            )
            if schema.returncode == 0 or time.monotonic() > end:
                break
            time.sleep(0.2)
        assert "sample_texts" in schema.stdout
        assert engine.poll() is None
    finally:
        engine.terminate()
        assert engine.wait(20) == 0
