"""Read JSON with comments and trailing commas, as editors write it, one document or several."""

from kolide_kit.limits import Budget

from ..reading.jsoncomments import without_comments
from ..reading.parsing import MAX_DEPTH
from .flatten import Cell, Document, Walker
from .jsontext import JsonScanner
from .terms import Term

__all__ = ["JsonWithComments"]


class JsonWithComments(Document):
    """JSON values one after the other, with blanks and comments between them.

    The first term is for their index.
    """

    def __init__(self, text: str) -> None:
        """Remove the comments; raises ParseError for one without an end."""
        self._text = without_comments(text)

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Return the rows of the selected values; raises ParseError if the text is not JSON."""
        walker = Walker(terms, budget, deepest=MAX_DEPTH + 1)
        scanner = JsonScanner(self._text, walker)
        index, position = 0, scanner.skip(0)
        while position < len(self._text):
            budget.step()
            position = scanner.skip(scanner.document(position, index))
            index += 1
        return walker.rows
