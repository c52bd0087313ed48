"""Errors of a program name what its bundle lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kolide_kit.frozen_children import UNGUARDED
from osquery_sdk.freeze.lacks import lacking

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "mp: ModuleNotFoundError: No module named 'multiprocessing.queues'",
            "multiprocessing.queues is not in the bundle; build with --include multiprocessing.queues",
        ),
        (
            "Traceback\n  File\nImportError: cannot import name 'gnu' from 'dbm' (/x/dbm/__init__.pyc)\nmore",
            "dbm.gnu is not in the bundle; build with --include dbm.gnu",
        ),
        (
            "No module named 'beside.inner'; 'beside' is not a package",
            "beside.inner is not in the bundle; build with --include beside.inner",
        ),
        (
            "importlib.metadata.PackageNotFoundError: No package metadata was found for Py_Test",
            "",
        ),
        (
            "PackageNotFoundError: No package metadata was found for PyTest",
            "the metadata of PyTest is not in the bundle; build with --metadata PyTest",
        ),
        (
            "small: ignored arguments that it does not know: -c print(1)",
            "it starts sys.executable as a Python, and in a bundle that is the extension itself",
        ),
        (
            f"small: {UNGUARDED}\nsmall: {UNGUARDED}\n",
            UNGUARDED,
        ),
        # Not there where it was built either: no fault of the bundle.
        ("No module named 'no_such_module'", ""),
        ("No module named 'json.no_such_module'", ""),
        ("cannot import name 'no_such_name' from 'json' (/x)", ""),
        ("No package metadata was found for no-such-distribution", ""),
        ("small: ignored arguments that it does not know: --colour", ""),
        ("", ""),
    ],
)
def test_what_it_says_names_what_is_missing(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "inner.py").touch()
    assert lacking(text, [tmp_path]) == says
