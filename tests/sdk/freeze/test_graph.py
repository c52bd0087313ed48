"""Rare modules are left out of a bundle, or kept for their users: PyInstaller's graph of small programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.freeze import graph

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


class Programs:
    """Small programs in one graph: Python's library is read once for them all."""

    def __init__(self, folder: Path) -> None:
        modulegraph = pytest.importorskip("PyInstaller.lib.modulegraph.modulegraph")
        self._folder = folder
        self._graph = modulegraph.ModuleGraph(path=[str(folder), *sys.path])
        self._count = 0

    def modules_of(self, source: str, *, helper: str = "", kept: Collection[str] = ()) -> set[str]:
        """The modules that a program of this source would have; `helper` is a module beside it."""
        self._count += 1
        name = f"helper{self._count}"
        (self._folder / f"{name}.py").write_text(helper)
        script = self._folder / f"program{self._count}.py"
        script.write_text(source.replace("helper", name))
        found = graph.needed(self._graph, [self._graph.add_script(str(script))], kept=kept)
        return {"helper" if module == name else module for module in found}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"))


ENCRYPTION = {"ssl", "_ssl", "_hashlib"}


USES = {
    "import helper": True,
    "import ssl": True,
    "def table():\n    import ssl": True,
    "try:\n    import ssl\nexcept ImportError:\n    pass": True,
    "import urllib.request": True,
    "from http.client import HTTPConnection": False,
    "import http.client\nmade = http.client.HTTPSConnection": True,
    "import http.client": False,
    "import asyncio": False,
    "import hashlib": False,
    "def table():\n    from http.client import HTTPSConnection": True,
}


def test_encryption_is_kept_for_whom_it_is_meant(programs: Programs) -> None:
    found = {source: programs.modules_of(source, helper="from urllib import request") for source in USES}
    assert {source: bool(modules & ENCRYPTION) for source, modules in found.items()} == USES


def test_python_s_own_rare_occasions_are_left_out(programs: Programs) -> None:
    source = "import asyncio, inspect, pickle, concurrent.futures, json.tool, logging, xml.etree.ElementTree"
    found = programs.modules_of(source)
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


def test_what_is_imported_is_there(programs: Programs) -> None:
    source = "import sqlite3\ndef table():\n    import unittest.mock\n    from helper import inner"
    found = programs.modules_of(source, helper="def inner():\n    import colorsys")
    assert found >= {"sqlite3", "unittest.mock", "unittest", "helper", "colorsys"}


def test_what_is_named_is_kept(programs: Programs) -> None:
    assert "ssl" in programs.modules_of("import asyncio", kept=["ssl"])


@pytest.mark.parametrize(
    ("source", "module", "is_kept"),
    [
        ("from concurrent.futures import ProcessPoolExecutor", "multiprocessing.queues", True),
        ("import concurrent.futures as f\nf.ProcessPoolExecutor()", "multiprocessing.queues", True),
        ("from concurrent.futures import *", "multiprocessing.queues", True),
        ("import concurrent.futures.process", "multiprocessing.synchronize", True),
        ("from concurrent.futures import ThreadPoolExecutor", "multiprocessing", False),
        ("import multiprocessing", "multiprocessing.queues", True),
        ("import multiprocessing.pool", "multiprocessing.managers", True),
        ("import unittest", "unittest.async_case", True),
        ("import shelve", "dbm", True),
        ("import xmlrpc.client", "ssl", True),
        ("import urllib.robotparser", "ssl", True),
        ("import urllib.parse", "ssl", False),
        ("import asyncio\nasyncio.open_connection('', 443, ssl=True)", "ssl", True),
        (
            "import logging.config\nlogging.config.dictConfig({'class': 'logging.handlers.HTTPHandler'})",
            "ssl",
            True,
        ),
        ("import logging.handlers\nlogging.handlers.SysLogHandler()", "ssl", False),
        ("import hashlib\nhashlib.scrypt(b'')", "_hashlib", True),
        ("from hashlib import pbkdf2_hmac", "_hashlib", True),
        ("import hashlib\nhashlib.new('ripemd160', b'')", "_hashlib", True),
        ("import hashlib\nhashlib.new('sha256', b'')", "_hashlib", False),
        ("import hashlib\nNAMES = {'1.3.132.1': 'scrypt'}", "_hashlib", False),
        # What was asked for works as it does for a person at a terminal.
        ("import pdb", "pydoc", True),
        ("import pickle, difflib", "doctest", False),
    ],
)
def test_what_works_without_it_is_told_from_what_does_not(
    programs: Programs, source: str, module: str, is_kept: bool
) -> None:
    assert (module in programs.modules_of(source)) == is_kept
