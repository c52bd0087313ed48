"""What was made, for programs: a JSON document that an updater can read, and checksums as sha256sum checks them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .model import Entry, Package

SCHEMA = 1


class Made(NamedTuple):
    """A package that was written."""

    form: str
    file: Path
    package: Package
    size: int
    sha256: str
    signed: bool


def made(form: str, file: Path, package: Package, *, signed: bool) -> Made:
    """Look at what was written."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Made(form, file, package, file.stat().st_size, digest, signed)


def make_manifest(all_made: Iterable[Made], osquery: str) -> dict[str, Any]:
    """The document.

    Args:
        all_made: the packages of one run.
        osquery: version of the osqueryd in them; empty if there is none, or nobody knows.
    """
    listed = list(all_made)
    first = listed[0].package
    contents = {one.package.platform + "/" + one.package.machine: one.package for one in listed}
    return {
        "schema": SCHEMA,
        "name": first.name,
        "version": first.version.text,
        "release": first.release,
        "kind": first.kind,
        "identifier": first.identifier,
        "date": datetime.fromtimestamp(first.made, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "osquery": osquery or None,
        "packages": [
            {
                "form": one.form,
                "file": one.file.name,
                "platform": one.package.platform,
                "machine": one.package.machine,
                "size": one.size,
                "sha256": one.sha256,
                "signed": one.signed,
                "secret": one.package.secret,
            }
            for one in listed
        ],
        "contents": {
            target: {
                "program": package.program,
                "load_list": package.load_list,
                "glibc": package.glibc or None,
                "files": [_entry(entry) for entry in sorted(package.entries)],
            }
            for target, package in sorted(contents.items())
        },
    }


def _entry(entry: Entry) -> dict[str, Any]:
    described: dict[str, Any] = {"path": entry.path, "kind": entry.kind, "mode": f"{entry.mode:04o}"}
    if entry.kind == "link":
        described["target"] = entry.target
    elif entry.kind != "folder" and not entry.secret:
        content = entry.read()
        described.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    return described


def checksums(files: Iterable[Path]) -> str:
    """A line for each file, as `sha256sum --check` reads them."""
    return "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(files)
    )
