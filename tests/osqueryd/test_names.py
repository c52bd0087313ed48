"""Names that are taken, and tables that osqueryd refuses, harm neither other names nor other tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from osquery_sdk import Column, DefinitionError, Extension, Query, RegistrationError, Row, Table, table
from osquery_sdk.wire.client import ManagerConnection
from osquery_sdk.wire.protocol import ExtensionInfo

from ..support.osqueryd import SqlFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..support.osqueryd import Manager

    Serve = Callable[..., list[str]]


class One(Row):
    n: int = Column("number")


def one(name: str, row: type[Row] = One, **options: Any) -> Table:
    @table(name, rows=row, **options)
    def rows(query: Query) -> list[One]:
        """Yield a row."""
        return [One(n=1)]

    return rows


@pytest.fixture
def serve(manager: Manager) -> Iterator[Serve]:
    """Register an extension, and return its log."""
    stops = []

    def serve(*tables: Table, name: str = "names") -> list[str]:
        log: list[str] = []
        stops.append(Extension(name, version="1", plugins=tables, log=log.append).start(manager.socket))
        return log

    yield serve
    for stop in stops:
        stop()


def works(manager: Manager, *names: str) -> bool:
    return all(manager.query(f"select n from {name}") == [{"n": "1"}] for name in names)


def repeated_column() -> Table:
    class Repeated(Row):
        n: int = Column("number")
        N: int = Column("the same to SQL")

    return one("bad", Repeated)


def repeated_alias() -> Table:
    class Repeated(Row):
        n: int = Column("number")
        m: int = Column("another one", aliases=("n",))

    return one("bad", Repeated)


def no_columns() -> Table:
    class Empty(Row):
        pass

    return one("bad", Empty)


def no_type() -> Table:
    class Untyped(Row):
        n: object = Column("anything")

    return one("bad", Untyped)


def wrong_type() -> Table:
    from osquery_sdk import ColumnType

    class Wrong(Row):
        n: str = Column("text that is no number", type=ColumnType.BIGINT)

    return one("bad", Wrong)


def wrong_column_name() -> Table:
    from osquery_sdk.tables.rows import RowType

    body = {"__annotations__": {"a-b": int}, "__module__": __name__, "a-b": Column("dashed")}
    return one("bad", RowType("Dashed", (Row,), body))


def too_many_columns() -> Table:
    from osquery_sdk.tables.rows import RowType

    names = [f"c{n}" for n in range(2001)]
    body: dict[str, Any] = {name: Column("one of many") for name in names}
    return one("bad", RowType("Wide", (Row,), {**body, "__annotations__": dict.fromkeys(names, int)}))


REFUSED: list[Callable[[], Table]] = [
    repeated_column,
    repeated_alias,
    no_columns,
    no_type,
    wrong_type,
    wrong_column_name,
    too_many_columns,
    *(
        lambda name=name: one(name)  # type: ignore[misc]
        for name in ("with-dash", "with space", "1st", "", "select", "if", "except", "intersect", "sqlite_x")
    ),
]


@pytest.mark.parametrize("bad", REFUSED)
def test_a_bad_table_is_refused_before_osqueryd_hears_of_it(bad: Callable[[], Table]) -> None:
    with pytest.raises(DefinitionError):
        Extension("names", version="1", plugins=[one("a_first"), bad(), one("z_last")])


def test_the_names_around_a_bad_table_are_free(manager: Manager, serve: Serve) -> None:
    """Check that names stay free when the SDK refuses; the next test shows osqueryd's own refusal."""
    for bad in REFUSED:
        with pytest.raises(DefinitionError):
            serve(one("a_first"), bad(), one("z_last"))
    assert serve(one("a_first"), one("bad"), one("z_last")) == []
    assert works(manager, "a_first", "bad", "z_last")


