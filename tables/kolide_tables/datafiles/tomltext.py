"""TOML, with the standard library's parser."""

from kolide_tables.datafiles.errors import ParseError, too_deep

__all__ = ["toml_document"]


def toml_document(text: str) -> object:
    """The document; raises ParseError."""
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise too_deep() from error
    except ValueError as error:
        # TOMLDecodeError is one; a number that int() or a calendar refuses is another.
        raise ParseError(" ".join(str(error).split())) from error
