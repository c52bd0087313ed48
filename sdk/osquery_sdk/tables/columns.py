"""Columns: the declaration that an author writes, and the option bits that osqueryd gets."""

from __future__ import annotations

import re
from typing import Any, Final

from kolide_kit.author_code import shown

from ..errors import DefinitionError
from ..vocabulary import ADDITIONAL, COLLATIONS, HIDDEN, INDEX, OPTIMIZED, REQUIRED, ColumnType

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
MISSING: Final = object()


INTEGER_RANGES: Final = {
    ColumnType.INTEGER: (-(2**31), 2**31 - 1),
    ColumnType.BIGINT: (-(2**63), 2**63 - 1),
    # osqueryd keeps no number over 2**63-1: it reads one as NULL.
    ColumnType.UNSIGNED_BIGINT: (0, 2**63 - 1),
}


class ColumnDef:
    """The arguments of one `Column(...)`; an author sees only `Column`."""

    def __init__(self, **arguments: Any) -> None:
        """Take the arguments of `Column`."""
        self.__dict__.update(arguments)

    description: str
    default: Any
    type: ColumnType | None
    index: bool
    required: bool
    additional: bool
    hidden: bool
    costly: bool
    key: bool
    collate: str | None
    aliases: tuple[str, ...]

    def check(self, where: str) -> None:
        """Raise DefinitionError for an option that no column can have.

        Args:
            where: the column's name in errors.
        """
        if not isinstance(self.description, str):
            raise DefinitionError(f"{where}: its description is a text, not {shown(self.description)}")
        if self.type is not None and not isinstance(self.type, ColumnType):
            raise DefinitionError(f"{where}: type is one of ColumnType, not {shown(self.type)}")
        if self.collate is not None and self.collate not in COLLATIONS:
            raise DefinitionError(
                f"{where}: collate is one of {', '.join(COLLATIONS)}, not {shown(self.collate)}"
            )
        check_names(self.aliases, f"{where}: aliases")

    def options(self, *, each_value: bool = False) -> int:
        """Return the column's option bits, the `op` of its route row. Never 0: osqueryd makes 0 an index.

        Args:
            each_value: have osqueryd make one call for each value of an IN on a required column. An IN
                arrives whole only on the first scan of a join; an input that must never be missing has to
                come value by value.
        """
        bits = COLLATIONS[self.collate or "binary"]
        if self.required and each_value:
            # Keep the collation's bit: where REQUIRED is the only option, osqueryd takes no
            # NULL in an INSERT.
            return bits | REQUIRED | INDEX * self.index | ADDITIONAL * self.additional | HIDDEN * self.hidden
        bits |= (INDEX | OPTIMIZED) * self.index
        bits |= (REQUIRED | OPTIMIZED) * self.required
        bits |= ADDITIONAL * self.additional | HIDDEN * self.hidden
        # Without an explicit collation the other bits are enough to opt out of the default index.
        return bits & ~COLLATIONS["binary"] if bits != COLLATIONS["binary"] and not self.collate else bits


def Column(  # noqa: N802  reads like a class: `x: str = Column(...)`
    description: str,
    *,
    default: Any = MISSING,
    type: ColumnType | None = None,  # noqa: A002  osquery's word for it
    index: bool = False,
    required: bool = False,
    additional: bool = False,
    hidden: bool = False,
    costly: bool = False,
    key: bool = False,
    collate: str | None = None,
    aliases: tuple[str, ...] = (),
) -> Any:
    """Declare a column of a `Row`.

    Args:
        description: one line for the schema, with the unit.
        default: value of a row that does not give the column.
        type: osquery's type, if it is not the one that follows from the annotation.
        index: the table can look this column up: `=` and all values of an IN arrive at once.
        required: a statement must constrain this column, or another required one; see `all_required` of
            `table`.
        additional: terms on it are sent to the table, although they make no look-up cheaper.
        hidden: left out of `select *`.
        costly: expensive to compute; check `query.wants`.
        key: part of what identifies a row.
        collate: nocase, rtrim, version, version_arch, version_dpkg or version_rhel.
        aliases: other names that statements may use.
    """
    return ColumnDef(**locals())


def check_name(name: str, what: str) -> None:
    """Raise DefinitionError unless osqueryd's SQL takes the name unquoted."""
    if not isinstance(name, str) or not _NAME.match(name) or len(name) > 128:
        raise DefinitionError(
            f"{what} {shown(name)}: use letters, digits and underscores, not starting with a digit"
        )
    if name.upper() in _KEYWORDS:
        raise DefinitionError(f"{what} {name!r} is a word of SQL; choose another name")


def check_names(names: object, what: str) -> None:
    """Raise DefinitionError unless it is a tuple or list of texts; a bare text would count as its letters."""
    if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
        raise DefinitionError(f"{what} is a tuple of texts, not {shown(names)}")


# SQLite's keywords that it refuses as an unquoted identifier.
_WORDS_OF_SQL = (
    "ADD ALL ALTER AND AS AUTOINCREMENT BETWEEN CASE CHECK COLLATE COMMIT CONSTRAINT CREATE DEFAULT "
    "DEFERRABLE DELETE DISTINCT DROP ELSE ESCAPE EXCEPT EXISTS FOREIGN FROM GROUP HAVING IF IN INDEX "
    "INSERT INTERSECT INTO IS ISNULL JOIN LIMIT NOT NOTHING NOTNULL NULL ON OR ORDER PRIMARY REFERENCES "
    "RETURNING SELECT SET TABLE THEN TO TRANSACTION UNION UNIQUE UPDATE USING VALUES WHEN WHERE ROWID"
)
_KEYWORDS: Final = frozenset(_WORDS_OF_SQL.split())
