"""An exception of an author's code fails one call, with a text, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

import osquery_sdk.compat as old
from osquery_sdk import (
    Column,
    ConfigPlugin,
    DistributedPlugin,
    Extension,
    LogBatch,
    LoggerPlugin,
    Query,
    Row,
    SpooledLogger,
    SpoolOptions,
    StatusLog,
    Table,
    WritableTable,
    table,
)
from osquery_sdk.compat.adapters import adapted
from osquery_sdk.engine import Host, SqlError
from osquery_sdk.serving.status_log import StatusLogHandler

from .faults import FAULTS, Fault, Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from osquery_sdk.wire.protocol import Response

FEW = [one for one in FAULTS if one.name in ("exit_text", "interrupt", "ending")]
# What is called in the main thread may be stopped by Ctrl-C.
IN_MAIN = [one for one in FAULTS if one.name in ("exit_text", "generator_exit", "ending")]


class Item(Row):
    n: int = Column("number", key=True, index=True)
    text: str = Column("text", default="")


class Served:
    """An extension within this process, and its log."""

    def __init__(self, *plugins: Any, **options: Any) -> None:
        self.log: list[str] = []
        self.extension = Extension(
            "faulty", version="1", plugins=plugins, **{"log": self.log.append, **options}
        )
        self.host = Host([self.extension.start])

    def __enter__(self) -> Self:
        self.host.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.host.close()

    def fails(self, sql: str) -> str:
        """The text with which a statement fails."""
        with pytest.raises(SqlError) as caught:
            self.host.query(sql)
        return str(caught.value)

    def call(self, registry: str, item: str, **request: str) -> Response:
        """Call a plugin over the extension's socket, as osqueryd does."""
        response: Response = self.host.manager.call(registry, item, request)
        return response


def asserted(served: Served, made: Table, fault: Fault, message: str) -> None:
    """The failure was a failure, in every place that tells of it; and the table answers the next one."""
    assert message == f"t: {fault.text}"
    assert message.isprintable() or "\t" in message
    assert message.encode()
    assert (made.counters.calls, made.counters.errors, made.counters.last_rows) == (1, 1, None)
    assert made.counters.last_error == message
    (logged,) = served.log
    assert logged.startswith(message)
    assert "Traceback (most recent call last):\n" in logged
    assert len(logged) < 100_000
    assert served.host.query("select 1 as one").rows == [{"one": "1"}]


def test_a_table_s_function(fault: Fault) -> None:
    @table("t", rows=Item)
    def made(query: Query) -> list[Item]:
        """Fail."""
        fault.fail()

    with Served(made) as served:
        asserted(served, made, fault, served.fails("select * from t"))


@pytest.mark.parametrize("before", [0, 1, 600])
def test_a_generator(fault: Fault, before: int) -> None:
    @table("t", rows=Item)
    def made(query: Query) -> Iterator[Item]:
        """Fail after some rows."""
        yield from (Item(n=n) for n in range(before))
        fault.fail()

    with Served(made) as served:
        asserted(served, made, fault, served.fails("select * from t"))


@pytest.mark.parametrize("options", [{"cache": 60.0}, {"snapshot": True}])
@pytest.mark.parametrize("fault", FEW, ids=[one.name for one in FEW])
def test_rows_that_are_kept(fault: Fault, options: dict[str, Any]) -> None:
    @table("t", rows=Item, **options)
    def made(query: Query) -> list[Item]:
        """Fail."""
        fault.fail()

    with Served(made) as served:
        asserted(served, made, fault, served.fails("select * from t"))


def test_all_who_wait_for_the_same_rows_are_told(fault: Fault) -> None:
    """Identical statements at once share one run, and its failure."""
    begun, go_on = threading.Event(), threading.Event()

    @table("t", rows=Item, cache=60.0)
    def made(query: Query) -> list[Item]:
        """Fail when all are there."""
        begun.set()
        go_on.wait(20)
        fault.fail()

    said: list[str] = []
    with Served(made) as served:
        asking = [
            threading.Thread(
                target=lambda: said.append(_failed(served.call("table", "t", action="generate")))
            )
            for _ in range(3)
        ]
        asking[0].start()
        assert begun.wait(20)
        for thread in asking[1:]:
            thread.start()
        while made.counters.calls < 3:
            threading.Event().wait(0.01)
        threading.Event().wait(0.1)
        go_on.set()
        for thread in asking:
            thread.join(20)
    assert said == [f"t: {fault.text}"] * 3
    assert made.counters.errors == 3


