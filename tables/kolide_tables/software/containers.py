"""kolide_containers: containers of docker and podman, as their services list them over their sockets, and
those that podman, CRI-O and containerd keep in files.

Docker and podman answer docker's API. A podman without its socket unit has no service, and the services of
CRI-O and containerd speak gRPC: their containers are read from their files. Source: Docker Engine API,
ContainerList and ContainerInspect.
"""

import os
import re
from collections.abc import Iterator
from typing import Any

from kolide_kit.files import owner_of
from kolide_kit.text import printable, printable_or_none, shown
from kolide_kit.unixhttp import NoAnswer, get_json, is_socket
from osquery_sdk import Column, ColumnType, Query, Row, TableError, table

from ..reading.parsing import as_object
from .container_privileges import of_engine

_ID = r"[0-9a-f]{12,64}"
_MOST = (1 << 63) - 1
_SECONDS = 2.0
_DETAILED = ("pid", "privileged", "privileges", "network_mode", "capabilities")


class Container(Row):
    """A container that an engine knows, running or not."""

    runtime: str = Column("docker, podman, cri-o or containerd")
    socket_path: str = Column(
        "Socket of the engine's service; those of the system and of users who have logged in unless given; "
        "empty for a container that was read from an engine's files",
        index=True,
        key=True,
    )
    uid: int | None = Column("User whose engine it is: the owner of the socket or files")
    id: str = Column("Container's id, 64 hex digits; containerd takes other names, too", index=True, key=True)
    name: str | None = Column("Container's name")
    image: str | None = Column("Image that it was made from, as it was named then")
    image_id: str | None = Column("Image's id: sha256: and 64 hex digits")
    state: str | None = Column("created, running, paused, restarting, exited, dead, ...")
    pid: int | None = Column("Its first process on this machine; NULL if it does not run", costly=True)
    created: int | None = Column("Time at which it was made, Unix seconds")
    privileged: int | None = Column(
        "1 if it was started as privileged: it may do to the machine whatever root may. What else comes near "
        "to that is in privileges",
        type=ColumnType.INTEGER,
        costly=True,
    )
    ports: list[str] | None = Column(
        "JSON list of its ports: IP:PORT->PORT/PROTOCOL, or PORT/PROTOCOL if not published; empty if "
        "not known"
    )
    privileges: list[str] | None = Column(
        "JSON list of the ways in which it reaches beyond itself: privileged, capability=CAP_SYS_ADMIN and "
        "other strong ones, pid=host and other shared namespaces, socket=PATH of an engine, mount=PATH of a "
        "folder of the system, device=PATH, seccomp=unconfined; empty if not known",
        default=None,
        costly=True,
    )
    network_mode: str | None = Column(
        "Network: host, none, bridge, a network's name, container:ID, or private or ns:PATH from files",
        default=None,
        costly=True,
    )
    capabilities: list[str] | None = Column(
        "JSON list of the capabilities that its programs can have", default=None, costly=True
    )


@table(
    "kolide_containers",
    privilege=(
        "Without root: the user's own containers of Podman, and those of an engine whose socket the user "
        "may open."
    ),
    platforms=("linux",),
    elsewhere="elsewhere containers run in a virtual machine, and not among the machine's own processes",
    examples=(
        "select name, image, state, privileged, ports from kolide_containers where state = 'running'",
        (
            "select c.name, c.image, p.pid, p.name as process, p.cmdline from kolide_containers c "
            "join processes p on p.pid = c.pid where c.privileges not in ('', '[]')"
        ),
    ),
)
def containers(query: Query) -> Iterator[Container]:
    """Containers of docker, podman, CRI-O and containerd: image, state, process, privileges and ports."""
    return container_rows(query)


