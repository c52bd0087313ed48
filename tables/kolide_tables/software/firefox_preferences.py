"""kolide_firefox_preferences: what users and administrators have set in Firefox and its kin.

Sources: https://support.mozilla.org/kb/profiles-where-firefox-stores-user-data for prefs.js and user.js,
https://firefox-admin-docs.mozilla.org/reference/policies/preferences/ for policies, and
https://support.mozilla.org/kb/customizing-firefox-using-autoconfig for autoconfig. The defaults that are
built into the browser are not read. Values that are secrets, by their name or shape, are redacted.
"""

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from kolide_kit.limits import Budget
from kolide_kit.redact import REDACTED, is_secret_name, redact_text
from kolide_kit.text import decode_kept, printable, shown
from osquery_sdk import Column, Query, Row, table

from ..reading.homes import Home, local_homes
from ..reading.parsing import as_object
from ..reading.paths import names_in, past_trusted_links, read_or_warn
from .browser_profiles import firefox_profiles
from .browsers import FIREFOX, folders_of
from .places import expanded
from .prefs_js import Preference, TooManyPreferences, autoconfig_preferences, preferences

__all__ = ["FirefoxPreference", "firefox_preferences", "preferences_of_installation", "preferences_of_user"]

_PROFILE_FILES = ("prefs.js", "user.js")
_DEFAULTS = (
    "defaults/pref",
    "defaults/preferences",
    "browser/defaults/preferences",
    "browser/defaults/syspref",
)
# Firefox's own defaults, which Debian keeps in files and others within an archive.
_BUILT_IN = frozenset(
    ("channel-prefs.js", "debugger.js", "firefox-branding.js", "firefox-l10n.js", "firefox.js")
)
_OBSCURED_BY = 13
# Addresses of accounts, which are nobody's business here.
_ACCOUNTS = frozenset(
    ("services.sync.username", "services.sync.account", "identity.fxaccounts.lastSignedInUserHash")
)
# The folders of installations, and those of policies for all of them.
_INSTALLATIONS = {
    "linux": (
        ("firefox", "/usr/lib/firefox", "/etc/firefox/policies"),
        ("firefox", "/usr/lib64/firefox", ""),
        ("firefox", "/usr/lib/firefox-esr", ""),
        ("firefox", "/opt/firefox", ""),
        ("firefox", "/snap/firefox/current/usr/lib/firefox", ""),
        ("firefox", "/var/lib/flatpak/app/org.mozilla.firefox/current/active/files/lib/firefox", ""),
        ("librewolf", "/usr/lib/librewolf", "/etc/librewolf/policies"),
        ("librewolf", "/usr/share/librewolf", ""),
        ("zen", "/opt/zen-browser", "/etc/zen/policies"),
        ("floorp", "/usr/lib/floorp", "/etc/floorp/policies"),
        ("waterfox", "/opt/waterfox", "/etc/waterfox/policies"),
    ),
    "darwin": (
        ("firefox", "/Applications/Firefox.app/Contents/Resources", ""),
        ("firefox", "/Applications/Firefox Developer Edition.app/Contents/Resources", ""),
        ("firefox", "/Applications/Firefox Nightly.app/Contents/Resources", ""),
        ("librewolf", "/Applications/LibreWolf.app/Contents/Resources", ""),
        ("zen", "/Applications/Zen.app/Contents/Resources", ""),
        ("floorp", "/Applications/Floorp.app/Contents/Resources", ""),
        ("waterfox", "/Applications/Waterfox.app/Contents/Resources", ""),
    ),
    "win32": (
        ("firefox", "C:/Program Files/Mozilla Firefox", ""),
        ("firefox", "C:/Program Files (x86)/Mozilla Firefox", ""),
        ("librewolf", "C:/Program Files/LibreWolf", ""),
        ("zen", "C:/Program Files/Zen Browser", ""),
        ("floorp", "C:/Program Files/Ablaze Floorp", ""),
        ("waterfox", "C:/Program Files/Waterfox", ""),
    ),
}


class FirefoxPreference(Row):
    """A preference in one file."""

    uid: int | None = Column(
        "User whose profile it is in; NULL if it is for all users of the machine", index=True, key=True
    )
    browser: str = Column("Browser: firefox, librewolf, zen, floorp, waterfox, ...")
    profile: str | None = Column("Folder of the profile, below the browser's own; empty if it is for all")
    name: str = Column("Name of the preference", index=True, key=True)
    value: str = Column("Its value as text, redacted if it is a secret")
    type: str = Column("Type of the value: string, int or bool")
    source: str = Column(
        "prefs.js: set in the browser, or at a start from another source; user.js: set at each start; "
        "policies, autoconfig or defaults: laid down by an administrator or the distributor",
        key=True,
    )
    locked: bool = Column("1 if the user cannot change it")
    path: str = Column("File that it is in", key=True)


class _File(NamedTuple):
    """A file of preferences: the columns of a row that are not of the preference."""

    uid: int | None
    browser: str
    profile: str | None
    source: str
    path: str


@table(
    "kolide_firefox_preferences",
    examples=(
        (
            "select uid, profile, name, value from kolide_firefox_preferences "
            "where name in ('network.proxy.type', 'security.enterprise_roots.enabled', "
            "'xpinstall.signatures.required')"
        ),
        (
            "select browser, name, value, path from kolide_firefox_preferences "
            "where source <> 'prefs.js' and locked = 1"
        ),
    ),
    privilege="Without root: only homes that the user may enter, which are often their own alone.",
)
def firefox_preferences(query: Query) -> Iterator[FirefoxPreference]:
    """Preferences of Firefox and its kin: in users' profiles, policies, autoconfig and defaults."""
    budget = Budget.of(query)
    if query.equals("uid") is None:
        for browser, folder, policies in _INSTALLATIONS.get(sys.platform, ()):
            yield from preferences_of_installation(browser, folder, query, budget)
            if policies:
                yield from _policies(browser, f"{policies}/policies.json", query, budget)
    for home in local_homes(query):
        yield from preferences_of_user(home, query, budget)


