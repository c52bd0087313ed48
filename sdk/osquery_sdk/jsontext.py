"""JSON as osqueryd reads its configurations, with an error that says where it is broken.

osqueryd puts lines that end with a backslash together, takes white space off both ends of each line, and leaves out those that
begin with # or //.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from itertools import accumulate
from typing import Any

from .places import line_and_column

_CONTINUED = "\\\n"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)


class BadJson(ValueError):
    """A text that is no JSON; says why, and the line and column if these are known."""


class _RepeatedName(Exception):
    """An object has a name twice."""


class _NoConstant(Exception):
    """A number that JSON has not, as NaN."""


def read_json(text: str, *, strict: bool = False) -> Any:
    """Read a configuration's text.

    Args:
        text: with its comments.
        strict: refuse an object with a name twice, and NaN and Infinity, which osqueryd takes or refuses without a word.

    Raises:
        BadJson: the text names the line and the column.
    """
    plain, cuts = _plain(text)

    def place(position: int) -> str:
        return line_and_column(text, position + len(_CONTINUED) * bisect_right(cuts, position))

    try:
        if strict:
            return json.loads(plain, object_pairs_hook=_unique, parse_constant=_refuse)
        return json.loads(plain)
    except json.JSONDecodeError as error:
        raise BadJson(f"no JSON: {error.msg}: {place(error.pos)}") from error
    except (_RepeatedName, _NoConstant) as error:
        what, position = _culprit(plain)
        raise BadJson(f"{what}: {place(position)}") from error
    except RecursionError as error:
        raise BadJson("no JSON: nested too deep") from error
    except ValueError as error:
        raise BadJson(f"no JSON: {error}") from error


def _plain(text: str) -> tuple[str, list[int]]:
    """The text without what is no JSON, each character in its column; and before which characters lines were put together."""
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
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _RepeatedName
    return made


def _refuse(constant: str) -> Any:
    raise _NoConstant


def _culprit(plain: str) -> tuple[str, int]:
    """The first name that an object has twice, or number that JSON has not: what is wrong with it, and where it stands."""
    names: list[set[str]] = []
    found = list(_TOKEN.finditer(plain))
    for token, after in zip(found, [*found[1:], None], strict=True):
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
            return f"{text} is no JSON", token.start()
    raise AssertionError("unreachable: the reader found one")


__all__ = ["BadJson", "read_json"]
