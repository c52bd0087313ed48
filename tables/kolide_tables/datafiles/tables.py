"""The tables of the family: what a statement asks for, put to the documents it names."""

from collections.abc import Callable, Iterator
from functools import partial

from kolide_tables.datafiles.errors import ParseError
from kolide_tables.datafiles.flatten import Cell
from kolide_tables.datafiles.formats import FORMATS, Format
from kolide_tables.datafiles.terms import parse_query
from kolide_tables.families import family_of
from kolide_tables.files import Missing, TooLarge, Unreadable, read_file
from kolide_tables.limits import Budget, Limits
from kolide_tables.paths import asked_paths, asked_texts
from osquery_sdk import Column, LimitExceeded, Query, Row, Table, table

__all__ = ["DataFileValue", "data_file_tables"]


class DataFileValue(Row):
    """One value of a data file, with the way that leads to it."""

    fullkey: str = Column("Keys and indices that lead to the value, separated by /")
    parent: str = Column("The full key without its last part")
    key: str = Column("The last part of the full key")
    value: str = Column("The value: text, true or false, a number without exponent, Unix seconds, or base64")
    query: str = Column(
        "What is wanted of the document, one term a depth, separated by /; * is everything", index=True
    )
    path: str = Column(
        "File to read; LIKE finds files, with % for any text in one folder's name", index=True, required=True
    )
    raw_data: str = Column("Document to read instead of a file", index=True, required=True)


def data_file_tables(limits: Limits = Limits(), *, prefix: str = "kolide_") -> list[Table]:  # noqa: B008 - a constant
    """kolide_json, kolide_jsonc, kolide_jsonl, kolide_yaml, kolide_toml, kolide_xml, kolide_ini, kolide_plist, kolide_csv.

    `limits` are those of each statement's call of a table.
    """
    return [_data_file_table(form, limits, prefix) for form in FORMATS]


def _data_file_table(form: Format, limits: Limits, prefix: str) -> Table:
    name = prefix + form.name

    def values(query: Query) -> Iterator[DataFileValue]:
        return _Request(form, query, limits).rows()

    values.__doc__ = (
        f"Values in {form.title} files, or in text of that format: each with the keys that lead to it."
    )
    return table(
        name,
        platforms=("linux", "darwin", "windows"),
        examples=tuple(f"select path, fullkey, value from {name} where {where}" for where in form.examples),  # noqa: S608 - no input
        deadline=limits.max_seconds,
        max_rows=limits.max_rows,
        family=family_of(form.name),
    )(values)


class _Request:
    """One statement's call of a table."""

    def __init__(self, form: Format, query: Query, limits: Limits) -> None:
        self._form = form
        self._query = query
        self._limits = limits
        self._budget = Budget(limits, query.check)
        asked = query.equals("query")
        self._queries = {text: parse_query(text) for text in (("*",) if asked is None else asked)}

    def rows(self) -> Iterator[DataFileValue]:
        """Rows of all files, then of all texts."""
        for path in asked_paths(self._query, "path", self._budget):
            yield from self._values(
                path, partial(read_file, path, max_bytes=self._limits.max_file_bytes), path=path
            )
        for text in asked_texts(self._query, "raw_data"):
            yield from self._values("raw_data", partial(self._encoded, text), raw_data=text)

    def _values(
        self, source: str, read: Callable[[], bytes], *, path: str = "", raw_data: str = ""
    ) -> Iterator[DataFileValue]:
        """Rows of one document. One that cannot be read has none, and a warning, and does not hide the others."""
        self._budget.check()
        try:
            found = self._selected(source, read)
        except Missing:
            return
        except Unreadable as error:
            self._query.warn(str(error))
            return
        except TooLarge as error:
            # Who names a file gets an error in place of its values; who finds it by a pattern cannot leave it out.
            if self._query.equals("path") is not None:
                raise
            self._query.warn(str(error))
            return
        except ParseError as error:
            self._query.warn(f"{source}: {error}")
            return
        for query, cells in found:
            for fullkey, parent, key, value in cells:
                yield DataFileValue(
                    fullkey=fullkey,
                    parent=parent,
                    key=key,
                    value=value,
                    query=query,
                    path=path,
                    raw_data=raw_data,
                )

    def _selected(self, source: str, read: Callable[[], bytes]) -> list[tuple[str, list[Cell]]]:
        # The bytes are in nobody's hands but the opener's, which lets them go once they are text.
        document = self._form.opener(read(), self._budget)
        found = [(query, document.select(terms, self._budget)) for query, terms in self._queries.items()]
        for problem in document.problems:
            self._query.warn(f"{source}: {problem}")
        return found

    def _encoded(self, text: str) -> bytes:
        # Bytes that are no UTF-8 come from the wire as lone surrogates, and become bytes again.
        data = text.encode("utf-8", "surrogateescape")
        most = self._limits.max_file_bytes
        if len(data) > most:
            raise LimitExceeded(
                f"raw_data has {len(data):,} bytes, the limit is {most:,}: raise max_file_bytes"
            )
        return data
