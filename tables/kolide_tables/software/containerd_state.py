"""Read containerd's database of metadata: the containers that it has, running or not.

The database is bbolt: a bucket for each namespace, in that one for each container. Sources: containerd's
metadata/buckets.go, its docs/namespaces.md, time.Time's binary form, and nerdctl's labels.
"""

import json
import struct
from typing import Any, NamedTuple

from kolide_kit.files import Missing, Unreadable, open_file
from kolide_kit.text import printable, shown
from osquery_sdk import Query

from ..reading.parsing import as_object
from .boltdb import BoltError, Bucket, read_bolt

_DATABASE = "io.containerd.metadata.v1.bolt/meta.db"
# A time is counted from the year 1.
_EPOCH = 62_135_596_800
_TYPE_URL, _VALUE = 1, 2
_LENGTH_DELIMITED = 2


class KnownTask(NamedTuple):
    """A container of containerd's database, with the runtime configuration that its tasks get."""

    image: str | None
    created: int | None
    labels: dict[str, str]
    spec: dict[str, Any]


def known_tasks(top: str, query: Query) -> dict[tuple[str, str], KnownTask]:
    """Return the containers in containerd's folder, by namespace and id; what cannot be read is logged."""
    path = f"{top}/{_DATABASE}"
    known: dict[tuple[str, str], KnownTask] = {}
    try:
        with open_file(path) as file:
            for namespace, names in read_bolt(file).bucket(b"v1").items():
                for identity, facts in (
                    names.bucket(b"containers").items() if isinstance(names, Bucket) else ()
                ):
                    query.check()
                    if isinstance(facts, Bucket):
                        known[shown(namespace), shown(identity)] = _known(facts)
    except Missing:
        pass
    except Unreadable as error:
        query.warn(str(error))
    except (OSError, BoltError) as error:
        query.warn(f"{shown(path)}: {printable(str(error))}")
    return known


def _known(facts: Bucket) -> KnownTask:
    labels = {
        shown(name): shown(value)
        for name, value in facts.bucket(b"labels").items()
        if isinstance(value, bytes)
    }
    return KnownTask(
        image=shown(facts.value(b"image")) or None,
        created=_time(facts.value(b"createdat")),
        labels=labels,
        spec=_spec(facts.value(b"spec")),
    )


def _time(data: bytes) -> int | None:
    """Return Unix seconds of a time: a version, seconds, nanoseconds and the offset of its zone."""
    return struct.unpack_from(">q", data, 1)[0] - _EPOCH if len(data) >= 15 else None


def _spec(data: bytes) -> dict[str, Any]:
    """Return the JSON in a message of protobuf: field 1 says its type, field 2 has it."""
    at = 0
    while at < len(data):
        key, at = data[at], at + 1
        length = shift = 0
        for byte in data[at : at + 5]:
            length |= (byte & 0x7F) << shift
            shift += 7
            at += 1
            if byte < 0x80:
                break
        if key == _VALUE << 3 | _LENGTH_DELIMITED:
            try:
                return as_object(json.loads(data[at : at + length]))
            except (ValueError, RecursionError):
                return {}
        if key != _TYPE_URL << 3 | _LENGTH_DELIMITED:
            return {}
        at += length
    return {}
