"""Read JSON with comments and joined lines, with errors that name the line and column.

A line that ends with a backslash is joined with the next one, white space is stripped from both ends of each
line, and lines that begin with # or // are left out.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from itertools import accumulate
from typing import Any

from .text import line_and_column

_CONTINUED = "\\\n"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)


class BadJson(ValueError):
    """A text is not valid JSON; the message says why, and the line and column if these are known."""


class _Refused(Exception):
    """An object has the same name twice, or a number such as NaN, which JSON does not have."""


def read_json(text: str, *, strict: bool = False) -> Any:
    """Read a configuration's text.

    Args:
        text: with its comments.
        strict: refuse an object that has a name twice, and NaN and Infinity.

    Raises:
        BadJson: the message names the line and the column.
    """
    plain, cuts = _plain(text)

    def place(position: int) -> str:
        return line_and_column(text, position + len(_CONTINUED) * bisect_right(cuts, position))

    try:
        hooks: dict[str, Any] = {"object_pairs_hook": _unique, "parse_constant": _refuse} if strict else {}
        return json.loads(plain, **hooks)
    except json.JSONDecodeError as error:
        raise BadJson(f"not JSON: {error.msg}: {place(error.pos)}") from error
    except _Refused as error:
        reason, position = _find_fault(plain)
        raise BadJson(f"{reason}: {place(position)}") from error
    except RecursionError as error:
        raise BadJson("not JSON: nested too deep") from error
    except ValueError as error:
        raise BadJson(f"not JSON: {error}") from error


def _plain(text: str) -> tuple[str, list[int]]:
    """Return the text as plain JSON, each character in its column, and the positions of joined lines."""
    pieces = text.split(_CONTINUED)
    lines = []
    for line in "".join(pieces).split("\n"):
        bare = line.strip()
        if bare.startswith(("#", "//")):
            bare = ""
        indent = len(line) - len(line.lstrip()) if bare else 0
        lines.append(" " * indent + bare.ljust(len(line) - indent))
    return "\n".join(lines), list(accumulate(map(len, pieces[:-1])))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refused
    return members


def _refuse(constant: str) -> Any:
    raise _Refused


def _find_fault(plain: str) -> tuple[str, int]:
    """Return the fault of a repeated name, or of a number that JSON lacks, and its position."""
    names: list[set[str]] = []
    tokens = list(_TOKEN.finditer(plain))
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        text = token[0]
        if text in "{[":
            names.append(set())
        elif text in "}]":
            names.pop()
        elif text[0] == '"' and after is not None and after[0] == ":":
            name = json.loads(text)
            if name in names[-1]:
                return f"{name!r} stands twice in one object", token.start()
            names[-1].add(name)
        elif text in ("NaN", "Infinity", "-Infinity"):
            return f"{text} is not JSON", token.start()
    raise AssertionError("unreachable: the reader has found a fault")
