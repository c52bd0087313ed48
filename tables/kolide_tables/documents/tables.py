"""Nine tables of data files, kolide_json to kolide_csv: a row for each value that a statement selects.

All of them have the same columns and the same query language (`terms`), and differ in the opener of their
format.
"""

from collections.abc import Callable, Iterator
from functools import partial

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, TooLarge, Unreadable, read_file
from kolide_kit.limits import Budget
from osquery_sdk import Column, Query, Row, Table, TableError, table

from ..reading.leftout import LeftOut
from ..reading.parsing import ParseError
from ..reading.paths import asked_paths, asked_texts
from .flatten import Cell
from .formats import OPENERS, Opener
from .terms import parse_query

__all__ = ["DataFileValue"]


class DataFileValue(Row):
    """One value of a data file, with the keys that lead to it."""

    fullkey: str = Column("Keys and indices that lead to the value, separated by /")
    parent: str = Column("The full key without its last part")
    key: str = Column("The last part of the full key")
    value: str = Column("The value: text, true or false, a number without exponent, Unix seconds, or base64")
    query: str = Column(
        "Query for parts of the document, one term a depth, separated by /; * is everything", index=True
    )
    path: str = Column(
        "File to read; LIKE finds files, with % for any text in one folder's name", index=True, required=True
    )
    raw_data: str = Column("Document to read instead of a file", index=True, required=True)


def _data_table(name: str, words: str, *conditions: str) -> Table:
    """Return the table of a format, with the conditions of its examples."""

    def rows(query: Query) -> Iterator[DataFileValue]:
        return _Request(query, OPENERS[name]).rows()

    rows.__doc__ = f"Values in {words} files, or in text of that format: each with the keys that lead to it."
    start = f"select path, fullkey, value from kolide_{name} where"  # noqa: S608 - no input
    examples = tuple(f"{start} {condition}" for condition in conditions)
    privilege = "Without root: only files that the user may read."
    return table(f"kolide_{name}", examples=examples, privilege=privilege)(rows)


json = _data_table(
    "json",
    "JSON",
    "path = '/etc/docker/daemon.json'",
    "path like '/home/%/.mozilla/firefox/%/extensions.json' and query = 'addons/#id/version'",
)
jsonc = _data_table(
    "jsonc",
    "JSON with comments",
    "path like '/home/%/.config/Code/User/settings.json'",
    "path like '/home/%/.config/Code/User/settings.json' and query = '0/telemetry*'",
)
jsonl = _data_table(
    "jsonl",
    "JSON lines",
    "path = '/var/log/suricata/eve.json' and query = 'event_type=>alert/alert/signature'",
    "path like '/var/log/caddy/%.log' and query = 'status=>5*/request/uri'",
)
yaml = _data_table(
    "yaml",
    "YAML",
    "path like '/etc/netplan/%.yaml'",
    "path like '/etc/netplan/%.yaml' and query = 'network/ethernets/*/addresses'",
)
toml = _data_table(
    "toml",
    "TOML",
    "path = '/etc/containerd/config.toml'",
    "path like '/home/%/.cargo/config.toml' and query = 'registries/*/index'",
)
xml = _data_table(
    "xml",
    "XML",
    "path = '/etc/fonts/fonts.conf' and query = 'fontconfig/dir'",
    "path like '/etc/dbus-1/system.d/%.conf' and query = 'busconfig/policy/-user=>root'",
)
ini = _data_table(
    "ini",
    "INI",
    "path like '/etc/systemd/%.conf'",
    "path = '/usr/lib/os-release' and query = 'DEFAULT/VERSION*'",
)
plist = _data_table(
    "plist",
    "property list",
    "path = '/Library/Preferences/com.apple.SoftwareUpdate.plist'",
    "path like '/Library/LaunchDaemons/%.plist' and query = 'ProgramArguments/0'",
)
csv = _data_table(
    "csv",
    "CSV",
    "path = '/usr/share/distro-info/debian.csv' and query = '#series/eol'",
    "path = '/usr/share/distro-info/debian.csv' and query = 'series=>bookworm'",
)


class _Request:
    """One call of a table: the documents that the statement names, and the queries that it puts to them."""

    def __init__(self, query: Query, open_document: Opener) -> None:
        self._open = open_document
        self._query = query
        self._budget = Budget.of(query)
        self._is_named = query.equals("path") is not None
        self._left_out = LeftOut(query)
        texts = query.equals("query")
        self._queries = {text: parse_query(text) for text in (("*",) if texts is None else texts)}

    def rows(self) -> Iterator[DataFileValue]:
        """Yield the rows of all files, then of all texts."""
        most = self._query.limits.max_file_bytes
        for path in asked_paths(self._query, "path", self._budget):
            yield from self._values(partial(read_file, path, max_bytes=most), path=path)
        for text in asked_texts(self._query, "raw_data"):
            yield from self._values(partial(_encoded, text, most), raw_data=text)
        self._left_out.finish()

    def _values(
        self, read: Callable[[], bytes], *, path: str = "", raw_data: str = ""
    ) -> Iterator[DataFileValue]:
        """Yield the rows of one document.

        A text or a named file that cannot be read, is too large or is not of the format, is an error of the
        statement: no rows would look as if the key were absent. A file that a pattern found is left out and
        logged. A named file that does not exist has no rows, so that one statement can ask many machines.
        """
        self._budget.check()
        source = path or "raw_data"
        try:
            selections = self._selected(source, read)
        except Missing:
            return
        except (Unreadable, TooLarge, ParseError) as error:
            problem = f"{source}: {error}" if isinstance(error, ParseError) else str(error)
            if path and not self._is_named:
                self._left_out.add(problem)
                return
            if isinstance(error, TooLarge):
                raise
            raise TableError(problem) from error
        for query, cells in selections:
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
        # Only the opener has the bytes, and frees them once they are text.
        document = self._open(read(), self._budget)
        selections = [(query, document.select(terms, self._budget)) for query, terms in self._queries.items()]
        for problem in document.problems:
            self._query.warn(f"{source}: {problem}")
        return selections


def _encoded(text: str, most: int) -> bytes:
    # Bytes that are not UTF-8 come from the wire as lone surrogates, and become bytes again.
    data = text.encode("utf-8", "surrogateescape")
    if len(data) > most:
        raise LimitExceeded(f"raw_data has {len(data):,} bytes, the limit is {most:,}: raise max_file_bytes")
    return data
