"""Several JSON documents in one text: JSON lines, and JSON with comments."""

import re

from kolide_tables.datafiles.errors import MAX_DEPTH, ParseError
from kolide_tables.datafiles.flatten import Cell, Walker
from kolide_tables.datafiles.jsontext import JsonScanner, json_error
from kolide_tables.datafiles.terms import Term
from kolide_tables.limits import Budget

__all__ = ["JsonDocuments", "without_comments"]


class JsonDocuments:
    """JSON values one after the other, with white space between them; the first term of a query is for their index.

    Attributes:
        problems: what was wrong with single lines, once `select` has met them.
    """

    def __init__(self, text: str, *, lines: bool) -> None:
        """Keep the text; if `lines`, a line that is no JSON does not spoil the others."""
        self._text = text
        self._lines = lines
        self.problems: list[str] = []

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Rows of what the query selects.

        A line that is no JSON keeps its index and gives no rows. Raises ParseError where the text is no JSON and not just
        in single lines, and where no line at all is JSON.
        """
        walker = Walker(terms, budget, deepest=MAX_DEPTH + 1)
        scanner = JsonScanner(self._text, walker)
        rows = walker.rows
        bad: list[ParseError] = []
        index, position = 0, scanner.skip(0)
        while position < len(self._text):
            budget.step()
            walker.rows = []
            try:
                position = scanner.skip(self._document(scanner, walker, index, position))
            except ParseError as error:
                budget.drop_rows(len(walker.rows))
                line_end = self._text.find("\n", position) % (len(self._text) + 1)
                if not self._lines or not self._is_of_one_line(error, line_end):
                    raise
                bad.append(error)
                position = scanner.skip(line_end)
            else:
                rows.extend(walker.rows)
            index += 1
        if bad and len(bad) == index:
            raise bad[0]
        self.problems = [f"{len(bad):,} of {index:,} lines left out; the first: {bad[0]}"] if bad else []
        return rows

    def _is_of_one_line(self, error: ParseError, line_end: int) -> bool:
        """Whether a document that is wrong can be left out with its line: the next one begins after it."""
        if error.position is None or error.position <= line_end:
            return True
        # A line that was cut off is noticed in a later one only. A document of several lines looks different: the
        # lines that belong to it are indented, or begin with something else.
        following = _LINE_ENDS.match(self._text, line_end)
        return following is None or self._text[following.end() : following.end() + 1] in ("", "{", "[")

    def _document(self, scanner: JsonScanner, walker: Walker, index: int, position: int) -> int:
        term = walker.term(0)
        if term is not None and term.by_content:
            value, end = scanner.whole(position)
            walker.elements([value], "", index, 0)
        else:
            wanted = term is None or term.index == index
            end = scanner.value(position, "", str(index), 1, wanted=wanted)
        after = scanner.skip(end)
        # Documents may share a line, but what only begins like a document must not pass for one.
        same_line = after < len(self._text) and "\n" not in self._text[end:after]
        if self._lines and same_line and self._text[after] not in "{[":
            raise json_error(self._text, "more after the end of the document", after)
        return after


def without_comments(text: str) -> str:
    """JSON with comments as JSON: `//` and `/* */` comments and trailing commas become white space of the same length."""
    if "/" in text:
        text = _STRING_OR_COMMENT.sub(_blank_comment, text)
    return _STRING_OR_COMMA.sub(_blank_comma, text)


_LINE_ENDS = re.compile(r"[\r\n]*")
# A string ends at its quote or, being wrong then, at the end of its line. Possessive quantifiers: nothing is tried twice.
_STRING = r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?'
_STRING_OR_COMMENT = re.compile(_STRING + r"|//[^\n]*+|/\*(?:(?s:.*?)\*/|(?P<endless>))")
_STRING_OR_COMMA = re.compile(_STRING + r"|(?P<empty>[\[{][ \t\r\n]*+,)|,(?=[ \t\r\n]*+[\]}])")
_NOT_SPACE = re.compile(r"[^ \t\r\n]")


def _blank_comment(match: re.Match[str]) -> str:
    found = match.group()
    if found[0] == '"':
        return found
    if match["endless"] is not None:
        raise json_error(match.string, "a comment without an end", match.start())
    return _NOT_SPACE.sub(" ", found)


def _blank_comma(match: re.Match[str]) -> str:
    found = match.group()
    if match["empty"]:
        raise json_error(match.string, "a comma without a value before it", match.end() - 1)
    return " " if found == "," else found
