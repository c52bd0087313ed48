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
        examples: what statements worth running select from.
    """

    name: str
    title: str
    opener: Callable[[bytes, Budget], Document]
    examples: tuple[str, str]


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
    Format(
        "json",
        "JSON",
        _json,
        (
            "path = '/etc/docker/daemon.json'",
            "path like '/home/%/.mozilla/firefox/%/extensions.json' and query = 'addons/#id/version'",
        ),
    ),
    Format(
        "jsonc",
        "JSON with comments",
        _jsonc,
        (
            "path like '/home/%/.config/Code/User/settings.json'",
            "path like '/home/%/.config/Code/User/settings.json' and query = '0/telemetry*'",
        ),
    ),
    Format(
        "jsonl",
        "JSON lines",
        _jsonl,
        (
            "path = '/var/log/suricata/eve.json' and query = 'event_type=>alert/alert/signature'",
            "path like '/var/log/caddy/%.log' and query = 'status=>5*/request/uri'",
        ),
    ),
    Format(
        "yaml",
        "YAML",
        _yaml,
        (
            "path like '/etc/netplan/%.yaml'",
            "path like '/etc/netplan/%.yaml' and query = 'network/ethernets/*/addresses'",
        ),
    ),
    Format(
        "toml",
        "TOML",
        _toml,
        (
            "path = '/etc/containerd/config.toml'",
            "path like '/home/%/.cargo/config.toml' and query = 'registries/*/index'",
        ),
    ),
    Format(
        "xml",
        "XML",
        _xml,
        (
            "path = '/etc/fonts/fonts.conf' and query = 'fontconfig/dir'",
            "path like '/etc/dbus-1/system.d/%.conf' and query = 'busconfig/policy/-user=>root'",
        ),
    ),
    Format(
        "ini",
        "INI",
        _ini,
        (
            "path like '/etc/systemd/%.conf'",
            "path = '/usr/lib/os-release' and query = 'DEFAULT/VERSION*'",
        ),
    ),
    Format(
        "plist",
        "property list",
        _plist,
        (
            "path = '/Library/Preferences/com.apple.SoftwareUpdate.plist'",
            "path like '/Library/LaunchDaemons/%.plist' and query = 'ProgramArguments/0'",
        ),
    ),
    Format(
        "csv",
        "CSV",
        _csv,
        (
            "path = '/usr/share/distro-info/debian.csv' and query = '#series/eol'",
            "path = '/usr/share/distro-info/debian.csv' and query = 'series=>bookworm'",
        ),
    ),
)
