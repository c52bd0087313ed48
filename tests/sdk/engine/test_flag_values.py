"""Values that a flag cannot have are refused before anything starts, and ignored in a configuration."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.engine.manager.flags import FLAGS, Flags

if TYPE_CHECKING:
    from pathlib import Path

WRONG = [
    "logger_min_status=abc",
    "logger_min_status=9",
    "schedule_timeout=-1",
    "schedule_timeout=abc",
    "schedule_epoch=x",
    "schedule_epoch=99999999999999999999",
    "schedule_default_interval=",
    "schedule_default_interval=\u0663",
    "extensions_interval=inf",
    "extensions_interval=nan",
    "extensions_interval=1e300",
    "extensions_timeout=x",
    "thrift_timeout=1e3",
    "distributed_interval=10000000000",
    "verbose=maybe",
    "disable_logging=",
]


@pytest.mark.parametrize("given", WRONG)
def test_a_value_that_it_cannot_have_is_one_line(given: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "osquery_sdk.cli.main",
        "engine",
        "--socket",
        f"{tmp_path}/em",
        "--flag",
        given,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    name = given.partition("=")[0]
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"osquery-sdk: --{name} ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "em").exists()


@pytest.mark.parametrize("given", WRONG)
def test_in_a_configuration_it_is_passed_over(given: str) -> None:
    name, _, value = given.partition("=")
    flags = Flags()
    flags.override({name: value, "schedule_epoch": 7} if name != "schedule_epoch" else {name: value})
    assert flags[name] == FLAGS[name].default
    assert flags["schedule_epoch"] == ("7" if name != "schedule_epoch" else "0")