def _failed(response: Response) -> str:
    assert response.status.code == 1
    return response.status.message


# An event loop itself asks an error for its class.
OF_LOOPS = [one for one in FAULTS if one.name not in ("generator_exit", "recursion", "shy")]


@pytest.mark.parametrize("fault", OF_LOOPS, ids=[one.name for one in OF_LOOPS])
@pytest.mark.parametrize("yields", [False, True])
def test_an_asynchronous_table(fault: Fault, yields: bool) -> None:
    async def returning(query: Query) -> list[Item]:
        fault.fail()

    async def yielding(query: Query) -> AsyncIterator[Item]:
        yield Item(n=1)
        fault.fail()

    made = table("t", rows=Item)(yielding if yields else returning)
    with Served(made) as served:
        asserted(served, made, fault, served.fails("select * from t"))


class Strange:
    """Rows of an author's own class."""

    def __init__(self, fault: Fault, *, at: str) -> None:
        self._fault, self._at = fault, at

    def __iter__(self) -> Strange:
        if self._at == "iter":
            self._fault.fail()
        return self

    def __next__(self) -> Any:
        if self._at == "next":
            self._fault.fail()
        return Keys(self._fault)


class Keys(dict[str, Any]):
    """A row of an author's own class."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(n=1)
        self._fault = fault

    def get(self, *key: Any) -> Any:
        self._fault.fail()


@pytest.mark.parametrize("at", ["iter", "next", "row"])
@pytest.mark.parametrize("fault", FEW, ids=[one.name for one in FEW])
def test_rows_of_other_classes(fault: Fault, at: str) -> None:
    made = table("t", rows=Item)(lambda query: Strange(fault, at=at))  # type: ignore[arg-type, return-value]
    with Served(made) as served:
        asserted(served, made, fault, served.fails("select * from t"))


def test_a_generator_that_fails_when_it_is_closed() -> None:
    """The statement fails by what was wrong first, and the log has both."""

    @table("t", rows=Item, max_rows=600)
    def made(query: Query) -> Iterator[Item]:
        """Have more rows than may be."""
        try:
            for n in range(10_000):
                yield Item(n=n)
        finally:
            sys.exit("the end")

    with Served(made) as served:
        assert served.fails("select * from t").startswith("t has more than 600 rows")
        assert [line.split("\n")[0] for line in served.log] == ["t: SystemExit: the end"]
        assert made.counters.errors == 1


class Store(WritableTable[Item]):
    """Fails at whatever it is told to."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.at = ""

    def _do(self, what: str) -> None:
        if what == self.at:
            self.fault.fail()

    def rows(self, query: Query) -> Iterator[Item]:
        self._do("rows")
        yield Item(n=1, text="one")

    def insert(self, row: Item) -> None:
        self._do("insert")

    def update(self, old: Item, new: Item) -> None:
        self._do("update")

    def delete(self, row: Item) -> None:
        self._do("delete")


WRITES = {
    "insert": "insert into t (n) values (5)",
    "update": "update t set text = 'x' where n = 1",
    "delete": "delete from t where n = 1",
}


@pytest.mark.parametrize("what", [*WRITES, "rows"])
def test_writes(fault: Fault, what: str) -> None:
    store = Store(fault)
    made = table("t")(store)
    with Served(made) as served:
        store.at = what
        assert served.fails(WRITES.get(what, "select * from t")) == f"t: {fault.text}"
        assert served.log[0].startswith(f"t: {fault.text}\n")
        assert made.counters.errors == 1
        store.at = ""
        served.host.query("delete from t where n = 1")


class Configured(ConfigPlugin):
    fault: Fault | None = None

    def gen_config(self) -> Mapping[str, Any]:
        if self.fault is not None:
            self.fault.fail()
        return {"main": {"schedule": {"q": {"query": "select 1", "interval": 5}}}}

    def gen_pack(self, name: str, value: str) -> Any:
        if self.fault is not None:
            self.fault.fail()
        return {"queries": {}}


