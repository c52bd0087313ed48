"""Find long lines of prose in Markdown pages, and docstrings that begin with another word than they should.

In pages, tables, headings, code and text that a program generates stay as they are. So does a line of one
word, such as a long name in back quotes or a link, because it cannot be broken.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 110
_GENERATED = "<!-- generated from here on"
_FENCE = re.compile(r"\s*(```+|~~~+)")
_KEPT = re.compile(r"\s*(\||#|<!--)")
# A word: code in back quotes, a link, or anything else without blanks.
_WORD = re.compile(r"(?:`+[^`]*`+|\[[^\]]*\]\([^)\s]*\)|\S)+")


def long_lines(text: str) -> Iterator[int]:
    """Yield the numbers of the lines that have to be broken."""
    fence = ""
    may_be_code = True  # lines with four blanks are code, unless they continue a paragraph or a list
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(_GENERATED):
            return
        mark = _FENCE.match(line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
            continue
        is_code = bool(fence) or (may_be_code and line.startswith("    "))
        may_be_code = is_code or not line.strip()
        if len(line) > MOST and not is_code and not _KEPT.match(line) and len(_WORD.findall(line)) > 1:
            yield number


# A docstring begins with a verb, or with the noun of the thing.
_NO_BEGINNING = re.compile(r"(?:What|Who|Whose|Which|Where|Whether|When|Of|How|As|The same)\b")


def wrong_beginnings(source: str) -> Iterator[str]:
    """Yield the first line of each docstring, those of attributes included, that begins with another word."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str) and _NO_BEGINNING.match(text.strip()):
                yield text.strip().splitlines()[0]
