"""Read TOML with the library tomli, which knows TOML 1.1."""

import re

from .parsing import MAX_DEPTH, ParseError, error_at, too_deep

# No part can begin what follows it: a key that breaks off is not tried again in other parts.
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?:^|[\[{{,])[ \t]*(?:{_PART}[ \t]*\.[ \t]*){{{MAX_DEPTH}}}", re.MULTILINE)
# int() refuses more than 4,300 digits.
_LONG_NUMBER = re.compile(r"[0-9_]{4301,}")


def toml_document(text: str) -> object:
    """Return the document; raises ParseError."""
    import tomli

    # The parser's time grows with the square of the parts of a dotted key, and it has no limit of its own.
    long_key = _LONG_KEY.search(text)
    if long_key is not None:
        raise error_at(text, long_key.start(), str(too_deep()))
    try:
        return tomli.loads(text)
    except RecursionError as error:
        raise too_deep() from error
    except tomli.TOMLDecodeError as error:
        raise ParseError(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except ValueError as error:
        # Another ValueError is a number that int() refuses.
        number = _LONG_NUMBER.search(text)
        raise error_at(text, number.start() if number else 0, "an integer of too many digits") from error