def test_a_config_plugin_serves_its_last_good_one(fault: Fault) -> None:
    made = Configured("config")
    with Served(made) as served:
        made.fault = fault
        for request in ({"action": "genConfig"}, {"action": "genPack", "name": "p", "value": "v"}):
            assert _failed(served.call("config", "config", **request)) == f"config: {fault.text}"
        made.fault = None
        good = [
            served.call("config", "config", **request)
            for request in ({"action": "genConfig"}, {"action": "genPack", "name": "p", "value": "v"})
        ]
        made.fault = fault
        served.log.clear()
        again = [
            served.call("config", "config", **request)
            for request in ({"action": "genConfig"}, {"action": "genPack", "name": "p", "value": "v"})
        ]
    assert again == good
    assert [response.status.code for response in again] == [0, 0]
    assert served.log[0].startswith(f"config: {fault.text}")
    assert served.log[1] == "config: osqueryd gets the last configuration that was right"


class Logged(LoggerPlugin):
    """Fails at everything but its features."""

    def __init__(self, fault: Fault, **options: Any) -> None:
        super().__init__("logged", **options)
        self.fault = fault

    def log_string(self, line: str, category: str) -> None:
        self.fault.fail()

    def log_status(self, lines: Sequence[StatusLog]) -> None:
        self.fault.fail()

    def log_event(self, event: str) -> None:
        self.fault.fail()

    def log_health(self, health: str) -> None:
        self.fault.fail()


LINES: tuple[dict[str, str], ...] = (
    {"string": "{}", "category": "event"},
    {"snapshot": "{}"},
    {"status": "true", "log": '[{"s": 0, "m": "x"}, {"s": 1, "m": "y"}]'},
    {"event": "{}"},
    {"health": "{}"},
)


def test_a_logger_loses_a_line_and_osqueryd_goes_on(fault: Fault) -> None:
    made = Logged(fault)
    with Served(made) as served:
        for request in LINES:
            answer = served.call("logger", "logged", **request)
            assert answer.status == (0, f"dropped: logged: {fault.text}", 0)
        assert (made.counters.received, made.counters.dropped) == (6, 6)
        assert [line.split("\n")[0] for line in served.log] == [f"logged: {fault.text}"] * 5


def test_a_logger_that_is_fatal_passes_it_on(fault: Fault) -> None:
    with Served(Logged(fault, fatal=True)) as served:
        for request in LINES:
            assert _failed(served.call("logger", "logged", **request)) == f"logged: {fault.text}"


def test_a_logger_that_does_not_say_what_it_wants(fault: Fault) -> None:
    """A status other than 0 would turn the feature on."""

    class Undecided(LoggerPlugin):
        @property
        def features(self) -> int:
            fault.fail()

        def init(self, process: str) -> None:
            fault.fail()

    with Served(Undecided("undecided")) as served:
        assert served.call("logger", "undecided", action="features").status.code == 0
        assert _failed(served.call("logger", "undecided", init="osqueryd")) == f"undecided: {fault.text}"
        assert [line.split("\n")[0] for line in served.log] == [f"undecided: {fault.text}"] * 2


def test_a_distributed_plugin(fault: Fault) -> None:
    class Distributed(DistributedPlugin):
        def get_queries(self) -> Any:
            fault.fail()

        def write_results(self, results: Any) -> None:
            fault.fail()

    with Served(Distributed("work")) as served:
        for action in ("getQueries", "writeResults"):
            answer = served.call("distributed", "work", action=action, results="{}")
            assert _failed(answer) == f"work: {fault.text}"


class Shipped(SpooledLogger):
    """Fails to deliver for the first times."""

    def __init__(self, fault: Fault, spool: Path) -> None:
        super().__init__("shipped", spool=spool, options=SpoolOptions(batch_seconds=0.0, first_retry=0.01))
        self.fault = fault
        self.failures = 2
        self.tries: list[str] = []
        self.got: list[str] = []
        self.delivered = threading.Event()

    def deliver(self, batch: LogBatch) -> None:
        self.tries.append(batch.identity)
        if self.failures:
            self.failures -= 1
            self.fault.fail()
        self.got += [record.text for record in batch.records]
        self.delivered.set()

    def finish(self) -> None:
        self.fault.fail()


def test_a_spooled_logger_tries_again(fault: Fault, tmp_path: Path) -> None:
    made = Shipped(fault, tmp_path / "spool")
    with Served(made) as served:
        served.call("logger", "shipped", init="osqueryd")
        served.call("logger", "shipped", string="first", category="event")
        assert made.delivered.wait(20)
        served.call("logger", "shipped", string="second", category="event")
        while made.waiting:
            threading.Event().wait(0.01)
    assert made.tries[0] == made.tries[1] == made.tries[2]
    assert made.got == ["first", "second"]
    assert made.counters.dropped == 0
    first, retry, again, finish = served.log
    assert first.startswith(f"shipped: {fault.text}")
    assert retry == "shipped: tries again in up to 0.01 s; 1 records wait"
    assert again == "shipped: delivers again, after 3 attempts"
    assert finish.startswith(f"shipped: {fault.text}")


