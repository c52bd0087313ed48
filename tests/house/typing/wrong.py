"""Mistakes of authors. Both type checkers flag each line that ends in `# E`, and no other line."""

from collections.abc import AsyncIterator, Iterator

from osquery_sdk import Column, Extension, Query, Row, WritableTable, table


class Process(Row):
    """A row."""

    pid: int = Column("Process id", index=True)
    name: str = Column("Name")
    path: str | None = Column("Executable", costly=True, default=None)


class Other(Row):
    """Another row."""

    pid: int = Column("Process id")
    name: str = Column("Name")


class Wrong(Row):
    """Declarations."""

    indexed: str = Column("An option that is none", indx=True)  # E
    described: str = Column(5)  # E
    switched: str = Column("A wrong value of an option", hidden="yes")  # E
    undescribed: str = Column()  # E


def rows() -> None:
    """Mistakes with the constructor and with its rows."""
    row: Process = Process(pid=1, name="init")
    row = Process(pid=1, nam="init")  # E
    row = Process(pid="1", name="init")  # E
    row = Process(pid=None, name="init")  # E
    row = Process(pid=1)  # E
    row = Process(1, "init")  # E
    row = Process(pid=1, name="init", path=b"/sbin/init")  # E
    row = Other(pid=1, name="init")  # E
    row.pid = 2  # E
    print(row.nam)  # E
    print(row.path.upper())  # E
    print(row.name + 1)  # E


@table("yields_another_row")
def yields_another_row(query: Query) -> Iterator[Process]:
    """Rows of the wrong type."""
    yield Other(pid=1, name="init")  # E
    yield (1, "init", None)  # E
    yield {"pid": 1, "name": "init"}  # E
    yield None  # E


@table("yields_later")
async def yields_later(query: Query) -> AsyncIterator[Process]:
    """An asynchronous table with rows of the wrong type."""
    yield Other(pid=1, name="init")  # E


@table("returns_another_row")
def returns_another_row(query: Query) -> list[Process]:
    """A list of them."""
    return [Process(pid=1, name="init"), Other(pid=1, name="init")]  # E


@table("yields_no_rows")  # E
def yields_no_rows(query: Query) -> Iterator[int]:
    """No rows at all."""
    yield 1


@table("takes_no_query")  # E
def takes_no_query(query: str) -> Iterator[Process]:
    """A wrong argument."""
    yield Process(pid=1, name=query)


@table("takes_nothing")  # E
def takes_nothing() -> Iterator[Process]:
    """No argument."""
    yield Process(pid=1, name="init")


@table("platforms", platforms="linux")  # E
def platforms(query: Query) -> Iterator[Process]:
    """A text instead of a tuple of texts."""
    yield Process(pid=1, name="init")


@table(name="rows", rows=Process(pid=1, name="init"))  # E
def instance(query: Query) -> Iterator[Process]:
    """A row instead of its class."""
    yield Process(pid=1, name="init")


@table("asks")
def asks(query: Query) -> Iterator[Process]:
    """Queries."""
    for pid in query.equals("pid"):  # E
        yield Process(pid=pid, name="init")
    query.equal("pid")  # E
    query.equals(1)  # E
    query.wants(Process)  # E
    query.wants()  # E
    query.matches("pid")  # E
    print(query.range("pid").lower)  # E
    query.deadline()  # E
    query.like("name").append("%")  # E


class Written(WritableTable[Process]):
    """Methods that are not those of a writable table."""

    def rows(self, query: Query) -> list[Other]:  # E
        """Rows of another class."""
        return []

    def insert(self, row: Other) -> int:  # E
        """Another row."""
        return 1

    def update(self, row: Process) -> None:  # E
        """One row."""

    def delete(self, row: Process) -> None:
        """Mistakes with the row of a method."""
        print(row.nam)  # E
        row.pid = 2  # E


class Unfinished(WritableTable[Process]):
    """Without rows."""

    def insert(self, row: Process) -> str:  # E
        """Neither a row nor a number."""
        return ""


table("unfinished")(Unfinished())  # E
table("not_an_object")(5)  # E


def client(query: Query) -> None:
    """Mistakes with the client."""
    rows: list[Process] = query.client.query("select 1")  # E
    rows = query.client.query("select 1", rows=Other)  # E
    query.client.query(5)  # E
    query.client.query("select ?", 5)  # E
    query.client.database("x")["a"] = 1  # E
    print(rows[0].nam)  # E


def program() -> None:
    """Extensions."""
    Extension("wrong", version=1, plugins=[asks])  # E
    Extension("wrong", plugins=[asks])  # E
    Extension("wrong", version="1", plugins=asks)  # E
    Extension("wrong", version="1", plugins=[Process])  # E
