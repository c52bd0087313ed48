"""kolide_gsettings: the settings of GNOME and others that users and administrators have made, from dconf's
databases.

A profile lists the databases: mostly the user's own first, and behind it those of the system, made by `dconf
update`. A database can lock a setting, so that what is before it does not count. Sources: dconf(7),
dconf-profile(5); GNOME's System Administration Guide.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, Unreadable, read_file
from kolide_kit.limits import Budget
from kolide_kit.redact import REDACTED, is_secret_name, redact_text
from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, table

from ..reading.gvarianttext import variant_text
from ..reading.homes import local_homes
from .gvdb import Database, Setting, read_database

_PROFILES = (
    "/etc/dconf/profile/user",
    "/usr/local/share/dconf/profile/user",
    "/usr/share/dconf/profile/user",
)
_DATABASES = "/etc/dconf/db"
_MANDATORY = "/run/dconf/user"
_OF_USER, _OF_SYSTEM, _OF_FILE = "user-db", "system-db", "file-db"
_DEFAULT = ("user-db:user",)


class GSetting(Row):
    """A setting in a database, or an error about a database."""

    uid: int | None = Column("User whose setting it is; NULL for the system's", index=True, key=True)
    username: str | None = Column("That user's name")
    database: str = Column("Name of the database in the profile: user, local, site", key=True)
    schema: str | None = Column(
        "Schema, or where a schema is relocated to: org.gnome.desktop.screensaver", index=True
    )
    key: str | None = Column("Key in the schema: lock-enabled")
    value: str | None = Column(
        "Value as gsettings shows it: true, uint32 300, ['a', 'b']; secrets are redacted; empty if "
        "it is only locked"
    )
    type: str | None = Column("Type of the value, by GVariant's letters: b, u, as")
    locked: bool | None = Column("1 if a database of the system locks it, or is the first of the profile")
    effective: bool | None = Column(
        "1 if it is the value in use: in a user's row for the user, in one of the system's for users "
        "who have none of their own"
    )
    path: str | None = Column("Path in dconf: /org/gnome/desktop/screensaver/lock-enabled", key=True)
    file: str = Column("File of the database")
    error: str | None = Column("Reason why the file, or the value, could not be read", key=True)


class Places(NamedTuple):
    """The files of the system.

    Attributes:
        profiles: files that may have the profile; the first that exists does.
        databases: folder of the system's databases.
        mandatory: folder of the profiles that count for one user, named by uid.
    """

    profiles: tuple[str, ...] = _PROFILES
    databases: str = _DATABASES
    mandatory: str = _MANDATORY


@table(
    "kolide_gsettings",
    platforms=("linux",),
    privilege="Without root: the system's settings, and those of homes that the user may enter.",
    elsewhere=(
        "dconf is of Linux's desktops; osquery itself has preferences for macOS and registry for Windows"
    ),
    examples=(
        (
            "select username, schema, key, value from kolide_gsettings where schema = "
            "'org.gnome.desktop.screensaver' and key in ('lock-enabled', 'lock-delay') and effective"
        ),
        "select schema, key, value, database from kolide_gsettings where uid is null and locked",
    ),
)
def gsettings(query: Query) -> Iterator[GSetting]:
    """Settings in dconf's databases, those of users and of the system, with its locks; not the defaults."""
    return setting_rows(query, Places())


def setting_rows(query: Query, places: Places) -> Iterator[GSetting]:
    """Yield the rows from the databases of the system and of the local users."""
    budget = Budget.of(query)
    chain = _chain(_profile(places.profiles) or _DEFAULT, places, query)
    if query.equals("uid") is None:
        for row in _rows(query, None, None, chain):
            budget.add_rows()
            yield row
    for home in local_homes(query):
        budget.check()
        mandatory = _profile((f"{places.mandatory}/{home.uid}",))
        shared = chain if mandatory is None else _chain(mandatory, places, query)
        mine = [
            link.of_user(f"{home.path}/.config/dconf", query) if link.is_of_user else link for link in shared
        ]
        for row in _rows(query, home.uid, home.username, mine):
            budget.add_rows()
            yield row


class _Link(NamedTuple):
    """A database in the profile, and its content or what is wrong with it; None without a file.

    The content of users' databases is None for the system's rows.
    """

    source: "_Source"
    is_of_user: bool
    content: Database | str | None

    def of_user(self, folder: str, query: Query) -> "_Link":
        """Return it for a user."""
        source = _Source(self.source.name, f"{folder}/{self.source.name}")
        return self._replace(source=source, content=source.read(query))


