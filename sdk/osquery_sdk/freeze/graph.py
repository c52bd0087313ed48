"""Select the modules that a program needs: its script reaches them, and they are not rarely used.

Python's library imports much of itself for rare occasions: `inspect` a disassembler, `pickle` its debugger,
`asyncio` and `urllib` OpenSSL. Such an import is left out if the module that makes it works without it: see
`_can_do_without`. A module that the extension or one of its libraries asks for is kept, with everything that
it may import later. The PyInstaller spec beside this file uses this module.
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

_AT_A_DESK = (
    frozenset(("cmd", "code", "codeop", "pdb", "readline", "rlcompleter"))  # prompts
    | frozenset(("doctest", "lib2to3", "pydoc", "pydoc_data", "test"))  # documentation and tests
    | frozenset(("distutils", "ensurepip", "pip", "pkg_resources", "setuptools", "venv"))  # installing
    | frozenset(("antigravity", "idlelib", "this", "tkinter", "turtle", "webbrowser"))  # windows and toys
)
"""Modules for people who develop and try things: a module's tests of itself, `help()`, `breakpoint()`."""

_ENCRYPTION = frozenset(("ssl", "_ssl", "_hashlib"))
_POOL = "concurrent.futures.process"
RARE = (
    _AT_A_DESK
    | _ENCRYPTION
    | frozenset(("_sqlite3", "_tkinter", "dbm", "sqlite3"))
    | frozenset((_POOL, "multiprocessing", "opentelemetry", "unittest", "xmlrpc"))
)
"""Modules that are kept only if the extension asks for them, or a module does not work without them."""

# The SDK and its libraries. The extension does not ask for what they import on rare occasions.
_OURS = frozenset(
    ("apsw", "osquery_sdk", "prompt_toolkit", "psutil", "pygments", "thrift", "tomli", "wcwidth", "yaml")
)
_NONE: frozenset[str] = frozenset()
# The parts of hashlib that only OpenSSL has: functions, and hashes that a text names for `new`.
# https://docs.python.org/3/library/hashlib.html
_OPENSSL_FUNCTIONS = frozenset(("algorithms_available", "pbkdf2_hmac", "scrypt"))
_OPENSSL_HASHES = frozenset(("md4", "ripemd160", "sha512_224", "sha512_256", "sm3", "whirlpool"))
_CLIENTS = ("ftplib", "imaplib", "nntplib", "poplib", "smtplib", "xmlrpc.client")
_RELEASES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    **dict.fromkeys((*_CLIENTS, "urllib.request", "urllib.robotparser"), (_NONE, _ENCRYPTION)),
    "asyncio": (frozenset(("ssl",)), _ENCRYPTION),
    "concurrent.futures": (frozenset(("ProcessPoolExecutor", "*")), frozenset((_POOL,))),
    # Without encryption it speaks plain HTTP, as over a Unix socket.
    "http.client": (frozenset(("HTTPSConnection",)), _ENCRYPTION),
    "logging.config": (frozenset(("HTTPHandler", "SMTPHandler")), _ENCRYPTION),
    "logging.handlers": (frozenset(("HTTPHandler", "SMTPHandler")), _ENCRYPTION),
    "osquery_sdk.serving.telemetry": (_NONE, frozenset(("opentelemetry",))),
}
"""The rare modules that are kept for a module which the extension imports, by that module.

The values are (names, rare modules). If there are names, the extension's code has to use one of them.
"""


def needed(graph: Any, start: Iterable[Any], *, kept: Collection[str] = ()) -> set[str]:
    """Return the identifiers of the modules that are reached.

    Args:
        graph: PyInstaller's module graph.
        start: the nodes to begin with: the program's script, and others.
        kept: modules that are wanted even if they are rare.
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
        # A rare module that is reached makes its own other parts wanted too.
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
            pending += [other for other in put_off if not _rare_names(str(other.identifier)) & rare]
        # A module needs the packages that it is in.
        if (parent := graph.find_node(name.rpartition(".")[0])) is not None:
            pending.append(parent)
    return names


def _can_do_without(node: Any, other: Any) -> bool:
    """Return True if a module works without a module that it imports on some occasions."""
    name, target = str(node.identifier), str(other.identifier)
    if is_own(name):
        return False
    if name.partition(".")[0] in _OURS or (name, target) == ("concurrent.futures", _POOL):  # see _RELEASES
        return True
    # A development tool that was asked for has to work. Any other module can do without development tools.
    at_a_desk = target.partition(".")[0] in _AT_A_DESK and not _rare_names(name)
    return all(
        statement.has_fallback
        or (statement.is_conditional and not statement.is_in_function)
        or (at_a_desk and statement.is_in_function)
        for statement in _statements(node)
        if statement.module == target
    )


def _statements(node: Any) -> Iterable[Import]:
    """Return the imports of a module of Python's library; none if it has no source."""
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
    if code is None:  # a compiled module may use any of the names
        return wanted
    if target in ("hashlib", "hmac"):
        used = names_used(code)
        is_openssl = used & _OPENSSL_FUNCTIONS or ("new" in used and texts_in(code) & _OPENSSL_HASHES)
        return frozenset(("_hashlib",)) if is_openssl else _NONE
    return wanted if not names or names & (names_used(code) | texts_in(code)) else _NONE


