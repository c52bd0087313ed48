"""What a bundle is made of, as a CycloneDX document.

Format: the JSON schema of CycloneDX 1.5, https://cyclonedx.org/docs/1.5/json/.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osquery_sdk._version import __version__
from osquery_sdk.leftovers import run_process

from .distributions import Installed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from importlib.metadata import Distribution

_NAMESPACE = uuid.UUID("a9c0c0de-5f0e-4b6f-9d35-6f7371756572")


def make_sbom(
    name: str, version: str, contents: Mapping[str, Any], *, made: datetime, digest: str
) -> dict[str, Any]:
    """The document.

    Args:
        name: of the program.
        version: of the program.
        contents: see `pyinstaller.run`.
        made: when it was built.
        digest: SHA-256 of the program's file; with it, equal builds have equal documents.
    """
    components = [_python(), *_distributions(contents), *_libraries(contents)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}",
        "version": 1,
        "metadata": {
            "timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {
                "components": [
                    {"type": "application", "name": "osquery-sdk", "version": __version__},
                    {"type": "application", "name": "pyinstaller", "version": _version_of("pyinstaller")},
                ]
            },
            "component": {
                "type": "application",
                "bom-ref": name,
                "name": name,
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            },
        },
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [one["bom-ref"] for one in components]}],
    }


def _python() -> dict[str, Any]:
    version = platform.python_version()
    return {
        "type": "platform",
        "bom-ref": f"python@{version}",
        "name": "python",
        "version": version,
        "licenses": [{"license": {"id": "Python-2.0"}}],
        "purl": f"pkg:generic/python@{version}",
    }


def _version_of(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


def _distributions(contents: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The installed distributions that any of the bundle's files comes from, by name."""
    return [_distribution(one.distribution) for one in Installed().in_bundle(contents)]


def _distribution(distribution: Distribution) -> dict[str, Any]:
    name, version = distribution.name, distribution.version
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        component["licenses"] = [{"expression": metadata["License-Expression"]}]
    elif "License" in metadata and "\n" not in (text := metadata["License"].strip()) and text:
        component["licenses"] = [{"license": {"name": text}}]
    return component


def _libraries(contents: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The shared libraries that are the system's, with the package that each comes from where dpkg knows."""
    found = []
    for name, path in sorted(contents["binaries"].items()):
        if len(Path(name).parts) > 1 or name.startswith("libpython"):
            continue
        file = Path(path)
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": f"file:{name}",
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}],
        }
        package, version = _debian_package(file)
        if package:
            component["version"] = version
            component["purl"] = f"pkg:deb/debian/{package}@{version}"
        found.append(component)
    return found


def _debian_package(file: Path) -> tuple[str, str]:
    resolved = file.resolve()
    # dpkg knows the path that a package has, which /lib -> usr/lib hides.
    for path in (resolved, Path("/", *resolved.parts[2:]) if resolved.parts[1:2] == ("usr",) else resolved):
        package = _dpkg("-S", str(path)).partition(":")[0]
        if package and " " not in package:
            return package, _dpkg("-W", "-f", "${Version}", package)
    return "", ""


def _dpkg(*arguments: str) -> str:
    try:
        done = run_process(["dpkg-query", *arguments], timeout=30)  # there is one only where there is Debian
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""
