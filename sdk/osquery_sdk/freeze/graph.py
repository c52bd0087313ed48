"""The modules that a program needs: those that are reached from its script without the detours of Python's library.

Python's library imports much of itself for rare occasions: `inspect` a disassembler, `pickle` its debugger, `asyncio`
and `urllib` OpenSSL. An import of that kind is left out if the module that has it works without it: see
`_can_do_without`. What the extension or a library of its own asks for is kept, with all that it may import later.
This module is used from the PyInstaller spec beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .statements import imports_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from types import CodeType

    from .statements import Import

_AT_A_DESK = frozenset(
    (
        "antigravity",
        "cmd",
        "code",
        "codeop",
        "distutils",
        "doctest",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "pdb",
        "pip",
        "pkg_resources",
        "pydoc",
        "pydoc_data",
        "readline",
        "rlcompleter",
        "setuptools",
        "test",
        "this",
        "tkinter",
        "turtle",
        "venv",
        "webbrowser",
    )
)
"""For people who develop and try things: a module's tests of itself, `help()`, `breakpoint()`."""

RARE = _AT_A_DESK | frozenset(
    (
        "_hashlib",
        "_sqlite3",
        "_ssl",
        "_tkinter",
        "concurrent.futures.process",
        "dbm",
        "multiprocessing",
        "opentelemetry",
        "sqlite3",
        "ssl",
        "unittest",
        "xmlrpc",
    )
)
"""Modules that are kept only for an extension that asks for them, or a module that does not work without them."""

# Libraries of the SDK itself: what they import on rare occasions is no wish of the extension's.
_OURS = frozenset(
    ("apsw", "defusedxml", "osquery_sdk", "prompt_toolkit", "psutil", "pygments", "thrift", "wcwidth", "yaml")
)
_ENCRYPTION = frozenset(("ssl", "_ssl", "_hashlib"))
_NONE: frozenset[str] = frozenset()
_POOL = "concurrent.futures.process"
# What only OpenSSL has of hashlib: functions, and hashes that are named in a text for `new`.
# https://docs.python.org/3/library/hashlib.html
_OPENSSL_FUNCTIONS = frozenset(("algorithms_available", "pbkdf2_hmac", "scrypt"))
_OPENSSL_HASHES = frozenset(("md4", "ripemd160", "sha512_224", "sha512_256", "sm3", "whirlpool"))
_RELEASES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    **dict.fromkeys(
        (
            "ftplib",
            "imaplib",
            "nntplib",
            "poplib",
            "smtplib",
            "urllib.request",
            "urllib.robotparser",
            "xmlrpc.client",
        ),
        (frozenset(), _ENCRYPTION),
    ),
    "asyncio": (frozenset(("ssl",)), _ENCRYPTION),
    "concurrent.futures": (frozenset(("ProcessPoolExecutor", "*")), frozenset((_POOL,))),
    "http.client": (
        frozenset(("HTTPSConnection",)),
        _ENCRYPTION,
    ),  # without it plain HTTP, as over a Unix socket
    "logging.config": (frozenset(("HTTPHandler", "SMTPHandler")), _ENCRYPTION),
    "logging.handlers": (frozenset(("HTTPHandler", "SMTPHandler")), _ENCRYPTION),
    "osquery_sdk.telemetry": (frozenset(), frozenset(("opentelemetry",))),
}
"""Modules that come with one that the extension imports.

The values are names and modules. If there are any names, one of them has to be in the extension's code.
"""


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
        # Of what is wanted at all, all that asks for more of it is heard.
        released = _rare_names(name) & rare
        own = is_own(name)
        for other, optional in _imports(graph, node):
            if own:
                released |= _released(node, str(other.identifier)) & rare
            if optional and _rare_names(str(other.identifier)) & rare and _can_do_without(node, other):
                put_off.append(other)
            else:
                pending.append(other)
        if released:
            rare -= released
            pending += [one for one in put_off if not _rare_names(str(one.identifier)) & rare]
        # A module needs the packages that it is in.
        if (parent := graph.find_node(name.rpartition(".")[0])) is not None:
            pending.append(parent)
    return names


