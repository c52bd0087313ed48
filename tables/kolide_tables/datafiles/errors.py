"""The one error of the parsers."""

__all__ = ["MAX_DEPTH", "ParseError", "too_deep"]

# Deeper than any document made for use, and far from the depth at which a recursion ends badly.
MAX_DEPTH = 64


class ParseError(Exception):
    """The data is not what the table reads; the text, one line, says where and why."""


def too_deep() -> ParseError:
    """The error of a document with containers in more than MAX_DEPTH others."""
    return ParseError(f"nested more than {MAX_DEPTH} deep")