def _chain(profile: tuple[str, ...], places: Places, query: Query) -> list[_Link]:
    """Return the databases of a profile: the first has the value in use, unless one behind it locks it."""
    chain = []
    for line in profile:
        kind, _, name = line.partition(":")
        if kind == _OF_USER and _is_name(name):
            chain.append(_Link(_Source(name, ""), True, None))
        elif kind == _OF_SYSTEM and _is_name(name):
            source = _Source(name, f"{places.databases}/{name}")
            chain.append(_Link(source, False, source.read(query)))
        elif kind == _OF_FILE and os.path.isabs(name):  # noqa: PTH117
            source = _Source(name, name)
            chain.append(_Link(source, False, source.read(query)))
    return chain


class _Source(NamedTuple):
    """A database in the profile."""

    name: str
    path: str

    def read(self, query: Query) -> Database | str | None:
        """Return the content, or what is wrong with it; None if the file does not exist."""
        try:
            return read_database(read_file(self.path, max_bytes=query.limits.max_file_bytes))
        except Missing:
            return None
        except (Unreadable, LimitExceeded, ValueError) as error:
            return str(error)


def _profile(files: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the lines of the first of the files that exists; None without one."""
    for file in files:
        try:
            text = shown(read_file(file))
        except (Unreadable, LimitExceeded):
            continue
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        return tuple(filter(None, lines))
    return None


def _is_name(name: str) -> bool:
    return bool(name) and "/" not in name and name not in (".", "..")


def _rows(query: Query, uid: int | None, username: str | None, chain: list[_Link]) -> Iterator[GSetting]:
    """Yield the rows of a user's databases in a chain, or of the system's without a user."""
    databases = [link.content if isinstance(link.content, Database) else None for link in chain]
    in_use = _in_use(databases)
    for index, (source, is_of_user, content) in enumerate(chain):
        if is_of_user == (uid is None):
            continue
        if isinstance(content, str):
            yield _row(uid, username, source, "", _Facts(error=content))
        elif content is not None:
            # Locks of the first database do not count.
            locks = content.locks if index else frozenset[str]()
            only_locked = locks - {setting.path for setting in content.settings}
            settings = [*content.settings, *(Setting(path, b"") for path in sorted(only_locked))]
            for setting in settings:
                query.check()
                if query.matches("schema", _schema(setting.path)):
                    locked = not chain[0].is_of_user or _lock_level(setting.path, databases) > 0
                    is_used = None if setting.path in only_locked else in_use.get(setting.path) == index
                    facts = _Facts(None, None, locked, is_used)
                    if is_used is not None:
                        facts = facts.with_value(setting, content.swapped)
                    yield _row(uid, username, source, setting.path, facts)


class _Facts(NamedTuple):
    value: str | None = None
    type: str | None = None
    locked: bool | None = None
    effective: bool | None = None
    error: str | None = None

    def with_value(self, setting: Setting, swapped: bool) -> "_Facts":
        try:
            text, kind = variant_text(setting.value, swapped=swapped)
        except (ValueError, RecursionError) as error:
            return self._replace(error=f"the value cannot be read: {error}")
        if is_secret_name(setting.path.rpartition("/")[2]):
            text = REDACTED
        return self._replace(value=redact_text(text) if "://" in text else text, type=kind)


def _row(uid: int | None, username: str | None, source: _Source, path: str, facts: _Facts) -> GSetting:
    return GSetting(
        uid=uid,
        username=username,
        database=source.name,
        schema=_schema(path) or None,
        key=path.rpartition("/")[2] or None,
        path=path or None,
        file=shown(source.path),
        **facts._asdict(),
    )


def _in_use(databases: list[Database | None]) -> dict[str, int]:
    """Return which database each path's value in use is in: the first one, or the first from its lock on."""
    in_use: dict[str, int] = {}
    for index, database in enumerate(databases):
        for setting in database.settings if database is not None else ():
            if setting.path not in in_use and index >= _lock_level(setting.path, databases):
                in_use[setting.path] = index
    return in_use


def _lock_level(path: str, databases: list[Database | None]) -> int:
    """Return the last database that locks a path, or 0; dconf locks single keys, and no folders."""
    for index in range(len(databases) - 1, 0, -1):
        database = databases[index]
        if database is not None and path in database.locks:
            return index
    return 0


def _schema(path: str) -> str:
    return path.rpartition("/")[0].strip("/").replace("/", ".")
