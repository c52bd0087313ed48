"""Nine tables of data files, kolide_json to kolide_csv: a row for each value that a statement selects.

All of them have the same columns and the same query language (`terms`), and differ in the opener of their
format.
"""

from collections.abc import Callable, Iterator
from functools import partial

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, TooLarge, Unreadable, read_file
from kolide_kit.limits import Budget
from osquery_sdk import Column, Query, Row, table

from ..reading.parsing import ParseError
from ..reading.paths import asked_paths, asked_texts
from . import formats
from .flatten import Cell
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


def _examples(name: str, *conditions: str) -> tuple[str, ...]:
    return tuple(
        f"select path, fullkey, value from kolide_{name} where {condition}"  # noqa: S608 - no input
        for condition in conditions
    )


@table(
    "kolide_json",
    examples=_examples(
        "json",
        "path = '/etc/docker/daemon.json'",
        "path like '/home/%/.mozilla/firefox/%/extensions.json' and query = 'addons/#id/version'",
    ),
)
def json(query: Query) -> Iterator[DataFileValue]:
    """Values in JSON files, or in text of that format: each with the keys that lead to it."""
    return _Request(query, formats.open_json).rows()


@table(
    "kolide_jsonc",
    examples=_examples(
        "jsonc",
        "path like '/home/%/.config/Code/User/settings.json'",
        "path like '/home/%/.config/Code/User/settings.json' and query = '0/telemetry*'",
    ),
)
def jsonc(query: Query) -> Iterator[DataFileValue]:
    """Values in JSON with comments files, or in text of that format: each with the keys that lead to it."""
    return _Request(query, formats.open_jsonc).rows()


@table(
    "kolide_jsonl",
    examples=_examples(
        "jsonl",
        "path = '/var/log/suricata/eve.json' and query = 'event_type=>alert/alert/signature'",
        "path like '/var/log/caddy/%.log' and query = 'status=>5*/request/uri'",
    ),
)
def jsonl(query: Query) -> Iterator[DataFileValue]:
    """Values in JSON lines files, or in text of that format: each with the keys that lead to it."""
    return _Request(query, formats.open_jsonl).rows()


@table(
    "kolide_yaml",
    examples=_examples(
        "yaml",
        "path like '/etc/netplan/%.yaml'",
        "path like '/etc/netplan/%.yaml' and query = 'network/ethernets/*/addresses'",
    ),
)
def yaml(query: Query) -> Iterator[DataFileValue]:
    """Values in YAML files, or in text of that format: each with the keys that lead to it."""
    return _Request(query, formats.open_yaml).rows()


@table(
    "kolide_toml",
    examples=_examples(
        "toml",
        "path = '/etc/containerd/config.toml'",
        "path like '/home/%/.cargo/config.toml' and query = 'registries/*/index'",
    ),
)
def toml(query: Query) -> Iterator[DataFileValue]:
    """Values in TOML files, or in text of that format: each with the keys that lead to it."""
    return _Request(query, formats.open_toml).rows()


@table(
    "kolide_xml",
    examples=_examples(
        "xml",
        "path = '/etc/fonts/fonts.conf' and query = 'fontconfig/dir'",
        "path like '/etc/dbus-1/system.d/%.conf' and query = 'busconfig/policy/-user=>root'",
    ),
)
def xml(query: Query) -> Iterator[DataFileValue]:
    """Values in XML files, or in text of that format: each with the keys that lead to it."""
    return _Request(query, formats.open_xml).rows()


@table(
    "kolide_ini",
    examples=_examples(
        "ini",
        "path like '/etc/systemd/%.conf'",
        "path = '/usr/lib/os-release' and query = 'DEFAULT/VERSION*'",
    ),
)
def ini(query: Query) -> Iterator[DataFileValue]:
    """Values in INI files, or in text of that format: each with the keys that lead to it."""
    return _Request(query, formats.open_ini).rows()


@table(
    "kolide_plist",
    examples=_examples(
        "plist",
        "path = '/Library/Preferences/com.apple.SoftwareUpdate.plist'",
        "path like '/Library/LaunchDaemons/%.plist' and query = 'ProgramArguments/0'",
    ),
)
def plist(query: Query) -> Iterator[DataFileValue]:
    """Values in property list files, or in text of that format: each with the keys that lead to it."""
    return _Request(query, formats.open_plist).rows()


@table(
    "kolide_csv",
    examples=_examples(
        "csv",
        "path = '/usr/share/distro-info/debian.csv' and query = '#series/eol'",
        "path = '/usr/share/distro-info/debian.csv' and query = 'series=>bookworm'",
    ),
)
def csv(query: Query) -> Iterator[DataFileValue]:
    """Values in CSV files, or in text of that format: each with the keys that lead to it."""
    return _Request(query, formats.open_csv).rows()


class _Request:
    """One call of a table: the documents that the statement names, and the queries that it puts to them."""

    def __init__(self, query: Query, open_document: formats.Opener) -> None:
        self._open = open_document
        self._query = query
        self._budget = Budget.of(query)
        texts = query.equals("query")
        self._queries = {text: parse_query(text) for text in (("*",) if texts is None else texts)}

    def rows(self) -> Iterator[DataFileValue]:
        """Yield the rows of all files, then of all texts."""
        for path in asked_paths(self._query, "path", self._budget):
            yield from self._values(
                path, partial(read_file, path, max_bytes=self._query.limits.max_file_bytes), path=path
            )
        for text in asked_texts(self._query, "raw_data"):
            yield from self._values("raw_data", partial(self._encoded, text), raw_data=text)

    def _values(
        self, source: str, read: Callable[[], bytes], *, path: str = "", raw_data: str = ""
    ) -> Iterator[DataFileValue]:
        """Yield the rows of one document.

        A document that cannot be read is logged, and the others are still read.
        """
        self._budget.check()
        try:
            selections = self._selected(source, read)
        except Missing:
            return
        except Unreadable as error:
            self._query.warn(str(error))
            return
        except TooLarge as error:
            # A file that is named is an error; a file that a pattern found can only be left out.
            if self._query.equals("path") is not None:
                raise
            self._query.warn(str(error))
            return
        except ParseError as error:
            self._query.warn(f"{source}: {error}")
            return
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

    def _encoded(self, text: str) -> bytes:
        # Bytes that are not UTF-8 come from the wire as lone surrogates, and become bytes again.
        data = text.encode("utf-8", "surrogateescape")
        most = self._query.limits.max_file_bytes
        if len(data) > most:
            raise LimitExceeded(
                f"raw_data has {len(data):,} bytes, the limit is {most:,}: raise max_file_bytes"
            )
        return data
