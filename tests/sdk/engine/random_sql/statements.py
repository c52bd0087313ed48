"""Write random statements, sensible or not, over random tables."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from .expressions import BLOB, INT, KIND_OF_TYPE, REAL, TEXT, Expressions, Reach, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .tables import RandomColumn, RandomTable

_DIRECTIONS = ("", "", " desc", " asc", " nulls last", " collate nocase", " desc nulls first")
_TOKEN = re.compile(r"'(?:[^']|'')*'|\w+|\S")
_JOINS = (
    *("join", "join", "join", "inner join", "left join", "left join", "left outer join", "cross join", ","),
    *("natural join", "natural left join", "right join", "full join", "full outer join"),
)
_WRONG = (
    "select",
    "from",
    ")",
    "(",
    ",",
    "'",
    "where",
    "t99",
    "nosuch",
    "group",
    "order by",
    ";",
    "\u00e9",
    "@",
    "?",
    ".",
)


class _Source(NamedTuple):
    """A source in a FROM clause."""

    sql: str
    """The source in SQL, alias included."""
    name: str
    """The name that qualifies its columns."""
    columns: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Name, kind and values of each column."""
    required: tuple[str, ...] = ()
    rowid: bool = False

    def reaches(self) -> Scope:
        return tuple(Reach(f"{self.name}.{name}", kind, values) for name, kind, values in self.columns)


class _With(NamedTuple):
    """A common table expression."""

    name: str
    columns: tuple[tuple[str, str, tuple[str, ...]], ...]


def _literals(column: RandomColumn) -> tuple[str, ...]:
    """Return SQL for the values of a column."""
    quoted = tuple("'" + value.replace("'", "''") + "'" for value in column.values)
    if column.type == "TEXT":
        return quoted
    plain = tuple(value for value in column.values if value.lstrip("-").replace(".", "", 1).isdigit())
    return (*plain, *plain, *plain, "null", quoted[0]) if plain else quoted


_VALUES = {INT: ("1", "2", "3"), REAL: ("1.5", "2"), TEXT: ("'a'", "'b'", "'/a'"), BLOB: ("x'61'", "'a'")}


