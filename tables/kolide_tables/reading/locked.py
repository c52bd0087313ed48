"""Values and steps that the readers of lock files share: a package, the project's files beside it, and the
walk along dependencies.
"""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from kolide_kit.limits import Budget
from kolide_kit.text import decode_kept, printable

from .parsing import ParseError, as_object, error_at

_PRODUCTION = ("dependencies", "optionalDependencies")
_Node = TypeVar("_Node", bound=Hashable)


class Beside(NamedTuple):
    """The project that a lock file belongs to; paths are relative to the lock file's folder.

    Attributes:
        read: returns the content of a file; None if there is none.
        folders: returns the folders that a pattern with `*` and `**` stands for.
    """

    read: Callable[[str], bytes | None]
    folders: Callable[[str], list[str]] = lambda pattern: []


class LockedPackage(NamedTuple):
    """A package that a lock file names; `dev` is None if that cannot be known."""

    name: str
    version: str
    dev: bool | None
    integrity: str | None


def scalar_text(value: object) -> str | None:
    """Return a text or number of a document as text; None for anything else."""
    is_scalar = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return printable(str(value)) if is_scalar else None


def parse_json(content: bytes) -> dict[str, Any]:
    """Return a JSON object; raises ParseError."""
    return parse_json_text(decode_kept(content))


def parse_json_text(text: str) -> dict[str, Any]:
    """Return a JSON object; raises ParseError."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise error_at(text, error.pos, error.msg) from error
    except (ValueError, RecursionError) as error:
        raise ParseError(" ".join(str(error).split())[:200]) from error
    if not isinstance(value, dict):
        raise ParseError("it is not a JSON object")
    return value


def parse_yaml(text: str, budget: Budget) -> Iterator[dict[str, Any]]:
    """Yield the documents that are maps; raises ParseError."""
    from .yamltext import yaml_documents

    yield from (document for document in yaml_documents(text, budget) if isinstance(document, dict))


def pairs(entry: dict[str, Any], *kinds: str) -> list[tuple[str, Any]]:
    """Return the names and values in some maps of an entry: those that production needs unless kinds are
    named.
    """
    return [pair for kind in kinds or _PRODUCTION for pair in as_object(entry.get(kind)).items()]


def reached(start: Iterable[_Node], edges: Callable[[_Node], Iterable[_Node]], budget: Budget) -> set[_Node]:
    """Return everything that the starts lead to, the starts included."""
    todo = list(dict.fromkeys(start))
    seen = set(todo)
    while todo:
        budget.step()
        for node in edges(todo.pop()):
            budget.step()
            if node not in seen:
                seen.add(node)
                todo.append(node)
    return seen
