"""The formats of the family: what each is called, and how its data becomes something to select from."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from kolide_tables.datafiles.flatten import Cell, Documents, Tree
from kolide_tables.datafiles.terms import Term
from kolide_tables.limits import Budget
from kolide_tables.text import decode, decode_kept

__all__ = ["FORMATS", "Document", "Format"]


class Document(Protocol):
    """What a query can be put to."""

    problems: list[str]
    """What the last `select` had to leave out."""

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Rows of what the query selects; raises ParseError."""


class Format(NamedTuple):
    """One format of data files.

    Attributes:
        name: the end of its table's name.
        title: what it is called in prose.
        opener: reads the bytes of a file as a document; raises ParseError.
        example: path of a file and a query for it.
    """

    name: str
    title: str
    opener: Callable[[bytes, Budget], Document]
    example: tuple[str, str]


# Each opener imports its own parser: nobody waits for the parsers of formats that are not asked for.


def _json(data: bytes, _budget: Budget) -> Document:
    from kolide_tables.datafiles.jsontext import JsonText

    return JsonText(decode_kept(data))


def _jsonc(data: bytes, _budget: Budget) -> Document:
    from kolide_tables.datafiles.jsonc import JsonWithComments

    return JsonWithComments(decode_kept(data))


def _jsonl(data: bytes, _budget: Budget) -> Document:
    from kolide_tables.datafiles.jsonlines import JsonLines

    return JsonLines(decode_kept(data))


def _yaml(data: bytes, budget: Budget) -> Document:
    from kolide_tables.datafiles.yamltext import yaml_documents

    documents = yaml_documents(decode(data), budget)
    return Documents(documents) if len(documents) > 1 else Tree(documents[0] if documents else None)


def _toml(data: bytes, _budget: Budget) -> Document:
    from kolide_tables.datafiles.tomltext import toml_document

    return Tree(toml_document(decode_kept(data)))


def _xml(data: bytes, budget: Budget) -> Document:
    from kolide_tables.datafiles.xmltext import xml_document

    return Tree(xml_document(data, budget))


def _ini(data: bytes, budget: Budget) -> Document:
    from kolide_tables.datafiles.initext import ini_document

    return Tree(ini_document(decode_kept(data), budget))


def _plist(data: bytes, budget: Budget) -> Document:
    from kolide_tables.datafiles.plist import plist_document

    return Tree(plist_document(data, budget))


def _csv(data: bytes, budget: Budget) -> Document:
    from kolide_tables.datafiles.csvtext import csv_records

    return Documents(csv_records(decode_kept(data), budget))


FORMATS = (
    Format("json", "JSON", _json, ("/etc/docker/daemon.json", "*")),
    Format(
        "jsonc", "JSON with comments", _jsonc, ("/home/%/.config/Code/User/settings.json", "0/telemetry*")
    ),
    Format("jsonl", "JSON lines", _jsonl, ("/var/log/app/events.jsonl", "*/level")),
    Format("yaml", "YAML", _yaml, ("/etc/netplan/%.yaml", "network/ethernets")),
    Format("toml", "TOML", _toml, ("/etc/containerd/config.toml", "plugins")),
    Format("xml", "XML", _xml, ("/etc/fonts/fonts.conf", "fontconfig/dir")),
    Format("ini", "INI", _ini, ("/etc/systemd/%.conf", "*")),
    Format("plist", "property list", _plist, ("/Library/Preferences/com.apple.%.plist", "*")),
    Format("csv", "CSV", _csv, ("/srv/inventory/assets.csv", "owner=>alice/serial")),
)
