"""Required columns: find an example with values for them, and word the error of a statement without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .conditions import conditions
from .tokens import one_line, tables_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def refusal(table: str, missing: Sequence[str], required: Sequence[str], examples: Iterable[str]) -> str:
    """Return the error of a statement that lacks values a table needs, with how to write the statement.

    Args:
        table: the table's name; the text begins with it.
        missing: the columns without a value.
        required: all columns that need one.
        examples: the table's own examples.
    """
    plural = "s" if len(missing) > 1 else ""
    works = example(table, required, examples, needs_all=True)
    return (
        f"{table} was queried without the required column{plural} {listed(missing)} in the WHERE clause: "
        f"it needs a value for {listed(required)}, neither NULL nor empty; {join_cure(table, missing)}"
        + (f"; for example: {works}" if works else "")
    )


def join_cure(table: str, columns: Sequence[str], other: str = "other") -> str:
    """Return how to join a table with another that has the values; CROSS JOIN has SQLite read it first."""
    terms = " AND ".join(f"{table}.{column} = {other}.{column}" for column in columns)
    return f"if another table has the values, name it first: FROM {other} CROSS JOIN {table} ON {terms}"


def example(table: str, required: Sequence[str], examples: Iterable[str], *, needs_all: bool = False) -> str:
    """Return the first example that has values for a table's required columns; "" if none has.

    Examples that need no other table come first.

    Args:
        table: the table's name.
        required: its required columns.
        examples: the table's own examples.
        needs_all: each required column needs a value, not only one of them.
    """
    enough = all if needs_all else any
    usable = []
    for statement in examples:
        named = {name.lower() for name in tables_of(statement).values()}
        used = {offer.column for condition in conditions(statement) for offer in condition.offers}
        if table.lower() in named and enough(column.lower() in used for column in required):
            usable.append((len(named), one_line(statement)))
    return min(usable, key=lambda pair: pair[0])[1] if usable else ""


def listed(names: Sequence[str], word: str = "and") -> str:
    """Return names in a sentence: a, b and c."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last
