"""A small extension: what it serves tells of the process that it runs in."""

import importlib
import os
import sys
from collections.abc import Iterator

from osquery_sdk import Column, Extension, Query, Row, Table, deferred, run_program, table


class Variable(Row):
    name: str = Column("Of the variable", index=True)
    value: str = Column("Its value")


@table("small_environment", platforms=("linux", "darwin"))
def environment(query: Query) -> Iterator[Variable]:
    """The environment of a program that a table runs."""
    for line in run_program("/usr/bin/env", query=query).text.splitlines():
        name, _, value = line.partition("=")
        yield Variable(name=name, value=value)


class Module(Row):
    name: str = Column("Of the module", required=True)
    is_there: bool = Column("It can be imported")


@table("small_modules", examples=("select is_there from small_modules where name = 'colorsys'",))
def modules(query: Query) -> Iterator[Module]:
    """Modules that can be imported here."""
    for name in query.equals("name") or ():
        try:
            importlib.import_module(name or "nothing")
        except ImportError:
            yield Module(name=name, is_there=False)
        else:
            yield Module(name=name, is_there=True)


class Phrase(Row):
    text: str = Column("Of the phrase")


@table("small_phrases")
def phrases(query: Query) -> Iterator[Phrase]:
    """The content of a package's data file."""
    from importlib.resources import files

    for line in (files("phrases") / "words.txt").read_text().splitlines():
        yield Phrase(text=line)


class Process(Row):
    pid: int = Column("Process id")
    parent: int = Column("Of its parent")
    folder: str = Column("Of the bundle")
    has_late: bool = Column("The module of the deferred table is loaded")


@table("small_process")
def process(query: Query) -> Iterator[Process]:
    """This process."""
    yield Process(
        pid=os.getpid(),
        parent=os.getppid(),
        folder=str(getattr(sys, "_MEIPASS", "")),
        has_late="late" in sys.modules,
    )


def load_late() -> Table:
    from late import late

    return late


def main() -> int:
    tables = [environment, modules, phrases, process, deferred("small_late", load_late)]
    return Extension("small", version="1.2.3", plugins=tables).run()


if __name__ == "__main__":
    raise SystemExit(main())
