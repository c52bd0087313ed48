"""Tests of the program as osqueryd starts it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from osquery_sdk.engine import Host

from ...support.commands import EXTENSION, SAMPLE, run, until


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--verbose"],
        ["--verbose=true"],
        ["--verbose", "false"],
        ["--some_flag_of_a_later_osquery", "--another=5"],
    ],
)
def test_it_serves_whatever_osquery_passes(flags):
    with Host() as host:
        process = subprocess.Popen(
            [*EXTENSION, *flags, "--socket", host.socket, "--timeout", "3", "--interval", "3"],
            stderr=subprocess.PIPE,
            text=True,
        )
        host.wait_for_extensions(1, timeout=15)
        assert host.query("select word from sample_numbers where n = 3").rows == [{"word": "three"}]
        process.terminate()
        _, message = process.communicate(timeout=10)
    assert process.returncode == 0
    unknown = [flag for flag in flags if "flag" in flag or "another" in flag]
    assert ("ignored arguments that it does not know: " + " ".join(unknown) in message) == bool(unknown)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "--socket is missing"),
        (["--timeout", "x", "--socket", "/no"], 2, "--timeout"),
        (["--socket", "/no/such.em", "--timeout", "0.2"], 1, "no extension manager at /no/such.em"),
        (["--verbose=perhaps", "--socket", "/no"], 2, "'perhaps' is not a boolean; write true or false"),
    ],
)
def test_what_keeps_it_from_serving_is_one_line(arguments, code, message):
    done = run(EXTENSION, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def imported_when_serving(tmp_path: Path) -> set[str]:
    """Return the modules that are loaded when the sample extension has registered."""
    listing = tmp_path / "modules"
    code = f"""
import runpy, sys, threading
def note():
    with open({str(listing)!r}, "w") as file:
        file.write("\\n".join(list(sys.modules)))
threading.Timer(1.0, note).start()
runpy.run_path({str(SAMPLE)!r}, run_name="__main__")
"""
    with Host() as host:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "--socket", host.socket], stderr=subprocess.DEVNULL
        )
        host.wait_for_extensions(1, timeout=15)
        host.query("select * from sample_numbers")
        until(listing.exists)
        time.sleep(0.1)
        process.terminate()
        process.wait(10)
    return set(listing.read_text().split())


def test_serving_imports_nothing_that_only_commands_need(tmp_path):
    modules = imported_when_serving(tmp_path)
    assert "osquery_sdk.wire.server" in modules
    needless = {
        "apsw",
        "prompt_toolkit",
        "pygments",
        "subprocess",
        "platform",
        "csv",
        "asyncio",
        "logging",
        "inspect",
    }
    needless |= {
        "dataclasses",
        "osquery_sdk.engine",
        "osquery_sdk.tables.schema",
        "osquery_sdk.engine.explain",
        "osquery_sdk.sql.tokens",
    }
    needless |= {
        f"osquery_sdk.cli.{name}" for name in ("sql", "tables", "version", "completion", "output", "shell")
    }
    assert modules & needless == set()
