"""Writes an msi anew from its tables: in an order of its own, with the actions where they belong, and dated.

wixl keeps the actions of a sequence in an order that differs from run to run, and puts its own after what was said; the
time of day and a random identifier are in what it writes. msitools' other programs take a database apart and make one.
Table files: https://learn.microsoft.com/windows/win32/msi/archive-file-format
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .tools import find_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .msi_actions import Step

_HEAD = 3
# Tables whose first lines are of another kind.
_CODEPAGE = "_ForceCodepage"
_UTF_8 = 65001
_STANDS_FOR = re.compile(rb"osquery-sdk-(?:text|name)-[0-9a-f]+")
_SUMMARY = "_SummaryInformation"
_SEQUENCE = "InstallExecuteSequence"
_REVISION, _CREATED, _SAVED = "9", "12", "13"
# wixl's own place for it is where it happens to come to lie; here it is before anything of the new version is there.
_REMOVE_OLD = ("RemoveExistingProducts", "", 1450)


def rewrite(
    file: Path, work: Path, steps: Iterable[Step], *, made: int, code: str, texts: Mapping[str, str]
) -> None:
    """Write the file anew.

    Args:
        file: the msi.
        work: a folder to write to.
        steps: actions for the sequence of an installation.
        made: Unix seconds that it is dated with.
        code: what this file is known by, with braces.
        texts: by what stands for them in the file, see `_STANDS_FOR`; without tabs and ends of lines.

    Raises:
        PackagingError: msitools is not there, or refused it.
    """
    folder = work / "tables"
    folder.mkdir()
    whole = str(file)
    arguments: list[str] = []
    for table in sorted(_run("msiinfo", "tables", whole).decode().split()):
        lines = _run("msiinfo", "export", whole, table, folder=folder).split(b"\r\n")
        if table == _CODEPAGE:
            (folder / f"{table}.idt").write_bytes(f"\r\n\r\n{_UTF_8}\t{_CODEPAGE}\r\n".encode())
            arguments += ["-i", f"{table}.idt"]
            continue
        head, rows = lines[:_HEAD], [_filled(row, texts) for row in lines[_HEAD:] if row]
        if table == _SUMMARY:
            rows = _summary(rows, made, code)
        elif table == _SEQUENCE:
            rows = _sequence(rows, [_REMOVE_OLD, *((s.name, s.condition, s.number) for s in steps)])
        (folder / f"{table}.idt").write_bytes(b"\r\n".join([*head, *sorted(rows), b""]))
        arguments += ["-i", f"{table}.idt"]
    for stream in sorted(_run("msiinfo", "streams", whole).decode().split("\n")):
        if stream.endswith(".cab"):
            (folder / stream).write_bytes(_run("msiinfo", "extract", whole, stream))
            arguments += ["-a", stream, stream]
    _run("msibuild", "new.msi", *arguments, folder=folder)
    (folder / "new.msi").replace(file)


def _filled(row: bytes, texts: Mapping[str, str]) -> bytes:
    return _STANDS_FOR.sub(lambda found: texts.get(found[0].decode(), found[0].decode()).encode(), row)


def _summary(rows: list[bytes], made: int, code: str) -> list[bytes]:
    moment = datetime.fromtimestamp(made, UTC).strftime("%Y/%m/%d %H:%M:%S")
    values = {_REVISION: code, _CREATED: moment, _SAVED: moment}
    return [
        f"{name}\t{values[name]}".encode() if (name := row.partition(b"\t")[0].decode()) in values else row
        for row in rows
    ]


def _sequence(rows: list[bytes], more: list[tuple[str, str, int]]) -> list[bytes]:
    names = {name.encode() for name, _, _ in more}
    kept = [row for row in rows if row.partition(b"\t")[0] not in names]
    return kept + [f"{name}\t{condition}\t{number}".encode() for name, condition, number in more]


def _run(program: str, *arguments: str, folder: Path | None = None) -> bytes:
    found = find_tool(program, "msi", "msitools wixl")
    return run_tool(program, "write the msi", [found, *arguments], folder=folder)
