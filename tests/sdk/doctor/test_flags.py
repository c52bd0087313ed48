"""Flag files and load lists are read as osquery reads them: compared with a real osquery, file by file."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolide_kit.binaries import read_program
from osquery_sdk.doctor import loadlist
from osquery_sdk.doctor.flags import KNOWN, defaults, number, parse_arguments, parse_file

from .support import OSQUERYI

if TYPE_CHECKING:
    from pathlib import Path

FILES = [
    "--extensions_autoload=/x.load\n--extensions_timeout=7\n",
    "--extensions_autoload=/x.load  \n--extensions_timeout=7\n",
    "--extensions_autoload /x.load\n--extensions_timeout=7\n",
    "extensions_autoload=/x.load\n--extensions_timeout=7\n",
    "other\n--extensions_timeout=7\nosqueryi\n--extensions_interval=8\n--watchdog_level=1",
    "osqueryi other\n--extensions_timeout=7\n",
    "osquery?\n--extensions_timeout=7\n",
    "other\nosqueryi\n--extensions_timeout=7\nother\n--extensions_timeout=8",
    "--nosuchflag=1\n-extensions_timeout=7\n--extensions_timeout=8\n",
    "--extensions_autoload=/x.load\r\n--extensions_timeout=7\r\n",
    "--enable_extensions_watchdog=T\n--allow_unsafe\n",
    "--enable_extensions_watchdog\n--noenable_extensions_watchdog\n",
    "--watchdog_level=-1\n--extensions_timeout='9'\n",
    "--extensions_timeout=9 # c\n",
    "  \t --extensions_timeout=9\n",
    "# c\n\n--extensions-timeout=9\n",
    "; c\n--extensions_timeout=9\n",
    "--Extensions_timeout=9\n",
    "\ufeff--extensions_timeout=9\n--watchdog_level=1\n",
    "--extensions_timeout=9",
    "--flagfile={folder}/more.flags\n--extensions_interval=5\n",
    "--extensions_timeout=\n--extensions_require=a,b\n",
    "--watchdog_memory_limit=500\n--watchdog_delay=0\n",
]


@pytest.mark.parametrize("text", FILES, ids=repr)
def test_values_are_those_that_osquery_takes(text: str, tmp_path: Path, osquery: None) -> None:
    assert OSQUERYI is not None
    (tmp_path / "more.flags").write_text("--extensions_timeout=77\n")
    file = tmp_path / "osquery.flags"
    file.write_bytes(text.format(folder=tmp_path).encode())
    names = ", ".join(f"'{name}'" for name in KNOWN if name not in ("disable_extensions", "disable_watchdog"))
    done = subprocess.run(
        [
            OSQUERYI,
            f"--flagfile={file}",
            "--disable_extensions",
            "--json",
            f"select name, value from osquery_flags where name in ({names})",
        ],
        capture_output=True,
        text=True,
        timeout=20,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )
    osquerys = {row["name"]: row["value"] for row in json.loads(done.stdout)}
    ours = {**defaults(), **parse_file(file, "osqueryi").values}
    assert osquerys.keys() >= set(KNOWN) - {"disable_extensions", "disable_watchdog", "allow_unsafe"}
    assert {name: ours[name] for name in osquerys} == osquerys


@pytest.mark.parametrize(
    "line",
    [
        "--disable_extensions=maybe",
        "--watchdog_level=high",
        "--watchdog_level=1 ",
        "--flagfile=/nonexistent",
        "--disable_watchdog=true ",
    ],
)
def test_what_stops_osquery(line: str, tmp_path: Path, osquery: None) -> None:
    assert OSQUERYI is not None
    file = tmp_path / "osquery.flags"
    file.write_text(f"{line}\n")
    (problem,) = parse_file(file).problems
    assert problem.fatal
    done = subprocess.run(
        [OSQUERYI, f"--flagfile={file}", "--disable_extensions", "select 1"],
        capture_output=True,
        text=True,
        timeout=20,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )
    assert done.returncode != 0


def test_command_line(tmp_path: Path) -> None:
    (tmp_path / "flags").write_text("--extensions_timeout=7\n--extensions_require=a\n")
    parsed = parse_arguments(
        ["--flagfile", f"{tmp_path}/flags", "--extensions_timeout", "8", "--allow_unsafe", "--tls_x=y", "sql"]
    )
    assert parsed.values == {"extensions_timeout": "8", "extensions_require": "a", "allow_unsafe": "true"}
    assert parsed.files == [tmp_path / "flags"]


def test_flag_file_that_names_itself(tmp_path: Path) -> None:
    (tmp_path / "flags").write_text(f"--flagfile={tmp_path}/flags\n")
    assert "too deeply" in parse_file(tmp_path / "flags").problems[0].text


@pytest.mark.parametrize(
    ("text", "value"), [("7", 7), (" 8s", 8), ("-1", -1), ("", 3), ("x", 3), ("1.5", 1), ("+2", 2)]
)
def test_numbers_are_read_as_osqueryd_reads_them(text: str, value: float) -> None:
    assert number(text, 3) == value


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("{path}", "itself"),
        ("{folder}/../lib/{name}", "same file"),
        ("{folder}", "folder"),
        ("{folder}/..", "folder"),
        ("/nonexistent\n{path}", "itself"),
        ("{name}", "relative"),
        ("lib/{name}", "relative"),
        ("'{path}'", "near"),
        ("{path} # c", "near"),
        ("\ufeff{path}", "near"),
        ("\ufeff{path}\n{path}", "itself"),
        ("#{path}", None),
        (";{path}", None),
        ("{path}.bak", None),
    ],
)
def test_line_that_leads_to_a_file(text: str, how: str | None, tmp_path: Path) -> None:
    path = tmp_path / "lib" / "hello.ext"
    path.parent.mkdir()
    path.touch()
    file = tmp_path / "extensions.load"
    file.write_bytes(text.format(path=path, folder=path.parent, name=path.name).encode())
    match = loadlist.find(loadlist.read(file), path)
    assert (match.how if match else None) == how


FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = st.lists(
    st.sampled_from(
        ["--", "-", "=", " ", "\n", "\r", "#", "flagfile", "disable_extensions", "x", "\0", "é", '"']
    )
).map("".join)


@FEW
@given(data=st.one_of(PIECES.map(str.encode), st.binary()))
def test_no_file_is_too_odd(data: bytes, tmp_path: Path) -> None:
    """A flag file or load list of anything whatever is read to its end."""
    file = tmp_path / "odd"
    file.write_bytes(data)
    assert set(parse_file(file).values) <= set(KNOWN)
    lines = loadlist.read(file)
    assert all(line.text == line.text.strip(" \t\n\v\f\r") for line in lines)
    loadlist.find(lines, tmp_path / "x")


HEADS = [
    b"\x7fELF\x02\x01",
    b"\x7fELF\x01\x02",
    b"MZ",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe\0\0\0\1",
    b"#!",
]


@FEW
@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=300))
def test_no_program_is_too_odd(head: bytes, rest: bytes, tmp_path: Path) -> None:
    file = tmp_path / "odd"
    file.write_bytes(head + rest)
    assert read_program(file).system in ("", "linux", "darwin", "win32", "script")


@pytest.mark.parametrize(
    ("data", "system", "machines"),
    [
        (b"\xcf\xfa\xed\xfe" + (0x0100000C).to_bytes(4, "little"), "darwin", ("arm64",)),
        (
            b"\xca\xfe\xba\xbe"
            + (2).to_bytes(4, "big")
            + (0x01000007).to_bytes(4, "big").ljust(20, b"\0")
            + (0x0100000C).to_bytes(4, "big").ljust(20, b"\0"),
            "darwin",
            ("x86_64", "arm64"),
        ),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", "", ()),
        (b"MZ".ljust(0x3C, b"\0") + (0x40).to_bytes(4, "little") + b"PE\0\0\x64\x86", "win32", ("x86_64",)),
        (b"MZ", "", ()),
        (b"", "", ()),
    ],
)
def test_programs_of_other_systems(
    data: bytes, system: str, machines: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "program"
    file.write_bytes(data)
    assert read_program(file)[:2] == (system, machines)
