"""An author's methods get the right values, and the SQL client sees their effect.

On osqueryd and the engine.
"""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from osquery_sdk import (
    Column,
    ColumnType,
    ConstraintFailed,
    DefinitionError,
    Extension,
    Query,
    ReadOnly,
    RemoteError,
    Row,
    Table,
    TableError,
    WritableTable,
    table,
)
from osquery_sdk.wire.service import CallContext

from ...support.store import ByName, Named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from osquery_sdk.asking.client import Client

    from ...support.osqueryd import Manager


class Level(Enum):
    """An enumeration of numbers."""

    LOW = 1
    HIGH = 2


class Thing(Row):
    """A column of every type."""

    id: int | None = Column("Number", key=True, index=True, default=None)
    name: str = Column("Name", index=True, aliases=("title", "caption"))
    small: int = Column("32 bits", type=ColumnType.INTEGER, default=0)
    weight: float | None = Column("Weight", default=None)
    seen: datetime | None = Column("When", default=None)
    active: bool = Column("0 or 1", default=False)
    level: Level = Column("Level", default=Level.LOW)
    path: Path | None = Column("Path", default=None)
    tags: list[str] = Column("Tags", default=[])
    facts: dict[str, Any] | None = Column("Facts", hidden=True, default=None)
    note: str | None = Column("Note", default=None)


class Things(WritableTable[Thing]):
    """Things, and what was asked for.

    More of them.
    """

    def __init__(self) -> None:
        self.kept: dict[int, Thing] = {}
        self.calls: list[tuple[Any, ...]] = []

    def rows(self, query: Query) -> Iterable[Thing]:
        return [self.kept[number] for number in sorted(self.kept)]

    def insert(self, row: Thing) -> int:
        self.calls.append(("insert", row))
        if row.name == "boom":
            raise KeyError("boom")
        number = 1 + max(self.kept, default=0) if row.id is None else row.id
        if number in self.kept:
            raise ConstraintFailed(f"there is a thing {number}")
        self.kept[number] = tuple.__new__(Thing, (number, *row[1:]))
        return number

    def update(self, old: Thing, new: Thing) -> None:
        self.calls.append(("update", old, new))
        assert old.id is not None
        assert new.id is not None
        del self.kept[old.id]
        self.kept[new.id] = new

    def delete(self, row: Thing) -> None:
        self.calls.append(("delete", row))
        assert row.id is not None
        del self.kept[row.id]


@pytest.fixture(scope="module")
def served(manager: Manager) -> Iterator[tuple[Client, Things]]:
    """A table for all tests that only write to it."""
    things = Things()
    extension = Extension("things", version="1", plugins=[table("things")(things)], log=lambda line: None)
    end = extension.start(manager.socket)
    yield extension.client, things
    end()


@pytest.fixture
def things(served: tuple[Client, Things]) -> Things:
    served[1].kept.clear()
    served[1].calls.clear()
    return served[1]


@pytest.fixture
def client(served: tuple[Client, Things]) -> Client:
    return served[0]


def is_engine(client: Client) -> bool:
    return "engine" in client.query("select version from osquery_info")[0]["version"]


def full(**given: Any) -> Thing:
    return Thing(**{"id": 1, "name": "a", **given})


@pytest.mark.parametrize(
    ("assignments", "given"),
    [
        ("name = 'é''\n'", {"name": "é'\n"}),
        ("small = -2147483648", {"small": -(2**31)}),
        ("weight = 0.1", {"weight": 0.1}),
        ("weight = -0.0", {"weight": -0.0}),
        ("weight = 1.7976931348623157e308", {"weight": 1.7976931348623157e308}),
        ("seen = 0", {"seen": datetime(1970, 1, 1, tzinfo=UTC)}),
        ("seen = -1", {"seen": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)}),
        ("active = 1", {"active": True}),
        ("level = 2", {"level": Level.HIGH}),
        ("path = '/x/y'", {"path": Path("/x/y")}),
        ('tags = \'["x", "ü"]\'', {"tags": ["x", "ü"]}),
        ("facts = '{\"a\": [1, null]}'", {"facts": {"a": [1, None]}}),
        ("note = ''", {"note": ""}),
        ("note = cast(x'610062' as text)", {"note": "a\0b"}),
        ("id = 9007199254740993", {"id": 9007199254740993}),
    ],
)
def test_values_arrive_as_what_the_annotation_says(
    client: Client, things: Things, assignments: str, given: dict[str, Any]
) -> None:
    """The method gets the exact type, by UPDATE and by INSERT."""
    things.kept[1] = full()
    client.query(f"update things set {assignments} where id = 1")
    (_, old, new) = things.calls.pop()
    assert old is not new
    # An empty text cannot be told from the NULL that osqueryd has no word for: it is no change.
    wanted = full(**given) if given != {"note": ""} else full()
    assert (old, repr(new)) == (full(), repr(wanted))
    things.kept.clear()
    names, _, values = assignments.partition(" = ")
    named = "" if "name" in given else "name, "
    text = "" if "name" in given else "'a', "
    client.query(f"insert into things ({named}{names}) values ({text}{values})")
    assert repr(things.calls.pop()[1]) == repr(full(**{"id": None, **given}))


