"""TOML, with the standard library's parser."""

import re

from kolide_tables.parsing import MAX_DEPTH, ParseError, too_deep

__all__ = ["toml_document"]

# None of these can begin what follows it: a key that breaks off is not tried again in other parts.
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?:^|[\[{{,])[ \t]*(?:{_PART}[ \t]*\.[ \t]*){{{MAX_DEPTH}}}", re.MULTILINE)


def toml_document(text: str) -> object:
    """The document; raises ParseError."""
    import tomllib

    # The parser's time grows with the square of a dotted key's parts, and nothing else stops it.
    if _LONG_KEY.search(text):
        raise too_deep()
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise too_deep() from error
    except ValueError as error:
        # TOMLDecodeError is one; a number that int() or a calendar refuses is another.
        raise ParseError(" ".join(str(error).split())) from error
