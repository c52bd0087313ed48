"""Read the scalars of YAML: quoted texts, literal and folded blocks, and the types of YAML 1.2's core schema.

The types are null, true and false, integers (`0o17` and `0x1f` too) and floats. So `NO`, `on`, `1_000`,
`22:22` and `2001-12-14` are texts. A tag of YAML's own makes its type, with `!!binary` and `!!timestamp` as
well; a tag that YAML does not have (`!Ref`, `!vault`) makes a text.
"""

import re
from binascii import Error, a2b_base64
from collections.abc import Callable

__all__ = ["BadEscape", "double_quoted", "folded", "literal", "plain_value", "single_quoted", "tagged_value"]

_PREFIX = "tag:yaml.org,2002:"
_WORDS: dict[str, object] = (
    dict.fromkeys(("null", "Null", "NULL", "~"), None)
    | dict.fromkeys(("true", "True", "TRUE"), True)
    | dict.fromkeys(("false", "False", "FALSE"), False)
)
_NUMBER_STARTS = frozenset("0123456789+-.")
_WORD_STARTS = frozenset("~nNtTfF")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]*)?"
    r"(?:[ \t]*(?:Z|([-+])([0-9]{1,2})(?::?([0-9]{2}))?))?)?"
)

# A line break between texts, with the blanks around it and the empty lines after it. What begins before a
# blank alone keeps long runs of blanks cheap.
_FOLD = r"(?P<fold>(?<![ \t])[ \t]*\n[ \t\n]*)"
_IN_SINGLE = re.compile(rf"''|{_FOLD}")
_IN_DOUBLE = re.compile(
    r"\\(?:x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})"
    r"|(?P<joined>\n[ \t\n]*)|(?P<blank>[ \t](?:[ \t]*\n[ \t\n]*)?)|(?P<letter>.))"
    rf"|{_FOLD}"
)
_LETTERS = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
    '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_SURROGATE = re.compile("[\ud800-\udfff]")


class BadEscape(ValueError):
    """A backslash escapes what YAML does not have; the text names it."""


def plain_value(text: str) -> object:
    """Return the value of a scalar without quotes and tag."""
    start = text[:1]
    if start in _WORD_STARTS:
        return _WORDS.get(text, text)
    return _number(text) if start in _NUMBER_STARTS else text or None


def _number(text: str) -> object:
    if _INTEGER.fullmatch(text):
        return _integer(text, 10)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _OTHER_BASE.fullmatch(text):
        return _integer(text, 0)
    special = _NOT_FINITE.fullmatch(text)
    if special is not None:
        return float(f"{special[1] or ''}{text.lstrip('+-.')}")
    return text


def _integer(text: str, base: int) -> object:
    try:
        return int(text, base)
    except ValueError:
        # int() refuses more than 4,300 digits; such a number stays a text.
        return text


def tagged_value(text: str, tag: str) -> object:
    """Return the value of a scalar with a tag; a text that does not fit the tag stays a text."""
    build = _BUILT.get(tag.removeprefix(_PREFIX)) if tag.startswith(_PREFIX) else None
    if build is None:
        return text
    try:
        return build(text)
    except (ValueError, Error):
        return text


def _only(*types: type) -> Callable[[str], object]:
    """Return a function that makes a value of these types, or leaves the text."""

    def build(text: str) -> object:
        value = plain_value(text)
        return value if type(value) in types else text

    return build


def _float(text: str) -> object:
    value = plain_value(text)
    return float(value) if type(value) in (int, float) else text  # type: ignore[arg-type]


def _timestamp(text: str) -> object:
    from .scalars import civil_seconds

    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return text
    parts = [int(part or 0) for part in match.group(1, 2, 3, 4, 5, 6)]
    offset = 3600 * int(match[8] or 0) + 60 * int(match[9] or 0)
    return civil_seconds(*parts) - (-offset if match[7] == "-" else offset)


_BUILT: dict[str, Callable[[str], object]] = {
    "null": _only(type(None)),
    "bool": _only(bool),
    "int": _only(int),
    "float": _float,
    "binary": lambda text: a2b_base64("".join(text.split())),
    "timestamp": _timestamp,
}


def single_quoted(text: str) -> str:
    """Return the text between single quotes, with its lines folded."""
    return _IN_SINGLE.sub(_in_single, text) if "'" in text or "\n" in text else text


def double_quoted(text: str) -> str:
    """Return the text between double quotes, with its lines folded and its escapes replaced.

    Raises BadEscape.
    """
    if "\\" not in text and "\n" not in text:
        return text
    text = _IN_DOUBLE.sub(_in_double, text)
    if _SURROGATE.search(text):
        # Two escapes of UTF-16, as JSON has them, are one character.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text


def _fold(lines: str) -> str:
    return "\n" * (lines.count("\n") - 1) or " "


def _in_single(match: re.Match[str]) -> str:
    return _fold(match["fold"]) if match["fold"] else "'"


def _in_double(match: re.Match[str]) -> str:
    kind = match.lastgroup
    content = match[kind] if kind else ""
    if kind == "fold":
        return _fold(content)
    if kind == "joined":
        return "\n" * (content.count("\n") - 1)
    if kind == "blank":
        return content[0] + (_fold(content) if "\n" in content else "")
    if kind == "letter":
        if content not in _LETTERS:
            raise BadEscape(f"\\{content} is no escape")
        return _LETTERS[content]
    code = int(content, 16)
    if code > 0x10FFFF:
        raise BadEscape(f"\\U{content} is no character")
    return chr(code)


def literal(lines: list[str], chomping: str) -> str:
    """Return the text of a literal block; `chomping` is "-", "+" or empty."""
    end = len(lines)
    while end and not lines[end - 1]:
        end -= 1
    return _chomped("\n".join(lines[:end]), chomping, len(lines) - end)


def folded(lines: list[str], chomping: str) -> str:
    """Return the text of a folded block: lines that are indented deeper keep their line breaks."""
    parts: list[str] = []
    blank, was_deeper = 0, False
    for line in lines:
        if not line:
            blank += 1
            continue
        deeper = line[0] in " \t"
        if not parts:
            parts.append("\n" * blank)
        elif deeper or was_deeper:
            parts.append("\n" * (blank + 1))
        else:
            parts.append("\n" * blank or " ")
        parts.append(line)
        blank, was_deeper = 0, deeper
    return _chomped("".join(parts), chomping, blank)


def _chomped(text: str, chomping: str, blank: int) -> str:
    if chomping == "+":
        return text + "\n" * (blank + bool(text))
    return f"{text}\n" if text and not chomping else text