def test_text_that_is_not_utf8(client: Client, things: Things) -> None:
    """A text comes through a parameter, which is written as a cast.

    The engine does not compute such texts.
    """
    if is_engine(client):
        with pytest.raises(RemoteError, match="computed text that is not UTF-8"):
            client.query("insert into things (name) values (?)", ["a\udcff"])
        return
    client.query("insert into things (name) values (?)", ["a\udcff"])
    assert things.kept[1].name == "a\udcff"
    assert client.query("select name from things")[0]["name"] == "a\udcff"


def test_a_column_by_an_alias(serve) -> None:
    """osqueryd does not know an alias's type before a statement has read it."""
    things = Things()
    client = serve(table("aliased")(things))
    things.kept[1] = full()
    for sql in ("insert into aliased (title) values ('b')", "update aliased set caption = 'b'"):
        with pytest.raises(RemoteError, match=r"^datatype mismatch$"):
            client.query(sql)
    assert client.query("select title, caption from aliased") == [{"title": "a", "caption": "a"}]
    client.query("insert into aliased (title, small) values ('b', 2)")
    client.query("update aliased set caption = 'c' where small = 0")
    assert {row[:3] for row in things.kept.values()} == {(1, "c", 0), (2, "b", 2)}


def test_what_a_statement_does_not_set_stays_the_very_object(client: Client, things: Things) -> None:
    """osqueryd sends the whole row back, without fractions of seconds and blanks in JSON, NULL as a text."""
    moment = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    before = full(seen=moment, tags=["x"], facts={"a": 1}, note=None, weight=1.0, path=Path("p"))
    things.kept[1] = before
    client.query("update things set small = 5 where name = 'a'")
    (_, old, new) = things.calls.pop()
    assert old is before
    for column in ("seen", "tags", "facts", "note", "weight", "path", "name"):
        assert getattr(new, column) is getattr(before, column)
    client.query("update things set note = 'n' where id = 1")
    client.query("update things set note = null where id = 1")
    assert things.kept[1].note is None


REFUSED = [
    ("insert into things (name, id) values ('x', 1)", "things: there is a thing 1"),
    ("insert into things (name) values ('boom')", "things: KeyError: 'boom'"),
    ("insert into things (small) values (1)", "things.name: it may not be NULL"),
    ("update things set name = null", "things.name: it may not be NULL"),
    ("update things set active = null", "things.active: it may not be NULL"),
    ("update things set active = 2", "things.active = 2: it takes 0 or 1"),
    ("update things set level = 3", "things.level = 3: it takes one of 1, 2"),
    (
        "update things set small = 2147483648",
        "things.small = 2147483648: INTEGER goes from -2147483648 to 2147483647",
    ),
    ("update things set tags = '{}'", "things.tags = '{}': it takes a JSON array"),
    ("update things set tags = 'x'", "things.tags = 'x': it takes JSON"),
    (
        "update things set seen = 9223372036854775807",
        "things.seen = 9223372036854775807: it takes Unix seconds of a year up to 9999",
    ),
    ("update things set weight = 9e999", "things: an infinite number cannot be written"),
    (
        "insert into things (name, weight) values ('i', -9e999)",
        "things: an infinite number cannot be written",
    ),
    (
        "insert into things (rowid, id, name) values (5, 6, 'x')",
        "things: rowid and id are set to different values",
    ),
    # These never get here: osqueryd refuses them itself.
    ("update things set weight = 3", "datatype mismatch"),
    ("update things set id = 'x'", "datatype mismatch"),
    ("update things set name = 5", "datatype mismatch"),
]