class Author:
    """Writes statements.

    Args:
        seed: seed of the random numbers.
        tables: the tables to read.
    """

    def __init__(self, seed: int, tables: Sequence[RandomTable]) -> None:
        self._random = Random(f"statements {seed}")
        self._tables = tables
        self._expressions = Expressions(self._random, self)
        self._aliases = 0
        self._withs: list[_With] = []

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    # -- whole statements

    def statement(self) -> str:
        """Return the next statement."""
        self._aliases, self._withs = 0, []
        roll = self._random.random()
        if roll < 0.90:
            return self._query()
        if roll < 0.94:
            return self._broken(self._query())
        if roll < 0.96:
            return f"{self._query()}; {self._query()}"
        if roll < 0.97:
            name = self._random.choice(self._tables).name
            return f"pragma {self._random.choice(('table_info', 'table_xinfo'))}({name})"
        if roll < 0.98:
            return f"create temp view w as {self._query()}; select * from w; drop view w"
        if roll < 0.99:
            return self._write()
        return f"select {', '.join(self._named(self._value((), 2)) for _ in range(4))}"

    def _named(self, expression: str) -> str:
        self._aliases += 1
        return f"{expression} as o{self._aliases}"

    def _value(self, scope: Scope, depth: int) -> str:
        return self._expressions.value(scope, self._expressions.any_kind(), depth)

    def _broken(self, sql: str) -> str:
        """Return a statement with an error: mostly it is not SQL any more."""
        spans = [match.span() for match in _TOKEN.finditer(sql)]
        start, end = self._random.choice(spans)
        roll = self._random.random()
        if roll < 0.4:
            return sql[:start] + sql[end:]
        if roll < 0.6:
            return sql[:end]
        return f"{sql[:start]}{self._random.choice(_WRONG)} {sql[end:] if roll < 0.8 else sql[start:]}"

    def _write(self) -> str:
        """Return a write to a table that refuses it, or to a table of the connection."""
        table = self._random.choice(self._tables)
        column = self._random.choice(table.columns).name
        where = self._expressions.condition(self._source_of(table, alias=False).reaches(), 1)
        return self._random.choice(
            (
                f"update {table.name} set {column} = null where {where}",
                f"delete from {table.name} where {where}",
                f"insert into {table.name} ({column}) values (1)",
                f"create temp table k as {self._query()}; select count(*) as c from k; drop table k",
            )
        )

    def _query(self) -> str:
        withs = ""
        if self._chance(0.12):
            withs = self._with_clause()
        sql, columns = self._compound((), None, 2)
        self._withs.clear()
        return withs + sql + self._order(len(columns))

    # -- SELECT

    def subquery(self, scope: Scope, kinds: tuple[str, ...], depth: int) -> str:
        """Return a SELECT of columns of these kinds for an expression; see `Subqueries`."""
        sql, _ = self._compound(scope, kinds, depth)
        if self._chance(0.08):
            order = ", ".join(str(number + 1) for number in range(len(kinds)))
            sql += f" order by {order} limit {self._random.choice((0, 1, 2))}"
        return sql

    def _order(self, count: int) -> str:
        """Return ORDER BY, LIMIT and OFFSET: nearly always, the order leaves nothing open."""
        choice = self._random.choice
        out = ""
        if self._chance(0.3) and count:
            places = list(range(1, count + 1))
            self._random.shuffle(places)
            out = " order by " + ", ".join(f"{place}{choice(_DIRECTIONS)}" for place in places)
            if "collate" in out:
                out += ", " + ", ".join(str(place) for place in places)
            if self._chance(0.4):
                out += f" limit {choice(('1', '2', '3', '-1', '0', '1 + 1', '(select 2)'))}"
                if self._chance(0.3):
                    out += f"{choice((' offset ', ' offset ', ', '))}{choice(('0', '1', '2', '-1'))}"
        elif self._chance(0.06):
            out = f" limit {choice(('1', '2', '5', '100', '-1'))}{choice(('', ' offset 1'))}"
        return out

    def _compound(
        self, outer: Scope, kinds: tuple[str, ...] | None, depth: int
    ) -> tuple[str, tuple[tuple[str, str, tuple[str, ...]], ...]]:
        """Return one SELECT, or several of the same width."""
        sql, columns = self._select(outer, kinds, depth)
        if columns and self._chance(0.12 if kinds is None else 0.04):
            wanted = tuple(kind for _, kind, _ in columns)
            for _ in range(self._random.choice((1, 1, 2))):
                word = self._random.choice(("union all", "union", "except", "intersect"))
                sql += f" {word} {self._select(outer, wanted, depth)[0]}"
        return sql, columns

    def _select(
        self, outer: Scope, kinds: tuple[str, ...] | None, depth: int
    ) -> tuple[str, tuple[tuple[str, str, tuple[str, ...]], ...]]:
        sources, clause = self._from(depth)
        own = tuple(reach for source in sources for reach in source.reaches())
        # Now and then a subquery refers to the statement around it.
        scope = (*own, *outer) if outer and self._chance(0.5) else own
        where = self._where(sources, scope, depth)
        roll = self._random.random()
        if roll < 0.12:
            columns, tail = self._aggregated(scope, kinds, depth), ""
            if self._chance(0.3):
                aggregate = self._expressions.aggregate(scope, INT, 0)
                tail = f" having {aggregate} {self._random.choice(('>', '=', '<>'))} 1"
        elif roll < 0.22:
            columns, tail = self._grouped(own, scope, kinds, depth)
        else:
            columns, tail = self._plain(sources, own, scope, kinds, depth), ""
        distinct = self._random.choice(("distinct ", "all ")) if self._chance(0.1) else ""
        names = ", ".join(sql for sql, _, _ in columns)
        out = tuple((name, kind, _VALUES[kind]) for _, name, kind in columns if name)
        return f"select {distinct}{names}{clause}{where}{tail}", out

    def _output(self, expression: str, kind: str) -> tuple[str, str, str]:
        self._aliases += 1
        name = f"o{self._aliases}"
        return f"{expression} as {name}", name, kind

    def _plain(
        self,
        sources: Sequence[_Source],
        own: Scope,
        scope: Scope,
        kinds: tuple[str, ...] | None,
        depth: int,
    ) -> list[tuple[str, str, str]]:
        if kinds is None and self._chance(0.15) and sources:
            if self._chance(0.5):
                names = [column[0] for source in sources for column in source.columns]
                if len(names) == len(set(names)):
                    return [("*", "", INT)]
            source = self._random.choice(sources)
            return [(f"{source.name}.*", "", INT)]
        if kinds is None:
            kinds = tuple(self._expressions.any_kind() for _ in range(self._random.randint(1, 4)))
            if own and self._chance(0.5):
                chosen = self._random.sample(own, min(len(own), self._random.randint(1, 4)))
                return [self._output(reach.text, reach.kind) for reach in chosen]
        out = []
        for kind in kinds:
            if self._chance(0.04):
                expression = self._expressions.windowed(own, kind, 0)
            elif self._chance(0.04) and any(source.rowid for source in sources):
                source = self._random.choice([source for source in sources if source.rowid])
                name = self._random.choice(("rowid", "rowid", "oid", "_rowid_"))
                expression = name if self._chance(0.3) else f"{source.name}.{name}"
            elif self._chance(0.05) and own:
                expression = self._random.choice(own).text.partition(".")[2]
            else:
                expression = self._expressions.value(scope, kind, min(depth, 1))
            out.append(self._output(expression, kind))
        return out

    def _aggregated(
        self, scope: Scope, kinds: tuple[str, ...] | None, depth: int
    ) -> list[tuple[str, str, str]]:
        if kinds is None:
            kinds = tuple(self._expressions.any_kind() for _ in range(self._random.randint(1, 3)))
        return [self._output(self._expressions.aggregate(scope, kind, min(depth, 1)), kind) for kind in kinds]

    def _grouped(
        self, own: Scope, scope: Scope, kinds: tuple[str, ...] | None, depth: int
    ) -> tuple[list[tuple[str, str, str]], str]:
        if not own:
            return self._aggregated(scope, kinds, depth), ""
        keys = self._random.sample(own, min(len(own), self._random.randint(1, 2)))
        columns = self._aggregated(scope, kinds, depth)
        if kinds is None:
            columns = [*(self._output(key.text, key.kind) for key in keys), *columns]
        tail = f" group by {', '.join(key.text for key in keys)}"
        if self._chance(0.3):
            aggregate = self._expressions.aggregate(scope, INT, 0)
            tail += f" having {aggregate} {self._random.choice(('>', '>=', '<>'))} 1"
        return columns, tail

    # -- FROM and WHERE

    def _from(self, depth: int) -> tuple[list[_Source], str]:
        count = self._random.choice((1, 1, 1, 1, 2, 2, 3) if depth > 1 else (1, 1, 1, 1, 1, 2))
        if self._chance(0.03):
            return [], ""
        sources = [self._source(depth)]
        clause = f" from {sources[0].sql}"
        for _ in range(count - 1):
            source = self._source(depth)
            join = self._random.choice(_JOINS)
            clause += f"{'' if join == ',' else ' '}{join} {source.sql}"
            sources.append(source)
            if join != "," and not join.startswith("natural"):
                clause += self._constraint(sources, join, depth)
        return sources, clause

    def _constraint(self, sources: Sequence[_Source], join: str, depth: int) -> str:
        """Return ON or USING between the last source and those before it."""
        last, before = sources[-1], sources[:-1]
        if join == "cross join" and self._chance(0.5):
            return ""
        other = self._random.choice(before)
        shared = [name for name, _, _ in last.columns if name in {column[0] for column in other.columns}]
        if shared and self._chance(0.2) and len(before) == 1:
            return f" using ({self._random.choice(shared)})"
        if self._chance(0.06):
            return f" on {self._expressions.condition((*other.reaches(), *last.reaches()), 1)}"
        pairs = [
            (mine, theirs)
            for mine in last.reaches()
            for theirs in other.reaches()
            if mine.kind == theirs.kind
            and (mine.text.partition(".")[2] in last.required or not last.required)
        ]
        if not pairs:
            return f" on {self._expressions.condition((*other.reaches(), *last.reaches()), 1)}"
        mine, theirs = self._random.choice(pairs)
        left, right = (mine.text, theirs.text) if self._chance(0.6) else (theirs.text, mine.text)
        out = f" on {left} {self._random.choice(('=', '=', '=', '=', '=', '<', 'is', '<>'))} {right}"
        if self._chance(0.25):
            out += f" and {self._expressions.term((*last.reaches(), *other.reaches()), min(depth, 1))}"
        return out

    def _alias(self) -> str:
        self._aliases += 1
        return f"x{self._aliases}"

    def _source(self, depth: int) -> _Source:
        roll = self._random.random()
        if self._withs and roll < 0.5:
            chosen = self._random.choice(self._withs)
            alias = self._alias()
            return _Source(f"{chosen.name} {alias}", alias, chosen.columns)
        if depth > 0 and roll > 0.93:
            sql, columns = self._compound((), None, depth - 1)
            if columns:
                alias = self._alias()
                return _Source(f"({sql}) {alias}", alias, columns)
        if roll > 0.92:
            alias = self._alias()
            rows = ", ".join(
                f"({self._random.choice(_VALUES[INT])}, {self._random.choice(_VALUES[TEXT])})"
                for _ in range(2)
            )
            columns = (("column1", INT, _VALUES[INT]), ("column2", TEXT, _VALUES[TEXT]))
            return _Source(f"(values {rows}) {alias}", alias, columns)
        if roll > 0.905:
            alias = self._alias()
            columns = (("key", INT, ("0", "1")), ("value", TEXT, ("1", "'a'")), ("type", TEXT, ("'text'",)))
            argument = self._random.choice(("'[1, \"a\", null]'", '\'{"a": 1, "b": [2]}\'', "'[]'", "'x'"))
            return _Source(
                f"{self._random.choice(('json_each', 'json_tree'))}({argument}) {alias}", alias, columns
            )
        # Choose tables that require a column more often than by their number.
        table = self._random.choice(self._tables)
        demanding = [table for table in self._tables if any(column.required for column in table.columns)]
        if demanding and self._chance(0.12):
            table = self._random.choice(demanding)
        return self._source_of(table, alias=self._chance(0.95))

    def _source_of(self, table: RandomTable, *, alias: bool) -> _Source:
        columns = [
            (column.name, KIND_OF_TYPE.get(column.type, TEXT), _literals(column)) for column in table.columns
        ]
        if len(columns) > 20:
            columns = [columns[0], *self._random.sample(columns[1:], 4), columns[-1]]
        by_name = {name: (kind, values) for name, kind, values in columns}
        columns += ((name, *by_name[target]) for name, target in table.aliases)
        name = table.name
        if alias:
            name = self._alias()
        written = self._random.choice((table.name, table.name, table.name, *table.views))
        hidden = {column.name for column in table.columns if column.bits & 16}
        if written != table.name:
            # A view has the columns of `select *`.
            columns = [column for column in columns if column[0] not in hidden and "_alias" not in column[0]]
            name = name if alias else written
        if not columns:
            written, columns = table.name, [("rowid", INT, _VALUES[INT])]
        required = tuple(column.name for column in table.columns if column.required)
        required = tuple(one for one in required if one in {column[0] for column in columns})
        if written == table.name:
            schema = self._random.choice((*("",) * 30, "temp.", "main."))
            written = f"{schema}{written}"
        hint = " not indexed" if self._chance(0.01) else ""
        sql = f"{written} {name}{hint}" if alias else f"{written}{hint}"
        return _Source(sql, name, tuple(columns), required, rowid=True)

    def _where(self, sources: Sequence[_Source], scope: Scope, depth: int) -> str:
        terms = []
        for source in sources:
            for name in source.required[: 1 if self._chance(0.7) else 2]:
                if self._chance(0.8):
                    reach = next(reach for reach in source.reaches() if reach.text == f"{source.name}.{name}")
                    terms.append(self._demanded(reach, scope, depth))
        for _ in range(self._random.choice((0, 1, 1, 1, 2, 2, 3))):
            terms += [self._expressions.condition(scope, depth) if scope else self._expressions.literal(INT)]
        if self._chance(0.03) and any(source.rowid for source in sources):
            source = self._random.choice([source for source in sources if source.rowid])
            terms.append(
                f"{source.name}.rowid {self._random.choice(('= 1', '> 3', 'in (0, 1, 8)', 'is not null'))}"
            )
        if not terms:
            return ""
        self._random.shuffle(terms)
        return f" where {self._random.choice((' and ', ' and ', ' and ', ' and ', ' or ')).join(terms)}"

    def _demanded(self, reach: Reach, scope: Scope, depth: int) -> str:
        """Return a term on a column that the table requires."""
        choice = self._random.choice
        roll = self._random.random()
        if roll < 0.4:
            return f"{reach.text} = {choice(reach.values)}"
        if roll < 0.65:
            return f"{reach.text} in ({choice(reach.values)}, {choice(reach.values)})"
        if roll < 0.75:
            return f"{reach.text} in ({self.subquery(scope, (reach.kind,), max(depth - 1, 0))})"
        if roll < 0.85:
            return f"{reach.text} = {self._expressions.value(scope, reach.kind, 0)}"
        return self._expressions.term(scope, min(depth, 1), reach)

    # -- WITH

    def _with_clause(self) -> str:
        parts = []
        recursive = self._chance(0.35)
        if recursive:
            parts.append(self._recursive())
        for _ in range(self._random.choice((0, 1, 1)) if recursive else self._random.choice((1, 1, 2))):
            sql, columns = self._compound((), None, 1)
            if not columns:
                continue
            self._aliases += 1
            name = f"w{self._aliases}"
            hint = self._random.choice(("", "", "", "materialized ", "not materialized "))
            parts.append(f"{name} as {hint}({sql})")
            self._withs.append(_With(name, columns))
        return f"with {'recursive ' if recursive else ''}{', '.join(parts)} " if parts else ""

    def _recursive(self) -> str:
        self._aliases += 1
        name = f"w{self._aliases}"
        table = self._random.choice(self._tables)
        source = self._source_of(table, alias=False)
        column = self._expressions.column(source.reaches(), INT)
        self._withs.append(_With(name, (("x", INT, _VALUES[INT]),)))
        if column is None or source.required or self._chance(0.4):
            step = f"select x + 1 from {name} where x < {self._random.choice((2, 3, 6))}"
        else:
            step = f"select r.x + 1 from {name} r join {source.sql} on {column.text} >= r.x where r.x < 3"
        union = self._random.choice(("union", "union", "union all")) if "join" not in step else "union"
        return f"{name}(x) as (select 1 {union} {step})"
