"""kolide_snap_packages: the snaps that are installed, as snapd lists them over its socket.

Source: snapd's REST API, GET /v2/snaps.
"""

from collections.abc import Iterator

from kolide_kit.text import printable, printable_or_none
from kolide_kit.unixhttp import NoAnswer, get_json, is_socket
from osquery_sdk import Column, Query, Row, TableError, table

from ..reading.parsing import as_object

_SOCKET = "/run/snapd.socket"
_SECONDS = 5.0  # snapd may have to be started first


class SnapPackage(Row):
    """A snap, of which one revision is in use."""

    name: str = Column("Name, with the instance's key if there are several: firefox, node_old", key=True)
    id: str | None = Column("The store's id; empty if it was not installed from a store")
    version: str | None = Column("Version by its own account")
    channel: str | None = Column("Channel that it follows: latest/stable")
    revision: str | None = Column(
        "Revision of the store; x and a number if it was not installed from one", key=True
    )
    origin: str | None = Column("Publisher's name in the store")
    installation: str = Column("system: snaps are everybody's")
    uid: int | None = Column("NULL: snaps are everybody's", index=True)


@table(
    "kolide_snap_packages",
    platforms=("linux",),
    elsewhere="snapd runs nowhere else",
    examples=(
        "select name, version, channel, origin from kolide_snap_packages where revision like 'x%'",
        "select name, channel, revision from kolide_snap_packages where channel not like '%/stable'",
    ),
)
def snap_packages(query: Query) -> Iterator[SnapPackage]:
    """Snaps that are installed: versions, channels, revisions and publishers."""
    return snap_rows(query)


def snap_rows(query: Query, path: str = _SOCKET, *, seconds: float = _SECONDS) -> Iterator[SnapPackage]:
    """Yield the rows of snapd's answer at this socket.

    There are no rows without snapd, or if a user's own snaps are asked for.
    """
    if query.equals("uid") is not None or not is_socket(path):
        return
    try:
        answer = get_json(path, "/v2/snaps", seconds=seconds).content
    except NoAnswer as error:
        raise TableError(f"snapd does not tell its snaps: {error}") from error
    snaps = as_object(answer).get("result")
    if not isinstance(snaps, list):
        raise TableError("snapd does not tell its snaps: its answer has no list of them")
    for snap in snaps:
        query.check()
        if not isinstance(snap, dict) or not isinstance(snap.get("name"), str):
            continue
        texts = {key: printable_or_none(value) or None for key, value in snap.items()}
        yield SnapPackage(
            name=printable(snap["name"]),
            id=texts.get("id"),
            version=texts.get("version"),
            channel=texts.get("tracking-channel") or texts.get("channel"),
            revision=texts.get("revision"),
            origin=printable_or_none(as_object(snap.get("publisher")).get("username")) or None,
            installation="system",
            uid=None,
        )
