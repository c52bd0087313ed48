"""Open the bytes of a data file, in one of nine formats, as a document that a query can select from.

Every opener imports its own parser, so that no statement waits for the parsers of other formats. All of them
raise ParseError for bytes that are not of their format.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from kolide_kit.limits import Budget
from kolide_kit.text import decode, decode_kept

from .flatten import Document, Documents, Tree

__all__ = ["OPENERS", "Opener"]


Opener: TypeAlias = Callable[[bytes, Budget], Document]


def open_json(data: bytes, _budget: Budget) -> Document:
    """Read JSON."""
    from .jsontext import JsonText

    return JsonText(decode_kept(data))


def open_jsonc(data: bytes, _budget: Budget) -> Document:
    """Read JSON with comments."""
    from .jsonc import JsonWithComments

    return JsonWithComments(decode_kept(data))


def open_jsonl(data: bytes, _budget: Budget) -> Document:
    """Read JSON lines."""
    from .jsonlines import JsonLines

    return JsonLines(decode_kept(data))


def open_yaml(data: bytes, _budget: Budget) -> Document:
    """Read YAML."""
    from .yamlrows import YamlText

    return YamlText(decode(data))


def open_toml(data: bytes, _budget: Budget) -> Document:
    """Read TOML."""
    from ..reading.tomltext import toml_document

    return Tree(toml_document(decode_kept(data)))


def open_xml(data: bytes, _budget: Budget) -> Document:
    """Read XML."""
    from .xmltext import XmlText

    return XmlText(data)


def open_ini(data: bytes, budget: Budget) -> Document:
    """Read INI."""
    from .initext import ini_document

    return Tree(ini_document(decode_kept(data), budget))


def open_plist(data: bytes, _budget: Budget) -> Document:
    """Read a property list, binary, XML or OpenStep's text."""
    from .plist import PropertyListDocument

    return PropertyListDocument(data)


def open_csv(data: bytes, budget: Budget) -> Document:
    """Read CSV."""
    from .csvtext import CsvRecords

    return Documents(CsvRecords(decode_kept(data), budget))


OPENERS: Mapping[str, Opener] = {
    "json": open_json,
    "jsonc": open_jsonc,
    "jsonl": open_jsonl,
    "yaml": open_yaml,
    "toml": open_toml,
    "xml": open_xml,
    "ini": open_ini,
    "plist": open_plist,
    "csv": open_csv,
}
"""The openers, by the names of their tables without the prefix."""
