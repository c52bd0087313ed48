"""Read INI: sections of keys and values, in the dialects that are in use.

INI has no standard. This reads sections `[name]`, where keys before the first section, and those of a section
DEFAULT, are under DEFAULT; `key = value` and `key: value`; a key alone, with the empty text as its value;
comments from `#` or `;` at the beginning of a line, or after white space in an unquoted value; values in one
pair of quotes; values that continue in the next line, after a lone backslash at the end, or in lines that are
indented deeper than the key. A repeated section adds to the first one, a repeated key replaces it. Nothing is
interpolated.

The words for yes and no that go-ini knows become true and false, as in Kolide's own kolide_ini.
"""

import re

from kolide_kit.limits import Budget

from ..reading.parsing import ParseError, error_at

__all__ = ["ini_document"]

_DEFAULT = "DEFAULT"
_TRUE = ("t", "T", "true", "TRUE", "True", "YES", "yes", "Yes", "y", "ON", "on", "On")
_FALSE = ("f", "F", "false", "FALSE", "False", "NO", "no", "No", "n", "OFF", "off", "Off")
_WORDS = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)

_DELIMITER = re.compile(r"[=:]")
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))[#;]")
_LINE = re.compile(r"([^\r\n]*)(?:\r\n?|\n|\Z)")
_SECTION = re.compile(r"\[(.*?)\][ \t]*(?:[#;].*)?")
_QUOTED = re.compile(r"""(["'`])((?:(?!\1).)*)\1[ \t]*(?:[#;].*)?""")
_GOES_ON = re.compile(r"(?:^|(?<=[ \t]))\\$")


def ini_document(text: str, budget: Budget) -> object:
    """Return the document, a map of sections, which are maps of texts and booleans; raises ParseError.

    Only a section without its `]` and NUL characters are errors.
    """
    if "\0" in text:
        raise error_at(text, text.index("\0"), "a NUL character: no text")
    reader = _Reader()
    for number, line in enumerate(_LINE.finditer(text), 1):
        budget.step()
        reader.line(line[1], number)
    return reader.finish()


class _Reader:
    def __init__(self) -> None:
        self._sections: dict[str, dict[str, bool | str]] = {}
        self._names: dict[str, str] = {}
        self._section = _DEFAULT
        self._key: str | None = None
        self._value: list[str] = []
        self._indent = 0
        self._joins = False

    def line(self, line: str, number: int) -> None:
        stripped = line.strip()
        if self._joins:
            self._joins = False
            self._add(stripped, join=True)
        elif not stripped:
            self._store()
        elif stripped[0] in "#;":
            return
        elif self._continues(line, stripped):
            self._add(stripped)
        elif stripped[0] != "[":
            self._begin_key(line, stripped)
        elif (section := _SECTION.fullmatch(stripped)) is not None:
            self._store()
            self._section = section[1].strip()
        else:
            raise ParseError(f"line {number}, column {_indent(line) + 1}: a section without its ]")

    def finish(self) -> dict[str, dict[str, bool | str]]:
        self._store()
        return self._sections

    def _continues(self, line: str, stripped: str) -> bool:
        if self._key is None or _indent(line) <= self._indent:
            return False
        # Indented keys below a key that is not indented are in use as well: an indented line with a delimiter
        # continues only a value that has not begun.
        return not self._value[0] or len(self._value) > 1 or _DELIMITER.search(stripped) is None

    def _begin_key(self, line: str, stripped: str) -> None:
        self._store()
        delimiter, comment = _DELIMITER.search(stripped), _COMMENT.search(stripped)
        end = len(stripped) if delimiter is None else delimiter.start()
        if comment is not None:
            end = min(end, comment.start())
        self._key = _unquoted(stripped[:end].strip())
        self._indent = _indent(line)
        self._value = []
        # A comment before the delimiter hides it, and the key stands alone.
        self._add(stripped[end + 1 :].strip() if delimiter is not None and end == delimiter.start() else "")

    def _add(self, text: str, *, join: bool = False) -> None:
        goes_on = _GOES_ON.search(text)
        if goes_on is not None:
            self._joins = True
            text = text[: goes_on.start()].rstrip()
        if join:
            self._value[-1] = f"{self._value[-1]} {text}".strip()
        else:
            self._value.append(text)

    def _store(self) -> None:
        if self._key is None:
            return
        # A value that begins in the next line does not begin with an empty line.
        lines = self._value[1:] if len(self._value) > 1 and not self._value[0] else self._value
        text = "\n".join(map(_unquoted, lines))
        # Many sections have the same keys, which are kept once.
        key = self._names.setdefault(self._key, self._key)
        self._sections.setdefault(self._section, {})[key] = _WORDS.get(text, text)
        self._key = None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return quoted[2]
    comment = _COMMENT.search(text)
    return text if comment is None else text[: comment.start()].rstrip()
