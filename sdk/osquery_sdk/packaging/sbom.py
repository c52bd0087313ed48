"""Make the bill of materials of a package: the one of its bundle, with what the package adds."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from kolide_kit import cyclonedx

from .._version import __version__
from ..errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .bundle import Bundle
    from .model import Entry, Package

_NAMESPACE = uuid.UUID("f2bb4f9e-4a08-4c0a-8f1c-6f7371706b67")


def make_sbom(package: Package, bundle: Bundle, osqueryd: Entry | None, osquery: str) -> dict[str, Any]:
    """Return the document: the bundle's own, with what the package adds.

    Args:
        package: the package to describe.
        bundle: the bundle in it.
        osqueryd: the entry of osqueryd; None for an add-on.
        osquery: the version of osqueryd; empty if it is not known.

    Raises:
        PackagingError: the bundle's own document cannot be read.
    """
    inner = _read(bundle.sbom) if bundle.sbom else {}
    program = inner.get("metadata", {}).get("component") or cyclonedx.component(
        "application", bundle.name, bundle.name
    )
    program_file = next(item.source for item in bundle.items if item.path == bundle.program)
    program["hashes"] = cyclonedx.sha256(program_file.read_bytes())
    components = [program, *(inner.get("components") or _files(bundle))]
    if osqueryd is not None:
        content = cyclonedx.sha256(osqueryd.read())
        components.append(
            cyclonedx.component(
                "application", "osqueryd", "osqueryd", version=osquery or None, hashes=content
            )
        )
    references = [component["bom-ref"] for component in components]
    document = cyclonedx.document(
        cyclonedx.component(
            "application",
            f"{package.name}@{package.version.text}",
            package.name,
            version=package.version.text,
            licenses=[{"expression": package.license}],
        ),
        components,
        depends_on=[reference for reference in references if reference in (program["bom-ref"], "osqueryd")],
        date=package.date,
        tools={"osquery-sdk": __version__},
    )
    document["dependencies"] += inner.get("dependencies", [])
    # Equal documents get equal serial numbers.
    text = json.dumps(document, sort_keys=True)
    return {**document, "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, text)}"}


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PackagingError(f"{file}: cannot be read as a bill of materials: {error}") from error
    if not isinstance(content, dict) or content.get("bomFormat") != "CycloneDX":
        raise PackagingError(f"{file}: is not a CycloneDX document")
    return content


def _files(bundle: Bundle) -> Iterator[dict[str, Any]]:
    """Yield a component for each file of a bundle that came without a document."""
    for item in bundle.items:
        if item.kind == "file" and item.path != bundle.program:
            content = cyclonedx.sha256(item.source.read_bytes())
            yield cyclonedx.component("file", f"file:{item.path}", item.path, hashes=content)
