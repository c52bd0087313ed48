"""kolide_flatpak_packages: applications and runtimes that flatpak has installed, for everybody or for one
user.

They are read from the folders of flatpak's deployments; flatpak is not run. Source: flatpak's documentation
of its filesystem layout, flatpak-installation(5), and the deploy file as flatpak writes it.
"""

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.limits import Budget
from kolide_kit.text import decode, shown
from osquery_sdk import Column, Query, Row, table

from ..reading.homes import local_homes
from .gvariant import split_tuple, string, string_dictionary

_SYSTEM = "/var/lib/flatpak"
_OF_USER = ".local/share/flatpak"
_MORE = "/etc/flatpak/installations.d"
_KINDS = ("app", "runtime")
_COMMIT = r"[0-9a-f]{64}(?:\.[0-9]+)?"  # a number follows if the same commit is deployed again
# (ssasta{sv}): origin, commit, subpaths, installed size, and the rest by name.
_ALIGNMENTS = (1, 1, 1, 8, 8)
_SIZES = (None, None, None, 8, None)


class FlatpakPackage(Row):
    """An application or a runtime of flatpak."""

    name: str | None = Column("Name for people; empty if the package does not say it")
    id: str = Column("Its id: org.mozilla.firefox", key=True)
    version: str | None = Column("Version by its own account; empty if it does not say it")
    channel: str = Column("Branch: stable, 24.08", key=True)
    revision: str = Column("Commit that is deployed, 64 hex digits", key=True)
    origin: str | None = Column("Remote that it came from")
    installation: str = Column("system, user, or the name of another installation for everybody", key=True)
    uid: int | None = Column(
        "User who has it for themselves; NULL if it is for everybody", index=True, key=True
    )


class Installation(NamedTuple):
    """A folder with flatpak's deployments."""

    name: str
    path: str
    uid: int | None


@table(
    "kolide_flatpak_packages",
    privilege="Without root: of installations in homes only those that the user may enter.",
    platforms=("linux",),
    elsewhere="flatpak runs nowhere else",
    examples=(
        (
            "select id, version, channel, origin, installation from kolide_flatpak_packages "
            "where origin <> 'flathub'"
        ),
        "select u.username, f.id, f.version from kolide_flatpak_packages f join users u using (uid)",
    ),
)
def flatpak_packages(query: Query) -> Iterator[FlatpakPackage]:
    """Applications and runtimes that flatpak has installed, for everybody or for a user."""
    return package_rows(query, _installations(query))


def package_rows(query: Query, installations: Iterable[Installation]) -> Iterator[FlatpakPackage]:
    """Yield the rows of these installations."""
    budget = Budget.of(query)
    for installation in installations:
        for package, branch, commit, path in _deployments(installation.path, query, budget):
            try:
                content = read_file(f"{path}/deploy", max_bytes=budget.limits.max_file_bytes)
                origin, texts = parse_deploy(content)
            except (Unreadable, LimitExceeded) as error:
                query.warn(str(error))
                continue
            except ValueError as error:
                query.warn(f"{shown(path)}/deploy: {error}")
                origin, texts = b"", {}
            budget.add_rows()
            yield FlatpakPackage(
                name=shown(texts.get(b"appdata-name", b"")) or None,
                id=shown(package),
                version=shown(texts.get(b"appdata-version", b"")) or None,
                channel=shown(branch),
                revision=commit.partition(".")[0],
                origin=shown(origin) or None,
                installation=installation.name,
                uid=installation.uid,
            )


def _installations(query: Query) -> Iterator[Installation]:
    # NULL equals nothing: a statement about a user's packages wants none of everybody's.
    if query.equals("uid") is None:
        yield Installation("system", _SYSTEM, None)
        yield from _more_installations(query, _MORE)
    for home in local_homes(query):
        yield Installation("user", f"{home.path}/{_OF_USER}", home.uid)


def _more_installations(query: Query, folder: str) -> Iterator[Installation]:
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


def _deployments(top: str, query: Query, budget: Budget) -> Iterator[tuple[str, str, str, str]]:
    """Yield id, branch, commit and path of the active deployments below KIND/ID/ARCHITECTURE/BRANCH.

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
                        yield package, branch, commit, deployed


def parse_deploy(data: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the origin and the named texts in the content of a deploy file.

    Raises ValueError for other content.
    """
    origin, _, _, _, rest = split_tuple(data, _ALIGNMENTS, _SIZES)
    return string(origin), string_dictionary(rest)
