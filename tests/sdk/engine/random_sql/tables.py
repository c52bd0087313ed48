"""Make random tables, with every option and type of a column, and every kind of answer."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from osquery_sdk.wire.protocol import Response, Status

from ..live import LiveTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    Rows = list[dict[str, str]]

INDEX, REQUIRED, ADDITIONAL, OPTIMIZED, HIDDEN = 1, 2, 4, 8, 16
BINARY, NOCASE, RTRIM, VERSION, VERSION_ARCH, VERSION_DPKG, VERSION_RHEL = (32 << bit for bit in range(7))
COLLATIONS = (BINARY, NOCASE, RTRIM, VERSION, VERSION_ARCH, VERSION_DPKG, VERSION_RHEL)

# An option is chosen as often as it is listed. 0 becomes INDEX; "" is a route row without `op`, "x" is no
# number.
_OPTIONS = (
    *("0", "0", "0", "1", "1", "1", "4", "4", "8", "9", "9", "9", "12", "13"),
    *("16", "17", "20", "25", "32", "32", "32", "32", "33", "36", "40", "41", "", "x"),
)
_REQUIRED_OPTIONS = ("2", "2", "2", "3", "6", "10", "10", "11", "18", "26", "34")
_ATTRIBUTES = ("0", "0", "0", "1", "2", "4", "8", "16")

# Tables share names of columns, for NATURAL JOIN, USING and unqualified names.
_COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("n", ("BIGINT", "BIGINT", "INTEGER", "TEXT")),
    ("m", ("INTEGER", "BIGINT", "UNSIGNED BIGINT")),
    ("u", ("UNSIGNED BIGINT", "BIGINT")),
    ("d", ("DOUBLE", "DOUBLE", "INTEGER")),
    ("name", ("TEXT",)),
    ("path", ("TEXT",)),
    ("v", ("TEXT",)),
    ("z", ("BLOB", "TEXT", "DOUBLE")),
)
_VALUES: dict[str, tuple[str, ...]] = {
    "INTEGER": ("0", "1", "2", "3", "3", "5", "-1", "", "2147483648", "12abc", "0x10"),
    "BIGINT": ("0", "1", "2", "3", "3", "5", "-1", "", "2147483648", "9223372036854775807", "010"),
    "UNSIGNED BIGINT": ("0", "1", "2", "3", "5", "", "9223372036854775807", "18446744073709551615"),
    "DOUBLE": ("0", "1", "1.5", "2", "3", "-0.25", "", "1e20", "0.1", "inf", "nan"),
    "BLOB": ("a", "b", "1", "", "x'61'", "\u00e9"),
}
_TEXTS: dict[str, tuple[str, ...]] = {
    "name": ("a", "b", "B", "c", "a ", "", "ab", "\u00e9", "1", "01", "abc", "A"),
    "path": ("/a", "/b", "/a/b", "/A", "", "a", "/a/b/c.txt"),
    "v": ("1.0", "1.10", "1.9", "2:1.0", "1.0-1", "1.0~rc1", "", "1.00", "10"),
}
_TEXT = (*_TEXTS["name"], "2", "3", "5")
_UNUSED = ("nosuch", "none")
# Values and options without traps.
_PLAIN_VALUES = {"INTEGER": ("0", "1", "2", "3", "5", "-1", ""), "DOUBLE": ("0.5", "1.5", "2.0", "-3.25", "")}
_PLAIN_OPTIONS = ("0", "1", "1", "4", "9", "9", "32", "33", "40", "65", "64", "129", "73")


class RandomColumn(NamedTuple):
    name: str
    type: str
    option: str
    """The text of `op`; "" leaves it out."""

    @property
    def bits(self) -> int:
        return int(self.option) if self.option.isdigit() else 0

    @property
    def required(self) -> bool:
        return bool(self.bits & REQUIRED)

    @property
    def values(self) -> tuple[str, ...]:
        """Return the texts that the column's values are taken from."""
        if self.type == "TEXT":
            return _TEXTS.get(self.name, _TEXT)
        return _VALUES.get(self.type, _UNUSED)


class RandomTable(NamedTuple):
    name: str
    columns: tuple[RandomColumn, ...]
    aliases: tuple[tuple[str, str], ...]
    """The column alias, and its column."""
    views: tuple[str, ...]
    attributes: str
    rows: Rows
    manner: str
    """The kind of answer:

    `all` rows, those `equal` to the operands, an `echo` of the operands, or an `error`.
    """

    @property
    def routes(self) -> Rows:
        """Return the route rows."""
        out: Rows = []
        for column in self.columns:
            row = {"id": "column", "name": column.name, "type": column.type}
            out.append(row | ({"op": column.option} if column.option else {}))
        out += ({"id": "columnAlias", "name": name, "target": target} for name, target in self.aliases)
        out += ({"id": "alias", "alias": view} for view in self.views)
        return [*out, {"id": "attributes", "attributes": self.attributes}]

    def answer(self, request: Mapping[str, str]) -> Response:
        """Return the reply to `generate`, which depends on the request alone."""
        if request["action"] != "generate":
            return Response(Status(), [{"status": "readonly"}])
        constraints = json.loads(request["context"])["constraints"]
        wanted = {
            entry["name"]: [term["expr"] for term in entry["list"] if term["op"] == 2]
            for entry in constraints
            if any(term["op"] == 2 for term in entry["list"])
        }
        if self.manner == "error" and len(wanted) != 1:
            return Response(Status(1, f"{self.name} wants one value, not {len(wanted)}"), [])
        if self.manner == "echo":
            return Response(Status(), self._echo(wanted))
        if self.manner == "equal":
            rows = [
                row
                for row in self.rows
                if all(_is_among(row.get(name, ""), values) for name, values in wanted.items())
            ]
            return Response(Status(), rows)
        return Response(Status(), self.rows)

    def _echo(self, wanted: Mapping[str, list[str]]) -> Rows:
        """Return a row for each value of a required column, as osquery's `file` and `hash` do."""
        names = [column.name for column in self.columns if column.required]
        name = next((name for name in names if name in wanted), names[0] if names else self.columns[0].name)
        out = []
        for number, value in enumerate(wanted.get(name, ())):
            # The rows that it has of its own lend the other columns.
            row = self.rows[(len(value) + number) % len(self.rows)] if self.rows else {}
            out.append({**row, name: value, "rowid": str(100 * len(value) + number)})
        return out

    @property
    def live(self) -> LiveTable:
        return LiveTable(self.routes, self.answer)