def test_names_that_another_extension_has_spoilt_are_left_out(manager: Manager, serve: Serve) -> None:
    column = {"id": "column", "name": "n", "type": "TEXT", "op": "32"}
    with ManagerConnection(manager.socket) as connection:
        status = connection.register_extension(
            ExtensionInfo("spoiler", "1", "5.0.0", "5.0.0"),
            {"table": {"a_first": [column], "bad": [column, column], "z_last": [column]}},
        )
        assert status.message.startswith("Failed adding registry: ")
    log = serve(one("a_first"), one("bad"), one("other"), one("z_last"))
    assert works(manager, "other", "z_last")
    # osqueryd has forgotten neither the bad one nor the one before it, and says so of the bad one alone.
    left_out = {line.split(": ")[1] for line in log}
    assert "left out bad" in left_out
    assert left_out <= {"left out bad", "left out a_first"}
    for name in {"a_first"} - {name.removeprefix("left out ") for name in left_out}:
        assert works(manager, name)


@pytest.mark.parametrize("taken", ["time", "Time", "osquery_INFO"])
def test_a_core_tables_name_is_left_out(taken: str, manager: Manager, serve: Serve) -> None:
    bad, first, last = one(taken), one("a_first"), one("z_last")
    log = serve(first, bad, last)
    assert log == [f"names: left out {taken}: osquery or another extension has a table of that name"]
    assert works(manager, "a_first", "z_last")
    assert "unix_time" in manager.query("select * from time")[0]
    assert bad.counters.is_taken
    assert not first.counters.is_taken


def test_another_extensions_name_is_left_out(manager: Manager, serve: Serve) -> None:
    serve(one("mine"), name="first")
    log = serve(one("Mine"), one("yours"), name="second")
    assert log == ["second: left out Mine: osquery or another extension has a table of that name"]
    assert works(manager, "mine", "yours")


def test_no_name_is_free(manager: Manager, serve: Serve) -> None:
    with pytest.raises(
        RegistrationError,
        match=r"^osquery or other extensions have tables of all names of names already: rename yours$",
    ):
        serve(one("time"))
    assert manager.extensions() == {}


def test_an_extension_may_have_no_table_for_this_platform(manager: Manager, serve: Serve) -> None:
    serve(one("elsewhere", platforms=("windows",)))
    assert "names" in manager.extensions()
    with pytest.raises(SqlFailed, match="no such table: elsewhere"):
        manager.query("select * from elsewhere")


def test_who_starts_it_is_told_that_its_own_name_is_taken(manager: Manager, serve: Serve) -> None:
    serve(one("mine"))
    second = Extension("names", version="1", plugins=[one("yours")])
    with pytest.raises(RegistrationError, match="an extension of this name is running"):
        second.start(manager.socket, timeout=0.3)
    assert works(manager, "mine")


def test_an_extension_called_core(manager: Manager, serve: Serve) -> None:
    """Check an extension with the name that osqueryd has in its own table of extensions."""
    log = serve(one("time"), one("mine"), name="core")
    assert log == ["core: left out time: osquery or another extension has a table of that name"]
    assert works(manager, "mine")


def test_names_may_be_had_again_afterwards(manager: Manager) -> None:
    for row in range(3):
        stop = Extension("names", version="1", plugins=[one("mine"), one("yours")]).start(manager.socket)
        assert works(manager, "mine", "yours"), row
        stop()
        with pytest.raises(SqlFailed):
            manager.query("select * from mine")


@pytest.mark.osqueryd
def test_tables_that_osqueryd_was_told_to_disable(directory: Any) -> None:
    """Check that reading the names needs no table of osquery's own."""
    from ..support.osqueryd import Manager

    manager = Manager.osqueryd(directory, "--disable_tables=osquery_registry,osquery_info,osquery_extensions")
    try:
        stop = Extension("names", version="1", plugins=[one("mine")]).start(manager.socket)
        assert works(manager, "mine")
        stop()
    finally:
        manager.close()