@pytest.mark.parametrize(("sql", "message"), REFUSED, ids=[sql for sql, _ in REFUSED])
def test_the_sql_client_sees_why(client: Client, things: Things, sql: str, message: str) -> None:
    things.kept[1] = full()
    with pytest.raises(RemoteError) as caught:
        client.query(sql)
    assert str(caught.value) == message
    assert things.kept == {1: full()}


class Refuses(WritableTable[Thing]):
    """Refuses by whatever it is told to."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def rows(self, query: Query) -> list[Thing]:
        return [full()]

    def insert(self, row: Thing) -> int:
        raise self.error

    def update(self, old: Thing, new: Thing) -> None:
        raise self.error

    def delete(self, row: Thing) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ReadOnly(), "table refuses may not be modified"),
        (ReadOnly("only maria may write"), "refuses: only maria may write"),
        (ConstraintFailed(), "constraint failed"),
        (ConstraintFailed("too many"), "refuses: too many"),
        (TableError("the disk is full"), "refuses: the disk is full"),
        (TableError("refuses: named already"), "refuses: named already"),
        (OSError(28, "No space left"), "refuses: OSError: [Errno 28] No space left"),
    ],
)
@pytest.mark.parametrize(
    "sql", ["insert into refuses (name) values ('x')", "update refuses set small = 1", "delete from refuses"]
)
def test_refusals(serve, error: Exception, message: str, sql: str) -> None:
    log: list[str] = []
    client = serve(table("refuses")(Refuses(error)), log=log.append)
    with pytest.raises(RemoteError) as caught:
        client.query(sql)
    assert str(caught.value) == message
    # An exception that was not raised on purpose is a mistake, and its traceback is logged.
    assert any("Traceback" in line for line in log) == isinstance(error, OSError)


def test_what_is_not_written_is_read_only(serve) -> None:
    store = ByName()

    class NoUpdate(WritableTable[Named]):
        rows, insert, delete = store.rows, store.insert, store.delete

    client = serve(table("no_update")(NoUpdate()))
    client.query("insert into no_update (name) values ('a'), ('b')")
    with pytest.raises(RemoteError, match=r"^table no_update may not be modified$"):
        client.query("update no_update set value = 'x'")
    client.query("delete from no_update where name = 'a'")
    assert store.kept == [(None, "b", None, None)]


def test_rows_before_a_refusal_stay(client: Client, things: Things) -> None:
    with pytest.raises(RemoteError, match="KeyError"):
        client.query("insert into things (name) values ('a'), ('boom'), ('c')")
    assert [row.name for row in things.kept.values()] == ["a"]


def test_a_row_id_that_a_statement_sets_is_the_key(client: Client, things: Things) -> None:
    client.query("insert into things (rowid, name) values (77, 'a')")
    client.query("update things set rowid = 78 where id = 77")
    assert client.query("select rowid, id from things") == [{"rowid": "78", "id": "78"}]


def test_rows_known_by_text_take_no_row_id(serve) -> None:
    store = ByName()
    client = serve(table("named")(store))
    client.query("insert into named (name) values ('a')")
    for sql in ("insert into named (rowid, name) values (5, 'b')", "update named set rowid = 5"):
        with pytest.raises(RemoteError, match=r"^named: the rowid cannot be set, as rows are known by name$"):
            client.query(sql)


def test_new_rows_have_the_row_id_that_a_scan_gives_them(serve) -> None:
    client = serve(table("named")(ByName()))
    client.query("insert into named (name) values ('a'), ('b')")
    rowid = client.query("select rowid from named where name = 'b'")[0]["rowid"]
    assert client.query("select last_insert_rowid() as last") == [{"last": rowid}]


def test_more_rows_than_are_kept(
    serve, client: Client, things: Things, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is not remembered from the scan is read again, with those behind it."""
    monkeypatch.setattr("osquery_sdk.tables.writer._KEPT", 100)
    things.kept.update({n: Thing(id=n, name=str(n)) for n in range(1, 501)})
    store = ByName()
    store.kept = [Named(name=f"n{n}") for n in range(500)]
    scans: list[Query] = []
    rows = store.rows
    store.rows = lambda query: (scans.append(query), rows(query))[1]  # type: ignore[method-assign]
    serve(table("named")(store))
    client.query("update things set small = 1 where id > 490")
    client.query("delete from things where id > 20 and id < 495")
    assert len(things.kept) == 26
    assert [n for n, row in things.kept.items() if row.small] == list(range(495, 501))
    client.query("delete from named where name not like '%0'")
    assert len(store.kept) == 50
    assert len(scans) < 10


