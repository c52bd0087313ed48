"""Rewrite an msi from its tables: rows in a fixed order, actions in their places, a fixed date.

wixl writes the actions of a sequence in an order that differs from run to run, and puts its own behind those
of the source. It also writes the time of day and a random identifier. Other programs of msitools read and
write the tables. Table files: https://learn.microsoft.com/windows/win32/msi/archive-file-format
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .tools import find_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

_HEAD = 3
# Two tables that are not lists of rows like the others.
_CODEPAGE = "_ForceCodepage"
_UTF_8 = 65001
_PLACEHOLDER = re.compile(rb"osquery-sdk-(?:text|name)-[0-9a-f]+")
_SUMMARY = "_SummaryInformation"
_SEQUENCE = "InstallExecuteSequence"
_REVISION, _CREATED, _SAVED = "9", "12", "13"
# The old version is removed before any file of the new version is installed. wixl would put this action
# anywhere.
_REMOVE_OLD = ("RemoveExistingProducts", "", 1450)


def rewrite(
    file: Path,
    work: Path,
    steps: Iterable[tuple[str, str, int]],
    *,
    date: datetime,
    code: str,
    texts: Mapping[str, str],
) -> None:
    """Rewrite an msi in place.

    Args:
        file: the msi.
        work: a folder to write to.
        steps: the actions to add to the sequence of an installation.
        date: the date to write into it.
        code: the identifier of this file, in braces.
        texts: the texts by their placeholders in the file, see `_PLACEHOLDER`; without tabs and line ends.

    Raises:
        PackagingError: msitools is not installed, or failed.
    """
    folder = work / "tables"
    folder.mkdir()
    whole = str(file)
    arguments: list[str] = []
    for table in sorted(_run("msiinfo", "tables", whole).decode().split()):
        lines = _run("msiinfo", "export", whole, table, folder=folder).split(b"\r\n")
        head, rows = lines[:_HEAD], [_filled(row, texts) for row in lines[_HEAD:] if row]
        if table == _CODEPAGE:
            head, rows = [b"", b"", f"{_UTF_8}\t{_CODEPAGE}".encode()], []
        elif table == _SUMMARY:
            rows = _summary(rows, date, code)
        elif table == _SEQUENCE:
            rows = _sequence(rows, [_REMOVE_OLD, *steps])
        (folder / f"{table}.idt").write_bytes(b"\r\n".join([*head, *sorted(rows), b""]))
        arguments += ["-i", f"{table}.idt"]
    for stream in sorted(_run("msiinfo", "streams", whole).decode().split("\n")):
        if stream.endswith(".cab"):
            (folder / stream).write_bytes(_run("msiinfo", "extract", whole, stream))
            arguments += ["-a", stream, stream]
    _run("msibuild", "new.msi", *arguments, folder=folder)
    (folder / "new.msi").replace(file)


def _filled(row: bytes, texts: Mapping[str, str]) -> bytes:
    return _PLACEHOLDER.sub(lambda match: texts.get(match[0].decode(), match[0].decode()).encode(), row)


def _summary(rows: list[bytes], date: datetime, code: str) -> list[bytes]:
    moment = date.strftime("%Y/%m/%d %H:%M:%S")
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
    path = find_tool(program, "msi", "msitools wixl")
    return run_tool(program, "write the msi", [path, *arguments], folder=folder)
