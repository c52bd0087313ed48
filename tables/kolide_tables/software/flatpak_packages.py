"""kolide_flatpak_packages: applications and runtimes that flatpak has installed, for everybody or for one
user.

They are read from the folders of flatpak's deployments; flatpak is not run.
"""

from collections.abc import Iterable, Iterator

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.limits import Budget
from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, table

from ..reading.flatpak import Installation, deployments, installations, parse_deploy


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
    return package_rows(query, installations(query))


def package_rows(query: Query, places: Iterable[Installation]) -> Iterator[FlatpakPackage]:
    """Yield the rows of these installations."""
    budget = Budget.of(query)
    for installation in places:
        for package, _, branch, commit, path in deployments(installation.path, query, budget):
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
