"""Find regular expressions in a source that some supported Pythons match wrongly."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

# Stands for a part of an f-string that only the running program knows: a character, or a number in braces.
_UNKNOWN = "0"
_COUNT = re.compile(r"\{(?:\d+(?:,\d*)?|,\d*)\}")


class Text(NamedTuple):
    """A text of a source, joined from its parts as far as possible without running the source."""

    line: int
    value: str


def texts(tree: ast.Module) -> Iterator[Text]:
    """Yield every text of a source but its docstrings: constants, f-strings, and sums of them.

    A name that is assigned once is replaced by its value.
    """
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for name in node.targets:
                if isinstance(name, ast.Name):
                    assigned.setdefault(name.id, []).append(node.value)
    known = {name: values[0] for name, values in assigned.items() if len(values) == 1}
    # Check the parts of a sum, too: the whole may be unknown, and checking them twice costs nothing.
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            skipped |= {id(part) for part in ast.walk(node.format_spec)}
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and id(node) not in skipped:
            value = _folded(node, known, frozenset())
            if value:
                yield Text(node.lineno, value)


def _folded(node: ast.expr, known: dict[str, ast.expr], within: frozenset[str]) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(data)):
            return data.decode("latin-1")
        case ast.Name(id=name) if name in known and name not in within:
            return _folded(known[name], known, within | {name})
        case ast.JoinedStr(values=parts):
            return "".join(_folded(part, known, within) or _UNKNOWN for part in parts)
        case ast.FormattedValue(value=value, format_spec=None):
            return _folded(value, known, within)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = (_folded(side, known, within) for side in (left, right))
            return None if first is None or second is None else first + second
    return None


def takes_all(pattern: str) -> str | None:
    """Return the first possessive quantifier or atomic group of a (partial) pattern, or None."""
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 2
        elif pattern[at] == "[":
            at = _past_class(pattern, at)
        elif pattern.startswith("(?", at):
            if pattern.startswith(">", at + 2):
                return pattern[at : at + 3]
            at += 2
        elif (quantifier := _quantifier(pattern, at)) is not None:
            at += len(quantifier)
            if pattern.startswith("+", at):
                return f"{quantifier}+"
            if pattern.startswith("?", at):
                at += 1
        else:
            at += 1
    return None


def _past_class(pattern: str, start: int) -> int:
    """Return the end of a character class. If a partial pattern lacks the end, pass the bracket alone."""
    at = start + 1
    if pattern.startswith("^", at):
        at += 1
    if pattern.startswith("]", at):  # the first one is a character
        at += 1
    while at < len(pattern):
        if pattern[at] == "]":
            return at + 1
        at += 2 if pattern[at] == "\\" else 1
    return start + 1


def _quantifier(pattern: str, at: int) -> str | None:
    if pattern[at] in "+?*":
        return pattern[at]
    found = _COUNT.match(pattern, at)
    return None if found is None else found[0]
