"""Build CycloneDX 1.5 documents: bills of materials as dictionaries that `json.dumps` can write.

Schema: https://cyclonedx.org/docs/1.5/json/.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any


def document(
    component: Mapping[str, Any],
    components: Sequence[Mapping[str, Any]],
    *,
    depends_on: Iterable[str],
    date: datetime,
    tools: Mapping[str, str],
    serial: str = "",
) -> dict[str, Any]:
    """Return a document.

    Args:
        component: the program or package that is described.
        components: its parts.
        depends_on: the `bom-ref` of each part that it needs directly.
        date: in UTC.
        tools: the programs that made it: versions by name.
        serial: a UUID; left out if empty.
    """
    made_by = [{"type": "application", "name": name, "version": version} for name, version in tools.items()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        **({"serialNumber": f"urn:uuid:{serial}"} if serial else {}),
        "version": 1,
        "metadata": {
            "timestamp": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": made_by},
            "component": dict(component),
        },
        "components": list(components),
        "dependencies": [{"ref": component["bom-ref"], "dependsOn": list(depends_on)}],
    }


def component(kind: str, reference: str, name: str, **fields: Any) -> dict[str, Any]:
    """Return a component.

    Args:
        kind: `application`, `library`, `platform` or `file`.
        reference: its `bom-ref`, unique in the document.
        name: of the component.
        fields: others, in this order; those that are None are left out.
    """
    others = {field: value for field, value in fields.items() if value is not None}
    return {"type": kind, "bom-ref": reference, "name": name, **others}


def sha256(content: bytes) -> list[dict[str, str]]:
    """Return the field `hashes` for a file of this content."""
    return hashes(hashlib.sha256(content).hexdigest())


def hashes(digest: str) -> list[dict[str, str]]:
    """Return the field `hashes` for a SHA-256 in hexadecimal."""
    return [{"alg": "SHA-256", "content": digest}]
