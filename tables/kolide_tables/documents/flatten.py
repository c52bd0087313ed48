"""Turn a document of maps, arrays and scalars into rows: each value that a query selects, with its keys."""

from collections.abc import Iterable, Sequence
from typing import Any

from kolide_kit.limits import Budget

from ..reading.parsing import MAX_DEPTH, too_deep
from ..reading.scalars import key_text, text_of
from .terms import Term

__all__ = ["Cell", "Document", "Documents", "Tree", "Walker"]

# fullkey, parent, key, value
Cell = tuple[str, str, str, str]


class Walker:
    """Walks the values that the terms of one query select, and collects the rows.

    Attributes:
        rows: the rows so far; may be exchanged for another list, to collect some of them apart.
        terms: the query.
        budget: what is left to spend; every row and every step is counted there.
    """

    __slots__ = ("_deepest", "budget", "rows", "terms")

    def __init__(self, terms: tuple[Term, ...], budget: Budget, *, deepest: int = MAX_DEPTH) -> None:
        """Begin without rows; containers may be nested in `deepest` - 1 others."""
        self.rows: list[Cell] = []
        self.terms = terms
        self.budget = budget
        self._deepest = deepest

    def term(self, depth: int) -> Term | None:
        """Return the term for keys and elements at this depth; None if everything matches."""
        if depth < len(self.terms):
            term = self.terms[depth]
            return None if term.any else term
        return None

    def enter(self, prefix: str, key: str, depth: int) -> str:
        """Return the beginning of the full keys in a container; raises ParseError if it is too deep."""
        if depth >= self._deepest:
            raise too_deep()
        return f"{prefix}{key}/" if depth else ""

    def walk(self, value: object, prefix: str, key: str, depth: int) -> None:
        """Collect the rows of a value.

        `prefix` is the part of the full key before `key`, with a slash at its end unless it is empty. `depth`
        is the number of containers that the value is in, and the place of its term in the query.
        """
        term = self.term(depth)
        if isinstance(value, dict):
            self.members(value, self.enter(prefix, key, depth), depth)
        elif isinstance(value, list):
            self.elements(value, self.enter(prefix, key, depth), 0, depth)
        elif value is not None:
            text = text_of(value)
            if term is None or term.matches(text):
                self.budget.add_rows()
                self.rows.append((prefix + key, prefix[:-1], key, text))

    def members(self, values: dict[Any, object], below: str, depth: int) -> None:
        """Collect the rows of members of a map."""
        self.budget.step(len(values))
        term = self.term(depth)
        for name, member in values.items():
            text = key_text(name)
            if term is None or term.matches(text):
                self.walk(member, below, text, depth + 1)

    def elements(self, values: list[object], below: str, first: int, depth: int) -> None:
        """Collect the rows of elements of an array; `values[0]` is number `first`."""
        self.budget.step(len(values))
        term = self.term(depth)
        if term is None:
            for index, value in enumerate(values, first):
                self.walk(value, below, str(index), depth + 1)
            return
        if term.index is not None:
            index = term.index
            if 0 <= index - first < len(values):
                self.walk(values[index - first], below, str(index), depth + 1)
            return
        for index, value in enumerate(values, first):
            name = term.name_element(index, value)
            if name is not None:
                self.walk(value, below, name, depth + 1)


class Document:
    """A document, or a file of several, that a query can select values from."""

    problems: Sequence[str] = ()
    """Messages about the parts that the last `select` left out."""

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Return the rows of the values that the query selects; raises ParseError."""
        raise NotImplementedError


class Tree(Document):
    """A document that is in memory."""

    def __init__(self, value: object) -> None:
        """Keep the value: a dict, list or scalar, with nothing else inside."""
        self._value = value

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Return the rows of the selected values; raises ParseError if they are nested too deep."""
        walker = Walker(terms, budget)
        walker.walk(self._value, "", "", 0)
        return walker.rows


class Documents(Document):
    """Several documents, or records, that are made while they are walked.

    The first term is for their index.
    """

    def __init__(self, values: Iterable[object]) -> None:
        """Keep an iterable that can be iterated many times."""
        self._values = values

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Return the rows of the selected values; raises ParseError if they are nested too deep."""
        walker = Walker(terms, budget, deepest=MAX_DEPTH + 1)
        for index, value in enumerate(self._values):
            walker.elements([value], "", index, 0)
        return walker.rows
