"""Read podman's own database: its containers, their settings and states.

It is SQLite from podman 4.8 on, and bbolt before. Both have the same two JSON texts for each container.
Sources: libpod's ContainerConfig and ContainerState, its two state modules, and how `podman inspect` tells a
container's network.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any, NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, Unreadable, open_file, read_file
from kolide_kit.text import printable, printable_or_none, shown
from osquery_sdk import Query

from ..reading.parsing import as_list, as_object
from .boltdb import BoltError, read_bolt

_SQLITE = "db.sql"
_BOLT = "libpod/bolt_state.db"
_STATEMENT = (
    "select c.JSON, s.JSON from ContainerConfig c left join ContainerState s on s.ID = c.ID order by c.ID"
)
# The database is a user's own: what it has SQLite do is counted.
_STEP, _MOST_STEPS = 1000, 20_000
_WAL_AT = 18
_STATES = {
    0: "unknown",
    1: "created",
    2: "initialized",
    3: "running",
    4: "stopped",
    5: "paused",
    6: "exited",
    7: "removing",
    8: "stopping",
}
_MOST_PORTS = 1000


class Known(NamedTuple):
    """A container of podman's database.

    Attributes:
        folder: the kind of storage and the id, of which the folder of the container's data is made.
        state: podman's word for it.
        pid: its first process, if it runs still.
        spec: the runtime configuration as it was when the container was made.
        network_mode: the network as `podman inspect` has it.
    """

    id: str
    folder: str
    name: str | None
    image: str | None
    image_id: str | None
    state: str
    pid: int | None
    created: int | None
    ports: list[str]
    network_mode: str
    privileged: bool
    spec: dict[str, Any]


def known_containers(storage: str, query: Query) -> dict[str, Known]:
    """Return the containers of the database in a storage, by their ids; what cannot be read is logged."""
    try:
        texts = _texts(storage, query)
    except (Unreadable, LimitExceeded) as error:
        query.warn(str(error))
        return {}
    known = (_known(_json(config), _json(state)) for config, state in texts)
    return {container.id: container for container in known if container is not None}


def _texts(storage: str, query: Query) -> list[tuple[str | bytes, str | bytes]]:
    """Return the two texts of each container. Raises Unreadable and LimitExceeded."""
    for name, read in ((_SQLITE, _of_sqlite), (_BOLT, _of_bolt)):
        path = f"{storage}/{name}"
        try:
            return list(read(path, query))
        except Missing:
            continue
        except (OSError, BoltError) as error:
            raise Unreadable(f"{shown(path)}: {printable(str(error))}") from error
    return []


def _of_sqlite(path: str, query: Query) -> Iterator[tuple[str | bytes, str | bytes]]:
    import sqlite3

    data = read_file(path, max_bytes=query.limits.max_file_bytes)
    # A copy in memory has no log beside it.
    data = data[:_WAL_AT] + b"\1\1" + data[_WAL_AT + 2 :]
    steps = iter(range(_MOST_STEPS))
    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(data)
            connection.execute("pragma trusted_schema = off")
            connection.set_progress_handler(lambda: next(steps, None) is None, _STEP)
            for row in connection.execute(_STATEMENT):
                config, state = (value if isinstance(value, (str, bytes)) else "" for value in row)
                yield config, state
    except (sqlite3.Error, OverflowError) as error:
        raise Unreadable(f"{shown(path)}: {printable(str(error))}") from error


def _of_bolt(path: str, query: Query) -> Iterator[tuple[bytes, bytes]]:
    del query
    with open_file(path) as file:
        for container in read_bolt(file).bucket(b"ctr").buckets():
            yield container.value(b"config"), container.value(b"state")


def _json(text: str | bytes) -> dict[str, Any]:
    try:
        return as_object(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _known(config: dict[str, Any], state: dict[str, Any]) -> Known | None:
    identity, folder = config.get("id"), config.get("staticDir")
    if not isinstance(identity, str) or not isinstance(folder, str):
        return None
    number = state.get("state")
    image = printable_or_none(config.get("rootfsImageID")) or None
    spec = as_object(config.get("spec"))
    return Known(
        id=printable(identity),
        folder="/".join(folder.split("/")[-3:-1]),
        name=printable_or_none(config.get("name")),
        image=printable_or_none(config.get("rootfsImageName")),
        image_id=f"sha256:{image}" if image else None,
        state=_STATES.get(number, "unknown") if isinstance(number, int) else "unknown",
        pid=state["pid"] if isinstance(state.get("pid"), int) else None,
        created=_time(config.get("createdTime")),
        ports=_ports(config),
        network_mode=_network(config, spec),
        privileged=config.get("privileged") is True,
        spec=spec,
    )


def _time(text: object) -> int | None:
    try:
        return int(datetime.fromisoformat(str(text)[:19] + "+00:00").timestamp())
    except (ValueError, OverflowError):
        return None


def _network(config: dict[str, Any], spec: dict[str, Any]) -> str:
    if config.get("createNetNS") is True:
        mode = config.get("networkMode")
        return printable(mode.partition(":")[0]) if isinstance(mode, str) and mode else "bridge"
    if isinstance(other := config.get("netNsCtr"), str) and other:
        return f"container:{printable(other)}"
    for space in map(as_object, as_list(as_object(spec.get("linux")).get("namespaces"))):
        if space.get("type") == "network":
            path = space.get("path")
            return f"ns:{printable(path)}" if isinstance(path, str) and path else "none"
    return "host"


def _ports(config: dict[str, Any]) -> list[str]:
    """Return the published ports in the form of the column; podman joins neighbours to a range."""
    ports: list[tuple[int, str]] = []
    for mapping in map(as_object, as_list(config.get("newPortMappings"))):
        inside, outside, count = (mapping.get(key) for key in ("container_port", "host_port", "range"))
        if isinstance(inside, int) and isinstance(outside, int) and isinstance(count, int):
            for protocol in str(mapping.get("protocol") or "tcp").split(","):
                ports += (
                    (inside + at, _port(mapping.get("host_ip"), outside + at, inside + at, protocol))
                    for at in range(min(count, _MOST_PORTS - len(ports)))
                )
    # Podman before 4 has each port for itself.
    for mapping in map(as_object, as_list(config.get("portMappings"))):
        inside, outside = mapping.get("containerPort"), mapping.get("hostPort")
        if isinstance(inside, int) and isinstance(outside, int) and len(ports) < _MOST_PORTS:
            text = _port(mapping.get("hostIP"), outside, inside, str(mapping.get("protocol") or "tcp"))
            ports.append((inside, text))
    return [text for _, text in sorted(ports)]


def _port(address: object, outside: int, inside: int, protocol: str) -> str:
    text = address if isinstance(address, str) and address else "0.0.0.0"  # noqa: S104
    return printable(f"{f'[{text}]' if ':' in text else text}:{outside}->{inside}/{protocol}")
