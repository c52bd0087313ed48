"""Read TOML with the standard library's parser."""

import re

from .parsing import MAX_DEPTH, ParseError, too_deep

# No part can begin what follows it: a key that breaks off is not tried again in other parts.
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?:^|[\[{{,])[ \t]*(?:{_PART}[ \t]*\.[ \t]*){{{MAX_DEPTH}}}", re.MULTILINE)


def toml_document(text: str) -> object:
    """Return the document; raises ParseError."""
    import tomllib

    # The parser's time grows with the square of the parts of a dotted key, and it has no limit of its own.
    if _LONG_KEY.search(text):
        raise too_deep()
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise too_deep() from error
    except ValueError as error:
        # A ValueError is TOMLDecodeError, or a number or date that int() or the calendar refuses.
        raise ParseError(" ".join(str(error).split())) from error