def test_a_row_that_went_meanwhile() -> None:
    class Vanishing(Things):
        def rows(self, query: Query) -> list[Thing]:
            return [full(id=n) for n in (1, 2)] if self.kept else []

        def delete(self, row: Thing) -> None:
            self.kept.clear()

    made = Vanishing()
    made.kept = {1: full()}
    one = table("vanishing")(made)
    answer = write(one, {"action": "delete", "id": "5"})
    assert answer == {
        "status": "failure",
        "message": "vanishing: the row is not there any more, or another has the same key",
    }


def write(one: Table, request: dict[str, str]) -> dict[str, str]:
    context = CallContext(None, None)  # type: ignore[arg-type]
    response = one.call(request, context, lambda line: None, None)
    assert response.status.code == 0
    (row,) = response.rows  # type: ignore[misc]
    return dict(row)


@pytest.mark.parametrize(
    ("values", "reply"),
    [
        ('[1, "a"', "things: the values of the write cannot be read"),
        ("", "things: the values of the write cannot be read"),
        ("{}", "things: expected 13 values in the write, got dict"),
        ('[1, "a"]', "things: expected 13 values in the write, got 2"),
        ('[1, "a", true, null, null, true, 1, null, "[]", null, null, null, null]', None),
        ('[1.0, "a", 0, 2, null, 0, 1, null, "[]", null, null, null, null]', None),
        (
            '[1.5, "a", 0, 2, null, 0, 1, null, "[]", null, null, null, null]',
            "things.id = 1.5: it takes a whole number",
        ),
        ('[1, 7, 0, 2, null, 0, 1, null, "[]", null, null, null, null]', "things.name = 7: it takes text"),
        ('[1, "a", 0, NaN, null, 0, 1, null, "[]", null, null, null, null]', None),
        (
            '[1, "a", 0, 1e999, null, 0, 1, null, "[]", null, null, null, null]',
            "things.weight = inf: it takes no infinite number",
        ),
    ],
)
def test_values_as_other_managers_may_send_them(values: str, reply: str | None) -> None:
    """JSON's own booleans, whole numbers for a REAL and the like.

    And what cannot be read is refused, not guessed.
    """
    made = table("things")(Things())
    answer = write(made, {"action": "insert", "auto_rowid": "false", "json_value_array": values})
    assert answer == (
        {"status": "success", "id": "1"} if reply is None else {"status": "failure", "message": reply}
    )


