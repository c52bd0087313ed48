"""Read the containers that engines keep in files: podman's and CRI-O's storage, containerd's tasks.

Podman and CRI-O list containers in containers.json of their storage, and keep the runtime's configuration and
the process's id beside it. Containerd has a folder for each running task. Podman and containerd have a
database besides. Sources: containers/storage, containers-storage.conf(5), podman's and CRI-O's annotations,
containerd's docs/ops.md and its plugin for Kubernetes, and the OCI runtime specification.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, owner_of, read_file
from kolide_kit.text import decode, decode_kept, printable, printable_or_none, shown
from osquery_sdk import Query

from ..reading.homes import local_homes
from ..reading.parsing import ParseError, as_list, as_object
from ..reading.paths import names_in, read_or_warn
from ..reading.procfs import PROC
from ..reading.tomltext import toml_document
from .container_privileges import UNKNOWN, Privileges, of_runtime
from .containerd_state import KnownTask, known_tasks
from .podman_state import Known, known_containers

_STORAGE = "/var/lib/containers/storage"
_RUN_STORAGE = "/run/containers/storage"
_OF_USER = ".local/share/containers/storage"
_SETTINGS = "/etc/containers/storage.conf"
_LISTS = ("containers.json", "volatile-containers.json")
_TASKS = "io.containerd.runtime.v2.task"
# The folder of running tasks, and the one of what is kept.
_CONTAINERD = {
    "run/containerd": "var/lib/containerd",
    "run/k3s/containerd": "var/lib/rancher/k3s/agent/containerd",
    "var/snap/microk8s/common/run/containerd": "var/snap/microk8s/common/var/lib/containerd",
}
_CRI_PLUGINS = ("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime")
_DOCKER = "moby"  # the namespace of docker's own containers
_ID = re.compile(r"[0-9a-f]{64}")
_CRI = "io.kubernetes.cri."
_CRIO = "io.kubernetes.cri-o."


class Stored(NamedTuple):
    """A container of an engine's files, and what it may do."""

    runtime: str
    uid: int | None
    id: str
    name: str | None
    image: str | None
    image_id: str | None
    state: str
    pid: int | None
    created: int | None
    ports: list[str] | None
    access: Privileges


class _Store(NamedTuple):
    """A storage of podman or CRI-O: its folder, and the one of what ends with the machine's run."""

    path: str
    run: str
    uid: int | None


def stored_containers(query: Query, root: str = "") -> Iterator[Stored]:
    """Yield the containers that podman, CRI-O and containerd keep in files below a root folder."""
    for store in _stores(query, root):
        query.check()
        yield from _in_store(store, query, root)
    for run, state in _CONTAINERD.items():
        known = known_tasks(f"{root}/{state}", query)
        tasks = f"{root}/{run}/{_TASKS}"
        there = (
            (namespace, task) for namespace in names_in(tasks) for task in names_in(f"{tasks}/{namespace}")
        )
        for place in dict.fromkeys((*there, *known)):
            query.check()
            yield from _task(
                f"{tasks}/{'/'.join(place)}", f"{root}/{state}", place, known.get(place), query, root
            )


def _stores(query: Query, root: str) -> Iterator[_Store]:
    settings = _settings(query, root)
    path, run = (settings.get(key) for key in ("graphroot", "runroot"))
    path = path if isinstance(path, str) and path.startswith("/") else _STORAGE
    run = run if isinstance(run, str) and run.startswith("/") else _RUN_STORAGE
    yield _Store(root + path, root + run, owner_of(root + path))
    # Users' homes are this machine's, whatever folder a test looks into.
    for home in () if root else local_homes(query):
        yield _Store(f"{home.path}/{_OF_USER}", f"/run/user/{home.uid}/containers", home.uid)


def _settings(query: Query, root: str) -> dict[str, Any]:
    content = read_or_warn(root + _SETTINGS, query)
    try:
        return as_object(as_object(toml_document(decode(content or b""))).get("storage"))
    except ParseError as error:
        query.warn(f"{_SETTINGS}: {error}")
        return {}


# -- podman and CRI-O


def _in_store(store: _Store, query: Query, root: str) -> Iterator[Stored]:
    """Yield the containers of a storage, and those of podman's database that have none of its layers."""
    known = known_containers(store.path, query)
    for folder in names_in(store.path):
        for name in _LISTS if folder.endswith("-containers") else ():
            listed = _json(f"{store.path}/{folder}/{name}", query)
            for facts in map(as_object, as_list(listed)):
                query.check()
                identity = facts.get("id")
                # What buildah works on has no such metadata: it is an image in the making.
                about = _metadata(facts.get("metadata"))
                if isinstance(identity, str) and _ID.fullmatch(identity) and "created-at" in about:
                    container = known.pop(identity, None)
                    yield _stored(
                        store, f"{folder}/{identity}", identity, facts, about, container, query, root
                    )
    for identity, container in known.items():
        query.check()
        if _ID.fullmatch(identity) and ".." not in container.folder:
            yield _stored(store, container.folder, identity, {}, {}, container, query, root)


