"""The one error of the parsers."""

__all__ = ["MAX_DEPTH", "ParseError", "too_deep"]

# Deeper than any document made for use, and far from the depth at which a recursion ends badly.
MAX_DEPTH = 64


class ParseError(Exception):
    """The data is not what the table reads; the text, one line, says where and why.

    Attributes:
        position: index of the text where it was noticed, if the parser can tell.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        """Keep the message as the text."""
        super().__init__(message)
        self.position = position


def too_deep() -> ParseError:
    """The error of a document with containers in more than MAX_DEPTH others."""
    return ParseError(f"nested more than {MAX_DEPTH} deep")
