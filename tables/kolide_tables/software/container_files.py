"""Read the containers that engines keep in files: podman's and CRI-O's storage, containerd's running tasks.

Podman and CRI-O list containers in containers.json of their storage, and keep the runtime's configuration and
the process's id beside it. Containerd has a folder for each running task; what it keeps of others is in a
database of its own and is not read. Sources: containers/storage, containers-storage.conf(5), podman's and
CRI-O's annotations, containerd's docs/ops.md, and the OCI runtime specification.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, Unreadable, owner_of, read_file
from kolide_kit.text import decode, decode_kept, printable, printable_or_none, shown
from osquery_sdk import Query

from ..reading.homes import local_homes
from ..reading.parsing import ParseError, as_object
from ..reading.paths import names_in
from ..reading.procfs import PROC
from ..reading.tomltext import toml_document
from .container_privileges import UNKNOWN, Privileges, of_runtime

_STORAGE = "/var/lib/containers/storage"
_RUN_STORAGE = "/run/containers/storage"
_OF_USER = ".local/share/containers/storage"
_SETTINGS = "/etc/containers/storage.conf"
_LISTS = ("containers.json", "volatile-containers.json")
_TASKS = "io.containerd.runtime.v2.task"
_CONTAINERD = ("run/containerd", "run/k3s/containerd", "var/snap/microk8s/common/run/containerd")
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
        for folder in names_in(store.path):
            if folder.endswith("-containers"):
                yield from _in_storage(store, folder, query, root)
    for top in _CONTAINERD:
        tasks = f"{root}/{top}/{_TASKS}"
        for namespace in names_in(tasks):
            for identity in names_in(f"{tasks}/{namespace}"):
                query.check()
                yield from _task(f"{tasks}/{namespace}/{identity}", namespace, identity, query, root)


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
    content = _read(root + _SETTINGS, query)
    try:
        return as_object(as_object(toml_document(decode(content or b""))).get("storage"))
    except ParseError as error:
        query.warn(f"{_SETTINGS}: {error}")
        return {}


# -- podman and CRI-O


def _in_storage(store: _Store, folder: str, query: Query, root: str) -> Iterator[Stored]:
    for name in _LISTS:
        path = f"{store.path}/{folder}/{name}"
        listed = _json(path, query)
        for facts in map(as_object, listed if isinstance(listed, list) else ()):
            query.check()
            identity = facts.get("id")
            # What buildah works on has no such metadata: it is an image in the making.
            about = _metadata(facts.get("metadata"))
            if isinstance(identity, str) and _ID.fullmatch(identity) and "created-at" in about:
                yield _stored(store, folder, identity, facts, about, query, root)


def _stored(
    store: _Store,
    folder: str,
    identity: str,
    facts: dict[str, Any],
    about: dict[str, Any],
    query: Query,
    root: str,
) -> Stored:
    own, running = (f"{top}/{folder}/{identity}/userdata" for top in (store.path, store.run))
    spec = as_object(_json(f"{own}/config.json", query))
    notes = as_object(spec.get("annotations"))
    pid = _live_pid(f"{running}/pidfile", identity, query, root)
    names = facts.get("names")
    name = about.get("name") or (names[0] if isinstance(names, list) and names else None)
    image = printable_or_none(facts.get("image"))
    created = about.get("created-at")
    return Stored(
        runtime="cri-o" if notes.get("io.container.manager") == "cri-o" or "pod-name" in about else "podman",
        uid=store.uid,
        id=identity,
        name=printable_or_none(name),
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


def _task(path: str, namespace: str, identity: str, query: Query, root: str) -> Iterator[Stored]:
    spec = as_object(_json(f"{path}/config.json", query))
    if not spec:
        return
    notes = as_object(spec.get("annotations"))
    pid = _live_pid(f"{path}/init.pid", identity, query, root)
    is_sandbox = notes.get(f"{_CRI}container-type") == "sandbox"
    name = notes.get(f"{_CRI}sandbox-name" if is_sandbox else f"{_CRI}container-name") or notes.get(
        "nerdctl/name"
    )
    yield Stored(
        runtime="docker" if namespace == _DOCKER else "containerd",
        uid=owner_of(path),
        id=shown(identity),
        name=printable_or_none(name),
        image=printable_or_none(notes.get(f"{_CRI}image-name")),
        image_id=None,
        state="running" if pid else "exited",
        pid=pid,
        created=None,
        ports=None,
        access=of_runtime(spec),
    )


# -- what they share


def _live_pid(path: str, identity: str, query: Query, root: str) -> int | None:
    """Return the id of a container's first process; None if it has ended.

    Another process may have the number by then: the container's own is in a control group with its id, or is
    the child of a monitor that has it in its arguments.
    """
    text = decode(_read(path, query) or b"").strip()
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


def _read(path: str, query: Query) -> bytes | None:
    try:
        return read_file(path, max_bytes=query.limits.max_file_bytes)
    except Missing:
        return None
    except (Unreadable, LimitExceeded) as error:
        query.warn(str(error))
        return None


def _json(path: str, query: Query) -> object:
    content = _read(path, query)
    try:
        value: object = json.loads(decode_kept(content)) if content else None
    except (ValueError, RecursionError) as error:
        query.warn(f"{shown(path)}: {printable(str(error))}")
        return None
    return value
