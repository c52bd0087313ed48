"""Packages are reproducible: one bundle gives the same bytes in any place at any time, in every form."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from .conftest import made, needs

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = {"msi": ("wixl", "msibuild"), "pkg": ("bsdtar",)}


def again(bundle: Path, folder: Path) -> Path:
    """An equal bundle in another folder, with other times, and files made in another order."""
    folder.mkdir()
    other = folder / bundle.name
    other.mkdir()
    for path in sorted(bundle.rglob("*"), reverse=True):
        to = other / path.relative_to(bundle)
        to.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            to.symlink_to(path.readlink())
        elif path.is_file():
            shutil.copy(path, to)
            os.utime(to, (1, 1))
    return other


@pytest.mark.parametrize("form", ["deb", "rpm", "apk", "arch", "tar", "msi", "pkg"])
def test_two_builds_are_the_same(
    form: str, bundle: Path, windows_bundle: Path, mac_bundle: Path, tmp_path: Path
) -> None:
    needs(*TOOLS.get(form, ()))
    given = {"msi": windows_bundle, "pkg": mac_bundle}.get(form, bundle)
    one = made(given, "--to", form, output=tmp_path / "1")
    time.sleep(1.1)  # so that whoever takes the time of day takes another
    two = made(again(given, tmp_path / "other"), "--to", form, output=tmp_path / "2")
    names = sorted(path.name for path in one.output.iterdir())
    assert names == sorted(path.name for path in two.output.iterdir())
    assert len(names) == 4
    for name in names:
        assert (one.output / name).read_bytes() == (two.output / name).read_bytes(), name


def test_without_a_date_the_bundles_is_taken(bundle: Path, tmp_path: Path) -> None:
    one = made(bundle, "--to", "tar", output=tmp_path / "1")
    two = made(bundle, "--to", "tar", output=tmp_path / "2", date=None)
    assert one.file("*.tar.gz").read_bytes() == two.file("*.tar.gz").read_bytes()


def test_another_date_is_another_package(bundle: Path, tmp_path: Path) -> None:
    one = made(bundle, "--to", "tar", output=tmp_path / "1")
    two = made(bundle, "--to", "tar", output=tmp_path / "2", date=1_700_000_000)
    assert one.file("*.tar.gz").read_bytes() != two.file("*.tar.gz").read_bytes()
