"""The decorator `table`: it makes a `Table` of an author's function, or of an object that takes writes."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any, TypeAlias

from kolide_kit.author_code import shown

from ..errors import DefinitionError
from .definition import Definition
from .options import DEADLINE, MAX_ROWS, PLATFORMS, TableOptions
from .rows import Row
from .table import Table
from .writable import WritableTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping

    from .query import Query

    _Some: TypeAlias = Iterable[tuple[Any, ...] | Mapping[str, Any]]
    _SomeLater: TypeAlias = AsyncIterable[tuple[Any, ...] | Mapping[str, Any]]
    Rows: TypeAlias = _Some | _SomeLater | Awaitable[_Some | _SomeLater]
    Source: TypeAlias = Callable[[Query], Rows] | WritableTable[Any]


def table(
    name: str,
    *,
    rows: type[Row] | None = None,
    platforms: tuple[str, ...] = PLATFORMS,
    examples: tuple[str, ...] = (),
    cache: float | None = None,
    snapshot: bool = False,
    deadline: float | None = None,
    max_rows: int = MAX_ROWS,
    aliases: tuple[str, ...] = (),
    attributes: int = 0,
    elsewhere: str = "",
    all_required: bool = False,
    family: str = "",
    privilege: str = "",
) -> Callable[[Source], Table]:
    """Make a `Table` of a function that gets a `Query` and returns or yields rows, also asynchronously.

    A `WritableTable` becomes a table by `table(name)(store)`, where `store` is an object of your class.

    Args:
        name: the table's name in SQL.
        rows: the row class, if the function's annotation does not name it.
        platforms: the platforms where it works: linux, darwin, windows.
        examples: statements for the documentation.
        cache: seconds for which an answer serves identical requests.
        snapshot: generate all rows once, and answer look-ups from them for `cache` seconds (1 unless given).
        deadline: seconds after which the statement fails; 60 unless given.
        max_rows: more rows are an error.
        aliases: other names of the table.
        attributes: osquery's bit set of table attributes.
        elsewhere: why it is not on the other platforms, and what is there instead; for `tables --all` and the
            schema.
        all_required: a statement must constrain all required columns; osqueryd by itself is content with one.
        family: its subject, in some words that it shares with other tables; `tables` lists those together.
        privilege: a sentence with the rows or columns that a user without root does not get; "" if there are
            none.

    Raises:
        DefinitionError: osqueryd would refuse the table, or its options contradict each other.
    """
    seconds = DEADLINE if deadline is None else deadline
    options = TableOptions(
        platforms,
        examples,
        cache,
        snapshot,
        seconds,
        max_rows,
        aliases,
        attributes,
        elsewhere,
        all_required,
        family,
        privilege,
    )
    options.check(name)
    if rows is not None and not (isinstance(rows, type) and issubclass(rows, Row)):
        raise DefinitionError(f"table {name}: rows is a class that derives from Row, not {shown(rows)}")
    options = options._replace(
        elsewhere=_one_line(elsewhere), family=_one_line(family), privilege=_one_line(privilege)
    )

    def decorate(source: Source) -> Table:
        if isinstance(source, type):
            # Type checkers take a decorated class for the undecorated one, so `table` refuses to decorate a
            # class.
            raise DefinitionError(f"table {name}: give an object: table({name!r})({source.__name__}(...))")
        if isinstance(source, WritableTable):
            from .writer import row_class

            row, text = row_class(type(source)), vars(type(source)).get("__doc__")
        elif callable(source):
            row, text = rows or _row_class(source, name), source.__doc__
        else:
            raise DefinitionError(f"table {name}: it is made of a function, not of {shown(source)}")
        return Table(Definition.of(name, row, _description(text), options), source)

    return decorate


def _row_class(function: Callable[..., Any], name: str) -> type[Row]:
    written = getattr(function, "__annotations__", {}).get("return")
    row = _row_in(written) or _row_in(typing.get_type_hints(function).get("return"))
    if row is not None:
        return row
    raise DefinitionError(
        f"table {name}: annotate the function's result as Iterator[YourRow], or give rows=YourRow"
    )


def _row_in(hint: Any) -> type[Row] | None:
    """Return the row class that an annotation is, or has inside."""
    for part in (hint, *typing.get_args(hint)):
        if isinstance(part, type) and issubclass(part, Row):
            return part
    return None


def _description(docstring: str | None) -> str:
    return _one_line((docstring or "").strip().split("\n\n")[0])


def _one_line(text: str) -> str:
    return " ".join(text.split())
