"""Schemas of tables in the forms that others read: osquery's site, Fleet, osquery's code generator, people.

Forms and facts: `tools/codegen/genwebsitejson.py` and `gentable.py` of osquery for "json" and "spec"; the
files in `schema/tables` of fleetdm/fleet, and the checks of its `get-extended-osquery-schema.js`, for
"fleet-yaml".
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from ..sql.required import join_cure, listed
from ..vocabulary import ADDITIONAL, COLLATIONS, HIDDEN, INDEX, OPTIMIZED, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .table import Table

SUFFIXES = {"json": ".json", "markdown": ".md", "fleet-yaml": ".yml", "spec": ".table"}
"""Form -> suffix of its files."""

# osquery's bits of table attributes -> their names in a spec
_ATTRIBUTES = {1: "utility", 2: "cacheable", 4: "event_subscriber", 8: "user_data", 16: "kernel_required"}
_CACHEABLE, _EVENTED = 2, 4
_OPTIONS = {
    INDEX: "index",
    REQUIRED: "required",
    ADDITIONAL: "additional",
    OPTIMIZED: "optimized",
    HIDDEN: "hidden",
}
_MARKS = {REQUIRED: "required", INDEX: "index", HIDDEN: "hidden"}
_PLATFORM_NAMES = {"darwin": "macOS", "linux": "Linux", "windows": "Windows"}


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

    @property
    def only(self) -> str:
        """Return a sentence with its platforms and the reason; "" if it is on all of them."""
        if set(self.platforms) >= _PLATFORM_NAMES.keys():
            return ""
        names = " and ".join(_PLATFORM_NAMES.get(platform, platform) for platform in self.platforms)
        return f"{names} only: {self.elsewhere}." if self.elsewhere else f"{names} only."

    @property
    def remarks(self) -> str:
        """Return the notes, followed by paragraphs for facts that other forms have no field for."""
        where = self.elsewhere and self.only
        return "\n\n".join(text for text in (self.notes, where, self.wanted, self.written) if text)

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
                ColumnSchema(
                    column.name,
                    column.type.value,
                    column.definition.description,
                    column.options,
                    column.definition.aliases,
                )
                for column in table.columns
            ),
            tuple(table.options.examples),
            "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs),
            table.options.attributes,
            table.options.aliases,
            table.options.elsewhere,
            table.writes,
            table.options.all_required,
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


def render(tables: Sequence[TableSchema], form: str, *, program: str) -> str:
    """Return tables in one of the forms of `SUFFIXES`.

    Args:
        tables: the schemas.
        form: json is one array; documents of fleet-yaml are separated by `---`, specs by an empty line.
        program: the extension's name; a spec names it as the place of the implementation.
    """
    if form == "json":
        return json.dumps([_json(table) for table in tables], indent=2, ensure_ascii=False) + "\n"
    makers: dict[str, tuple[str, Callable[[TableSchema], str]]] = {
        "markdown": ("\n", _markdown),
        "fleet-yaml": ("---\n", _fleet),
        "spec": ("\n", lambda table: _spec(table, program)),
    }
    between, make = makers[form]
    return between.join(make(table) for table in tables)


def _number(text: str | None) -> int:
    return int(text) if text and text.lstrip("-").isascii() and text.lstrip("-").isdigit() else 0


# -- osquery's schema JSON


def _json(table: TableSchema) -> dict[str, object]:
    return {
        "name": table.name,
        "description": table.description,
        "url": "",
        "platforms": sorted(table.platforms),
        "evented": bool(table.attributes & _EVENTED),
        "cacheable": bool(table.attributes & _CACHEABLE),
        "notes": table.remarks,
        "examples": list(table.examples),
        "columns": [
            {
                "name": column.name,
                "description": column.description,
                "type": _lower(column.type),
                "notes": "",
                "hidden": column.hidden,
                "required": column.required,
                "index": column.indexed,
            }
            for column in table.columns
        ],
    }


def _lower(kind: str) -> str:
    return kind.lower().replace(" ", "_")


# -- Markdown


def _markdown(table: TableSchema) -> str:
    platforms = ", ".join(_PLATFORM_NAMES.get(platform, platform) for platform in table.platforms)
    lines = [f"## {table.name}", ""]
    lines += [
        text
        for paragraph in (table.description, table.notes, table.wanted, table.written)
        if paragraph
        for text in (_prose(paragraph), "")
    ]
    because = f" ({_prose(table.elsewhere)})" if table.elsewhere else ""
    lines += [f"Platforms: {platforms or 'not known'}{because}", ""]
    lines += [
        "| column | type | | description |",
        "|---|---|---|---|",
    ]
    for column in table.columns:
        marks = [name for bit, name in _MARKS.items() if column.options & bit]
        description = column.description
        if column.aliases:
            description += f" Also: {', '.join(column.aliases)}."
        cells = (f"`{column.name}`", column.type, ", ".join(marks), _cell(description))
        lines.append("| " + " | ".join(cells) + " |")
    if table.examples:
        statements = [_readable(example) for example in table.examples]
        between = "\n\n" if any("\n" in statement for statement in statements) else "\n"
        lines += ["", "```sql", between.join(statements), "```"]
    return "\n".join(lines) + "\n"


# Group 1: code between back quotes, which stays. 2: an underscore within a word, which needs no backslash.
# 3: a sign that Markdown would interpret.
_SIGNS = re.compile(r"(`[^`|\\\n]+`)|(?<=\w)(_)(?=\w)|([\\`*_<\[\]|])")


def _prose(text: str) -> str:
    """Return text that Markdown shows unchanged; code between back quotes stays code."""
    return _SIGNS.sub(lambda found: found[1] or found[2] or f"\\{found[3]}", text)


def _cell(text: str) -> str:
    return _prose(" ".join(text.split()))


def _statement(sql: str) -> str:
    return sql.strip().rstrip(";") + ";"


_LINE = 100
_AND = re.compile(r"\s+(?=and\b)", re.IGNORECASE)
_CLAUSE = re.compile(
    r"\s+(?=(?:from|where|group\s+by|having|order\s+by|limit|union)\b)"
    r"|(?<!\bleft)(?<!\bcross)(?<!\binner)(?<!\bnatural)(?<!\bouter)\s+"
    r"(?=(?:(?:left|cross|inner|natural|outer)\s+)*join\b)",
    re.IGNORECASE,
)
_WHOLE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[()]")


def _readable(sql: str) -> str:
    """Return a statement in lines that fit a page: in a long one each clause begins a line."""
    text = _statement(sql)
    if len(text) <= _LINE or "\n" in text or re.search(r"--|/\*", _WHOLE.sub("", text)):
        return text
    lines = _split(text, _CLAUSE)
    return "\n".join("\n  ".join(_split(line, _AND)) if len(line) > _LINE else line for line in lines)


def _split(sql: str, at: re.Pattern[str]) -> list[str]:
    """Return the parts between matches outside quotes and parentheses."""
    parts, start, position, depth = [], 0, 0, 0
    while position < len(sql):
        found = at.match(sql, position) if not depth else None
        whole = _WHOLE.match(sql, position)
        if found is not None:
            parts.append(sql[start:position])
            start = position = found.end()
        elif whole is not None:
            depth = max(depth + {"(": 1, ")": -1}.get(whole[0], 0), 0)
            position = whole.end()
        else:
            position += 1
    return [*parts, sql[start:]]


# -- Fleet


def _fleet(table: TableSchema) -> str:
    lines = [
        f"name: {_scalar(table.name)}",
        "platforms:",
        *(f"  - {platform}" for platform in table.platforms),
    ]
    if not table.platforms:
        lines[-1] = "platforms: []"
    # Fleet refuses a table or a column without a description.
    description = table.description or table.name
    lines += [f"description: {_scalar(description)}", f"evented: {_truth(table.attributes & _EVENTED)}"]
    if table.examples:
        text = "\n\n".join(f"```\n{_readable(example)}\n```" for example in table.examples)
        # A block reads best, but has no escapes.
        if all(character.isprintable() or character == "\n" for character in text):
            lines += ["examples: |-", *(f"  {line}".rstrip() for line in text.split("\n"))]
        else:
            lines.append(f"examples: {_scalar(text)}")
    if table.remarks:
        lines.append(f"notes: {_scalar(table.remarks)}")
    lines.append("columns:")
    for column in table.columns:
        lines += [
            f"  - name: {_scalar(column.name)}",
            f"    description: {_scalar(column.description or column.name)}",
            f"    type: {_lower(column.type)}",
            f"    required: {_truth(column.required)}",
        ]
        if column.hidden:
            lines.append("    hidden: true")
    return "\n".join(lines) + "\n"


def _truth(value: object) -> str:
    return "true" if value else "false"


# Text that YAML reads unchanged without quotes: no indicator, no colon, no number sign.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _,./()'%;+*-]*\Z")
_NOT_TEXT = ("y", "n", "yes", "no", "true", "false", "on", "off", "null")


def _scalar(text: str) -> str:
    if _PLAIN.match(text) and not text.endswith(" ") and text.lower() not in _NOT_TEXT:
        return text
    # YAML has JSON's escapes, but some characters that JSON allows are not printable in YAML.
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub(
        r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]", lambda m: f"\\u{ord(m[0]):04x}", quoted
    )


# -- osquery's .table specs


def _spec(table: TableSchema, program: str) -> str:
    description = " ".join(table.description.split()) or table.name
    names = f", aliases={_list(table.aliases)}" if table.aliases else ""
    lines = [
        *(f"# osquery's gentable.py refuses {why}" for why in _refusals(table)),
        f"table_name({_text(table.name)}{names})",
        # The generator refuses a description that does not end with a full stop.
        f"description({_text(description if description.endswith('.') else description + '.')})",
        "schema([",
        *(f"    {_column(column)}," for column in table.columns),
        "])",
    ]
    attributes = [f"{name}=True" for bit, name in _ATTRIBUTES.items() if table.attributes & bit]
    if attributes:
        lines.append(f"attributes({', '.join(attributes)})")
    # The generator wants a C++ source and function: name the ones that osquery would use.
    camel = "".join(word.title() for word in table.name.split("_"))
    lines.append(f"implementation({_text(f'{program}@gen{camel}')})")
    if table.remarks:
        lines.append(f"notes({_text(table.remarks)})")
    if table.examples:
        lines += ["examples([", *(f"    {_text(example)}," for example in table.examples), "])"]
    return "\n".join(lines) + "\n"


def _refusals(table: TableSchema) -> list[str]:
    """Return the reasons why the generator refuses a table. osqueryd takes such tables."""
    found = [
        f"a column named {column.name}: its own code has that name"
        for column in table.columns
        if column.name in ("n", "index")
    ]
    if table.attributes & _EVENTED:
        if not table.name.endswith("_events"):
            found.append("a table of events whose name does not end in _events")
        if ("time", "BIGINT") not in [(column.name, column.type) for column in table.columns]:
            found.append("a table of events without a column time of BIGINT")
    return found


def _column(column: ColumnSchema) -> str:
    words = [_text(column.name), column.type.replace(" ", "_"), _text(" ".join(column.description.split()))]
    if column.aliases:
        words.append(f"aliases={_list(column.aliases)}")
    words += [f"{name}=True" for bit, name in _OPTIONS.items() if column.options & bit]
    words += [
        f"collate={_text(name)}"
        for name, bit in COLLATIONS.items()
        if column.options & bit and name != "binary"
    ]
    return f"Column({', '.join(words)})"


def _text(text: str) -> str:
    """Return a Python string; JSON's escapes are Python's."""
    return json.dumps(text, ensure_ascii=False)


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"


__all__ = ["SUFFIXES", "ColumnSchema", "TableSchema", "render"]
