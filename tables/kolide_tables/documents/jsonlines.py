"""Read JSON lines: a document in each line."""

import re

from kolide_kit.limits import Budget

from ..reading.parsing import MAX_DEPTH, JsonError, ParseError
from .flatten import Cell, Document, Walker
from .jsontext import JsonDecode, JsonScanner
from .terms import Term

__all__ = ["JsonLines"]

_LINE_ENDS = re.compile(r"[\r\n]*")


class JsonLines(Document):
    """JSON values, mostly one a line; the first term of a query is for their index.

    A line may have several maps and arrays, and a value several lines. A line that is not JSON, like the last
    one of a log that is being written, does not spoil the others: it has an index, has no rows, and is
    reported.

    Attributes:
        problems: the report on lines that the last `select` left out.
    """

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Return the rows of the selected values.

        Raises ParseError if no line is JSON, or more than single lines are wrong.
        """
        reading = _Reading(self._text, Walker(terms, budget, deepest=MAX_DEPTH + 1))
        reading.run()
        if reading.bad and reading.bad == reading.index:
            raise ParseError(reading.first_problem)
        left_out = f"{reading.bad:,} of {reading.index:,} lines left out; the first: {reading.first_problem}"
        self.problems = [left_out] if reading.bad else []
        return reading.rows


class _Reading:
    def __init__(self, text: str, walker: Walker) -> None:
        self.rows: list[Cell] = []
        self.index = 0
        self.bad = 0
        self.first_problem = ""
        self._text = text
        self._walker = walker
        self._decode = JsonDecode()

    def run(self) -> None:
        text = self._text
        position, number = 0, 1
        while position < len(text):
            line_end = text.find("\n", position) % (len(text) + 1)
            # Scan each line as a text of its own, so that an error in it costs no more than the line.
            line = JsonScanner(text[position:line_end], self._walker, decode=self._decode)
            start = line.skip(0)
            self._walker.budget.step()
            try:
                while position + start < line_end:
                    start = self._document(line, start)
            except ParseError as error:
                if self._goes_on(error, line, line_end):
                    end = self._lines(position + start)
                    number += text.count("\n", position, end)
                    position = end
                    continue
                self._leave_out(error, number)
            position = line_end + 1
            number += 1

    def _document(self, line: JsonScanner, start: int) -> int:
        self._walker.rows = []
        end = line.document(start, self.index)
        after = line.skip(end)
        # A line that only begins like a document must not pass for one.
        if line.text[after : after + 1] not in ("", "{", "["):
            raise JsonError(line.text, "more after the end of the document", after)
        self._keep()
        return after

    def _goes_on(self, error: ParseError, line: JsonScanner, line_end: int) -> bool:
        """Return whether a document that its line does not end continues in the next lines, and is not cut
        off.

        The lines of such a document are indented, or do not begin like a document.
        """
        if not isinstance(error, JsonError) or error.position < len(line.text.rstrip()):
            return False
        following = _LINE_ENDS.match(self._text, line_end)
        assert following is not None
        return self._text[following.end() : following.end() + 1] not in ("", "{", "[")

    def _lines(self, position: int) -> int:
        self._walker.rows = []
        end = JsonScanner(self._text, self._walker, decode=self._decode).document(position, self.index)
        self._keep()
        return end

    def _keep(self) -> None:
        self.rows.extend(self._walker.rows)
        self.index += 1

    def _leave_out(self, error: ParseError, number: int) -> None:
        self._walker.budget.drop_rows(len(self._walker.rows))
        self.bad += 1
        self.index += 1
        if not self.first_problem:
            place = f", column {error.position + 1}" if isinstance(error, JsonError) else ""
            problem = error.problem if isinstance(error, JsonError) else error
            self.first_problem = f"line {number}{place}: {problem}"
