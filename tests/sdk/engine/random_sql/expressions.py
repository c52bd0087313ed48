"""Write random expressions over the columns in scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from random import Random
    from typing import Protocol

    class Subqueries(Protocol):
        """Writes SELECTs within expressions."""

        def subquery(self, scope: Scope, kinds: tuple[str, ...], depth: int) -> str:
            """Return a SELECT of columns of these kinds, without brackets. It may use columns of `scope`."""


class Reach(NamedTuple):
    """A column that an expression can use."""

    text: str
    """The name in SQL, qualified or not."""
    kind: str
    """One of int, real, text and blob."""
    values: tuple[str, ...]
    """Literals that the column may be equal to."""


Scope = tuple[Reach, ...]

INT, REAL, TEXT, BLOB = "int", "real", "text", "blob"
KIND_OF_TYPE = {
    "INTEGER": INT,
    "BIGINT": INT,
    "UNSIGNED BIGINT": INT,
    "DOUBLE": REAL,
    "TEXT": TEXT,
    "BLOB": BLOB,
}

_LITERALS: dict[str, tuple[str, ...]] = {
    INT: (
        *("0", "1", "2", "3", "5", "-1", "null", "'2'", "2.0", "'3abc'", "0x10", "1e0", "true", "false"),
        *(
            "2147483648",
            "-2147483649",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "x'32'",
        ),
    ),
    REAL: ("0.0", "1.5", "2", "-0.25", "1e20", "0.1", "null", "'1.5'", "1e400", "3", ".5", "2."),
    TEXT: (
        "'a'",
        "'b'",
        "'B'",
        "'a '",
        "''",
        "'ab'",
        "'1'",
        "'\u00e9'",
        "null",
        "1",
        "'/a'",
        "'1.0'",
        "x'61'",
        "'it''s'",
    ),
    BLOB: ("x'61'", "x''", "'a'", "x'00ff'", "null", "x'C3A9'", "1", "zeroblob(2)"),
}
_ESCAPE = " escape '!'"
_NULL_TESTS = ("is null", "is not null", "isnull", "notnull", "not null", "is true", "is not false")
_PATTERNS = ("'%'", "'a%'", "'%A%'", "'_'", "'/a/%'", "''", "'%b'", "null", "'1%'", "'a' || '%'")
_GLOBS = ("'*'", "'a*'", "'[ab]*'", "'?'", "'/a/*'", "''", "'*[^a]'", "null")
_COLLATIONS = ("binary", "nocase", "rtrim", "version", "version_arch", "version_dpkg", "version_rhel")
_REGEXES = ("'a'", "'^.b?$'", "'([a-z]+)/?'", "'[0-9]+'", "'(a|b)+'", "''", "'\\.'", "'^/'", "'('")

# {i}, {r}, {t} and {b} stand for an expression of a kind, {e} for one of any, {p} for a regular expression.
_FUNCTIONS: dict[str, tuple[str, ...]] = {
    INT: (
        *("abs({i})", "length({t})", "length({e})", "instr({t}, {t})", "unicode({t})", "coalesce({i}, {i})"),
        *(
            "ifnull({i}, {i})",
            "nullif({i}, {i})",
            "iif({c}, {i}, {i})",
            "max({i}, {i})",
            "min({i}, {i}, {i})",
        ),
        *(
            "sign({i})",
            "likely({i})",
            "unlikely({i})",
            "likelihood({i}, 0.5)",
            "inet_aton({t})",
            "inet_aton('10.0.0.' || {i})",
        ),
        *(
            "in_cidr_block('10.0.0.0/8', '10.1.2.' || abs({i}))",
            "version_compare({t}, {t})",
            "version_compare('1.' || {i}, '1.2')",
        ),
        *(
            "version_compare('1.0', '1.1', 'dpkg')",
            "json_array_length('[1,2]')",
            "json_extract('{{\"a\": 5}}', '$.a')",
            "json_valid({t})",
        ),
        *(
            "unixepoch('1970-01-02')",
            "strftime('%s', {i}, 'unixepoch')",
            "{i} + {i}",
            "{i} - {i}",
            "{i} * {i}",
            "{i} / {i}",
        ),
        *(
            "{i} % {i}",
            "{i} & {i}",
            "{i} | {i}",
            "{i} << 2",
            "{i} >> 1",
            "~{i}",
            "-{i}",
            "+{i}",
            "cast({e} as integer)",
        ),
        *(
            "cast({r} as bigint)",
            "typeof({e}) = 'integer'",
            "length(hex({b}))",
            "is_path_deterministic('/bin/sh -c')",
        ),
        *("sleep(0)", "json_type('[1]') = 'array'", "glob('a*', {t})", "like('a%', {t})", "subtype({e})"),
    ),
    REAL: (
        *(
            "sqrt(abs({i}))",
            "power(2, 3)",
            "ceil({r})",
            "floor({r})",
            "round({r})",
            "round({r}, 1)",
            "pi()",
            "exp(1)",
        ),
        *(
            "log10(100)",
            "degrees({i})",
            "radians(90)",
            "{r} + {i}",
            "{r} * 2",
            "{i} / 2.0",
            "-{r}",
            "cast({e} as real)",
        ),
        *(
            "cast({t} as double)",
            "julianday('2000-01-01')",
            "coalesce({r}, 0.5)",
            "abs({r})",
            "max({r}, {i})",
            "sin(0)",
            "log(1)",
        ),
    ),
    TEXT: (
        *(
            "upper({t})",
            "lower({t})",
            "substr({t}, 1, 2)",
            "substr({t}, -2)",
            "substr({t}, {i}, 1)",
            "trim({t})",
            "ltrim({t}, 'a')",
        ),
        *(
            "rtrim({t})",
            "replace({t}, 'a', 'x')",
            "{t} || {t}",
            "{t} || {i}",
            "hex({t})",
            "quote({t})",
            "quote({i})",
            "char(97, 98)",
        ),
        *(
            "typeof({e})",
            "coalesce({t}, 'none')",
            "ifnull({t}, 'none')",
            "nullif({t}, 'a')",
            "iif({c}, {t}, {t})",
            "cast({e} as text)",
        ),
        *(
            "split({t}, '/', 1)",
            "split({t}, '.', 0)",
            "regex_split({t}, {p}, 0)",
            "regex_match({t}, {p}, 0)",
            "regex_match({t}, {p}, 1)",
        ),
        *(
            "concat({t}, {i}, {r})",
            "concat_ws(',', {t}, {e}, {t})",
            "soundex({t})",
            "to_base64({t})",
            "from_base64(to_base64({t}))",
        ),
        *(
            "conditional_to_base64({t})",
            "md5({t})",
            "sha1({t})",
            "sha256({t})",
            "parent_directory({t})",
            "printf('%s-%d', {t}, {i})",
        ),
        *(
            "format('%05d', {i})",
            "json_array({i}, {t})",
            "json_object('k', {i})",
            "json_quote({t})",
            "date({i}, 'unixepoch')",
        ),
        *(
            "datetime({i}, 'unixepoch')",
            "max({t}, {t})",
            "min({t}, 'b')",
            "unhex('6162')",
            "community_id_v1('1.2.3.4', '5.6.7.8', 1, 2, 6)",
        ),
        *(
            "time({i}, 'unixepoch')",
            "substring({t}, 2)",
            "find_file_path_in_cmd('/bin/sh -c x')",
            "likely({t})",
            "{t} collate nocase",
        ),
        *("json_group_array", "nosuch({t})", "json_extract({t}, '$')", "json_set('{{}}', '$.a', {t})"),
    ),
    BLOB: (
        "cast({t} as blob)",
        "zeroblob(1)",
        "coalesce({b}, x'00')",
        "substr({b}, 1, 1)",
        "unhex(hex({b}))",
        "{b} || {b}",
    ),
}
_AGGREGATES: dict[str, tuple[str, ...]] = {
    INT: (
        *(
            "count(*)",
            "count({e})",
            "count(distinct {e})",
            "sum({i})",
            "max({i})",
            "min({i})",
            "count({e}) filter (where {c})",
        ),
        *(
            "sum(distinct {i})",
            "total({i})",
            "max({i}) - min({i})",
            "count(*) + 1",
            "length(group_concat({t}))",
        ),
    ),
    REAL: (
        "avg({r})",
        "sum({r})",
        "total({r})",
        "avg({i})",
        "max({r})",
        "min({r}) filter (where {c})",
        "avg(distinct {i})",
    ),
    TEXT: (
        "max({t})",
        "min({t})",
        "group_concat(distinct {t})",
        "typeof(sum({i}))",
        "json_group_array({i})",
        "max({t} collate nocase)",
    ),
    BLOB: ("max({b})", "min({b})"),
}
_WINDOWS: dict[str, tuple[str, ...]] = {
    INT: (
        *(
            "row_number() over {w}",
            "rank() over {w}",
            "dense_rank() over {w}",
            "count(*) over {w}",
            "sum({i}) over {w}",
        ),
        *(
            "lag({i}) over {w}",
            "lead({i}, 1, 0) over {w}",
            "ntile(2) over {w}",
            "first_value({i}) over {w}",
            "max({i}) over {w}",
        ),
        *("count({e}) filter (where {c}) over {w}", "last_value({i}) over {w}", "nth_value({i}, 2) over {w}"),
    ),
    REAL: ("avg({r}) over {w}", "percent_rank() over {w}", "cume_dist() over {w}", "total({i}) over {w}"),
    TEXT: (
        "first_value({t}) over {w}",
        "max({t}) over {w}",
        "lag({t}, 1, 'none') over {w}",
        "min({t}) over {w}",
    ),
    BLOB: ("max({b}) over {w}",),
}


class Expressions:
    """Writes expressions.

    Args:
        random: decides.
        subqueries: writes the SELECTs within.
    """

    def __init__(self, random: Random, subqueries: Subqueries) -> None:
        self._random = random
        self._subqueries = subqueries

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    # -- values

    def literal(self, kind: str) -> str:
        if self._chance(0.03):
            return self._random.choice(_LITERALS[self._random.choice((INT, REAL, TEXT, BLOB))])
        return self._random.choice(_LITERALS[kind])

    def column(self, scope: Scope, kind: str | None = None) -> Reach | None:
        """Return a column, of this kind if there is one; None without any column."""
        fitting = [reach for reach in scope if kind in (None, reach.kind)]
        return self._random.choice(fitting) if fitting else None

    def value(self, scope: Scope, kind: str, depth: int) -> str:
        """Return an expression with one value, mostly of this kind."""
        roll = self._random.random()
        reach = self.column(scope, kind)
        if reach is not None and (roll < 0.55 or depth <= 0):
            return reach.text
        if depth <= 0 or roll < 0.7:
            return self.literal(kind)
        if roll < 0.9:
            return self.filled(self._random.choice(_FUNCTIONS[kind]), scope, depth - 1)
        if roll < 0.95:
            return self._case(scope, kind, depth - 1)
        if roll < 0.98:
            return f"({self._subqueries.subquery(scope, (kind,), depth - 1)})"
        return f"({self.value(scope, kind, depth - 1)})"

    def any_kind(self) -> str:
        return self._random.choice((INT, INT, INT, TEXT, TEXT, TEXT, REAL, BLOB))

    def filled(self, template: str, scope: Scope, depth: int) -> str:
        """Return a template with its letters replaced by expressions."""
        out = ""
        rest = template
        while "{" in rest:
            before, _, after = rest.partition("{")
            out += before
            if after.startswith("{"):
                out, rest = out + "{", after[1:]
                continue
            letter, _, rest = after.partition("}")
            out += self._part(letter, scope, depth)
        return (out + rest).replace("}}", "}")

    def _part(self, letter: str, scope: Scope, depth: int) -> str:
        kinds = {"i": INT, "r": REAL, "t": TEXT, "b": BLOB}
        if letter in kinds:
            return self.value(scope, kinds[letter], depth)
        if letter == "e":
            return self.value(scope, self.any_kind(), depth)
        if letter == "c":
            return self.condition(scope, depth)
        if letter == "w":
            return self._window(scope, depth)
        return self._random.choice(_REGEXES)

    def _case(self, scope: Scope, kind: str, depth: int) -> str:
        arms = "".join(
            f" when {self.condition(scope, depth)} then {self.value(scope, kind, depth)}"
            for _ in range(self._random.randint(1, 2))
        )
        if self._chance(0.25):
            base = self.any_kind()
            subject, literal = self.value(scope, base, depth), self.literal(base)
            arms = f" {subject} when {literal} then {self.value(scope, kind, depth)}"
        last = f" else {self.value(scope, kind, depth)}" if self._chance(0.6) else ""
        return f"case{arms}{last} end"

    def aggregate(self, scope: Scope, kind: str, depth: int) -> str:
        return self.filled(self._random.choice(_AGGREGATES[kind]), scope, depth)

    def windowed(self, scope: Scope, kind: str, depth: int) -> str:
        return self.filled(self._random.choice(_WINDOWS[kind]), scope, depth)

    def _window(self, scope: Scope, depth: int) -> str:
        parts = []
        if self._chance(0.4):
            parts.append(f"partition by {self.value(scope, self.any_kind(), 0)}")
        # Order by every column, so that only equal rows may change places.
        order = ", ".join(reach.text for reach in scope[:8]) or "1"
        parts.append(f"order by {order}{self._random.choice(('', ' desc'))}")
        if self._chance(0.2):
            parts.append(
                self._random.choice(
                    (
                        "rows between 1 preceding and current row",
                        "rows between unbounded preceding and 1 following",
                        "range between unbounded preceding and current row",
                        "groups 1 preceding",
                        "rows unbounded preceding exclude current row",
                    )
                )
            )
        return f"({' '.join(parts)})"

    # -- conditions

    def condition(self, scope: Scope, depth: int) -> str:
        """Return a condition on the columns in scope."""
        roll = self._random.random()
        if depth > 0 and roll < 0.16:
            word = self._random.choice(("and", "or", "or", "or"))
            left, right = self.condition(scope, depth - 1), self.condition(scope, depth - 1)
            return f"({left} {word} {right})"
        if depth > 0 and roll < 0.21:
            return f"not {self.condition(scope, depth - 1)}"
        if depth > 0 and roll < 0.26:
            query = self._subqueries.subquery(scope, (self.any_kind(),), depth - 1)
            return f"{self._random.choice(('exists', 'exists', 'not exists'))} ({query})"
        if depth > 0 and roll < 0.30:
            return self._row_value(scope, depth - 1)
        return self.term(scope, depth)

    def term(self, scope: Scope, depth: int, reach: Reach | None = None) -> str:
        """Return a comparison, mostly of a column with a value that it may be equal to."""
        choice = self._random.choice
        reach = reach or self.column(scope)
        if reach is None or (depth > 0 and self._chance(0.12)):
            kind = self.any_kind()
            left, values = self.value(scope, kind, depth - 1), _LITERALS[kind]
        else:
            kind, left, values = reach.kind, reach.text, reach.values
            if self._chance(0.06):
                left = choice((f"+{left}", f"({left})", f"{left} collate {choice(_COLLATIONS)}", f"-{left}"))
        roll = self._random.random()
        if roll < 0.26:
            operator = choice(("=", "=", "=", "=", "==", "<>", "!="))
            return f"{left} {operator} {self._other(scope, kind, values, depth)}"
        if roll < 0.36:
            return f"{left} {choice(('<', '<=', '>', '>='))} {self._other(scope, kind, values, depth)}"
        if roll < 0.40:
            return f"{self._other(scope, kind, values, depth)} {choice(('=', '<', '>='))} {left}"
        if roll < 0.64:
            return f"{left} {choice(('in', 'in', 'in', 'not in'))} {self._in(scope, kind, values, depth)}"
        if roll < 0.70:
            low, high = self._other(scope, kind, values, depth), self._other(scope, kind, values, depth)
            return f"{left} {choice(('between', 'between', 'not between'))} {low} and {high}"
        if roll < 0.77:
            operator, pattern = choice(("like", "like", "not like")), choice(_PATTERNS)
            return f"{left} {operator} {pattern}{choice(('', '', '', _ESCAPE))}"
        if roll < 0.80:
            return f"{left} {choice(('glob', 'glob', 'not glob'))} {choice(_GLOBS)}"
        if roll < 0.815:
            return f"{left} {choice(('regexp', 'match'))} {choice(_REGEXES)}"
        if roll < 0.88:
            operator = choice(("is", "is", "is not", "is distinct from", "is not distinct from"))
            return f"{left} {operator} {self._other(scope, kind, values, depth)}"
        if roll < 0.94:
            return f"{left} {choice(_NULL_TESTS)}"
        if roll < 0.97:
            return left
        return f"{left} = {self._other(scope, kind, values, depth)} collate {choice(_COLLATIONS)}"

    def _other(self, scope: Scope, kind: str, values: tuple[str, ...], depth: int) -> str:
        roll = self._random.random()
        if roll < 0.55 or depth <= 0:
            return self._random.choice(values)
        if roll < 0.80:
            return self.value(scope, kind, 0)
        return self.value(scope, kind, depth - 1)

    def _in(self, scope: Scope, kind: str, values: tuple[str, ...], depth: int) -> str:
        roll = self._random.random()
        if depth > 0 and roll < 0.35:
            return f"({self._subqueries.subquery(scope, (kind,), depth - 1)})"
        if roll < 0.40:
            return "()"
        if roll < 0.44:
            return "(null)"
        if depth > 0 and roll < 0.50:
            return f"({self.value(scope, kind, depth - 1)}, {self._random.choice(values)})"
        if roll < 0.54:
            return f"(values ({self._random.choice(values)}), ({self._random.choice(values)}))"
        items = [self._random.choice(values) for _ in range(self._random.randint(1, 4))]
        if self._chance(0.15):
            items.append(self.literal(self.any_kind()))
        if self._chance(0.15):
            items.append(items[0])
        return f"({', '.join(items)})"

    def _row_value(self, scope: Scope, depth: int) -> str:
        left, right = self.column(scope), self.column(scope)
        if left is None or right is None:
            return "(1, 2) = (1, 2)"
        roll, choice = self._random.random(), self._random.choice
        pair = f"({left.text}, {right.text})"
        if roll < 0.4:
            operator = choice(("=", "=", "<", ">=", "is", "<>"))
            return f"{pair} {operator} ({choice(left.values)}, {choice(right.values)})"
        if roll < 0.65:
            rows = ", ".join(f"({choice(left.values)}, {choice(right.values)})" for _ in range(2))
            return f"{pair} {choice(('in', 'in', 'not in'))} (values {rows})"
        query = self._subqueries.subquery(scope, (left.kind, right.kind), depth)
        return f"{pair} {choice(('in', 'in', 'not in', '='))} ({query})"
