"""What a package is made of, as a CycloneDX document: the bundle's own, with what the package adds.

Format: the JSON schema of CycloneDX 1.5, https://cyclonedx.org/docs/1.5/json/.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from osquery_sdk._version import __version__

from ..errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .bundle import Bundle
    from .model import Entry, Package

_NAMESPACE = uuid.UUID("f2bb4f9e-4a08-4c0a-8f1c-6f7371706b67")


def make_sbom(package: Package, bundle: Bundle, osqueryd: Entry | None, osquery: str) -> dict[str, Any]:
    """The document.

    Args:
        package: described.
        bundle: in it.
        osqueryd: the entry of a full package.
        osquery: its version; empty if nobody knows.

    Raises:
        PackagingError: the bundle's own document cannot be read.
    """
    inner = _read(bundle.sbom) if bundle.sbom else {}
    reference = f"{package.name}@{package.version.text}"
    program = inner.get("metadata", {}).get("component") or {
        "type": "application",
        "bom-ref": bundle.name,
        "name": bundle.name,
    }
    program_file = next(item.source for item in bundle.items if item.path == bundle.program)
    program["hashes"] = [_sha256(program_file.read_bytes())]
    components = [program, *(inner.get("components") or _files(bundle))]
    if osqueryd is not None:
        components.append(
            {
                "type": "application",
                "bom-ref": "osqueryd",
                "name": "osqueryd",
                **({"version": osquery} if osquery else {}),
                "hashes": [_sha256(osqueryd.read())],
            }
        )
    top = [one["bom-ref"] for one in components if one["bom-ref"] in (program["bom-ref"], "osqueryd")]
    inner_dependencies: Sequence[Any] = inner.get("dependencies", [])
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(package.made, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "osquery-sdk", "version": __version__}]},
            "component": {
                "type": "application",
                "bom-ref": reference,
                "name": package.name,
                "version": package.version.text,
                "licenses": [{"expression": package.license}],
            },
        },
        "components": components,
        "dependencies": [{"ref": reference, "dependsOn": top}, *inner_dependencies],
    }
    text = json.dumps(document, sort_keys=True)
    return {**document, "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, text)}"}


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PackagingError(f"{file}: cannot be read as a bill of materials: {error}") from error
    if not isinstance(content, dict) or content.get("bomFormat") != "CycloneDX":
        raise PackagingError(f"{file}: no CycloneDX document")
    return content


def _files(bundle: Bundle) -> Iterator[dict[str, Any]]:
    """The files of a bundle that came without a document."""
    for item in bundle.items:
        if item.kind == "file" and item.path != bundle.program:
            yield {
                "type": "file",
                "bom-ref": f"file:{item.path}",
                "name": item.path,
                "hashes": [_sha256(item.source.read_bytes())],
            }


def _sha256(content: bytes) -> dict[str, str]:
    return {"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}