@pytest.mark.parametrize("wish", ["soon", float("nan"), float("inf"), -1, None, FAULTS[0]])
def test_a_wish_to_wait_that_cannot_be_granted(wish: Any, tmp_path: Path) -> None:
    class Later(Exception):
        @property
        def retry_after(self) -> Any:
            if isinstance(wish, Fault):
                wish.fail()
            return wish

    fault = Fault("later", lambda: (_ for _ in ()).throw(Later()), "")  # type: ignore[arg-type]
    made = Shipped(fault, tmp_path / "spool")
    made.failures = 1 if wish != float("inf") else 0
    with Served(made) as served:
        served.call("logger", "shipped", init="osqueryd")
        served.call("logger", "shipped", string="first", category="event")
        assert made.delivered.wait(20)


def test_plugins_that_fail_at_their_start_and_end(fault: Fault) -> None:
    if fault.name == "interrupt":
        pytest.skip("they are started in the main thread, where this is Ctrl-C")

    class Failing(Configured):
        def start(self, link: Any, log: Callable[[str], None]) -> None:
            super().start(link, log)
            fault.fail()

        def stop(self) -> None:
            fault.fail()

    with Served(Failing("config")) as served:
        assert served.call("config", "config", action="genConfig").status.code == 0
    assert [line.split("\n")[0] for line in served.log] == [f"config: {fault.text}"] * 2