def _can_do_without(node: Any, other: Any) -> bool:
    """Return True if a module works without one of those that it imports on some occasions."""
    name, target = str(node.identifier), str(other.identifier)
    if is_own(name):
        return False
    if name.partition(".")[0] in _OURS or (name, target) == ("concurrent.futures", _POOL):  # see _RELEASES
        return True
    statements = [one for one in _statements(node) if one.module == target]
    # A development tool that was asked for is to work; any other module can do without.
    at_a_desk = target.partition(".")[0] in _AT_A_DESK and not _rare_names(name)
    return all(
        one.has_fallback
        or (one.is_conditional and not one.is_in_function)
        or (at_a_desk and one.is_in_function)
        for one in statements
    )


def _statements(node: Any) -> Iterable[Import]:
    """The imports of a module of Python's library; none if there is no source."""
    file = Path(node.filename or "")
    name = str(node.identifier)
    if file.suffix != ".py":
        return ()
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    return imports_of(file.read_bytes(), package)


def _released(node: Any, target: str) -> frozenset[str]:
    """Return the rare modules that come with `target` for a module that imports it."""
    names, wanted = _RELEASES.get(target) or _RELEASES.get(target.partition(".")[0], (_NONE, _NONE))
    code = getattr(node, "code", None)
    if code is None:  # compiled: nobody can tell
        return wanted
    if target in ("hashlib", "hmac"):
        used = names_used(code)
        is_openssl = used & _OPENSSL_FUNCTIONS or ("new" in used and texts_in(code) & _OPENSSL_HASHES)
        return frozenset(("_hashlib",)) if is_openssl else _NONE
    return wanted if not names or names & (names_used(code) | texts_in(code)) else _NONE


def names_used(code: CodeType) -> set[str]:
    """Return the names that a module's code uses, imports or gives to arguments."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            found |= names_used(constant)
        elif isinstance(constant, tuple):
            found |= {name for name in constant if isinstance(name, str)}
    return found


def texts_in(code: CodeType) -> set[str]:
    """Return the texts in a module's code, with the parts of those that are dotted names."""
    found: set[str] = set()
    pending = list(code.co_consts)
    while pending:
        constant = pending.pop()
        if hasattr(constant, "co_consts"):
            pending += constant.co_consts
        elif isinstance(constant, (tuple, frozenset)):
            pending += constant
        elif isinstance(constant, str):
            found |= {constant, *constant.split(".")}
    return found


def _rare_names(name: str) -> frozenset[str]:
    """The names in `RARE` that a module goes by."""
    return RARE & {name, name.partition(".")[0]}


def is_own(name: str) -> bool:
    """Whether a module is the extension's, or of a library that the extension has brought."""
    top = name.partition(".")[0]
    return top not in sys.stdlib_module_names and top not in _OURS


def _imports(graph: Any, node: Any) -> Iterable[tuple[Any, bool]]:
    """Yield the imports of a module, each with whether it is made on some occasions only: in a `try`, `if` or function."""
    for other in graph.outgoing(node):
        target = "" if other is None else str(other.identifier)
        # PyInstaller's hook has every lexer and style depend on the package; of Pygments, the shell wants the one for SQL.
        # And wcwidth works without its compiled half, which is as large as all of the SDK.
        if other is None or (node.identifier == "pygments" and target.startswith("pygments.")):
            continue
        # PyInstaller has a program's script import the scripts that it runs before it.
        if target == "wcwidth._wcwidth_c" or type(other).__name__ == "Script":
            continue
        facts = graph.edgeData(node, other)
        optional = bool(
            getattr(facts, "tryexcept", False)
            or getattr(facts, "function", False)
            or getattr(facts, "conditional", False)
        )
        yield other, optional


def is_data_of(modules: Collection[str], entry: str, *, wanted: Collection[str]) -> bool:
    """Whether a data file belongs to one of the modules, or lies at the top of the bundle.

    Args:
        modules: identifiers.
        entry: its name in the bundle; distributions' metadata is no module's: see `distributions.py`.
        wanted: packages whose data was asked for.
    """
    first, _, rest = entry.replace("\\", "/").partition("/")
    return not rest or first in {name.partition(".")[0] for name in (*modules, *wanted)}


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
        if other is not None and is_own(str(other.identifier)):
            facts = graph.edgeData(other, node)
            if not any(getattr(facts, flag, False) for flag in ("tryexcept", "conditional", "fromlist")):
                return True
    return False
