"""kolide_browser_profiles: the profiles of users' browsers, and the organization that each is signed in to.

Of an address only the domain is shown; no history, password or cookie is read.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

from kolide_kit.limits import Budget
from kolide_kit.text import decode, decode_kept, printable, shown
from osquery_sdk import Column, Query, Row, table

from ..reading.homes import Home, local_homes
from ..reading.parsing import as_object
from ..reading.paths import read_or_warn
from .browsers import CHROMIUM, FIREFOX, folders_of
from .places import expanded

__all__ = ["BrowserProfile", "browser_profiles", "firefox_profiles"]

_NOT_HOSTED = "NO_HOSTED_DOMAIN"
# Kinds of accounts in Edge: of Microsoft, or of an organization in Entra ID.
_OF_MICROSOFT, _OF_ORGANIZATION = 1, 2
# A profile that an organization manages without such an account has one of these.
_MANAGEMENT = ("profile_management_enrollment_token", "profile_management_id")
_MOST_PROFILES = 1_000
_PROFILES_OF_GROUP = "select path from Profiles order by rowid"
# Profiles of a browser that does not list them.
_UNLISTED = ("Default", ".")


class BrowserProfile(Row):
    """A profile of a browser."""

    uid: int = Column("User whose profile it is", index=True, key=True)
    browser: str = Column(
        "Browser, with its channel: chrome, chrome-beta, edge, brave, vivaldi, firefox, librewolf, zen, ...",
        key=True,
    )
    profile: str = Column("Folder of the profile, below the browser's own", key=True)
    email_domain: str | None = Column("Domain of the address that it is signed in with; empty if it is not")
    managed: bool | None = Column(
        "1 if an organization manages the account, 0 if not; NULL if the browser does not tell"
    )
    path: str = Column(
        "Folder of the profile; a browser may be there as a package, a flatpak and a snap", key=True
    )


@table(
    "kolide_browser_profiles",
    privilege="Without root: only homes that the user may enter, which are often their own alone.",
    examples=(
        (
            "select uid, browser, profile, email_domain from kolide_browser_profiles "
            "where email_domain <> '' and managed = 0"
        ),
        (
            "select u.username, p.browser, p.email_domain, count(*) as profiles from users u "
            "join kolide_browser_profiles p using (uid) group by u.username, p.browser, p.email_domain"
        ),
    ),
)
def browser_profiles(query: Query) -> Iterator[BrowserProfile]:
    """Profiles of Chrome, Edge, Brave, Firefox and their kin: the domain they are signed in to."""
    budget = Budget.of(query)
    for home in local_homes(query):
        for profile in profiles_in(home, query, budget):
            budget.add_rows()
            yield profile


def profiles_in(
    home: Home, query: Query, budget: Budget, platform: str = sys.platform
) -> Iterator[BrowserProfile]:
    """Yield the profiles in a home, where the browsers of a platform keep them."""
    top = home.path.rstrip("/")
    for browsers, profiles in ((CHROMIUM, _chromium), (FIREFOX, _firefox)):
        for name, pattern in folders_of(browsers, platform):
            for folder in expanded(top, pattern, query):
                yield from profiles(home.uid, name, folder, query, budget)


def _chromium(uid: int, browser: str, folder: str, query: Query, budget: Budget) -> Iterator[BrowserProfile]:
    """Yield the profiles in Local State, the file from which the browser lists them."""
    known = as_object(_json_object(f"{folder}/Local State", query, budget).get("profile"))
    cache = as_object(known.get("info_cache"))
    if not cache:
        # Opera keeps no list.
        cache = {
            name: {}
            for name in _UNLISTED
            if os.path.isfile(f"{folder}/{name}/Preferences")  # noqa: PTH113
        }
    for name, value in cache.items():
        info = as_object(value)
        domain = _domain(info.get("user_name"))
        yield BrowserProfile(
            uid=uid,
            browser=browser,
            profile=printable(name),
            email_domain=domain,
            managed=_is_managed(info, domain),
            path=shown(f"{folder}/{printable(name)}"),
        )


def _is_managed(info: dict[str, Any], domain: str | None) -> bool | None:
    """Return whether an organization manages a profile; None if the browser does not tell, or not yet."""
    if info.get("user_accepted_account_management") is True or any(info.get(key) for key in _MANAGEMENT):
        return True
    if domain is None:
        return None
    hosted, kind = info.get("hosted_domain"), info.get("edge_account_type")
    if isinstance(hosted, str) and hosted:
        return hosted != _NOT_HOSTED
    return kind == _OF_ORGANIZATION if kind in (_OF_MICROSOFT, _OF_ORGANIZATION) else None


def _firefox(uid: int, browser: str, folder: str, query: Query, budget: Budget) -> Iterator[BrowserProfile]:
    for name, place in firefox_profiles(folder, query, budget):
        user = _json_object(f"{place}/signedInUser.json", query, budget)
        domain = _domain(as_object(user.get("accountData")).get("email"))
        yield BrowserProfile(
            uid=uid, browser=browser, profile=name, email_domain=domain, managed=None, path=shown(place)
        )


def firefox_profiles(folder: str, query: Query, budget: Budget) -> Iterator[tuple[str, str]]:
    """Yield the profiles that a browser made from Firefox lists in its folder: as it names them, and where
    they are.

    Since version 138 only one of a group of profiles is in profiles.ini, and all of them are in a database.
    """
    from ..reading.sqlitefiles import database_texts

    listed = dict(_in_ini(decode(_content(f"{folder}/profiles.ini", query, budget) or b""), folder))
    for database in expanded(folder, "Profile Groups/*.sqlite", query):
        for path in database_texts(database, (_PROFILES_OF_GROUP,), query, most=_MOST_PROFILES):
            listed.setdefault(shown(path), os.path.join(folder, path))  # noqa: PTH118
    yield from listed.items()


def _in_ini(text: str, folder: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the place of each profile in profiles.ini, of which Firefox skips wrong lines."""
    sections: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if line.startswith("["):
            section = sections.setdefault(line.strip(), {})
        elif equals and not name.startswith((";", "#")):
            section[name.strip().lower()] = value.strip()
    for title, profile in sections.items():
        path = profile.get("path")
        if path and title.startswith("[Profile"):
            yield path, path if profile.get("isrelative") == "0" else f"{folder}/{path}"


def _json_object(path: str, query: Query, budget: Budget) -> dict[str, Any]:
    content = _content(path, query, budget)
    if content is None:
        return {}
    import json

    try:
        return as_object(json.loads(decode_kept(content)))
    except (ValueError, RecursionError):
        query.warn(f"{path} is not JSON")
        return {}


def _content(path: str, query: Query, budget: Budget) -> bytes | None:
    budget.check()
    return read_or_warn(path, query)


def _domain(address: object) -> str | None:
    if not isinstance(address, str) or "@" not in address:
        return None
    return printable(address.rpartition("@")[2].strip().lower()) or None