def _is_among(value: str, operands: list[str]) -> bool:
    """Return True if a row may fit. Too many rows are always right, so collations and types do not count."""
    return any(_loosely(value) == _loosely(operand) for operand in operands)


def _loosely(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text.strip().casefold()


def _row(columns: tuple[RandomColumn, ...], random: Random) -> dict[str, str]:
    row = {column.name: random.choice(column.values) for column in columns}
    if random.random() < 0.1:
        del row[random.choice(sorted(row))]
    return row


def _column(name: str, types: tuple[str, ...], *, required: bool, random: Random) -> RandomColumn:
    kind = random.choice(types)
    option = random.choice(_REQUIRED_OPTIONS if required else _OPTIONS)
    if kind == "TEXT" and option.isdigit() and random.random() < 0.4:
        # Of several collations the lowest bit counts.
        option = str(int(option) & ~BINARY | random.choice(COLLATIONS))
    return RandomColumn(name, kind, option)


def random_table(name: str, random: Random, *, required: int = 0) -> RandomTable:
    """Make a table.

    Args:
        name: the table's name.
        random: decides.
        required: number of its columns that are required.
    """
    chosen = sorted(random.sample(range(len(_COLUMNS)), random.randint(3, 6)))
    demanded = set(random.sample(chosen, required))
    columns = tuple(_column(*_COLUMNS[i], required=i in demanded, random=random) for i in chosen)
    count = random.choice((0, 1, 2, 3, 4, 5, 6))
    rows = [_row(columns, random) for _ in range(count)]
    if random.random() < 0.6:
        for number, row in enumerate(rows):
            row["rowid"] = str(number * 7 + 1)
    aliases = ((f"{columns[0].name}_alias", columns[0].name),) if random.random() < 0.25 else ()
    views = (f"{name}_view",) if random.random() < 0.3 else ()
    manner = random.choice(("all", "all", "equal", "equal", "equal", "echo" if required else "all", "error"))
    if manner == "error" and random.random() < 0.6:
        manner = "equal"
    return RandomTable(name, columns, aliases, views, random.choice(_ATTRIBUTES), rows, manner)


def random_tables(seed: int) -> tuple[RandomTable, ...]:
    """Make a dozen tables: with required columns, empty, wide, of an unknown type, with a `rowid`."""
    random = Random(f"tables {seed}")
    tables = [
        random_table(f"t{number}", random, required=(0, 0, 0, 1, 0, 0, 2, 0, 1, 0)[number])
        for number in range(10)
    ]
    wide = tuple(RandomColumn(f"c{number}", "TEXT", random.choice(_OPTIONS)) for number in range(66))
    wide = (RandomColumn("n", "BIGINT", random.choice(_OPTIONS)), *wide)
    odd = (
        RandomColumn("rowid", "BIGINT", random.choice(_OPTIONS)),
        RandomColumn("n", "VARCHAR", random.choice(_OPTIONS)),
        RandomColumn("name", "TEXT", random.choice(_OPTIONS)),
    )
    for name, columns in (("wide", wide), ("odd", odd)):
        rows = [_row(columns, random) for _ in range(2)]
        for number, row in enumerate(rows):
            row["rowid"] = str(number)
        tables.append(RandomTable(name, columns, (), (), "0", rows, "equal"))
    return tuple(tables)


def plain_tables(seed: int) -> tuple[RandomTable, ...]:
    """Make tables that a plain SQLite can have: no required, hidden or renamed columns, and a `rowid`."""
    random = Random(f"plain {seed}")
    tables = []
    for number in range(6):
        chosen = sorted(random.sample(range(len(_COLUMNS)), random.randint(3, 6)))
        columns = tuple(
            RandomColumn(name, random.choice(types), random.choice(_PLAIN_OPTIONS))
            for name, types in (_COLUMNS[i] for i in chosen)
        )
        rows = [
            {column.name: random.choice(_plain_values(column)) for column in columns}
            | {"rowid": str(place * 7 + 1)}
            for place in range(random.choice((0, 2, 3, 4, 5, 6)))
        ]
        manner = random.choice(("all", "equal"))
        tables.append(RandomTable(f"t{number}", columns, (), (), "0", rows, manner))
    return tuple(tables)


def _plain_values(column: RandomColumn) -> tuple[str, ...]:
    if column.type in ("TEXT", "BLOB"):
        return column.values
    return _PLAIN_VALUES["DOUBLE" if column.type == "DOUBLE" else "INTEGER"]
