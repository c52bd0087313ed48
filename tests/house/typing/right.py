"""An extension with every way to declare columns, use a query and yield rows. No line here is flagged."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

from osquery_sdk import (
    Client,
    Column,
    ColumnType,
    ConstraintFailed,
    Extension,
    Host,
    Query,
    QueryClient,
    ReadOnly,
    Row,
    Table,
    TableError,
    WritableTable,
    table,
)
from osquery_sdk.serving.status_log import StatusLogHandler
from osquery_sdk.serving.telemetry import Telemetry


class State(Enum):
    """An enumeration as a column's type."""

    ON = "on"
    OFF = "off"


class Device(Row):
    """A column of every type."""

    serial: str = Column("Serial number", index=True, key=True, collate="nocase", aliases=("sn",))
    number: int = Column("A number", type=ColumnType.INTEGER)
    seen: datetime = Column("When it was seen last")
    removable: bool = Column("1 if it can be taken out")
    load: float | None = Column("Between 0 and 1", costly=True, default=None)
    blob: bytes = Column("What it says of itself", default=b"")
    path: Path | None = Column("Its file", additional=True, default=None)
    state: State = Column("on or off", default=State.OFF)
    labels: list[str] = Column("Labels", default=[])
    facts: dict[str, Any] = Column("Whatever else", hidden=True, default={})


class Disk(Device):
    """Columns of another row class, and one more."""

    size: int = Column("Bytes")


def disk(serial: str) -> Disk:
    """Return a row: columns with a default may be omitted, and the order of the others is free."""
    now = datetime.now(tz=timezone.utc)  # noqa: UP017
    row = Disk(size=1, serial=serial, number=2, removable=True, seen=now)
    name: str = row.serial
    size: int = row.size
    load: float | None = row.load
    if load is None or not name:
        size += 1
    return row


def named(row: Disk) -> tuple[Disk, Disk]:
    """Use the members that a row shares with named tuples."""
    fields: tuple[str, ...] = row._fields + Disk._fields
    values: dict[str, Any] = {**row._asdict(), **Disk._field_defaults}
    other = row._replace(size=len(fields) + len(values))
    size: int = other.size
    return Disk._make([*other[:-1], size]), other


@table("disks", platforms=("linux",), examples=("select * from disks",), cache=1.5, deadline=5, max_rows=10)
def disks(query: Query) -> Iterator[Disk]:
    """Disks; the function uses every method of the query."""
    asked = query.equals("serial")
    if asked is not None:
        for serial in asked:
            yield disk(str(serial))
        return
    patterns: tuple[str, ...] = query.like("serial") + query.glob("serial")
    bounds = query.range("number")
    if patterns and bounds.low is not None and not bounds.low_open:
        raise TableError("too narrow")
    for constraint in query.constraints("path"):
        query.warn(f"{constraint.op} {constraint.value}")
    while not query.cancelled and query.remaining() > 1 and query.deadline:
        query.check()
        if query.matches("serial", "x") and query.wants("load"):
            yield disk("x")


@table("listed", cache=5.0, aliases=("enumerated",))
def listed(query: Query) -> list[Device]:
    """A list that also has a row of a subclass."""
    return [disk("a"), *disks.rows(serial="b")]


@table("later")
async def later(query: Query) -> AsyncIterator[Disk]:
    """Asynchronous."""
    yield disk("c")


@table("awaited")
async def awaited(query: Query) -> list[Disk]:
    """Asynchronous, with all rows at once."""
    return [disk("d")]


@table("mappings", rows=Disk)
def mappings(query: Query) -> list[Mapping[str, object]]:
    """Mappings; `rows` names the row class."""
    return [{"serial": "e", "number": 1}]


class Disks(WritableTable[Device]):
    """A table that is written to."""

    def __init__(self) -> None:
        """Start empty."""
        self.kept: dict[str, Device] = {}

    def rows(self, query: Query) -> Iterator[Device]:
        """Rows, yielded."""
        yield from self.kept.values()

    def insert(self, row: Device) -> Device:
        """Take a row, and return it as it is kept."""
        if row.number < 0:
            raise ConstraintFailed("a number is not below 0")
        self.kept[row.serial] = row
        return row

    def update(self, old: Device, new: Device) -> None:
        """Take two rows."""
        if new.removable and not old.removable:
            raise ReadOnly("it is built in")
        del self.kept[old.serial]
        self.kept[new.serial] = new


class Numbers(WritableTable[Disk]):
    """A table with `rows` and `insert` alone, which return a list and a number."""

    def rows(self, query: Query) -> list[Disk]:
        """A list."""
        return []

    def insert(self, row: Disk) -> int | None:
        """Return the key."""
        return row.size or None


@table("asks")
def asks(query: Query) -> Iterator[Disk]:
    """A table that queries osquery."""
    client: QueryClient = query.client
    rows: list[Disk] = client.query("select * from disks where serial = ?", ["x"], rows=Disk)
    texts: list[dict[str, str]] = client.query("select :a", {"a": b"x"}, timeout=1.5)
    columns: list[tuple[str, str]] = client.columns("select 1")
    state = client.database("right")
    state["last"] = texts[0].get("a", "") + columns[0][0]
    if "last" in state and client.options()["verbose"].value == "true":
        query.warn(next(iter(client.extensions().values())).name)
    yield from rows


def every() -> list[Table]:
    """Return all tables."""
    written = table("written", deadline=5, examples=("delete from written",))(Disks())
    return [disks, listed, later, awaited, mappings, written, table("numbers")(Numbers()), asks]


def observed() -> Extension:
    """Return an extension with telemetry and a handler for logging."""
    extension = Extension("observed", version="1.0", plugins=every(), telemetry=Telemetry())
    handler = StatusLogHandler(extension, level=20, most=5)
    other = Client("/var/osquery/osquery.em", timeout=2.0)
    Query.of(asks, client=other)
    print(handler.dropped, extension.client.columns("select 1"), other.options())
    return extension


def hosted() -> list[dict[str, str]]:
    """Query tables on the embedded engine."""
    with Host([observed().start]) as host:
        return host.query("select 1").rows


def main() -> int:
    """Run the program."""
    return Extension("right", version="1.0", plugins=every()).run(["tables"])
