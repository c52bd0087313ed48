"""The engine drives plugins as osqueryd does: compared with recordings, and with a real one beside it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from osquery_sdk.engine import Daemon, Host, Manager
from osquery_sdk.engine.daemon.distributed import Distributed
from osquery_sdk.engine.daemon.results import difference, escaped, to_json
from osquery_sdk.wire.client import ManagerConnection
from osquery_sdk.wire.protocol import ExtensionInfo, Response, Status
from osquery_sdk.wire.server import Server
from osquery_sdk.wire.transport import listen

from ...support.paths import RECORDINGS
from ...support.plugins import PROGRAM, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FIXTURE = RECORDINGS / "plugins.json"
EXCHANGES = [
    e["call"] | {"sent": e["sent"]} for e in json.loads(FIXTURE.read_text())["exchanges"] if "call" in e
]
CONFIG = {
    "schedule": {
        "s1": {"query": "select pid,name from ref_scan where pid<103", "interval": 1},
        "s2": {"query": "select count(*) n from ref_indexed", "interval": 1, "snapshot": True},
    },
    "packs": {"pk": "rec_pack_value"},
}
PACK = {"queries": {"p1": {"query": "select name from ref_scan limit 1", "interval": 1}}}
WORK = {
    "queries": {
        "d1": "select count(*) n from ref_scan",
        "d2": "select * from nosuch",
        "d3": "select name from ref_indexed where pid=103",
    },
    "discovery": {"d3": "select 1"},
    "accelerate": 1,
}


class Recorder:
    """An extension with all kinds of plugins, as the recorded one; it keeps what it is asked."""

    def __init__(self, socket: str, answer: Callable[[str, dict[str, str]], Response]) -> None:
        self.calls: list[tuple[str, dict[str, str]]] = []
        self._answer = answer
        columns = [
            {"id": "column", "name": n, "type": t, "op": o}
            for n, t, o in (("pid", "BIGINT", "9"), ("name", "TEXT", "9"))
        ]
        tables = {"ref_scan": columns, "ref_indexed": columns}
        registry: Any = {
            "config": {"rec": []},
            "logger": {"rec": []},
            "distributed": {"rec": []},
            "table": tables,
        }
        with ManagerConnection(socket) as manager:
            status = manager.register_extension(ExtensionInfo("rec", "1", "5.0.0", "5.0.0"), registry)
        self.columns = columns
        self.server = Server(self, listen(f"{socket}.{status.uuid}"))
        self.server.start()

    def ping(self) -> Status:
        return Status()

    def call(self, registry: str, item: str, request: dict[str, str], context: Any) -> Response:
        if registry != "table":
            self.calls.append((registry, dict(request)))
        elif request["action"] == "columns":
            return Response(Status(), self.columns)
        return self._answer(registry, request)

    def shutdown(self) -> None:
        """The test stops it."""

    def requests(self, registry: str) -> list[dict[str, str]]:
        return [request for kind, request in list(self.calls) if kind == registry]


ROWS = [{"pid": str(100 + n), "name": f"proc{n}", "rowid": str(100 + n)} for n in range(12)]


def recorded_answer(registry: str, request: dict[str, str]) -> Response:
    match registry, request.get("action"):
        case "config", "genConfig":
            return Response(Status(), [{"rec": json.dumps(CONFIG)}])
        case "config", "genPack":
            return Response(Status(), [{request["name"]: json.dumps(PACK)}])
        case "distributed", "getQueries":
            return Response(Status(), [{"results": json.dumps(WORK)}])
        case "logger", "features":
            return Response(Status(3))
        case "table", _:
            return Response(Status(), ROWS)
    return Response(Status())


FLAGS = {
    "config_plugin": "rec",
    "logger_plugin": "rec",
    "distributed_plugin": "rec",
    "disable_distributed": "false",
    "host_identifier": "specified",
    "specified_identifier": "vm",
    "distributed_interval": "600",
    "verbose": "true",
}


class Run:
    """A manager with a recorder and a daemon."""

    def __init__(self, answer: Callable[..., Response], folder: Path, **flags: str) -> None:
        self.manager = Manager(str(folder / "em"), options={**FLAGS, **flags})
        self.manager.start()
        self.recorder = Recorder(self.manager.socket, answer)
        self.notices: list[str] = []
        self.statuses: list[int] = []
        self.daemon = Daemon(self.manager, notice=self.notices.append, ended=self.statuses.append)
        self.daemon.start()

    def results(self) -> list[dict[str, Any]]:
        lines = (r.get("string") or r.get("snapshot") for r in self.recorder.requests("logger"))
        return [json.loads(line) for line in lines if line]

    def close(self) -> None:
        self.daemon.stop()
        self.manager.stop()
        self.recorder.server.stop()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def make(answer: Callable[..., Response] = recorded_answer, **flags: str) -> Run:
        made.append(Run(answer, tmp_path, **flags))
        return made[-1]

    yield make
    for one in made:
        one.close()


def without_time(text: str) -> str:
    text = re.sub(r'("calendarTime"|"c"):"[^"]*"', r"\1:0", text)
    return re.sub(r'("unixTime"|"u"|"wall_time_ms"|"user_time"|"system_time"|"memory"):\d+', r"\1:0", text)


def test_the_recorded_exchanges_are_repeated(run: Callable[..., Run]) -> None:
    """The engine makes the same requests of plugins as osqueryd, except for times."""
    made = run()
    until(lambda: len(made.results()) >= 5 and made.recorder.requests("distributed")[1:])
    for registry in ("config", "distributed"):
        theirs = [call["request"] for call in EXCHANGES if call["registry"] == registry]
        mine = made.recorder.requests(registry)
        assert len(mine) >= 2
        for ours, request in zip(mine, theirs, strict=False):
            assert {k: without_time(v) for k, v in ours.items()} == {
                k: without_time(v) for k, v in request.items()
            }
    theirs = [call["request"] for call in EXCHANGES if call["registry"] == "logger"]
    mine = made.recorder.requests("logger")
    assert mine[:2] == theirs[:2] == [{"init": "osqueryd"}, {"action": "features"}]
    logged = [r for r in theirs if "string" in r or "snapshot" in r][:5]
    # osqueryd's packs come in the order in which they are in the configuration, its queries by name.
    ours = [r for r in mine if "string" in r or "snapshot" in r][:5]
    assert [{k: without_time(v) for k, v in r.items()} for r in ours] == [
        {k: without_time(v) for k, v in r.items()} for r in logged
    ]
    until(lambda: any("status" in r for r in made.recorder.requests("logger")))
    status = next(r for r in made.recorder.requests("logger") if "status" in r)
    their_status = next(r for r in theirs if "status" in r)
    assert status.keys() == their_status.keys()
    assert list(json.loads(status["log"])[0]) == list(json.loads(their_status["log"])[0])


def test_only_differences_are_logged(run: Callable[..., Run]) -> None:
    rows = [{"pid": "1", "name": "a", "rowid": "1"}, {"pid": "2", "name": "b\x01\udcff", "rowid": "2"}]
    config = {"schedule": {"s": {"query": "select pid, name from ref_scan", "interval": 1}}}

    def answer(registry: str, request: dict[str, str]) -> Response:
        if request.get("action") == "genConfig":
            return Response(Status(), [{"rec": json.dumps(config)}])
        return Response(Status(), list(rows)) if registry == "table" else Response(Status())

    made = run(answer)
    until(lambda: len(made.results()) == 2)
    time.sleep(1.2)
    assert [(r["counter"], r["action"], r["columns"]["name"]) for r in made.results()] == [
        (0, "added", "a"),
        (0, "added", "b\\x01\\xFF"),
    ]
    rows[:] = [rows[0], {"pid": "3", "name": "c", "rowid": "3"}]
    until(lambda: len(made.results()) == 4)
    assert [(r["counter"], r["action"], r["columns"]["pid"]) for r in made.results()[2:]] == [
        (1, "removed", "2"),
        (1, "added", "3"),
    ]
    config["schedule"]["s"]["removed"] = False
    made.manager.call("config", "update", {"action": "update", "source": "rec", "data": json.dumps(config)})
    rows[:] = rows[1:]
    time.sleep(1.2)
    rows.append({"pid": "4", "name": "d", "rowid": "4"})
    until(lambda: len(made.results()) == 5)
    assert (made.results()[4]["action"], made.results()[4]["counter"]) == ("added", 3)


def test_a_logger_that_refuses_ends_it_as_osqueryd(run: Callable[..., Run]) -> None:
    def answer(registry: str, request: dict[str, str]) -> Response:
        refused = "string" in request or "snapshot" in request
        return Response(Status(1, "no room")) if refused else recorded_answer(registry, request)

    made = run(answer)
    until(lambda: made.statuses)
    assert made.statuses == [78]
    assert "Error logging the results of query: s1: no room" in made.notices


def test_a_config_that_is_wrong_leaves_the_schedule_as_it_is(run: Callable[..., Run]) -> None:
    texts = [json.dumps(CONFIG)]

    def answer(registry: str, request: dict[str, str]) -> Response:
        if request.get("action") != "genConfig":
            return recorded_answer(registry, request)
        return Response(Status(), [{"rec": texts[0]}]) if texts[0] else Response(Status(1, "no network"))

    made = run(answer, config_refresh="1", config_accelerated_refresh="1")
    until(made.results)
    for wrong, said in (("{", "failed to parse"), ("", "no network")):
        texts[0] = wrong
        until(lambda: any(said in notice for notice in made.notices))  # noqa: B023  it is waited for here
        count = len(made.results())
        until(lambda: len(made.results()) > count)  # noqa: B023
    texts[0] = json.dumps({"schedule": {"new": {"query": "select 5 as five", "interval": 1}}})
    until(lambda: any(r["name"] == "new" for r in made.results()))
    time.sleep(1.1)
    count = len(made.results())
    time.sleep(1.2)
    assert len(made.results()) == count  # s1 and s2 are gone


def test_packs_discovery_platform_and_decorators(run: Callable[..., Run]) -> None:
    def query(sql: str) -> dict[str, Any]:
        return {"query": sql, "interval": 1}

    config = {
        "packs": {
            "yes": {"discovery": ["select 1"], "queries": {"q": query("select 1 as a")}},
            "no": {"discovery": ["select 1 where 0"], "queries": {"q": query("select 2 as a")}},
            "bad": {"discovery": ["select * from nosuch"], "queries": {"q": query("select 3 as a")}},
            "else": {"platform": "windows", "queries": {"q": query("select 4 as a")}},
            "here": {
                "platform": "linux,darwin",
                "queries": {"q": query("select 5 as a"), "z": {"query": "select 6"}},
            },
        },
        "decorators": {"load": ["select 'x' as team"], "always": ["select 'y' as other"]},
        "options": {"pack_delimiter": "/"},
    }

    def answer(registry: str, request: dict[str, str]) -> Response:
        if request.get("action") == "genConfig":
            return Response(Status(), [{"rec": json.dumps(config)}])
        return Response(Status())

    made = run(answer)
    until(lambda: len(made.results()) == 2)
    time.sleep(1.1)
    assert {(r["name"], r["columns"]["a"]) for r in made.results()} == {
        ("pack_yes_q", "1"),
        ("pack_here_q", "5"),
    }
    assert made.results()[0]["decorations"] == {"team": "x", "other": "y"}


def test_the_query_in_which_it_was_killed_is_not_run_for_a_day(
    tmp_path: Path, run: Callable[..., Run]
) -> None:
    config = tmp_path / "osquery.conf"
    hang = "with recursive n(i) as (values(1) union all select i + 1 from n) select max(i) from n"
    queries = {
        "bad": {"query": hang, "interval": 1},
        "spared": {"query": hang, "interval": 1, "denylist": False},
    }
    config.write_text(json.dumps({"schedule": {"bad": queries["bad"]}}))
    database = tmp_path / "engine.db"
    command = [
        sys.executable,
        "-m",
        "osquery_sdk.cli.main",
        "engine",
        "--socket",
        f"{tmp_path}/k",
        "--config_path",
        str(config),
    ]
    process = subprocess.Popen([*command, "--database_path", str(database)], stderr=subprocess.DEVNULL)

    def executing() -> bool:
        if not database.exists():
            return False
        import sqlite3

        with contextlib.closing(sqlite3.connect(database)) as connection:
            try:
                found = connection.execute("select value from kv where key = 'executing_query'").fetchall()
            except sqlite3.OperationalError:
                return False
            return found == [("bad",)]

    until(executing)
    process.kill()
    process.wait()
    config.write_text(
        json.dumps({"schedule": {"bad": queries["bad"], "good": {"query": "select 1 as a", "interval": 1}}})
    )
    flags = {"database_path": str(database), "config_plugin": "filesystem", "config_path": str(config)}
    made = run(**flags, distributed_plugin="")
    until(made.results)
    assert any("Scheduled query may have failed: bad" in notice for notice in made.notices)
    assert [r["name"] for r in made.results()] == ["good"]
    (row,) = made.manager.engine.query("select denylisted from osquery_schedule where name = 'bad'").rows
    assert row == {"denylisted": "1"}


def test_results_are_kept_over_a_restart_with_a_database(tmp_path: Path) -> None:
    config = tmp_path / "osquery.conf"
    config.write_text(json.dumps({"schedule": {"one": {"query": "select 1 as a", "interval": 1}}}))
    command = [
        sys.executable,
        "-m",
        "osquery_sdk.cli.main",
        "engine",
        "--socket",
        f"{tmp_path}/em",
        "--config_path",
        str(config),
    ]
    command += ["--database_path", f"{tmp_path}/db", "--flag", "schedule_timeout=1"]
    first, second = (subprocess.run(command, capture_output=True, text=True, timeout=30) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert json.loads(first.stdout)["columns"] == {"a": "1"}
    assert second.stdout == ""


def test_distributed_results_that_are_not_taken_come_again(run: Callable[..., Run]) -> None:
    refuse = [True]

    def answer(registry: str, request: dict[str, str]) -> Response:
        if request.get("action") == "writeResults" and refuse:
            refuse.pop()
            return Response(Status(1, "later"))
        if request.get("action") == "getQueries":
            return Response(
                Status(), [{"results": json.dumps({"queries": {"q": "select 1 as a"}} if refuse else {})}]
            )
        return recorded_answer(registry, request)

    made = run(answer, disable_distributed="true")
    until(lambda: made.manager.registries.has("distributed", "rec"))
    rounds = Distributed(made.manager, lambda *_: None)
    rounds.once(Event())
    rounds.once(Event())
    rounds.once(Event())
    written = [json.loads(r["results"]) for r in made.recorder.requests("distributed") if "results" in r]
    assert [one["queries"] for one in written] == [{"q": [{"a": "1"}]}] * 2


@pytest.mark.parametrize(
    ("before", "now", "added", "removed"),
    [
        ([], [1, 2], [1, 2], []),
        ([1, 2], [2, 1], [], []),
        ([1, 1, 2], [1, 3], [3], [1, 2]),
        ([1], [1, 1], [1], []),
        ([2, 1], [], [], [1, 2]),
    ],
)
def test_difference_counts_rows(
    before: list[int], now: list[int], added: list[int], removed: list[int]
) -> None:
    def rows(numbers: list[int]) -> list[dict[str, str]]:
        return [{"n": str(n)} for n in numbers]

    assert difference(rows(before), rows(now)) == (rows(added), rows(removed))


def test_json_is_written_as_rapidjson_does() -> None:
    assert (
        to_json({"é/\u2028": ['"\\\x01\x7f', 1, True, None]})
        == '{"é/\u2028":["\\"\\\\\\u0001\x7f",1,true,null]}'
    )
    assert escaped({"a": "é\n\udc80"}) == {"a": "é\\x0A\\x80"}


# -- beside a real osqueryd


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().split("\n") if text] if path.exists() else []


def _logged(kind: str, folder: Path) -> list[dict[str, Any]]:
    """Return the log of both schedules, without times, while the table changes twice."""
    folder.mkdir()
    numbers, log = folder / "numbers", folder / "results.log"
    numbers.write_text("1 2 3")
    schedule = {
        "diff": {"query": "select n, text from plugin_numbers", "interval": 1},
        "kept": {"query": "select n from plugin_numbers", "interval": 1, "removed": False},
        "snap": {"query": "select text, n from plugin_numbers", "interval": 1, "snapshot": True},
    }
    config = folder / "osquery.json"
    config.write_text(json.dumps({"schedule": schedule, "decorators": {"load": ["select 'x' as deco"]}}))
    plugins = [
        ["FileConfig", {"name": "both", "path": str(config), "poll": 0}],
        [
            "JsonLinesLogger",
            {
                "name": "both",
                "path": str(log),
                "options": {"kinds": ["result", "snapshot"], "batch_seconds": 0.01},
            },
        ],
        ["QueryFolder", {"name": "both", "folder": str(folder)}],
    ]
    environment = {**os.environ, "PLUGINS": json.dumps(plugins), "NUMBERS": str(numbers)}
    if kind == "osqueryd":
        program = folder / "program.ext"
        program.write_text(
            f"#!{sys.executable}\nimport runpy\nrunpy.run_path({str(PROGRAM)!r}, run_name='__main__')\n"
        )
        program.chmod(0o755)
        (folder / "load").write_text(f"{program}\n")
        command = ["osqueryd", "--ephemeral", "--disable_database", "--disable_watchdog", "--force"]
        command += [
            f"--pidfile={folder}/pid",
            f"--extensions_socket={folder}/em",
            f"--extensions_autoload={folder}/load",
        ]
        command += ["--schedule_splay_percent=0"]
    else:
        command = [
            sys.executable,
            "-m",
            "osquery_sdk.cli.main",
            "engine",
            f"--socket={folder}/em",
            f"--extension={PROGRAM}",
        ]
    process = subprocess.Popen(
        [*command, *(f"--{kind}_plugin=both" for kind in ("config", "logger", "distributed"))],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def has(name: str, counter: int) -> bool:
        return any(r["name"] == name and r["counter"] == counter for r in _lines(log))

    def change(to: str) -> None:
        """Change the numbers at once, so that neither sees half of the change."""
        (folder / "next").write_text(to)
        (folder / "next").rename(numbers)

    def has_snapshot(to: str) -> bool:
        snapshots = [r["snapshot"] for r in _lines(log) if "snapshot" in r]
        return any([row["n"] for row in rows] == to.split() for rows in snapshots)

    try:
        until(lambda: has("kept", 0) and has("diff", 0) and has_snapshot("1 2 3"), 30)
        change("2 3 3 4")
        until(lambda: has("kept", 1) and has("diff", 1) and has_snapshot("2 3 3 4"))
        change("4")
        until(lambda: has("diff", 2) and has_snapshot("4"))
    finally:
        process.terminate()
        process.wait(20)
    lines = _lines(log)
    for one in lines:
        del one["calendarTime"], one["unixTime"]
    snapshots = [json.dumps(one) for one in lines if one["name"] == "snap"]
    ordered = {name: [json.dumps(one) for one in lines if one["name"] == name] for name in ("diff", "kept")}
    return [ordered, list(dict.fromkeys(snapshots))]  # type: ignore[list-item]


@pytest.mark.osqueryd
def test_the_same_extension_logs_the_same_under_osqueryd_and_the_engine(tmp_path: Path) -> None:
    """Differences, their order, counters, escapes, decorations: line for line, but for the times."""
    if shutil.which("osqueryd") is None:
        pytest.skip("no osqueryd on PATH")
    tmp_path.chmod(0o755)
    assert _logged("engine", tmp_path / "e") == _logged("osqueryd", tmp_path / "o")


def test_host_is_not_changed_by_flags_of_plugins(tmp_path: Path) -> None:
    """A host without a daemon asks no plugin anything."""
    with Host(options={"logger_plugin": "rec"}) as host:
        recorder = Recorder(host.socket, recorded_answer)
        time.sleep(0.3)
        assert recorder.calls == []
        recorder.server.stop()
