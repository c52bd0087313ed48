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
        domain, hosted = _domain(info.get("user_name")), info.get("hosted_domain")
        managed = isinstance(hosted, str) and hosted not in ("", _NOT_HOSTED)
        yield BrowserProfile(
            uid=uid,
            browser=browser,
            profile=printable(name),
            email_domain=domain,
            managed=None if domain is None else managed,
            path=shown(f"{folder}/{printable(name)}"),
        )


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
    """
    content = _content(f"{folder}/profiles.ini", query, budget)
    if content is None:
        return
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(decode(content))
    except configparser.Error:
        query.warn(f"{folder}/profiles.ini cannot be understood")
        return
    for section in parser.sections():
        path = parser[section].get("path") if section.startswith("Profile") else None
        if path:
            yield path, path if parser[section].get("isrelative") == "0" else f"{folder}/{path}"


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
