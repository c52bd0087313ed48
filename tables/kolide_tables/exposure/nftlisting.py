"""Read what `nft -jat list ...` writes, object by object, so that a long list takes little memory.

Source: libnftables-json(5).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from kolide_kit.text import printable
from osquery_sdk import Query, TableError

# nft joins its arguments to one text and parses that: only plain names may become part of it.
_PLAIN_NAME = r"[A-Za-z][A-Za-z0-9_]*"
_FAMILIES = ("ip", "ip6", "inet", "arp", "bridge", "netdev")
_START = re.compile(r'\s*\{\s*"nftables"\s*:\s*\[')
_START_SIZE = 100  # its blanks included
_BETWEEN = re.compile(r"[\s,]*")

Object: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[str, str, str]  # family, table, and the name of what is in it
Run: TypeAlias = Callable[..., Iterable[bytes]]


def parse_listing(pieces: Iterable[bytes]) -> Iterator[Object]:
    """Yield the objects of a listing; raises TableError for other data."""
    import json

    texts = _decoded(pieces)
    decoder = json.JSONDecoder(strict=False)
    buffer = _at_least(_START_SIZE, texts)
    start = _START.match(buffer)
    if start is None:
        raise TableError("nft's answer cannot be read: it does not begin with a list of objects")
    at = start.end()
    while True:
        try:
            item, at = decoder.raw_decode(buffer, _after_comma(buffer, at))
        except (ValueError, RecursionError) as error:
            # An object may go on in the next piece. The more there is of it, the more is read before the
            # next try.
            rest = buffer[at:]
            more = _at_least(len(rest), texts)
            if not more:
                if rest.lstrip(" ,\t\r\n").startswith("]"):
                    return
                raise TableError(f"nft's answer cannot be read: {error}") from error
            buffer, at = rest + more, 0
            continue
        if isinstance(item, dict):
            yield item


def rules_last(objects: Iterable[Object]) -> list[Object]:
    """Return the objects, each rule after what it may be about."""
    return sorted(objects, key=lambda item: "rule" in item)


def place_of(item: Object, name: str) -> Place:
    """Return the place of an object: "" as name takes a table itself."""
    table_name = item.get("name" if not name else "table", "")
    within = item.get(name, "") if name else ""
    return (printable(str(item.get("family", ""))), printable(str(table_name)), printable(str(within)))


def listings(query: Query, run: Run) -> Iterator[Object]:
    """Yield the objects of the tables that are asked for.

    Raises TableError if nft cannot list one of them.
    """
    if query.equals("table_name") is None and not query.like("table_name"):
        yield from parse_listing(run("ruleset"))
        return
    for item in list(parse_listing(run("tables"))):
        entry = item.get("table")
        family, name, _ = place_of(entry, "") if isinstance(entry, dict) else ("", "", "")
        if not isinstance(entry, dict) or not query.matches("table_name", name):
            continue
        if family not in _FAMILIES or not re.fullmatch(_PLAIN_NAME, name):
            raise TableError(f"not a plain name: {name}")
        yield from parse_listing(run("table", family, name))


def whole_listing(query: Query, run: Run) -> list[Object]:
    """Return the objects of the tables that are asked for, or of all tables."""
    try:
        return list(listings(query, run))
    except TableError:
        # nft cannot be given a name (it may be a word of its language), or the table has just been deleted.
        query.check()
        return list(parse_listing(run("ruleset")))


class NftRules:
    """The expressions of nft's rules, looked up in about the order in which nft lists them."""

    def __init__(self, query: Query, run: Run) -> None:
        """Take a function that runs nft; it is run when the first rule is looked up."""
        self._query = query
        self._rules = self._listed(run)
        self._passed: dict[tuple[Place, Any], str] = {}  # expressions as JSON, which takes less memory

    def expressions(self, place: Place, handle: object) -> Any:
        """Return the expressions of a rule; None if nft lists no such rule."""
        import json

        wanted = (place, handle)
        if wanted in self._passed:
            return json.loads(self._passed.pop(wanted))
        for rule in self._rules:
            found = (place_of(rule, "chain"), rule.get("handle"))
            if found == wanted:
                return rule.get("expr")
            self._passed[found] = json.dumps(rule.get("expr"))
        return None

    def _listed(self, run: Run) -> Iterator[Object]:
        try:
            try:
                yield from _rules(listings(self._query, run))
            except TableError:
                self._query.check()
                yield from _rules(parse_listing(run("ruleset")))
        except TableError as error:
            self._query.check()
            self._query.warn(f"what rules match is left out: {error}")


def _rules(objects: Iterable[Object]) -> Iterator[Object]:
    return (rule for item in objects if isinstance(rule := item.get("rule"), dict))


def _decoded(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the text of pieces of UTF-8; bytes that are not are kept as lone surrogates."""
    from codecs import getincrementaldecoder

    decoder = getincrementaldecoder("utf-8")("surrogateescape")
    for piece in pieces:
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def _at_least(size: int, texts: Iterator[str]) -> str:
    """Return the next texts until they have a size."""
    found: list[str] = []
    total = 0
    for text in texts:
        found.append(text)
        total += len(text)
        if total > size:
            break
    return "".join(found)


def _after_comma(text: str, at: int) -> int:
    match = _BETWEEN.match(text, at)
    return at if match is None else match.end()
