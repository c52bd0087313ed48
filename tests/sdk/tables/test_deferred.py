"""`deferred`: a table that a frozen program imports when it is first queried."""

import sys
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from osquery_sdk import Column, DefinitionError, Extension, Limits, Query, Row, Table, deferred, table
from osquery_sdk.engine import Host, SqlError
from osquery_sdk.tables.deferred import RECORD, TableFacts


class Fruit(Row):
    name: str = Column("Of the fruit", index=True, aliases=("label",))
    grams: int = Column("Weight in grams")


@table("fruits", aliases=("fruit",), cache=5.0, examples=("select grams from fruits where name = 'fig'",))
def fruits(query: Query) -> Iterator[Fruit]:
    """Fruit."""
    yield Fruit(name="fig", grams=50)


class Loads:
    """A `load` that counts its calls."""

    def __init__(self, table: Table = fruits) -> None:
        self.table = table
        self.count = 0

    def __call__(self) -> Table:
        self.count += 1
        return self.table


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pose as a frozen program whose build recorded `fruits`."""
    record = types.ModuleType(RECORD)
    vars(record)["TABLES"] = {"fruits": tuple(TableFacts.of(fruits))}
    monkeypatch.setitem(sys.modules, RECORD, record)
    monkeypatch.setattr(sys, "frozen", True, raising=False)


def test_outside_a_frozen_program_it_is_the_table():
    assert deferred("fruits", lambda: fruits) is fruits


@pytest.mark.usefixtures("frozen")
def test_a_registration_does_not_load_it():
    load = Loads()
    late = deferred("fruits", load).configured(name="produce", family="food")
    extension = Extension("shop", version="1", plugins=[late])
    assert extension.tables == {"produce": late}
    assert (late.routes(), late.platforms, late.aliases) == (fruits.routes(), fruits.platforms, ("fruit",))
    assert (late.is_here, late.is_cached, late.counters.calls) == (True, True, 0)
    assert load.count == 0


@pytest.mark.usefixtures("frozen")
def test_a_statement_loads_it_once_with_its_settings():
    load = Loads()
    late = deferred("fruits", load).configured(name="produce", limits=Limits(max_rows=7))
    with Host([Extension("shop", version="1", plugins=[late]).start]) as host:
        for _ in range(3):
            assert host.query("select label, grams from produce").rows == [{"label": "fig", "grams": "50"}]
    assert load.count == 1
    assert late.counters.calls == 3
    assert late.options.max_rows == 7
    assert late.definition.examples == ("select grams from produce where name = 'fig'",)


@pytest.mark.usefixtures("frozen")
def test_threads_that_come_at_once_wait_for_one_load():
    loading, go_on = Event(), Event()
    load = Loads()

    def slowly() -> Table:
        loading.set()
        assert go_on.wait(10)
        return load()

    late = deferred("fruits", slowly)
    with ThreadPoolExecutor(4) as threads:
        descriptions = [threads.submit(lambda: late.description) for _ in range(4)]
        assert loading.wait(10)
        go_on.set()
        assert {each.result() for each in descriptions} == {"Fruit."}
    assert load.count == 1


def _missing() -> Table:
    raise ModuleNotFoundError("No module named 'orchard'", name="orchard")


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize(
    ("load", "message"),
    [
        (_missing, "No module named 'orchard'"),
        (lambda: fruits.configured(name="nuts"), "load returns nuts, not the table fruits"),
        (lambda: fruits.rows, "not the table fruits"),
    ],
)
def test_a_load_that_fails_costs_its_statements_alone(load: Callable[[], Table], message: str):
    whole = table("whole")(fruits.function)
    with Host([Extension("shop", version="1", plugins=[deferred("fruits", load), whole]).start]) as host:
        for _ in range(2):
            with pytest.raises(SqlError, match=message):
                host.query("select * from fruits")
        assert len(host.query("select * from whole").rows) == 1


@pytest.mark.usefixtures("frozen")
def test_a_table_that_was_not_recorded_is_loaded_at_once():
    load = Loads(fruits.configured(name="nuts"))
    assert deferred("nuts", load).name == "nuts"
    assert load.count == 1


@pytest.mark.usefixtures("frozen")
def test_a_name_that_osqueryd_would_refuse_is_refused_at_once():
    with pytest.raises(DefinitionError, match="no-name"):
        deferred("fruits", Loads()).configured(name="no-name")


@pytest.mark.usefixtures("frozen")
def test_an_attribute_that_no_table_has():
    with pytest.raises(AttributeError, match="has no attribute 'colour'"):
        getattr(deferred("fruits", Loads()), "colour")  # noqa: B009  mypy knows that there is none


@pytest.mark.parametrize("wrong", [lambda: None, lambda: fruits.configured(name="nuts")])
def test_a_load_of_something_else_is_refused(wrong: Callable[[], Table]):
    with pytest.raises(DefinitionError, match="deferred table fruits: load returns"):
        deferred("fruits", wrong)