def names_used(code: CodeType) -> set[str]:
    """Return the names that a module's code uses, imports or gives to arguments."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            names |= names_used(constant)
        elif isinstance(constant, tuple):
            names |= {name for name in constant if isinstance(name, str)}
    return names


def texts_in(code: CodeType) -> set[str]:
    """Return the texts in a module's code, and the parts of dotted names among them."""
    texts: set[str] = set()
    pending = list(code.co_consts)
    while pending:
        constant = pending.pop()
        if hasattr(constant, "co_consts"):
            pending += constant.co_consts
        elif isinstance(constant, (tuple, frozenset)):
            pending += constant
        elif isinstance(constant, str):
            texts |= {constant, *constant.split(".")}
    return texts


def _rare_names(name: str) -> frozenset[str]:
    """Return the names in `RARE` that stand for a module."""
    return RARE & {name, name.partition(".")[0]}


def is_own(name: str) -> bool:
    """Return True for a module of the extension, or of a library that comes with it."""
    top = name.partition(".")[0]
    return top not in sys.stdlib_module_names and top not in _OURS


def _imports(graph: Any, node: Any) -> Iterable[tuple[Any, bool]]:
    """Yield a module's imports as (node, optional): an optional one is in a `try`, `if` or function."""
    for other in graph.outgoing(node):
        target = "" if other is None else str(other.identifier)
        # PyInstaller's hook makes Pygments depend on every lexer and style. The shell needs only the one for
        # SQL.
        if other is None or (node.identifier == "pygments" and target.startswith("pygments.")):
            continue
        # wcwidth works without its compiled half, which is as large as the whole SDK. And in PyInstaller's
        # graph a program's script imports the scripts that run before it.
        if target == "wcwidth._wcwidth_c" or type(other).__name__ == "Script":
            continue
        facts = graph.edgeData(node, other)
        yield other, any(getattr(facts, flag, False) for flag in ("tryexcept", "function", "conditional"))


def is_data_of(modules: Collection[str], entry: str, *, wanted: Collection[str]) -> bool:
    """Return True if a data file belongs to one of the modules, or lies at the top of the bundle.

    Args:
        modules: identifiers.
        entry: its name in the bundle. Metadata of distributions belongs to no module: see `distributions.py`.
        wanted: packages whose data was asked for.
    """
    first, _, rest = entry.replace("\\", "/").partition("/")
    return not rest or first in {name.partition(".")[0] for name in (*modules, *wanted)}


def libraries_needed(
    binaries: Iterable[tuple[str, str, str]], imports: Callable[[str], Iterable[tuple[str, str | None]]]
) -> set[str]:
    """Return the base names of the shared libraries that the binaries load, directly or through others.

    Args:
        binaries: PyInstaller's entries: name in the bundle, path, kind.
        imports: returns the names and paths of the libraries that a file is linked with.
    """
    pending = [path for _, path, _ in binaries]
    seen = set(pending)
    names: set[str] = set()
    while pending:
        linked = dict(imports(pending.pop()))
        names.update(linked)
        new = {library for library in linked.values() if library} - seen
        seen |= new
        pending += new
    return names


def is_missed(graph: Any, node: Any) -> bool:
    """Return True if the extension's own code imports a missing module without a fallback."""
    importers = [
        other for other in graph.incoming(node) if other is not None and is_own(str(other.identifier))
    ]
    fallbacks = ("tryexcept", "conditional", "fromlist")
    return any(
        not any(getattr(facts, flag, False) for flag in fallbacks)
        for facts in (graph.edgeData(other, node) for other in importers)
    )