def test_writes_come_one_after_the_other(serve) -> None:
    class Slow(Things):
        running = most = 0

        def insert(self, row: Thing) -> int:
            Slow.running += 1
            Slow.most = max(Slow.most, Slow.running)
            time.sleep(0.01)
            Slow.running -= 1
            return super().insert(row)

    things = Slow()
    client = serve(table("slow")(things))
    threads = [
        threading.Thread(target=client.query, args=("insert into slow (name) values (?)", [str(n)]))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (Slow.most, sorted(things.kept)) == (1, [1, 2, 3, 4, 5, 6])


def test_a_write_has_the_tables_deadline(serve) -> None:
    class Stuck(Things):
        def insert(self, row: Thing) -> int:
            time.sleep(1.0)
            return super().insert(row)

    made = table("stuck", deadline=0.2)(Stuck())
    client = serve(made)
    started = time.monotonic()
    with pytest.raises(
        RemoteError, match=r"^stuck: no answer within 0.2 s; whether it was written is not known$"
    ):
        client.query("insert into stuck (name) values ('x')")
    assert time.monotonic() - started < 0.9
    with pytest.raises(RemoteError, match=r"stuck: (another write takes too long|no answer within)"):
        client.query("insert into stuck (name) values ('y')")
    time.sleep(1.0)
    assert made.counters.errors == 2


def test_writes_are_counted(serve) -> None:
    made = table("counted")(Things())
    client = serve(made)
    client.query("insert into counted (name) values ('a')")
    with pytest.raises(RemoteError):
        client.query("insert into counted (id, name) values (1, 'b')")
    counters = made.counters
    assert (counters.calls, counters.errors, counters.last_error) == (2, 1, "counted: there is a thing 1")
    assert counters.last_rows is None


class Keyless(Row):
    """Rows that nothing distinguishes."""

    name: str = Column("Name")


def keyless() -> WritableTable[Keyless]:
    class Made(WritableTable[Keyless]):
        def rows(self, query: Query) -> list[Keyless]:
            return []

    return Made()


class Unsaid(WritableTable):  # type: ignore[type-arg]
    """Does not say which rows."""

    def rows(self, query: Query) -> list[Row]:
        return []


@pytest.mark.parametrize(
    ("made", "options", "message"),
    [
        (keyless, {}, "key=True"),
        (Things, {"cache": 1.0}, "takes no cache"),
        (Things, {"snapshot": True}, "takes no cache"),
        (Unsaid, {}, "derive from WritableTable[YourRow]"),
        (lambda: Things, {}, "give an object: table('x')(Things(...))"),
    ],
)
def test_definitions_that_cannot_work(made: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(message)):
        table("x", **options)(made())


def test_what_is_made_of_an_object() -> None:
    made = table("x")(Things())
    assert (made.description, made.row, made.is_writable) == ("Things, and what was asked for.", Thing, True)
    assert made.rows() == []

    @table("y")
    def plain(query: Query) -> list[Thing]:
        """Read only."""
        return []

    assert not plain.is_writable


def test_an_insert_that_does_not_tell_the_key(serve) -> None:
    class Forgetful(Things):
        def insert(self, row: Thing) -> None:  # type: ignore[override]
            super().insert(row)

    class Numbering(ByName):
        def insert(self, row: Named) -> int:  # type: ignore[override]
            return 5

    client = serve(table("forgetful")(Forgetful()), table("numbering")(Numbering()))
    with pytest.raises(RemoteError, match="the row was inserted, but insert did not return its id"):
        client.query("insert into forgetful (name) values ('x')")
    with pytest.raises(RemoteError, match="insert returned 5, where rows are known by name: return the row"):
        client.query("insert into numbering (name) values ('x')")


def test_blobs(serve) -> None:
    """osqueryd reads them as text, which it then refuses to write into their column.

    A cast makes it a BLOB again.
    """

    class Blob(Row):
        id: int | None = Column("Number", key=True, default=None)
        data: bytes | None = Column("Bytes", default=None)
        name: str = Column("Name", default="")

    # Annotations of classes within a function cannot be looked up, unless they are where `get_type_hints`
    # looks.
    globals()["Blob"] = Blob

    class Blobs(WritableTable[Blob]):
        kept: dict[int, Blob] = {}  # noqa: RUF012

        def rows(self, query: Query) -> Iterable[Blob]:
            return list(self.kept.values())

        def insert(self, row: Blob) -> int:
            self.kept[1] = Blob(id=1, data=row.data, name=row.name)
            return 1

        def update(self, old: Blob, new: Blob) -> None:
            self.kept[1] = new

    client = serve(table("blobs")(Blobs()))
    client.query("insert into blobs (data) values (?)", [b"\0\xff\xc3\xa9"])
    assert Blobs.kept[1].data == b"\0\xff\xc3\xa9"
    if is_engine(client):
        # Bytes that are no UTF-8 are a BLOB there; NULL and all else is as in osqueryd.
        client.query("update blobs set data = null")
    with pytest.raises(RemoteError, match=r"^datatype mismatch$"):
        client.query("update blobs set name = 'x'")
    client.query("update blobs set data = ?", [b"\0\xff\xc3\xa9"])
    client.query("update blobs set name = 'x', data = cast(data as blob)")
    assert Blobs.kept[1] == (1, b"\0\xff\xc3\xa9", "x")
    client.query("update blobs set data = x'00'")
    assert Blobs.kept[1].data == b"\0"
