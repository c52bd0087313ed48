"""SQL as text: its tokens, its statements, and the tables that it names.

This is no parser: text that it does not understand is left out.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TOKEN = re.compile(
    r"""
    (?P<space>   \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<text>    [xX]?'(?:[^']|'')*(?:'|\Z) )
  | (?P<quoted>  "(?:[^"]|"")*(?:"|\Z) | `(?:[^`]|``)*(?:`|\Z) | \[[^\]]*(?:\]|\Z) )
  | (?P<number>  0[xX][0-9a-fA-F]+ | (?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)? )
  | (?P<word>    [^\W\d][\w$]* )
  | (?P<sign>    <= | >= | <> | != | == | \|\| | << | >> | ->>? | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_AFTER_A_TABLE = re.compile(
    "ON|USING|WHERE|GROUP|ORDER|LIMIT|HAVING|WINDOW|UNION|INTERSECT|EXCEPT|JOIN|LEFT|RIGHT|FULL|INNER|OUTER"
    "|CROSS|NATURAL"
    "|SET|VALUES|INDEXED|NOT|RETURNING|SELECT"
)


class Token(NamedTuple):
    """A word, name, literal or sign."""

    kind: str
    """text, quoted, number, word or sign."""
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """Return the word in upper case; "" for any other kind of token, which is no keyword."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str | None:
        """Return the identifier without its quotes; None for any other kind of token."""
        if self.kind == "word":
            return self.text
        if self.kind == "quoted":
            inner = self.text[1:-1]
            return inner if self.text[0] == "[" else inner.replace(self.text[0] * 2, self.text[0])
        return None


def tokens(sql: str) -> list[Token]:
    """Return the tokens of `sql` without white space and comments."""
    parts = (
        Token(match.lastgroup or "", match[0], match.start(), match.end()) for match in _TOKEN.finditer(sql)
    )
    return [token for token in parts if token.kind != "space"]


def depths(parts: Iterable[Token]) -> Iterator[int]:
    """Yield for each token how many parentheses are open behind it."""
    return accumulate((token.text == "(") - (token.text == ")") for token in parts)


def statements(sql: str) -> Iterator[str]:
    """Yield the statements of `sql` without the semicolons; skip those without a token."""
    start, filled = 0, False
    for token in tokens(sql):
        if token.text != ";":
            filled = True
            continue
        if filled:
            yield sql[start : token.start].strip()
        start, filled = token.end, False
    if filled:
        yield sql[start:].strip()


def one_line(sql: str) -> str:
    """Return `sql` on one line, without comments and a last semicolon; line ends within texts stay."""
    parts = tokens(sql)
    while parts and parts[-1].text == ";":
        parts.pop()
    ends = [parts[0].start if parts else 0, *(token.end for token in parts)]
    return "".join(
        f"{' ' if token.start > end else ''}{token.text}" for end, token in zip(ends, parts, strict=False)
    )


def renamed(sql: str, old: str, new: str) -> str:
    """Return `sql` with another name for a table; texts, comments and the columns of other tables stay."""
    out, end, before = [], 0, ""
    for token in tokens(sql):
        if before != "." and token.name is not None and token.name.lower() == old.lower():
            out += [sql[end : token.start], new]
            end = token.end
        before = token.text
    return "".join(out) + sql[end:]


def is_complete(sql: str) -> bool:
    """Return whether `sql` ends with the semicolon of a statement, not within a text, name or comment."""
    last = ""
    for match in _TOKEN.finditer(sql):
        if match.lastgroup != "space":
            last = match[0]
        elif match[0].startswith("/*") and (len(match[0]) < 4 or not match[0].endswith("*/")):
            return False
    return last == ";"


def tables_of(sql: str) -> dict[str, str]:
    """Return the tables behind FROM, JOIN, INTO and UPDATE: alias in lower case (or the name) -> name."""
    parts = tokens(sql)
    out: dict[str, str] = {}
    place = 0
    while place < len(parts):
        if parts[place].upper not in ("FROM", "JOIN", "INTO", "UPDATE"):
            place += 1
            continue
        place += 1
        while (
            place < len(parts)
            and (name := parts[place].name)
            and not _AFTER_A_TABLE.fullmatch(parts[place].upper)
        ):
            place += 1
            if place + 1 < len(parts) and parts[place].text == "." and parts[place + 1].name:
                name = parts[place + 1].name or ""
                place += 2
            alias = name
            if place < len(parts) and parts[place].upper == "AS":
                place += 1
            if place < len(parts) and parts[place].name and not _AFTER_A_TABLE.fullmatch(parts[place].upper):
                alias = parts[place].name or name
                place += 1
            out[alias.lower()] = name
            if place >= len(parts) or parts[place].text != ",":
                break
            place += 1
    return out


_ENDS_LIST = frozenset(
    ("FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "UNION", "INTERSECT", "EXCEPT", "HAVING", "WINDOW")
)


def result_names(sql: str) -> tuple[str, ...]:
    """Return the column names of the first SELECT, as SQLite names them; none if `*` is among them."""
    parts = tokens(sql)
    start = None
    items: list[list[Token]] = [[]]
    for number, (token, depth) in enumerate(zip(parts, depths(parts), strict=True)):
        if start is None:
            # Behind a WITH, skip the SELECTs within its parentheses.
            start = number if depth == 0 and token.upper == "SELECT" else None
        elif depth == 0 and (token.text == ";" or token.upper in _ENDS_LIST):
            break
        elif depth == 0 and token.text == ",":
            items.append([])
        elif number > start + 1 or token.upper not in ("DISTINCT", "ALL"):
            items[-1].append(token)
    names = [_result_name(sql, item) for item in items if item]
    return () if None in names else tuple(name for name in names if name is not None)


def _result_name(sql: str, item: list[Token]) -> str | None:
    """Return the name of one column of a result; None for `*`."""
    last = item[-1]
    if last.text == "*":
        return None
    if len(item) > 1 and last.name is not None and last.upper not in ("END", "NULL", "ISNULL", "NOTNULL"):
        before = item[-2]
        # The last name is an alias, with AS or without, or a column of a named table.
        if before.upper == "AS" or before.kind != "sign" or before.text in (".", ")"):
            return last.name
    return last.name if len(item) == 1 and last.name is not None else sql[item[0].start : last.end]
