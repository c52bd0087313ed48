"""Distributed plugins: the queries for osqueryd, its answers as they are read, and the folder of queries."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from kolide_plugins import QueryFolder
from osquery_sdk import DistributedPlugin, DistributedQueries, DistributedResult, QueryStats

from ...support.paths import RECORDINGS
from ...support.plugins import ask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RECORDED = [
    entry
    for entry in json.loads((RECORDINGS / "plugins.json").read_text(encoding="utf-8"))["exchanges"]
    if entry.get("call", {}).get("registry") == "distributed"
]


class Given(DistributedPlugin):
    def __init__(self, work: Any = None) -> None:
        super().__init__("given")
        self.work: Any = {} if work is None else work
        self.results: list[DistributedResult] = []

    def get_queries(self) -> Any:
        return self.work

    def write_results(self, results: Sequence[DistributedResult]) -> None:
        self.results += results


def test_recorded_results_are_read() -> None:
    (request,) = [r["call"]["request"] for r in RECORDED if r["call"]["request"]["action"] == "writeResults"]
    plugin = Given()
    assert ask(plugin, **request).status.code == 0
    assert plugin.results == [
        DistributedResult("d1", [{"n": "12"}], 0, "", QueryStats(1, 0, 0, 49152)),
        DistributedResult("d2", [], 1, "no such table: nosuch", QueryStats(0, 0, 0, 0)),
        DistributedResult("d3", [{"name": "proc3"}], 0, "", QueryStats(0, 0, 0, 0)),
    ]


def test_queries_are_what_the_recorded_extension_sent() -> None:
    queries = {
        "d1": "select count(*) n from ref_scan",
        "d2": "select * from nosuch",
        "d3": "select name from ref_indexed where pid=103",
    }
    work = DistributedQueries(queries, {"d3": "select 1"}, 1)
    sent = ask(Given(work), action="getQueries").rows[0]["results"]
    recorded = bytes.fromhex(RECORDED[0]["sent"])
    assert sent.encode() in recorded


@pytest.mark.parametrize("work", [{"a": ""}, {"": "x"}, {"a": 1}, DistributedQueries({}, {"a": ""})])
def test_what_would_have_osqueryd_take_none_of_them(work: Any) -> None:
    response = ask(Given(work), action="getQueries")
    assert response.status.code == 1
    assert "has to be a statement under a name" in response.status.message


@pytest.mark.parametrize("text", ["{", "[]", '{"queries": {"a": 5}}', '{"queries": []}'])
def test_messages_that_are_none(text: str) -> None:
    response = ask(Given(), action="writeResults", results=text)
    assert response.status.code == 1


def test_an_error_is_told_so_that_osqueryd_sends_them_again() -> None:
    class Broken(Given):
        def write_results(self, results: Sequence[DistributedResult]) -> None:
            raise OSError("no room")

    response = ask(Broken(), action="writeResults", results='{"queries": {"a": []}}')
    assert (response.status.code, response.status.message) == (1, "given: OSError: no room")


# -- a folder of queries


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "queries"
    made.mkdir(mode=0o700)
    return made


def put(folder: Path, name: str, content: Any, *, age: float = 60) -> None:
    path = folder / f"{name}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(0o600)
    os.utime(path, (time.time() - age,) * 2)


def given(plugin: QueryFolder, log: list[str] | None = None) -> dict[str, Any]:
    response = ask(plugin, log, action="getQueries")
    assert response.status.code == 0, response.status.message
    found: dict[str, Any] = json.loads(response.rows[0]["results"])
    return found


def answer(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.answer.json").read_text())
    return found


def test_a_query_and_its_answer(folder: Path) -> None:
    plugin = QueryFolder("q", folder)
    put(folder, "one", {"query": "select 1", "discovery": "select 2", "accelerate": 30})
    assert given(plugin) == {
        "queries": {"one": "select 1"},
        "discovery": {"one": "select 2"},
        "accelerate": 30,
    }
    assert given(plugin) == {"queries": {}}  # osqueryd has it
    stats = {"wall_time_ms": 3, "user_time": 2, "system_time": 1, "memory": 4096}
    message = {
        "queries": {"one": [{"a": "1"}]},
        "statuses": {"one": 0},
        "messages": {"one": ""},
        "stats": {"one": stats},
    }
    assert ask(plugin, action="writeResults", results=json.dumps(message)).status.code == 0
    assert answer(folder, "one") == {
        "name": "one",
        "rows": [{"a": "1"}],
        "status": 0,
        "message": "",
        "stats": {"wall_time_ms": 3, "user_time_ms": 2, "system_time_ms": 1, "memory": 4096},
    }
    assert (folder / "one.answer.json").stat().st_mode & 0o777 == 0o600
    assert given(QueryFolder("q", folder)) == {"queries": {}}  # it has its answer
    put(folder, "one", {"query": "select 3"}, age=-1)
    assert given(plugin)["queries"] == {"one": "select 3"}  # it was written again
    assert sorted(path.name for path in folder.iterdir()) == ["one.answer.json", "one.json"]


def test_a_half_written_file_gets_time(folder: Path) -> None:
    plugin = QueryFolder("q", folder)
    put(folder, "half", '{"query": "sel', age=0)
    assert given(plugin) == {"queries": {}}
    assert not (folder / "half.answer.json").exists()
    put(folder, "half", '{"query": "sel', age=10)
    log: list[str] = []
    assert given(plugin, log) == {"queries": {}}
    assert "half.json: not JSON" in log[0]
    assert answer(folder, "half")["status"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "has to be an object with a statement"),
        ({"query": 5}, "has to be an object with a statement"),
        ({"query": "select 1", "interval": 5}, "interval: there are accelerate, discovery, query"),
        ({"query": "select 1", "discovery": ""}, "discovery has to be a statement"),
        ({"query": "select 1", "accelerate": -1}, "accelerate has to be a number"),
        ('{"query": "' + "x" * (1 << 20), "has more than"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_query_is_answered_with_an_error(content: Any, message: str, folder: Path) -> None:
    put(folder, "bad", content)
    put(folder, "good", {"query": "select 1"})
    assert given(QueryFolder("q", folder))["queries"] == {"good": "select 1"}
    assert message in answer(folder, "bad")["message"]


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text('{"query": "select 1"}')
    (folder / "link.json").symlink_to(tmp_path / "elsewhere.json")
    os.utime(folder / "link.json", (1, 1), follow_symlinks=False)
    plugin = QueryFolder("q", folder)
    assert given(plugin) == {"queries": {}}
    assert "a link is not followed" in answer(folder, "link")["message"]
    victim = tmp_path / "victim"
    put(folder, "one", {"query": "select 1"})
    (folder / "one.answer.json").symlink_to(victim)
    message = '{"queries": {"one": []}, "statuses": {"one": 0}}'
    assert ask(plugin, action="writeResults", results=message).status.code == 0
    assert not victim.exists()
    assert not (folder / "one.answer.json").is_symlink()
    os.mkfifo(folder / "pipe.json", 0o600)
    os.utime(folder / "pipe.json", (1, 1))
    assert given(plugin) == {"queries": {}}  # and does not wait for a writer
    moved = tmp_path / "moved"
    folder.rename(moved)
    folder.symlink_to(moved)
    assert ask(plugin, action="getQueries").status.code == 1


def test_nobody_else_may_write(folder: Path) -> None:
    put(folder, "one", {"query": "select 1"})
    (folder / "one.json").chmod(0o666)
    assert given(QueryFolder("q", folder)) == {"queries": {}}
    assert "which nobody else may write" in answer(folder, "one")["message"]
    folder.chmod(0o777)
    response = ask(QueryFolder("q", folder), action="getQueries")
    assert "nobody else may write there" in response.status.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_no_query(folder: Path) -> None:
    put(folder, "one", {"query": "select 1"})
    os.chown(folder / "one.json", 12345, 12345)
    assert given(QueryFolder("q", folder)) == {"queries": {}}


def test_answers_only_to_its_own_names(folder: Path, tmp_path: Path) -> None:
    plugin = QueryFolder("q", folder)
    message = json.dumps({"queries": {"../out": [], "a/b": [], ".x": []}})
    assert ask(plugin, action="writeResults", results=message).status.code == 0
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "out.answer.json").exists()