def preferences_of_user(
    home: Home, query: Query, budget: Budget, platform: str = sys.platform
) -> Iterator[FirefoxPreference]:
    """Yield the preferences in the profiles of a home, where the browsers of a platform keep them."""
    for browser, pattern in folders_of(FIREFOX, platform):
        for folder in expanded(home.path.rstrip("/"), pattern, query):
            for profile, place in firefox_profiles(folder, query, budget):
                for name in _PROFILE_FILES:
                    file = _File(home.uid, browser, profile, name, f"{place}/{name}")
                    yield from _rows(file, _parsed(file, query, budget), query, budget)


def preferences_of_installation(
    browser: str, folder: str, query: Query, budget: Budget
) -> Iterator[FirefoxPreference]:
    """Yield the preferences beside an installed browser: its files of defaults, autoconfig and policies."""
    autoconfig: dict[str, str] = {}
    for defaults in _DEFAULTS:
        for name in names_in(f"{folder}/{defaults}"):
            if not name.endswith(".js") or name in _BUILT_IN:
                continue
            file = _File(None, browser, None, "defaults", f"{folder}/{defaults}/{name}")
            found = _parsed(file, query, budget)
            autoconfig.update(
                {each.name: each.value for each in found if each.name.startswith("general.config.")}
            )
            yield from _rows(file, found, query, budget)
    name = autoconfig.get("general.config.filename", "")
    if name and "/" not in name:
        shift = autoconfig.get("general.config.obscure_value", "")
        obscured_by = int(shift) if shift.isascii() and shift.isdigit() else _OBSCURED_BY
        yield from _autoconfig(browser, f"{folder}/{name}", obscured_by, query, budget)
    yield from _policies(browser, f"{folder}/distribution/policies.json", query, budget)


def _parsed(file: _File, query: Query, budget: Budget) -> list[Preference]:
    budget.check()
    is_default = file.source == "defaults"
    # An installation is the system's own: its files may be links to /etc.
    content = read_or_warn(past_trusted_links(file.path) if is_default else file.path, query)
    if content is None:
        return []
    try:
        result = preferences(content, budget.step, is_default=is_default)
    except TooManyPreferences as error:
        query.warn(f"{file.path}: {error}")
        return []
    if result.errors:
        query.warn(
            f"{file.path}: line {result.first_error} has no preference that Firefox can read; there are "
            f"{result.errors:,} such places"
        )
    return result.preferences


def _autoconfig(
    browser: str, path: str, obscured_by: int, query: Query, budget: Budget
) -> Iterator[FirefoxPreference]:
    """Yield the preferences of an autoconfig file, whose bytes may be shifted by a number."""
    content = read_or_warn(path, query)
    if content is None:
        return
    if obscured_by % 256:
        content = content.translate(bytes((byte - obscured_by) % 256 for byte in range(256)))
    file = _File(None, browser, None, "autoconfig", path)
    yield from _rows(file, autoconfig_preferences(content, budget.step), query, budget)


def _policies(browser: str, path: str, query: Query, budget: Budget) -> Iterator[FirefoxPreference]:
    """Yield the preferences that the policy Preferences sets.

    Each is an object with a status, or in the older form a value that is locked.
    """
    content = read_or_warn(past_trusted_links(path), query)
    if content is None:
        return
    import json

    try:
        document = as_object(json.loads(decode_kept(content)))
    except (ValueError, RecursionError):
        query.warn(f"{path} is not JSON")
        return
    found = []
    for name, entry in as_object(as_object(document.get("policies")).get("Preferences")).items():
        fields = entry if isinstance(entry, dict) else {"Value": entry, "Status": "locked"}
        value = _of_policy(fields)
        if value is not None and fields.get("Status") != "clear":
            is_locked = fields.get("Status") == "locked"
            found.append(Preference(printable(name), *value, is_locked))
    yield from _rows(_File(None, browser, None, "policies", path), found, query, budget)


def _of_policy(fields: dict[str, Any]) -> tuple[str, str] | None:
    """Return the value and type of a preference in a policy; None if it has neither."""
    value, type_ = fields.get("Value"), fields.get("Type")
    if type_ == "boolean" or (type_ is None and isinstance(value, bool)):
        return ("true" if value else "false"), "bool"
    if isinstance(value, int):
        return str(int(value)), "int"
    return (printable(value), "string") if isinstance(value, str) else None


def _rows(file: _File, found: list[Preference], query: Query, budget: Budget) -> Iterator[FirefoxPreference]:
    for each in found:
        if query.matches("name", each.name):
            budget.add_rows()
            yield FirefoxPreference(
                uid=file.uid,
                browser=file.browser,
                profile=file.profile,
                name=each.name,
                value=_public(each),
                type=each.type,
                source=file.source,
                locked=each.is_locked,
                path=shown(file.path),
            )


def _public(preference: Preference) -> str:
    """Return a value without secrets; a switch or a number is none."""
    if preference.type != "string" or not preference.value:
        return preference.value
    is_secret = preference.name in _ACCOUNTS or is_secret_name(preference.name)
    return REDACTED if is_secret else redact_text(preference.value)
