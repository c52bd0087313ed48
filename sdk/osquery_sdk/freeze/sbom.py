"""Make the bill of materials of a bundle: Python, the distributions and the system's libraries in it."""

from __future__ import annotations

import platform
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kolide_kit import cyclonedx
from kolide_kit.processes import run_process

from .._version import __version__
from .distributions import Installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from importlib.metadata import Distribution

_NAMESPACE = uuid.UUID("a9c0c0de-5f0e-4b6f-9d35-6f7371756572")


def make_sbom(
    name: str, version: str, contents: Mapping[str, Any], *, date: datetime, digest: str
) -> dict[str, Any]:
    """Return the document.

    Args:
        name: of the program.
        version: of the program.
        contents: see `pyinstaller.run`.
        date: of the build.
        digest: SHA-256 of the program's file; with it, equal builds have equal documents.
    """
    distributions = [_distribution(bundled.distribution) for bundled in Installed().in_bundle(contents)]
    components = [_python(), *distributions, *_libraries(contents)]
    return cyclonedx.document(
        cyclonedx.component("application", name, name, version=version, hashes=cyclonedx.hashes(digest)),
        components,
        depends_on=[component["bom-ref"] for component in components],
        date=date,
        tools={"osquery-sdk": __version__, "pyinstaller": _version_of("pyinstaller")},
        serial=str(uuid.uuid5(_NAMESPACE, digest)),
    )


def _python() -> dict[str, Any]:
    version = platform.python_version()
    return cyclonedx.component(
        "platform",
        f"python@{version}",
        "python",
        version=version,
        licenses=[{"license": {"id": "Python-2.0"}}],
        purl=f"pkg:generic/python@{version}",
    )


def _version_of(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


def _distribution(distribution: Distribution) -> dict[str, Any]:
    name, version, metadata = distribution.name, distribution.version, distribution.metadata
    licenses: list[dict[str, Any]] = []
    if "License-Expression" in metadata:
        licenses = [{"expression": metadata["License-Expression"]}]
    elif "License" in metadata and "\n" not in (text := metadata["License"].strip()) and text:
        licenses = [{"license": {"name": text}}]
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    return cyclonedx.component("library", purl, name, version=version, purl=purl, licenses=licenses or None)


def _libraries(contents: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the system's shared libraries in the bundle, with their Debian package if dpkg knows it."""
    for name, path in sorted(contents["binaries"].items()):
        if len(Path(name).parts) > 1 or name.startswith("libpython"):
            continue
        file = Path(path)
        package, version = _debian_package(file)
        purl = f"pkg:deb/debian/{package}@{version}" if package else None
        facts = {"hashes": cyclonedx.sha256(file.read_bytes()), "version": version if package else None}
        yield cyclonedx.component("library", f"file:{name}", name, **facts, purl=purl)


def _debian_package(file: Path) -> tuple[str, str]:
    """Return the name and version of the Debian package that a file is of; empty if dpkg does not know it."""
    resolved = file.resolve()
    # Where /lib is a link to usr/lib, dpkg knows the file by the path in its package, which may begin with
    # /lib.
    for path in (resolved, Path("/", *resolved.parts[2:]) if resolved.parts[1:2] == ("usr",) else resolved):
        package = _query_dpkg("-S", str(path)).partition(":")[0]
        if package and " " not in package:
            return package, _query_dpkg("-W", "-f", "${Version}", package)
    return "", ""


def _query_dpkg(*arguments: str) -> str:
    try:
        done = run_process(["dpkg-query", *arguments], timeout=30)
    except (OSError, subprocess.TimeoutExpired):  # systems other than Debian and its kin do not have it
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""