def _stored(
    store: _Store,
    folder: str,
    identity: str,
    facts: dict[str, Any],
    about: dict[str, Any],
    known: Known | None,
    query: Query,
    root: str,
) -> Stored:
    own, running = (f"{top}/{folder}/userdata" for top in (store.path, store.run))
    spec = as_object(_json(f"{own}/config.json", query))
    notes = as_object(spec.get("annotations"))
    pid = _live_pid(f"{running}/pidfile", identity, query, root)
    if pid is None and known is not None:
        # The folder of what ends with the machine's run may be elsewhere.
        pid = _live(str(known.pid), identity, root)
    names = as_list(facts.get("names"))
    image = printable_or_none(facts.get("image"))
    created = about.get("created-at")
    stored = Stored(
        runtime="cri-o" if notes.get("io.container.manager") == "cri-o" or "pod-name" in about else "podman",
        uid=store.uid,
        id=identity,
        name=printable_or_none(about.get("name") or (names[0] if names else None)),
        image=printable_or_none(about.get("image-name")) or printable_or_none(notes.get(f"{_CRIO}ImageName")),
        image_id=f"sha256:{image}" if image and _ID.fullmatch(image) else image,
        # The runtime's configuration is written for the first start.
        state="running" if pid else "exited" if spec else "created",
        pid=pid,
        created=created
        if isinstance(created, int) and 0 <= created < 1 << 62
        else _time(facts.get("created")),
        ports=None,
        access=of_runtime(spec) if spec else UNKNOWN,
    )
    return stored if known is None else _told(stored, known, is_started=bool(spec))


def _told(stored: Stored, known: Known, *, is_started: bool) -> Stored:
    """Return a container with what podman's database says of it."""
    access = stored.access if is_started else of_runtime(known.spec)
    privileges = access.privileges
    if known.privileged and privileges is not None and "privileged" not in privileges:
        privileges = ["privileged", *privileges]
    # The database still has what ran when the machine stopped.
    has_ended = stored.pid is None and known.state in ("running", "paused", "stopping")
    return stored._replace(
        name=known.name or stored.name,
        image=stored.image or known.image,
        image_id=stored.image_id or known.image_id,
        state="exited" if has_ended else known.state,
        created=stored.created if known.created is None else known.created,
        ports=known.ports,
        access=access._replace(
            privileged=int(known.privileged), network_mode=known.network_mode, privileges=privileges
        ),
    )


def _metadata(text: object) -> dict[str, Any]:
    try:
        return as_object(json.loads(text)) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}


def _time(text: object) -> int | None:
    try:
        return int(datetime.fromisoformat(re.sub(r"\.\d+", "", str(text))).timestamp())
    except (ValueError, OverflowError):
        return None


# -- containerd


def _task(
    path: str, state: str, place: tuple[str, str], known: KnownTask | None, query: Query, root: str
) -> Iterator[Stored]:
    namespace, identity = place
    running = as_object(_json(f"{path}/config.json", query))
    spec = running or (known.spec if known else {})
    if not spec and known is None:
        return
    notes = as_object(spec.get("annotations")) | (known.labels if known else {})
    pid = _live_pid(f"{path}/init.pid", identity, query, root)
    is_sandbox = "sandbox" in (notes.get(f"{_CRI}container-type"), notes.get("io.cri-containerd.kind"))
    names = ("sandbox-name", "pod.name") if is_sandbox else ("container-name", "container.name")
    name = notes.get(_CRI + names[0]) or notes.get(f"io.kubernetes.{names[1]}") or notes.get("nerdctl/name")
    image = known.image if known else None
    yield Stored(
        runtime="docker" if namespace == _DOCKER else "containerd",
        uid=owner_of(path) if running else owner_of(state),
        id=shown(identity),
        name=printable_or_none(name),
        image=printable_or_none(notes.get(f"{_CRI}image-name")) or image,
        image_id=None,
        state="running" if pid else "exited" if running or _has_ended(state, identity, query) else "created",
        pid=pid,
        created=known.created if known else None,
        ports=None,
        access=of_runtime(spec) if spec else UNKNOWN,
    )


def _has_ended(state: str, identity: str, query: Query) -> bool:
    """Return whether the part of containerd that serves Kubernetes has noted a container's end."""
    for plugin in _CRI_PLUGINS:
        status = as_object(_json(f"{state}/{plugin}/containers/{identity}/status", query))
        if isinstance(status.get("FinishedAt"), int) and status["FinishedAt"] > 0:
            return True
    return False


# -- what they share


def _live_pid(path: str, identity: str, query: Query, root: str) -> int | None:
    """Return the id of a container's first process; None if it has ended.

    Another process may have the number by then: the container's own is in a control group with its id, or is
    the child of a monitor that has it in its arguments.
    """
    return _live(decode(read_or_warn(path, query) or b"").strip(), identity, root)


def _live(text: str, identity: str, root: str) -> int | None:
    """Return the number of a process if it is a container's."""
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text):
        return None
    folder = f"{root}{PROC}/{text}"
    if identity.encode() in (_quietly(f"{folder}/cgroup") or b""):
        return int(text)
    status = _quietly(f"{folder}/stat") or b""
    parent = status.rpartition(b")")[2].split()[1:2]
    monitor = (
        _quietly(f"{root}{PROC}/{parent[0].decode()}/cmdline") if parent and parent[0].isdigit() else b""
    )
    return int(text) if identity.encode() in (monitor or b"") else None


def _quietly(path: str) -> bytes | None:
    try:
        return read_file(path)
    except (Unreadable, LimitExceeded):
        return None


def _json(path: str, query: Query) -> object:
    content = read_or_warn(path, query)
    try:
        value: object = json.loads(decode_kept(content)) if content else None
    except (ValueError, RecursionError) as error:
        query.warn(f"{shown(path)}: {printable(str(error))}")
        return None
    return value
