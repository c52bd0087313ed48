"""Logger plugins answer osqueryd's recorded requests, and report errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from osquery_sdk import DefinitionError, Extension, LoggerPlugin, SpooledLogger, SpoolOptions, StatusLog

from ...support.paths import RECORDINGS
from ...support.plugins import ask, line

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORDED = [
    entry["call"]["request"]
    for entry in json.loads((RECORDINGS / "plugins.json").read_text(encoding="utf-8"))["exchanges"]
    if entry.get("call", {}).get("registry") == "logger"
]


class Results(LoggerPlugin):
    """The least there can be."""

    def __init__(self, name: str = "results", **options: Any) -> None:
        super().__init__(name, **options)
        self.got: list[tuple[Any, ...]] = []

    def log_string(self, line: str, category: str) -> None:
        self.got.append(("string", line, category))


class Everything(Results):
    def init(self, process: str) -> None:
        self.got.append(("init", process))

    def log_snapshot(self, line: str) -> None:
        self.got.append(("snapshot", line))

    def log_status(self, lines: Sequence[StatusLog]) -> None:
        self.got.append(("status", tuple(lines)))

    def log_event(self, event: str) -> None:
        self.got.append(("event", event))

    def log_health(self, health: str) -> None:
        self.got.append(("health", health))


class Broken(Results):
    def log_string(self, line: str, category: str) -> None:
        raise ValueError("no room")


def test_recorded_requests_reach_their_methods() -> None:
    plugin = Everything()
    for request in RECORDED:
        response = ask(plugin, **request)
        features = request.get("action") == "features"
        assert response.status.code == (3 if features else 0)
        assert list(response.rows) == []
    kinds = [entry[0] for entry in plugin.got]
    assert kinds[0] == "init"
    assert plugin.got[0][1] == "osqueryd"
    assert {"string", "snapshot", "status"} <= set(kinds)
    strings = [entry for entry in plugin.got if entry[0] == "string"]
    assert [entry[1] for entry in strings] == [r["string"] for r in RECORDED if "string" in r]
    assert {entry[2] for entry in strings} == {"event"}
    first = next(entry[1] for entry in plugin.got if entry[0] == "status")[0]
    assert first == StatusLog(
        0,
        "init.cpp",
        410,
        "osquery worker initialized [watcher=29638]",
        "vm",
        "Mon Nov 23 07:39:25 2026 UTC",
        1795419565,
    )


@pytest.mark.parametrize(
    ("overridden", "features"),
    [((), 0), (("log_status",), 1), (("log_event",), 2), (("log_status", "log_event"), 3)],
)
def test_features_follow_from_what_is_overridden(overridden: tuple[str, ...], features: int) -> None:
    kind = type("Some", (Results,), {name: lambda self, what: None for name in overridden})
    assert ask(kind(), action="features").status.code == features


def test_snapshots_are_results_unless_overridden() -> None:
    plugin = Results()
    ask(plugin, snapshot="{}")
    assert plugin.got == [("string", "{}", "snapshot")]


def test_an_error_drops_the_line_and_not_osqueryd() -> None:
    log: list[str] = []
    plugin = Broken()
    response = ask(plugin, log, string="{}", category="event")
    assert (response.status.code, response.status.message) == (0, "dropped: results: ValueError: no room")
    assert (plugin.counters.received, plugin.counters.dropped) == (1, 1)
    assert "Traceback" in log[0]


def test_a_fatal_logger_says_so() -> None:
    response = ask(Broken(fatal=True), string="{}", category="event")
    assert (response.status.code, response.status.message) == (1, "results: ValueError: no room")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Results("two, names"), "use letters, digits and _.- in its name"),
        (lambda: Results(""), "use letters"),
        (
            lambda: Extension("e", version="1", plugins=[Results(), Results()]),
            "two logger plugins are named results",
        ),
        (
            lambda: Extension("e", version="1", plugins=[Results]),  # type: ignore[list-item]
            "give an object of the class",
        ),
        (
            lambda: SpooledLogger("s", spool="x", options=SpoolOptions(kinds=("results",))),
            "no kind of record is named 'results'",
        ),
        (lambda: SpooledLogger("s", spool="x", options=SpoolOptions(max_bytes=1)), "max_bytes has to be"),
    ],
)
def test_what_cannot_be_registered(make: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        make()


def test_unknown_requests_are_refused() -> None:
    assert ask(Results(), action="dance").status.code == 1
    assert line(3)
