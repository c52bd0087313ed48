"""Find flatpak's installations and what is deployed in them.

Source: flatpak's documentation of its filesystem layout, flatpak-installation(5), and the deploy file as
flatpak writes it.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.limits import Budget
from kolide_kit.text import decode, shown
from osquery_sdk import Query

from .gvariant import split_tuple, string, string_dictionary
from .homes import local_homes

_SYSTEM = "/var/lib/flatpak"
_OF_USER = ".local/share/flatpak"
_MORE = "/etc/flatpak/installations.d"
_KINDS = ("app", "runtime")
_COMMIT = r"[0-9a-f]{64}(?:\.[0-9]+)?"  # a number follows if the same commit is deployed again
# (ssasta{sv}): origin, commit, subpaths, installed size, and the rest by name.
_ALIGNMENTS = (1, 1, 1, 8, 8)
_SIZES = (None, None, None, 8, None)


class Installation(NamedTuple):
    """A folder with flatpak's deployments."""

    name: str
    path: str
    uid: int | None


class Deployment(NamedTuple):
    """A package that is in use: its id, its whole name with kind and architecture, and its folder."""

    id: str
    ref: str
    branch: str
    commit: str
    path: str


def installations(query: Query) -> Iterator[Installation]:
    """Yield the installations for everybody, and those of the users that the statement may want."""
    # NULL equals nothing: a statement about a user's packages wants none of everybody's.
    if query.equals("uid") is None:
        yield Installation("system", _SYSTEM, None)
        yield from more_installations(query, _MORE)
    for home in local_homes(query):
        yield Installation("user", f"{home.path}/{_OF_USER}", home.uid)


def more_installations(query: Query, folder: str) -> Iterator[Installation]:
    """Yield the installations that files `[Installation "NAME"]` with a Path add."""
    try:
        files = sorted(file for file in os.listdir(folder) if file.endswith(".conf"))  # noqa: PTH208
    except OSError:
        return  # most machines have none
    for file in files:
        try:
            text = decode(read_file(f"{folder}/{file}"))
        except (Unreadable, LimitExceeded) as error:
            query.warn(str(error))
            continue
        name = ""
        for line in text.splitlines():
            if section := re.fullmatch(r'\s*\[Installation "(.*)"\]\s*', line):
                name = section[1]
            elif name and (path := re.fullmatch(r"\s*Path\s*=\s*(/.*?)\s*", line)):
                yield Installation(name, path[1], None)


def deployments(top: str, query: Query, budget: Budget) -> Iterator[Deployment]:
    """Yield the active deployments below KIND/ID/ARCHITECTURE/BRANCH.

    Only links that flatpak makes are followed.
    """

    def folders(path: str) -> list[str]:
        budget.check()
        if os.path.islink(path):  # noqa: PTH114
            return []
        try:
            with os.scandir(path) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return []  # nothing of that kind is installed
        except OSError as error:
            query.warn(f"{shown(path)}: {error.strerror or error}")
            return []

    for kind in _KINDS:
        for package in folders(f"{top}/{kind}"):
            for architecture in folders(f"{top}/{kind}/{package}"):
                for branch in folders(f"{top}/{kind}/{package}/{architecture}"):
                    path = f"{top}/{kind}/{package}/{architecture}/{branch}"
                    try:
                        commit = os.readlink(f"{path}/active")  # noqa: PTH115
                    except OSError:
                        continue  # no deployment is active
                    deployed = f"{path}/{commit}"
                    if re.fullmatch(_COMMIT, commit) and not os.path.islink(deployed):  # noqa: PTH114
                        yield Deployment(
                            package, f"{kind}/{package}/{architecture}/{branch}", branch, commit, deployed
                        )


def parse_deploy(data: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the origin and the named texts in the content of a deploy file.

    Raises ValueError for other content.
    """
    origin, _, _, _, rest = split_tuple(data, _ALIGNMENTS, _SIZES)
    return string(origin), string_dictionary(rest)
