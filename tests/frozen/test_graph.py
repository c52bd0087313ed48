"""What is left out of a bundle, and for whom it is kept: with PyInstaller's own graph of small programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.freeze import graph

if TYPE_CHECKING:
    from pathlib import Path


def modules_of(source: str, folder: Path, **others: str) -> set[str]:
    """The modules that a program of this source would have; `others` are modules beside it."""
    modulegraph = pytest.importorskip("PyInstaller.lib.modulegraph.modulegraph")
    for name, text in others.items():
        (folder / f"{name}.py").write_text(text)
    script = folder / "program.py"
    script.write_text(source)
    made = modulegraph.ModuleGraph(path=[str(folder), *sys.path])
    return graph.needed(made, [made.add_script(str(script))])


ENCRYPTION = {"ssl", "_ssl"}
SLOW = [
    ("import ssl", True),
    ("def table():\n    import ssl", True),
    ("try:\n    import ssl\nexcept ImportError:\n    pass", True),
    ("import urllib.request", True),
    ("import http.client\nmade = http.client.HTTPSConnection", True),
    ("import http.client", False),
    ("import asyncio", False),
    ("import hashlib", False),
    ("def table():\n    from http.client import HTTPSConnection", True),
]


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("import helper", True),
        ("from http.client import HTTPConnection", False),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW),
    ],
)
def test_encryption_is_kept_for_whom_it_is_meant(source: str, kept: bool, tmp_path: Path) -> None:
    found = modules_of(source, tmp_path, helper="from urllib import request")
    assert bool(found & ENCRYPTION) is kept
    assert kept or "_hashlib" not in found


def test_python_s_own_rare_occasions_are_left_out(tmp_path: Path) -> None:
    source = "import asyncio, inspect, pickle, concurrent.futures, json.tool, logging, xml.etree.ElementTree"
    found = modules_of(source, tmp_path)
    assert "inspect" in found
    assert not found & {
        "pydoc",
        "unittest",
        "pdb",
        "doctest",
        "readline",
        "multiprocessing",
        "sqlite3",
        "ssl",
    }


def test_what_is_imported_is_there(tmp_path: Path) -> None:
    source = "import sqlite3\ndef table():\n    import unittest.mock\n    from helper import inner"
    found = modules_of(source, tmp_path, helper="def inner():\n    import colorsys")
    assert found >= {"sqlite3", "unittest.mock", "unittest", "helper", "colorsys"}


@pytest.mark.slow
def test_what_is_named_is_kept(tmp_path: Path) -> None:
    modulegraph = pytest.importorskip("PyInstaller.lib.modulegraph.modulegraph")
    (tmp_path / "program.py").write_text("import asyncio")
    made = modulegraph.ModuleGraph(path=[str(tmp_path), *sys.path])
    assert "ssl" in graph.needed(made, [made.add_script(str(tmp_path / "program.py"))], kept=["ssl"])
