"""Describe packages for programs: a JSON document for updaters, and checksums for sha256sum."""

from __future__ import annotations

import hashlib
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


def describe_file(form: str, file: Path, package: Package, *, signed: bool) -> Made:
    """Return size and digest of a package that was written."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Made(form, file, package, file.stat().st_size, digest, signed)


def make_manifest(packages: Iterable[Made], osquery: str) -> dict[str, Any]:
    """Return the document.

    Args:
        packages: the packages of one run.
        osquery: the version of the osqueryd in them; empty if there is none or its version is not known.
    """
    listed = list(packages)
    first = listed[0].package
    contents = {f"{entry.package.platform}/{entry.package.machine}": entry.package for entry in listed}
    return {
        "schema": SCHEMA,
        "name": first.name,
        "version": first.version.text,
        "release": first.release,
        "kind": first.kind,
        "identifier": first.identifier,
        "date": first.timestamp,
        "osquery": osquery or None,
        "packages": [
            {
                "form": entry.form,
                "file": entry.file.name,
                "platform": entry.package.platform,
                "machine": entry.package.machine,
                "size": entry.size,
                "sha256": entry.sha256,
                "signed": entry.signed,
                "secret": entry.package.secret,
            }
            for entry in listed
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
    """Return a line for each file, in the format that `sha256sum --check` reads."""
    return "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(files)
    )