def container_rows(query: Query, root: str = "", *, seconds: float = _SECONDS) -> Iterator[Container]:
    """Yield the rows of the services at the sockets below /run, or at those asked for, then those in files.

    Each service has `seconds` to answer.
    """
    wanted = query.equals("socket_path")
    paths = list(_known(root)) if wanted is None else [path for path in wanted if path.startswith("/")]
    ids = query.equals("id")
    hexadecimal = None if ids is None else tuple(identity for identity in ids if re.fullmatch(_ID, identity))
    listed: set[str] = set()
    for path in paths if hexadecimal is None or hexadecimal else ():
        query.check()
        # A link to a socket, as podman-docker makes, leads to one that is listed anyway.
        if query.matches("socket_path", shown(path)) and is_socket(path):
            try:
                for row in _rows(query, path, hexadecimal, seconds):
                    listed.add(row.id)
                    yield row
            except NoAnswer as error:
                if wanted is not None:
                    # Without any row it would look as if the engine had no containers.
                    raise TableError(f"the engine's containers are not known: {error}") from error
                query.warn(f"its containers are left out: {error}")
    if not query.constraints("socket_path"):
        from .container_files import stored_containers

        for stored in stored_containers(query, root):
            if stored.id not in listed and query.matches("id", stored.id):
                facts = stored._asdict()
                yield Container(socket_path="", **facts.pop("access")._asdict(), **facts)


def _known(root: str) -> Iterator[str]:
    try:
        users = sorted(name for name in os.listdir(f"{root}/run/user") if name.isdigit())  # noqa: PTH208
    except OSError:
        users = []
    for folder in ("run", *(f"run/user/{uid}" for uid in users)):
        yield f"{root}/{folder}/docker.sock"
        yield f"{root}/{folder}/podman/podman.sock"


def _rows(query: Query, path: str, ids: tuple[str, ...] | None, seconds: float) -> Iterator[Container]:
    import json
    from urllib.parse import quote

    listing = "/containers/json?all=1"
    if ids is not None:
        listing += f"&filters={quote(json.dumps({'id': list(ids)}))}"
    listed, server = get_json(path, listing, seconds=seconds)
    if not isinstance(listed, list):
        raise NoAnswer(f"{shown(path)} does not answer a list")
    uid = owner_of(path)
    for facts in map(as_object, listed):
        query.check()
        container = facts.get("Id")
        if not isinstance(container, str) or not re.fullmatch(_ID, container):
            continue
        if not query.matches("id", container):
            continue
        details = _details(query, path, container, seconds)
        if details is None:
            continue
        podman = server.startswith("Libpod")
        access = of_engine(details, podman=podman)
        yield Container(
            runtime="podman" if podman else "docker",
            socket_path=shown(path),
            uid=uid,
            id=container,
            name=_name(facts.get("Names")),
            image=printable_or_none(facts.get("Image")),
            image_id=printable_or_none(facts.get("ImageID")),
            state=printable_or_none(facts.get("State")),
            pid=_count(as_object(details.get("State")).get("Pid")) or None,
            created=_count(facts.get("Created")),
            ports=port_texts(facts.get("Ports")),
            **access._asdict(),
        )


def _name(names: object) -> str | None:
    """Return a container's own name; it also has one of the form /OTHER/ALIAS for each link to it."""
    texts = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    own = [name for name in texts if "/" not in name.removeprefix("/")]
    return printable((own or texts)[0].removeprefix("/")) if texts else None


def _details(query: Query, path: str, container: str, seconds: float) -> dict[str, Any] | None:
    """Return a container's details, which are not in the listing; None if it has been removed meanwhile."""
    if not any(map(query.wants, _DETAILED)):
        return {}
    try:
        details = get_json(path, f"/containers/{container}/json", seconds=seconds).content
    except NoAnswer as error:
        if " answers 404 " not in str(error):
            raise
        return None
    return as_object(details)


def port_texts(ports: object) -> list[str]:
    """Return the ports of a listed container as docker and podman print them, sorted."""
    texts = []
    for port in map(as_object, ports if isinstance(ports, list) else ()):
        private = port.get("PrivatePort")
        if not isinstance(private, int):
            continue
        inside = f"{private}/{port.get('Type', 'tcp')}"
        public, address = port.get("PublicPort"), str(port.get("IP") or "0.0.0.0")  # noqa: S104
        if ":" in address:
            address = f"[{address}]"
        texts.append((private, printable(f"{address}:{public}->{inside}" if public else inside)))
    # podman's order changes, and a changed row would be a difference for osquery.
    return [text for _, text in sorted(texts)]


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= _MOST else None
