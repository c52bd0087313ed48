"""Take the names of systemd's units apart: prefix, instance, type, and the folders of their drop-ins.

Source: systemd.unit(5), systemd-escape(1), and systemd's src/basic/unit-name.c and src/shared/dropin.c.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_MOST = 255  # UNIT_NAME_MAX, with the byte that ends it
_TYPES = "service|socket|target|device|mount|automount|swap|timer|path|slice|scope"
_NAME = re.compile(
    rf"(?P<prefix>[A-Za-z0-9:_.\\-]+)(?:@(?P<instance>[A-Za-z0-9:_.\\@-]*))?\.(?P<type>{_TYPES})"
)
_ALIASED = frozenset(("service", "socket", "target", "device", "timer", "path"))
_TEMPLATED = frozenset(("service", "socket", "target", "timer", "path"))
_ESCAPED = re.compile(r"\\(?:x([0-9A-Fa-f]{2}))?|-|[^\\-]+")


class UnitName(NamedTuple):
    """The parts of PREFIX.TYPE, PREFIX@.TYPE (a template) or PREFIX@INSTANCE.TYPE."""

    prefix: str
    instance: str | None  # None without @, and empty for a template
    type: str

    @property
    def template(self) -> str | None:
        """Return the name of an instance's template; None for other units."""
        return f"{self.prefix}@.{self.type}" if self.instance else None

    @property
    def is_template(self) -> bool:
        """Return whether it is a template, which no service runs as."""
        return self.instance == ""

    def with_instance(self, instance: str) -> str:
        """Return the name of another instance of the same template."""
        return f"{self.prefix}@{instance}.{self.type}"


def parse_name(name: str) -> UnitName | None:
    """Return the parts of a unit's name; None if it is not one."""
    match = _NAME.fullmatch(name) if len(name) <= _MOST else None
    return None if match is None else UnitName(match["prefix"], match["instance"], match["type"])


def may_point(link: str, target: str) -> bool:
    """Return whether systemd takes a symbolic link of this name to a file of that name for an alias."""
    source, meant = parse_name(link), parse_name(target)
    if source is None or meant is None or source.type != meant.type or link == target:
        return False
    if source.type not in _ALIASED or (source.instance is not None and source.type not in _TEMPLATED):
        return False
    # An instance may point to a template, or to the instance of the same name.
    return source.instance == meant.instance or bool(source.instance and meant.is_template)


def drop_in_folders(name: str) -> Iterator[str]:
    """Yield the names of a unit's drop-in folders, the most special first: a-b.service.d, then a-.service.d.

    That of the type, service.d, is not among them.
    """
    parts = parse_name(name)
    if parts is None:
        return
    yield f"{name}.d"
    if parts.template is not None:
        yield from drop_in_folders(parts.template)
    shorter = _shortened(parts.prefix)
    if shorter is not None:
        yield from drop_in_folders(
            f"{shorter}@{parts.instance}.{parts.type}" if parts.instance else f"{shorter}.{parts.type}"
        )


def _shortened(prefix: str) -> str | None:
    """Return the prefix up to its last dash that has something before and after it."""
    if prefix.endswith("-") and "-" in prefix[1:]:
        prefix = prefix[:-1]
    dash = prefix.rfind("-")
    return prefix[: dash + 1] if dash > 0 else None


def unescape(text: str) -> str | None:
    r"""Return a part of a name with `-` as `/` and `\xNN` as that byte; None if the escapes are wrong."""
    raw = bytearray()
    for match in _ESCAPED.finditer(text):
        if match[0] == "\\":
            return None
        raw += bytes((int(match[1], 16),)) if match[1] else match[0].replace("-", "/").encode()
    return raw.decode("utf-8", "backslashreplace")


def unescape_path(text: str) -> str | None:
    """Return the absolute path that a part of a name stands for; None if it is not the form of one."""
    if text == "-":
        return "/"
    path = unescape(text)
    if not path or path.startswith("/") or path.endswith("/"):
        return None
    return None if {"", ".", ".."} & set(path.split("/")) else f"/{path}"
