"""Which modules a program needs: those that are reached from its script without the detours of Python's own library.

Python's library imports much of itself for rare occasions: `inspect` a disassembler, `pickle` its debugger, `asyncio` and
`urllib` OpenSSL. What only such an import asks for is left out; what the extension or a library of its own asks for is
kept. This module is used from the PyInstaller spec beside it.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from types import CodeType

RARE = frozenset(
    (
        "_hashlib",
        "_sqlite3",
        "_ssl",
        "_tkinter",
        "antigravity",
        "cmd",
        "code",
        "codeop",
        "concurrent.futures.process",
        "dbm",
        "distutils",
        "doctest",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "multiprocessing",
        "opentelemetry",
        "pdb",
        "pip",
        "pkg_resources",
        "pydoc",
        "pydoc_data",
        "readline",
        "rlcompleter",
        "setuptools",
        "sqlite3",
        "ssl",
        "test",
        "this",
        "tkinter",
        "turtle",
        "unittest",
        "venv",
        "webbrowser",
        "xmlrpc",
    )
)
"""Modules that are kept only for an extension that asks for them, or a library of its own."""

# Libraries of the SDK itself: what they import on rare occasions is no wish of the extension's.
_OURS = frozenset(
    ("apsw", "defusedxml", "osquery_sdk", "prompt_toolkit", "psutil", "pygments", "thrift", "wcwidth", "yaml")
)
_ENCRYPTION = frozenset(("ssl", "_ssl", "_hashlib"))
_NONE: frozenset[str] = frozenset()
# Who imports one of these wants what it imports on a rare occasion.
_RELEASES = {
    **dict.fromkeys(("ftplib", "http.client", "imaplib", "poplib", "smtplib", "urllib.request"), _ENCRYPTION),
    "osquery_sdk.telemetry": frozenset(("opentelemetry",)),
}


def needed(graph: Any, start: Iterable[Any], *, kept: Collection[str] = ()) -> set[str]:
    """Identifiers of the modules that are reached.

    Args:
        graph: PyInstaller's module graph.
        start: its nodes to begin with: the script, and what was named besides.
        kept: modules that are wanted, rare or not.
    """
    rare = RARE - {name.partition(".")[0] for name in kept} - set(kept)
    pending = list(start)
    names: set[str] = set()
    put_off: list[Any] = []
    while pending:
        node = pending.pop()
        name = str(node.identifier)
        if name in names:
            continue
        names.add(name)
        own = _is_own(name)
        for other, optional in _imports(graph, node):
            target = str(other.identifier)
            if own and (released := _released(node, target) & rare):
                rare -= released
                pending += [one for one in put_off if not _is_in(one, rare)]
            if not own and optional and _is_in(other, rare):
                put_off.append(other)
            else:
                pending.append(other)
        # A module needs the packages that it is in.
        if (parent := graph.find_node(name.rpartition(".")[0])) is not None:
            pending.append(parent)
    return names


def _released(node: Any, target: str) -> frozenset[str]:
    """What a module that imports `target` wants besides."""
    if target == "http.client" and "HTTPSConnection" not in _names(getattr(node, "code", None)):
        return _NONE  # plain HTTP, as over a Unix socket
    return _RELEASES.get(target, _NONE)


def _names(code: CodeType | None) -> set[str]:
    """Every name in a module's code."""
    if code is None:
        return {"HTTPSConnection"}  # nobody can tell
    found = set(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            found |= _names(constant)
        elif isinstance(constant, tuple):  # the names of an import
            found |= {name for name in constant if isinstance(name, str)}
    return found


def _is_in(node: Any, names: Collection[str]) -> bool:
    name = str(node.identifier)
    return name in names or name.partition(".")[0] in names


def _is_own(name: str) -> bool:
    """Whether a module is the extension's, or of a library that the extension has brought."""
    top = name.partition(".")[0]
    return top not in sys.stdlib_module_names and top not in _OURS


def _imports(graph: Any, node: Any) -> Iterable[tuple[Any, bool]]:
    """What a module imports, and whether it can do without: it tries, or does so within a function."""
    for other in graph.outgoing(node):
        target = "" if other is None else str(other.identifier)
        # PyInstaller's hook has every lexer and style depend on the package; of Pygments, the shell wants the one for SQL.
        # And wcwidth works without its compiled half, which is as large as all of the SDK.
        if other is None or (node.identifier == "pygments" and target.startswith("pygments.")):
            continue
        if target == "wcwidth._wcwidth_c":
            continue
        facts = graph.edgeData(node, other)
        optional = bool(
            getattr(facts, "tryexcept", False)
            or getattr(facts, "function", False)
            or getattr(facts, "conditional", False)
        )
        yield other, optional


def is_data_of(
    modules: Collection[str],
    entry: str,
    *,
    wanted: Collection[str],
    distributions: Mapping[str, Collection[str]],
) -> bool:
    """Whether a data file belongs to one of the modules, or lies at the top of the bundle.

    Args:
        modules: identifiers.
        entry: its name in the bundle.
        wanted: packages whose data was asked for.
        distributions: which ones each package is of, as `importlib.metadata.packages_distributions` says.
    """
    first, _, rest = entry.replace("\\", "/").partition("/")
    if not rest:
        return True
    tops = {name.partition(".")[0] for name in (*modules, *wanted)}
    if not first.endswith((".dist-info", ".egg-info")):
        return first in tops
    owner = _normal(first.partition("-")[0])
    return any(
        _normal(distribution) == owner for package in tops for distribution in distributions.get(package, ())
    )


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "_", distribution).lower()


def libraries_needed(
    binaries: Iterable[tuple[str, str, str]], imports: Callable[[str], Iterable[tuple[str, str | None]]]
) -> set[str]:
    """Base names of the shared libraries that the binaries load, directly or through others.

    Args:
        binaries: PyInstaller's entries: name in the bundle, path, kind.
        imports: names and paths of the libraries that a file is linked with.
    """
    pending = [path for _, path, _ in binaries]
    seen: set[str] = set()
    names: set[str] = set()
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        for name, found in imports(path):
            names.add(name)
            if found:
                pending.append(found)
    return names


def is_missed(graph: Any, node: Any) -> bool:
    """Whether the extension's own code imports a module that is not there, and does not try to."""
    for other in graph.incoming(node):
        if other is not None and _is_own(str(other.identifier)):
            facts = graph.edgeData(other, node)
            if not any(getattr(facts, flag, False) for flag in ("tryexcept", "conditional", "fromlist")):
                return True
    return False
