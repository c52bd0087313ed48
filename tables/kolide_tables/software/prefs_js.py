r"""Read files of preferences as Firefox does: prefs.js, user.js, and the files of defaults.

Source: modules/libpref/parser/src/lib.rs in Firefox, which has the grammar:

    file  = pref*
    pref  = spec "(" string "," value ("," attribute)* ")" ";"
    spec  = "user_pref" | "lockPref", and in files of defaults "pref" and "sticky_pref"
    value = string | "true" | "false" | ("+" | "-")? digits, of 32 bits with a sign
    attribute = "sticky" | "locked", in files of defaults

A string has either quote and may hold line breaks; its escapes are \" \' \\ \n \r \xNN (a byte) and \uNNNN.
Comments are #, // and /* */. A NUL ends the file. After an error everything up to the next semicolon is
skipped. The last of several preferences with one name counts, but none after one that is locked. Firefox 153
reads lockPref; older versions take it for an error.

An autoconfig file is a program instead. Of it, the calls with a name and a plain value are read.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from kolide_kit.text import shown

__all__ = ["Preference", "PreferenceFile", "TooManyPreferences", "autoconfig_preferences", "preferences"]

_BLANKS = re.compile(r"[ \t\v\f\r\n]*")
_LINE_COMMENT = re.compile(r"(?:#|//)[^\r\n]*")
_WORD = re.compile(r"[A-Za-z_]+")
_DIGITS = re.compile(r"[0-9]+")
_SPECIAL = re.compile(r"[\\\"']")
_HEX = {"x": re.compile(r"[0-9A-Fa-f]{2}"), "u": re.compile(r"[0-9A-Fa-f]{4}")}
_SOME_HEX = re.compile(r"[0-9A-Fa-f]{1,3}")
# Firefox itself has some 5,000, and a profile fewer.
_MOST = 20_000
_ESCAPES = {'"': '"', "'": "'", "\\": "\\", "n": "\n", "r": "\r"}
_DEFAULT_SPECS = frozenset(("pref", "user_pref", "sticky_pref", "lockPref"))
_USER_SPECS = frozenset(("user_pref", "lockPref"))
_ATTRIBUTES = frozenset(("sticky", "locked"))
# Functions of autoconfig; a locked preference cannot be changed by the user.
_CALLS = {"pref": False, "defaultPref": False, "lockPref": True}
_END = ("end", "")
_ERROR = ("error", "")

_Token = tuple[str, str]


class Preference(NamedTuple):
    """A preference.

    Attributes:
        name: its name.
        value: its value as text.
        type: string, int or bool.
        is_locked: whether the user cannot change it.
    """

    name: str
    value: str
    type: str
    is_locked: bool = False


class PreferenceFile(NamedTuple):
    """The content of a file of preferences.

    Attributes:
        preferences: its preferences, each once.
        errors: number of places at which something else stands.
        first_error: line of the first of them; 0 without any.
    """

    preferences: list[Preference]
    errors: int
    first_error: int


class TooManyPreferences(Exception):
    """A file has more preferences than any browser; it is not read."""


class _Invalid(Exception):
    """A preference is not of the grammar; the parser recovers from the token."""

    def __init__(self, token: _Token) -> None:
        """Keep the token."""
        super().__init__()
        self.token = token


def preferences(content: bytes, on_step: Callable[[], None], *, is_default: bool) -> PreferenceFile:
    """Return the preferences of a file.

    Args:
        content: the file.
        on_step: called for each token, to check a deadline.
        is_default: whether it is a file of defaults and not of a profile.

    Raises:
        TooManyPreferences: there are far more than any browser has.
    """
    tokens = _Tokens(content, on_step)
    found: dict[str, Preference] = {}
    errors, first_error = 0, 0
    token = tokens.next()
    while token != _END:
        try:
            preference = _preference(token, tokens, is_default=is_default)
            known = found.get(preference.name)
            if known is None or not known.is_locked:
                found.pop(preference.name, None)
                found[preference.name] = preference
            if len(found) > _MOST:
                raise TooManyPreferences(f"more than {_MOST:,} preferences in one file")
            token = tokens.next()
        except _Invalid as error:
            errors += 1
            first_error = first_error or tokens.line()
            token = error.token
            while token not in (("mark", ";"), _END):
                token = tokens.next()
            token = token if token == _END else tokens.next()
    return PreferenceFile(list(found.values()), errors, first_error)


def autoconfig_preferences(content: bytes, on_step: Callable[[], None]) -> list[Preference]:
    """Return the preferences that an autoconfig file sets to plain values; its first line is not read."""
    tokens = _Tokens(content.partition(b"\n")[2], on_step)
    found: dict[str, Preference] = {}
    token = tokens.next()
    while token != _END:
        kind, word = token
        if kind != "word" or word not in (*_CALLS, "unlockPref"):
            token = tokens.next()
            continue
        try:
            _expect(tokens, "(")
            name = _text(tokens.next())
            if word == "unlockPref":
                if name in found:
                    found[name] = found[name]._replace(is_locked=False)
            else:
                _expect(tokens, ",")
                value, type_ = _value(tokens.next(), tokens)
                _expect(tokens, ")")
                found[name] = Preference(name, value, type_, _CALLS[word])
            token = tokens.next()
        except _Invalid as error:
            token = error.token  # the value is computed, or this is no call
    return list(found.values())


def _preference(token: _Token, tokens: "_Tokens", *, is_default: bool) -> Preference:
    kind, spec = token
    if kind != "word" or spec not in (_DEFAULT_SPECS if is_default else _USER_SPECS):
        raise _Invalid(token)
    _expect(tokens, "(")
    name = _text(tokens.next())
    _expect(tokens, ",")
    value, type_ = _value(tokens.next(), tokens)
    token = tokens.next()
    attributes: set[str] = set()
    while is_default and token == ("mark", ","):
        kind, attribute = token = tokens.next()
        if kind != "word" or attribute not in _ATTRIBUTES:
            raise _Invalid(token)
        attributes.add(attribute)
        token = tokens.next()
    if token != ("mark", ")"):
        raise _Invalid(token)
    _expect(tokens, ";")
    return Preference(name, value, type_, spec == "lockPref" or "locked" in attributes)


def _expect(tokens: "_Tokens", mark: str) -> None:
    token = tokens.next()
    if token != ("mark", mark):
        raise _Invalid(token)


def _text(token: _Token) -> str:
    kind, text = token
    if kind != "string":
        raise _Invalid(token)
    return text


def _value(token: _Token, tokens: "_Tokens") -> tuple[str, str]:
    """Return a value and its type."""
    kind, text = token
    if kind == "string":
        return text, "string"
    if kind == "word" and text in ("true", "false"):
        return text, "bool"
    sign = text if kind == "mark" and text in ("+", "-") else ""
    if sign:
        kind, text = token = tokens.next()
    # Longer ones are beyond 32 bits, and may be beyond what int() takes.
    number = int(text) if kind == "int" and len(text.lstrip("0")) < 11 else 1 << 31
    number = -number if sign == "-" else number
    if kind != "int" or not -(1 << 31) <= number < 1 << 31:
        raise _Invalid(token)
    return str(number), "int"


class _Tokens:
    """The tokens of a file: pairs of a kind (mark, word, int, string, error or end) and a text."""

    def __init__(self, content: bytes, on_step: Callable[[], None]) -> None:
        """Take the bytes as characters of one byte each; what is not ASCII stands only within strings."""
        self._text = content.removeprefix(b"\xef\xbb\xbf").partition(b"\0")[0].decode("latin-1")
        self._at = 0
        self._on_step = on_step

    def line(self) -> int:
        """Return the number of the line that the reader is in."""
        return self._text.count("\n", 0, self._at) + 1

    def next(self) -> _Token:
        """Return the next token."""
        self._on_step()
        if not self._skip():
            return _ERROR
        text, at = self._text, self._at
        if at == len(text):
            return _END
        character = text[at]
        if match := _WORD.match(text, at):
            self._at = match.end()
            return "word", match[0]
        if match := _DIGITS.match(text, at):
            self._at = match.end()
            # `100foo` is no number; the reader goes on with foo.
            return _ERROR if _WORD.match(text, self._at) else ("int", match[0])
        self._at += 1
        if character in "\"'":
            return self._string(character)
        return ("mark", character) if character in "(),;+-" else _ERROR

    def _skip(self) -> bool:
        """Go past blanks and comments; return False for a comment without an end, or a lone slash."""
        while True:
            match = _BLANKS.match(self._text, self._at)
            assert match is not None, "it matches nothing at all as well"
            self._at = match.end()
            if comment := _LINE_COMMENT.match(self._text, self._at):
                self._at = comment.end()
                continue
            if not self._text.startswith("/", self._at):
                return True
            if not self._text.startswith("/*", self._at):
                self._at = min(self._at + 2, len(self._text))
                if self._text[self._at - 1 : self._at] in ("\n", "\r"):
                    self._at -= 1
                return False
            end = self._text.find("*/", self._at + 2)
            if end < 0:
                self._at = len(self._text)
                return False
            self._at = end + 2

    def _string(self, quote: str) -> _Token:
        """Return the string whose opening quote has been read; one with a wrong escape is an error."""
        parts: list[str] = []
        is_right = True
        while (match := _SPECIAL.search(self._text, self._at)) is not None:
            parts.append(self._text[self._at : match.start()])
            self._at = match.end()
            if match[0] == quote:
                return ("string", shown("".join(parts).encode("latin-1"))) if is_right else _ERROR
            piece = self._escape() if match[0] == "\\" else match[0]
            if piece is None:
                is_right = False
            else:
                parts.append(piece)
        self._at = len(self._text)
        return _ERROR

    def _escape(self) -> str | None:
        """Return the characters, one for each byte, of the escape after a backslash; None for a wrong one."""
        letter = self._text[self._at : self._at + 1]
        if letter in _ESCAPES:
            self._at += 1
            return _ESCAPES[letter]
        if letter not in ("x", "u"):
            self._at += letter not in ("", "\n", "\r")
            return None
        self._at += 1
        code = self._hexadecimal(letter)
        if code is None or code == 0:
            return None
        if letter == "x":
            return chr(code)
        if code & 0xF800 == 0xD800:
            code = self._pair(code)
        return None if code is None else chr(code).encode().decode("latin-1")

    def _pair(self, high: int) -> int | None:
        """Return the character of two escapes, of which the first has been read."""
        if high & 0xFC00 == 0xDC00 or not self._take("\\") or not self._take("u"):
            return None
        low = self._hexadecimal("u")
        if low is None or low & 0xFC00 != 0xDC00:
            return None
        return 0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF)

    def _take(self, character: str) -> bool:
        is_next = self._text.startswith(character, self._at)
        self._at += is_next
        return is_next

    def _hexadecimal(self, letter: str) -> int | None:
        """Return the number in the digits of an escape; if they are too few, they alone are read."""
        match = _HEX[letter].match(self._text, self._at)
        if match is not None:
            self._at = match.end()
            return int(match[0], 16)
        digits = _SOME_HEX.match(self._text, self._at)
        self._at = self._at if digits is None else digits.end()
        return None
