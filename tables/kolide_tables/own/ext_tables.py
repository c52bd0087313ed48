"""kolide_ext_tables: how often each table of this extension was asked, how long it took, and its errors."""

from collections.abc import Iterator, Sequence

from kolide_kit.limits import Limits
from osquery_sdk import Column, Query, Row, Table, table

__all__ = ["ExtTable", "ext_tables"]


class ExtTable(Row):
    """A table of this extension, and its counters since the extension was started."""

    name: str = Column("Table's name", key=True)
    calls: int = Column(
        "Requests for its rows or to write one, one under way included; a statement with a join, an OR "
        "or an IN may make several"
    )
    errors: int = Column("Requests that failed, were refused, or took longer than the table's deadline")
    last_ms: float | None = Column(
        "Milliseconds until the rows of its last finished request were there, or it failed; NULL "
        "before the first"
    )
    total_ms: float = Column("Milliseconds of all finished requests together")
    last_rows: int | None = Column(
        "Rows of its last request that did not fail, before osquery filters them; NULL before the first"
    )
    last_error: str = Column("Message of its last request that failed")
    enabled: bool = Column(
        "1 if osquery has it: not disabled, made for this platform, its name not taken by another table"
    )
    cached: bool = Column("1 if it may answer with rows that it kept from an earlier request")


def ext_tables(
    tables: Sequence[Table],
    *,
    disabled: Sequence[Table] = (),
    limits: Limits = Limits(),  # noqa: B008 - a constant
    name: str = "kolide_ext_tables",
    family: str = "",
) -> Table:
    """Return the table about `tables`, about itself, and about `disabled`, which the extension has but does
    not serve.

    It is made by a function because its rows are about tables that only the caller has.
    """
    served = list(tables)

    def rows(_query: Query) -> Iterator[ExtTable]:
        """The tables of this extension: how often each was asked, how long it took, and what went wrong."""
        for each in served:
            yield _row(each, enabled=each.is_here and not each.counters.is_taken)
        for each in disabled:
            yield _row(each, enabled=False)

    about = table(
        "kolide_ext_tables",
        examples=(
            (
                "select name, calls, last_ms, total_ms / calls as mean_ms from kolide_ext_tables "
                "where calls > 0 order by total_ms desc"
            ),
            "select name, errors, last_error from kolide_ext_tables where errors > 0 or enabled = 0",
        ),
    )(rows).configured(name=name, limits=limits, family=family)
    served.append(about)
    return about


def _row(subject: Table, *, enabled: bool) -> ExtTable:
    done = subject.counters
    return ExtTable(
        name=subject.name,
        calls=done.calls,
        errors=done.errors,
        last_ms=None if done.last_seconds is None else round(done.last_seconds * 1000, 3),
        total_ms=round(done.total_seconds * 1000, 3),
        last_rows=done.last_rows,
        last_error=done.last_error,
        enabled=enabled,
        cached=subject.is_cached,
    )