def test_a_log_that_fails(fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    """Its lines go to standard error, and the table answers."""

    def log(line: str) -> None:
        fault.fail()

    @table("t", rows=Item)
    def made(query: Query) -> Iterator[Item]:
        """Warn."""
        query.warn("a warning")
        yield Item(n=1)

    with Served(made, log=log) as served:
        assert served.host.query("select n from t").rows == [{"n": "1"}]
    said = capsys.readouterr().err
    assert said.replace("\t", "").isprintable() is False  # it ends with a line feed
    assert said == f"t: a warning\n(not logged: {fault.text})\n"


@pytest.mark.parametrize("fault", IN_MAIN, ids=[one.name for one in IN_MAIN])
def test_tables_that_are_left_out(fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    def left_out() -> list[tuple[Table, str]]:
        fault.fail()

    extension = Extension("faulty", version="1", plugins=[_quiet()], left_out=left_out)
    assert extension.run(["tables", "--all"]) == 1
    assert capsys.readouterr() == ("", f"faulty: the extension's left_out fails: {fault.text}\n")
    assert extension.run(["query", "select * from nobody"]) == 1
    said = capsys.readouterr().err
    assert said == f"faulty: no such table: nobody; the extension's left_out fails: {fault.text}\n"


def _quiet() -> Table:
    @table("t", rows=Item)
    def made(query: Query) -> list[Item]:
        """One row."""
        return [Item(n=1)]

    return made


@pytest.mark.parametrize("fault", FEW, ids=[one.name for one in FEW])
def test_telemetry_that_fails(fault: Fault) -> None:
    """Calls are answered, and the log says once what is wrong."""
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    from osquery_sdk.serving.telemetry import Telemetry

    class Failing(SpanProcessor):
        at = ""

        def on_start(self, span: Any, parent_context: Any = None) -> None:
            if self.at == "start":
                fault.fail()

        def on_end(self, span: Any) -> None:
            if self.at == "end":
                fault.fail()

    processor = Failing()
    provider = TracerProvider()
    provider.add_span_processor(processor)
    made = _quiet()
    with Served(made, telemetry=Telemetry(tracer_provider=provider)) as served:
        for at in ("start", "end"):
            processor.at = at
            for _ in range(2):
                assert served.host.query("select n from t").rows == [{"n": "1"}]
        processor.at = ""
    assert made.counters.calls == 4
    assert [line.split("\n")[0] for line in served.log] == [f"telemetry: {fault.text}"]


def test_a_record_of_python_s_log(fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    import logging

    class Argument:
        def __str__(self) -> str:  # noqa: PLE0307
            fault.fail()

    if fault.name == "interrupt":
        pytest.skip("it is logged in the main thread, where this is Ctrl-C")
    with Served(_quiet()) as served:
        handler = StatusLogHandler(served.extension)
        handler.handle(logging.LogRecord("x", logging.INFO, __file__, 1, "%s", (Argument(),), None))
        handler.close()
    said = capsys.readouterr().err
    assert "--- Logging error ---" in said or said == f"a log record cannot be formatted: {fault.text}\n"


def test_a_plugin_with_a_call_of_its_own(fault: Fault) -> None:
    class Own(ConfigPlugin):
        def call(self, *arguments: Any) -> Any:
            fault.fail()

    with Served(Own("own")) as served:
        assert _failed(served.call("config", "own", action="genConfig")) == f"own: {fault.text}"
        assert served.log[0].startswith(f"own: {fault.text}\n")


def test_an_error_that_is_kept_and_raised_again_collects_no_frames() -> None:
    error = ValueError("the same one")

    @table("t")
    def kept(query: Query) -> list[Item]:
        """Raise one error again and again."""
        raise error

    with Served(kept) as served:
        for _ in range(20):
            served.fails("select * from t")
        assert len(set(served.log)) == 1
        assert traceback.extract_tb(error.__traceback__) == []


# Extensions of PyPI's package


def test_an_old_table(fault: Fault) -> None:
    class Old(old.TablePlugin):
        def name(self) -> str:
            return "t"

        def columns(self) -> list[Any]:
            return [old.TableColumn(name="n", type="INTEGER")]

        def generate(self, context: Any) -> Any:
            fault.fail()

        def call(self, context: dict[str, str]) -> Any:
            if context["action"] in ("insert", "update", "delete"):
                fault.fail()
            return super().call(context)

    made: Any = adapted(Old())
    with Served(made) as served:
        assert served.fails("select * from t") == f"t: {fault.text}"
        assert served.fails("insert into t (n) values (1)") == f"t: {fault.text}"
        assert [line.split("\n")[0] for line in served.log] == [f"t: {fault.text}"] * 2
        assert made.counters.errors == 2


def test_old_plugins(fault: Fault) -> None:
    class OldConfig(old.ConfigPlugin):
        def name(self) -> str:
            return "config"

        def content(self) -> Any:
            fault.fail()

    class OldLogger(old.LoggerPlugin):
        def name(self) -> str:
            return "logger"

        def log_string(self, value: str) -> Any:
            fault.fail()

    class Other(old.BasePlugin):
        def name(self) -> str:
            return "other"

        def registry_name(self) -> str:
            return "distributed"

        def call(self, context: dict[str, str]) -> Any:
            fault.fail()

    with Served(*(adapted(one()) for one in (OldConfig, OldLogger, Other))) as served:
        assert _failed(served.call("config", "config", action="genConfig")) == f"config: {fault.text}"
        assert served.call("logger", "logger", string="{}").status == (0, f"dropped: logger: {fault.text}", 0)
        assert _failed(served.call("distributed", "other", action="getQueries")) == f"other: {fault.text}"


# Exceptions that are not the author's


def test_ctrl_c_still_stops_a_statement(tmp_path: Path) -> None:
    program = tmp_path / "slow.py"
    program.write_text(
        "import time\n"
        "from osquery_sdk import Column, Extension, Row, table\n"
        "class R(Row):\n    n: int = Column('n')\n"
        "@table('slow', rows=R)\n"
        "def slow(query):\n    'x'\n"
        "    print('begun', flush=True)\n"
        "    while True:\n        query.check()\n        time.sleep(0.01)\n"
        "raise SystemExit(Extension('slow', version='1', plugins=[slow]).run())\n"
    )
    with subprocess.Popen(
        [sys.executable, program, "query", "select * from slow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) != 0
        assert "Traceback" not in process.stderr.read()


def test_a_value_of_a_strange_class_of_text_is_sent_as_it_is() -> None:
    @table("t", rows=Item)
    def made(query: Query) -> list[tuple[int, str]]:
        """Texts of another class, one and many."""
        return [(n, Text("é" if n % 2 else "plain")) for n in query.equals("n") or range(1, 4)]

    with Served(made) as served:
        assert served.host.query("select text from t where n = 2").rows == [{"text": "plain"}]
        rows = served.host.query("select text from t order by n").rows
        assert [row["text"] for row in rows] == ["é", "plain", "é"]
