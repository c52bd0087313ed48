"""Turn YAML into rows while it is read: one document, or several with their index as the first key."""

from kolide_kit.limits import Budget

from ..reading.parsing import MAX_DEPTH
from ..reading.yamltext import YamlReader
from .flatten import Cell, Document, Walker
from .streamed import ElementRows, Root, live
from .terms import Term

__all__ = ["YamlText"]


class YamlText(Document):
    """A stream of YAML documents."""

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Return the rows of the selected values; raises ParseError."""
        walker = Walker(terms, budget)
        reader = YamlReader(self._text, budget)
        if reader.next_document():
            root = Root(walker)
            root.finish(reader.document(root.place))
            if reader.next_document():
                budget.drop_rows(len(live(walker.rows)))
                walker = self._several(terms, budget)
        return live(walker.rows)

    def _several(self, terms: tuple[Term, ...], budget: Budget) -> Walker:
        walker = Walker(terms, budget, deepest=MAX_DEPTH + 1)
        documents = ElementRows(walker, "", "", 0)
        reader = YamlReader(self._text, budget)
        while reader.next_document():
            documents.append(reader.document(documents.place(reader.pos)))
        documents.flush()
        return walker
