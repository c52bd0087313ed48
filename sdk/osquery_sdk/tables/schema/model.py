"""The schema of a table, as its forms need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...sql.required import join_cure, listed
from ...vocabulary import HIDDEN, INDEX, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..table import Table

PLATFORM_NAMES = {"darwin": "macOS", "linux": "Linux", "windows": "Windows"}
# osquery's bits of table attributes
_CACHEABLE, _EVENTED = 2, 4


class ColumnSchema(NamedTuple):
    """A column."""

    name: str
    type: str
    """osquery's name of the type, such as "UNSIGNED BIGINT"."""
    description: str
    options: int
    """osquery's bit set of column options."""
    aliases: tuple[str, ...] = ()

    @property
    def type_word(self) -> str:
        """Return the type as osquery's schema files spell it, such as "unsigned_bigint"."""
        return self.type.lower().replace(" ", "_")

    @property
    def hidden(self) -> bool:
        """Return whether `select *` leaves it out."""
        return bool(self.options & HIDDEN)

    @property
    def required(self) -> bool:
        """Return whether a statement must constrain it."""
        return bool(self.options & REQUIRED)

    @property
    def indexed(self) -> bool:
        """Return whether the table can look it up."""
        return bool(self.options & INDEX)


class TableSchema(NamedTuple):
    """A table."""

    name: str
    description: str
    platforms: tuple[str, ...]
    columns: tuple[ColumnSchema, ...]
    examples: tuple[str, ...] = ()
    notes: str = ""
    attributes: int = 0
    aliases: tuple[str, ...] = ()
    elsewhere: str = ""
    """The reason why it is not on the other platforms."""
    writes: tuple[str, ...] = ()
    """The statements that write to it: INSERT, UPDATE, DELETE."""
    all_required: bool = False
    """True if a statement has to constrain each of the required columns, not only one."""
    family: str = ""
    """The subject that it shares with other tables."""
    privilege: str = ""
    """A sentence with the rows or columns that a user without root does not get."""

    @property
    def is_evented(self) -> bool:
        """Return whether its rows are events that osquery keeps."""
        return bool(self.attributes & _EVENTED)

    @property
    def is_cacheable(self) -> bool:
        """Return whether osquery may keep its rows between the runs of a schedule."""
        return bool(self.attributes & _CACHEABLE)

    @property
    def only(self) -> str:
        """Return a sentence with its platforms and the reason; "" if it is on all of them."""
        if set(self.platforms) >= PLATFORM_NAMES.keys():
            return ""
        names = " and ".join(PLATFORM_NAMES.get(platform, platform) for platform in self.platforms)
        return f"{names} only: {self.elsewhere}." if self.elsewhere else f"{names} only."

    @property
    def remarks(self) -> str:
        """Return the notes, followed by paragraphs for facts that other forms have no field for."""
        where = self.elsewhere and self.only
        family = self.family and f"Family: {self.family}."
        texts = (self.notes, where, self.wanted, self.written, self.privilege, family)
        return "\n\n".join(filter(None, texts))

    @property
    def wanted(self) -> str:
        """Return a sentence with the required columns to constrain; "" for fewer than two."""
        names = [column.name for column in self.columns if column.required]
        if len(names) < 2:
            return ""
        if not self.all_required:
            return f"A statement has to say {listed(names, 'or')}: one is enough."
        cure = join_cure(self.name, names)
        return f"A statement has to say {listed(names)}: all are needed. {cure[:1].upper()}{cure[1:]}."

    @property
    def written(self) -> str:
        """Return a sentence with the statements that write to it; "" if none does."""
        return f"Writable: {', '.join(self.writes)}." if self.writes else ""

    @classmethod
    def of(cls, table: Table) -> TableSchema:
        """Return the schema of a table of this SDK. Its notes are the docstring after the first paragraph."""
        paragraphs = (table.function.__doc__ or "").strip().split("\n\n")[1:]
        return cls(
            table.name,
            table.description,
            tuple(table.options.platforms),
            tuple(
                ColumnSchema(c.name, c.type.value, c.definition.description, c.options, c.definition.aliases)
                for c in table.columns
            ),
            table.definition.examples,
            "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs),
            table.options.attributes,
            table.options.aliases,
            table.options.elsewhere,
            table.writes,
            table.options.all_required,
            table.options.family,
            table.options.privilege,
        )

    @classmethod
    def from_routes(
        cls, name: str, routes: Iterable[Mapping[str, str]], platforms: Sequence[str]
    ) -> TableSchema:
        """Return the schema of any extension's table from its answer to `columns`; it has no descriptions."""
        rows = list(routes)
        aliases: dict[str, list[str]] = {}
        for row in rows:
            if row.get("id") == "columnAlias":
                aliases.setdefault(row.get("target", ""), []).append(row.get("name", ""))
        return cls(
            name,
            "",
            tuple(platforms),
            tuple(
                ColumnSchema(
                    row.get("name", ""),
                    row.get("type", "TEXT"),
                    "",
                    _number(row.get("op")),
                    tuple(aliases.get(row.get("name", ""), ())),
                )
                for row in rows
                if row.get("id") == "column"
            ),
            attributes=next(
                (_number(row.get("attributes")) for row in rows if row.get("id") == "attributes"), 0
            ),
            aliases=tuple(row["alias"] for row in rows if row.get("id") == "alias" and "alias" in row),
        )


def _number(text: str | None) -> int:
    return int(text) if text and text.lstrip("-").isascii() and text.lstrip("-").isdigit() else 0
