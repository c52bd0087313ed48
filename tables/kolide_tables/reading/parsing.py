"""The errors of the parsers of documents, and the depth that all of them refuse."""

from typing import Any

# Deeper than any document made for use, and far from the depth at which a recursion fails.
MAX_DEPTH = 64


class ParseError(Exception):
    """The data is not of the parser's format; the text, one line, says where and why."""


class JsonError(ParseError):
    """The text is not JSON.

    Attributes:
        position: index of the text at which the error was noticed.
        problem: the error without its place.
    """

    def __init__(self, text: str, problem: str, position: int) -> None:
        """Find the line and column of the position."""
        super().__init__(str(error_at(text, position, problem)))
        self.position = position
        self.problem = problem


def error_at(text: str, position: int, problem: str) -> ParseError:
    """Return an error that begins with the line and column of a position in the text."""
    line, column = text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
    return ParseError(f"line {line}, column {column}: {problem}")


def too_deep() -> ParseError:
    """Return the error of a document with containers in more than MAX_DEPTH others."""
    return ParseError(f"nested more than {MAX_DEPTH} deep")


def as_object(value: object) -> dict[str, Any]:
    """Return a document's value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a document's value if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def texts_in(value: object) -> list[str]:
    """Return the texts in a document's value, if it is an array."""
    return [item for item in as_list(value) if isinstance(item, str)]
