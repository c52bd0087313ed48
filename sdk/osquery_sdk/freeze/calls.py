"""Find modules and distributions that an extension names only in texts, as in `import_module("json")`.

No import statement names these, so PyInstaller's graph lacks them. The extension's own modules are searched,
and those of the libraries that come with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .graph import is_own, texts_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import CodeType

_IMPORTS = ("__import__", "import_module", "run_module")
_KNOW_DISTRIBUTIONS = frozenset(("importlib.metadata", "importlib_metadata", "pkg_resources", "stevedore"))


class Named(NamedTuple):
    """The names in a program's texts."""

    modules: tuple[str, ...]
    """Modules that a call imports."""
    texts: frozenset[str]
    """All texts of the modules that use distributions or entry points: any text may be the name of one."""


def named_in(graph: Any, needed: Collection[str]) -> Named:
    """Read a program's modules.

    Args:
        graph: PyInstaller's module graph.
        needed: identifiers of the modules in the program.
    """
    modules: dict[str, None] = {}
    texts: set[str] = set()
    for node in graph.nodes():
        code = getattr(node, "code", None)
        name = str(node.identifier)
        if code is None or name not in needed or not is_own(name):
            continue
        modules.update(dict.fromkeys(_imported_by(code)))
        targets = {str(other.identifier) for other in graph.outgoing(node) if other is not None}
        if not targets.isdisjoint(_KNOW_DISTRIBUTIONS):
            texts.update(texts_in(code))
    return Named(tuple(modules), frozenset(texts))


def _imported_by(code: CodeType) -> Iterator[str]:
    """Yield the modules that are named in calls, as in `import_module("json")`."""
    from PyInstaller.depend.bytecode import recursive_function_calls

    for calls in recursive_function_calls(code).values():
        for function, arguments in calls:
            name = arguments[0] if arguments else None
            if function.rpartition(".")[2] in _IMPORTS and isinstance(name, str) and not name.startswith("."):
                yield name
