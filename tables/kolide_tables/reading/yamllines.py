"""Move through the lines of a YAML text: blanks, comments, indentation, document markers, scalars' ends.

`Lines` has the position that the parsers of blocks and of flow collections share.
"""

import re

from .parsing import ParseError, error_at
from .yamlnodes import Properties
from .yamlscalars import BadEscape, double_quoted, single_quoted

__all__ = ["BLANK", "INDICATORS", "Lines"]

BLANK = frozenset(" \t\n")
# Characters that begin no plain scalar; three more begin one before something else than a blank.
INDICATORS = frozenset(",[]{}#&*!|>'\"%@`")

_REST_OF_LINE = re.compile(r"(?:[ \t]+#[^\n]*|[ \t]*)(?P<end>\n)?")
_BLANK_LINE = re.compile(r"[ \t]*(?:#[^\n]*)?\n")
_SPACES = re.compile(r" *")
_BLANKS = re.compile(r"[ \t]*")
_MARKER = re.compile(r"(?:---|\.\.\.)(?=[ \t\n])")
_ANCHOR = re.compile(r"&([^ \t\n,\[\]{}]+)")
_TAG = re.compile(r"!(?:<([^ \t\n<>]+)>|([0-9A-Za-z-]*!)?([0-9A-Za-z%#;/?:@&=+$_.~*'()-]*))")
_QUOTE_ENDS = {"'": re.compile("'"), '"': re.compile(r'["\\]')}
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f]")


class Lines:
    """A position in a text.

    Attributes:
        text: the text; its lines end with line feeds.
        pos: index of the next character.
        column: number of spaces before a token that is the first of its line; -1 at a document's end.
        tabbed: whether a tab is among the blanks before the token.
        tags: what the handles of tags stand for.
    """

    def __init__(self, text: str) -> None:
        """Begin at the first line; raises ParseError for control characters."""
        control = _CONTROL.search(text)
        if control is not None:
            raise error_at(text, control.start(), "a control character")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        self.text = text if text.endswith("\n") else f"{text}\n"
        self.pos = 0
        self.column = -1
        self.tabbed = False
        self.tags: dict[str, str] = {}
        self._fresh = -1
        self._line = 0

    def error(self, problem: str, position: int | None = None) -> ParseError:
        """Return an error with the line and column of a position, else of the next character."""
        return error_at(self.text, self.pos if position is None else position, problem)

    # -- blanks and lines

    def gap(self) -> bool:
        """Skip blanks, comments and line ends; return whether the next token is the first of its line."""
        if self.pos == self._fresh:
            return True
        rest = _REST_OF_LINE.match(self.text, self.pos)
        assert rest is not None
        if rest["end"]:
            self.begin_line(rest.end())
            return True
        self.tabbed = "\t" in self.text[self.pos : rest.end()]
        self.pos = rest.end()
        return False

    def begin_line(self, start: int) -> None:
        """Go to the first token from the beginning of a line on."""
        text = self.text
        while (blank := _BLANK_LINE.match(text, start)) is not None:
            start = blank.end()
        spaces = _SPACES.match(text, start)
        assert spaces is not None
        self._line = start
        self.tabbed = False
        if start >= len(text) or self.at_marker(start):
            self.column = -1
            self.pos = self._fresh = start
            return
        self.column = spaces.end() - start
        blanks = _BLANKS.match(text, spaces.end())
        assert blanks is not None
        self.tabbed = blanks.end() > spaces.end()
        self.pos = self._fresh = blanks.end()

    def found_line(self, token: int, column: int) -> None:
        """Take over a token that is known to be the first of its line, after spaces alone."""
        self.pos = self._fresh = token
        self._line = token - column
        self.column = column
        self.tabbed = False

    def at_marker(self, start: int) -> bool:
        """Return whether the line that begins there is `---` or `...`, maybe with more after it."""
        return self.text[start : start + 1] in ("-", ".") and _MARKER.match(self.text, start) is not None

    def token_column(self) -> int:
        """Return the column of the next character."""
        return self.pos - self._line

    def skip_blanks(self, position: int) -> int:
        """Return the position after blanks in the line."""
        blanks = _BLANKS.match(self.text, position)
        assert blanks is not None
        return blanks.end()

    def is_blank(self, position: int) -> bool:
        """Return whether a blank or the end of the line is there."""
        return self.text[position : position + 1] in BLANK

    # -- what nodes begin with

    def properties(self) -> Properties:
        """Read an anchor and a tag, in any order; none is fine."""
        anchor = tag = ""
        while True:
            character = self.text[self.pos : self.pos + 1]
            if character == "&" and not anchor:
                match = _ANCHOR.match(self.text, self.pos)
                anchor = match[1] if match else ""
            elif character == "!" and not tag:
                match = _TAG.match(self.text, self.pos)
                tag = self._tag(match) if match else ""
            else:
                return Properties(anchor, tag)
            if match is None or self.text[match.end()] not in " \t\n,[]{}":
                raise self.error("an anchor or a tag that is none")
            self.pos = match.end()
            after = self.skip_blanks(self.pos)
            if self.text[after] not in "&!":
                return Properties(anchor, tag)
            if after == self.pos:
                raise self.error("no blank between an anchor and a tag")
            self.pos = after

    def _tag(self, match: re.Match[str]) -> str:
        written, handle, suffix = match.groups()
        if written:
            return str(written)
        handle = f"!{handle or ''}"
        if handle == "!" and not suffix:
            return "!"
        if handle not in self.tags or not suffix:
            raise self.error("a tag whose handle no directive declares")
        return self.tags[handle] + str(suffix)

    def alias(self) -> str:
        """Read the name of an alias."""
        match = _ANCHOR.match(f"&{self.text[self.pos + 1 : self.pos + 1_025]}")
        if match is None:
            raise self.error("an alias without a name")
        self.pos += match.end()
        return match[1]

    # -- scalars in quotes

    def quoted(self, indent: int) -> str:
        """Read a text in quotes; its further lines are indented deeper than `indent`."""
        start, quote = self.pos, self.text[self.pos]
        end = start + 1
        while (mark := _QUOTE_ENDS[quote].search(self.text, end)) is not None:
            if mark[0] == "\\" or (quote == "'" and self.text.startswith("''", mark.start())):
                end = mark.start() + 2
                continue
            self.pos = mark.end()
            break
        else:
            raise self.error("a text without its closing quote")
        raw = self.text[start + 1 : self.pos - 1]
        if "\n" in raw:
            self._check_lines(start, raw, indent)
        try:
            return single_quoted(raw) if quote == "'" else double_quoted(raw)
        except BadEscape as error:
            raise self.error(str(error), start) from error

    def _check_lines(self, start: int, raw: str, indent: int) -> None:
        position = start + 1
        first, *lines = raw.split("\n")
        position += len(first) + 1
        for number, line in enumerate(lines, 1):
            spaces = len(line) - len(line.lstrip(" "))
            has_text = bool(line.strip(" \t")) or number == len(lines)
            if has_text and (spaces <= indent or self.at_marker(position)):
                raise self.error("a line of a text that is not indented enough", position)
            position += len(line) + 1
