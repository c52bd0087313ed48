"""The pages on plugins name every class, option and parameter, with its default."""

from __future__ import annotations

import inspect
import re

import pytest

import kolide_plugins
import osquery_sdk
from osquery_sdk import ConfigPlugin, DistributedPlugin, LoggerPlugin, SpooledLogger, SpoolOptions

from ...support.paths import DOCS

PAGES = {
    name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("config", "logger", "distributed")
}
SHARED = {
    "answer",
    "call",
    "complain",
    "routes",
    "start",
    "stop",
    "warn",
    "ask_osqueryd",
    "registry",
    "features",
}


def words(page: str) -> set[str]:
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", PAGES[page]))))


@pytest.mark.parametrize("name", kolide_plugins.__all__)
def test_bundled_plugins_and_their_parameters(name: str) -> None:
    kind = getattr(kolide_plugins, name)
    page = next(
        page
        for page, base in (
            ("config", ConfigPlugin),
            ("logger", LoggerPlugin),
            ("distributed", DistributedPlugin),
        )
        if issubclass(kind, base)
    )
    (signature,) = re.findall(rf"`{name}\((.*?)\)`", PAGES[page])
    written = [part.strip() for part in signature.split(", ") if part.strip() != "*"]
    for parameter, said in zip(list(inspect.signature(kind).parameters.values()), written, strict=True):
        default = parameter.default
        if default is inspect.Parameter.empty or isinstance(default, SpoolOptions):
            assert said == parameter.name
        else:
            assert said.replace('"', "'") == f"{parameter.name}={default!r}"


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        (ConfigPlugin, "config"),
        (LoggerPlugin, "logger"),
        (SpooledLogger, "logger"),
        (DistributedPlugin, "distributed"),
    ],
)
def test_members(kind: type, page: str) -> None:
    members = {member for member in dir(kind) if not member.startswith("_")}
    assert members - SHARED <= words(page)


@pytest.mark.parametrize(
    "name", ["LogBatch", "LogRecord", "StatusLog", "DistributedQueries", "DistributedResult", "QueryStats"]
)
def test_fields(name: str) -> None:
    page = "distributed" if "Distributed" in name or name == "QueryStats" else "logger"
    assert set(getattr(osquery_sdk, name)._fields) <= words(page)


def test_spool_options() -> None:
    _, _, table = PAGES["logger"].partition("<!-- spool options -->\n")
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in table.splitlines()[2:]
        if line.startswith("|")
    ]
    written = {row[0].strip("` "): row[1].strip("`").replace('"', "'") for row in rows}
    assert written == {name: str(value) for name, value in SpoolOptions()._asdict().items()}
