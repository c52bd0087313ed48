"""kolide_nftables_rules: the rules of the kernel's packet filter.

The kernel itself lists tables, chains and rules, and nft says in words what the rules match. Without nft, or
without the kernel's own answer, there is what the other one says.

Rules of iptables-nft, firewalld, ufw and container engines are among them; rules of iptables-legacy are not.
Source: nft(8), libnftables-json(5).
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from kolide_kit.text import decode_kept, printable, printable_or_none
from osquery_sdk import Column, ColumnType, Query, Row, TableError, run_program, table

from ..reading.tools import find_tool
from . import nftverdicts
from .nftkernel import expand_rule, kernel_listing, kernel_verdicts

# nft joins its arguments to one text and parses that: only plain names may become part of it.
_PLAIN_NAME = r"[A-Za-z][A-Za-z0-9_]*"
_FAMILIES = ("ip", "ip6", "inet", "arp", "bridge", "netdev")

_Object: TypeAlias = dict[str, Any]
_Place: TypeAlias = tuple[str, str, str]  # family, table, and the name of what is in it
_Run: TypeAlias = Callable[..., bytes]


class NftablesRule(Row):
    """A rule of the packet filter."""

    family: str = Column("Packets it is for: ip, ip6, inet, arp, bridge, netdev", key=True)
    table_name: str = Column("Table's name", index=True, key=True)
    chain: str = Column("Chain's name", key=True)
    hook: str | None = Column(
        "Hook at which the chain meets packets: prerouting, input, forward, output, postrouting, ingress, "
        "egress; empty if others jump to it"
    )
    policy: str | None = Column("Verdict on packets that no rule of the chain decides about: accept or drop")
    handle: int = Column("The kernel's number of the rule within the table", key=True)
    position: int = Column("Place within the chain, from 1", type=ColumnType.INTEGER)
    verdict: str | None = Column(
        "accept, drop, reject, return, jump CHAIN, goto CHAIN, vmap, masquerade, snat, dnat, ...; "
        "empty if it decides nothing"
    )
    comment: str | None = Column("The rule's comment, also one of iptables' -m comment")
    packets: int | None = Column("Packets that its counter has counted; NULL without a counter")
    bytes: int | None = Column("Bytes that its counter has counted")
    expr: list[Any] = Column(
        "JSON list of what it matches and does, as nft writes it, without sets' elements; without the "
        "program nft, the kernel's names of what it matches"
    )
    dormant: bool = Column("1 if the table is switched off: none of its rules sees a packet")
    chain_type: str | None = Column("filter, nat or route; empty if others jump to the chain")
    priority: int | None = Column(
        "Place of the chain among those at its hook: lower ones come first", type=ColumnType.INTEGER
    )
    devices: list[str] = Column("JSON list of the interfaces that a chain at ingress or egress is for")
    outcomes: list[str] = Column(
        "JSON list of the verdicts that it can come to: those of its map if the verdict is vmap"
    )
    target: str | None = Column("Target that iptables-nft or ebtables-nft gave it, such as REJECT, LOG, MARK")
    counter: str | None = Column("Name of its counter, if that is one that rules can share")
    chain_comment: str | None = Column("The chain's comment")
    table_comment: str | None = Column("The table's comment")


class _Ruleset(NamedTuple):
    """The objects of a listing that rules are about."""

    tables: dict[_Place, _Object]
    chains: dict[_Place, _Object]
    counters: dict[_Place, _Object]
    maps: dict[_Place, _Object]
    verdicts: Callable[[_Place], list[str]]  # of a map


@table(
    "kolide_nftables_rules",
    privilege="Without root: no rows, since the kernel shows no rules.",
    platforms=("linux",),
    elsewhere="nftables is Linux's packet filter; osquery itself has alf for macOS "
    "and windows_firewall_rules for Windows",
    examples=(
        (
            "select family, table_name, chain, priority, position, verdict, comment, packets "
            "from kolide_nftables_rules where hook = 'input' and not dormant order by priority, position"
        ),
        (
            "select distinct family, table_name, chain from kolide_nftables_rules where hook = 'input' "
            "and policy = 'accept' and not dormant"
        ),
    ),
)
def nftables_rules(query: Query) -> Iterator[NftablesRule]:
    """Rules of nftables, the kernel's packet filter, in their order, with counters and verdicts.

    Chains without rules have no rows.
    """
    nft = find_tool("nft")
    kernel = None
    try:
        kernel = kernel_listing(query.check)
    except OSError as error:
        if nft is None:
            raise TableError(f"the kernel does not list its packet filter's rules: {error}") from error

    def run(*arguments: str) -> bytes:
        return run_program(str(nft), "-jat", "list", *arguments, query=query).stdout

    # A kernel without rules spares the program.
    wanted = nft is not None and (kernel is None or any("rule" in item for item in kernel))
    return listed_rows(query, run if wanted else None, kernel)


def listed_rows(
    query: Query, run: _Run | None, kernel: list[_Object] | None = None
) -> Iterator[NftablesRule]:
    """Yield the rows of what `nft -jat list ...` answers, for all tables or only those that are asked for.

    With the kernel's own listing, the rows are of that, and nft adds what its rules match.
    """
    if kernel is None:
        for objects in _listings(query, run) if run is not None else ():
            yield from _rows(query, objects, lambda _: [])
        return
    try:
        spelled = {
            (*_place(rule, "chain"), rule.get("handle")): rule.get("expr")
            for objects in (_listings(query, run) if run is not None else ())
            for rule in _of_kind(objects, "rule")
        }
    except TableError as error:
        query.check()
        query.warn(f"what rules match is left out: {error}")
        spelled = {}

    def verdicts(place: _Place) -> list[str]:
        try:
            return kernel_verdicts(*place, query.check)
        except OSError:  # the map has just been deleted
            return []

    yield from _rows(query, kernel, verdicts, spelled)


def _rows(
    query: Query,
    objects: list[_Object],
    verdicts: Callable[[_Place], list[str]],
    spelled: dict[tuple[str, str, str, Any], Any] | None = None,
) -> Iterator[NftablesRule]:
    places = ("table", "chain", "counter", "map")
    tables, chains, counters, maps = (
        {_place(item, "" if kind == "table" else "name"): item for item in _of_kind(objects, kind)}
        for kind in places
    )
    known: dict[_Place, list[str]] = {}

    def of_map(place: _Place) -> list[str]:
        if place not in known:
            elements = maps.get(place, {}).get("elem")
            known[place] = nftverdicts.verdicts(elements) or verdicts(place)
        return known[place]

    ruleset = _Ruleset(tables, chains, counters, maps, of_map)
    positions: dict[_Place, int] = {}
    for rule in _of_kind(objects, "rule"):
        place = _place(rule, "chain")
        positions[place] = position = positions.get(place, 0) + 1
        if query.matches("table_name", place[1]):
            _spell(rule, (spelled or {}).pop((*place, rule.get("handle")), None))
            yield _row(rule, place, ruleset, position)


def _spell(rule: _Object, expressions: object) -> None:
    """Give a rule of the kernel the expressions of nft, and its own too where those say too little."""
    listed = expressions if isinstance(expressions, list) else None
    if listed and all(isinstance(each, dict) and not each.keys() & {"xt", "vmap"} for each in listed):
        rule["expr"] = listed
        return
    expand_rule(rule)
    if listed:
        rule["kernel_expr"] = rule.get("expr")
        rule["expr"] = listed


def _listings(query: Query, run: _Run) -> Iterator[list[_Object]]:
    """Yield nft's listings: table by table if only some are wanted."""
    if query.equals("table_name") is None and not query.like("table_name"):
        yield parse_listing(run("ruleset"))
        return
    listings = []
    for entry in _of_kind(parse_listing(run("tables")), "table"):
        family, name = str(entry.get("family")), str(entry.get("name"))
        if not query.matches("table_name", name):
            continue
        try:
            if family not in _FAMILIES or not re.fullmatch(_PLAIN_NAME, name):
                raise TableError(f"not a plain name: {name}")
            listings.append(parse_listing(run("table", family, name)))
        except TableError:
            # nft cannot be given this name (it may be a word of its language), or the table has just been
            # deleted.
            query.check()
            listings = [parse_listing(run("ruleset"))]
            break
    yield from listings


def parse_listing(data: bytes) -> list[_Object]:
    """Return the objects of a listing; raises TableError for other data."""
    import json

    try:
        objects = json.loads(decode_kept(data), strict=False)["nftables"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TableError(f"nft's answer cannot be read: {error}") from error
    if not isinstance(objects, list):
        raise TableError("nft's answer is not a list")
    return [item for item in objects if isinstance(item, dict)]


def _of_kind(objects: list[_Object], kind: str) -> list[_Object]:
    return [detail for item in objects if isinstance(detail := item.get(kind), dict)]


def _place(item: _Object, name: str) -> _Place:
    """Return the place of an object: "" as name takes a table itself."""
    table_name = item.get("name" if not name else "table", "")
    within = item.get(name, "") if name else ""
    return (printable(str(item.get("family", ""))), printable(str(table_name)), printable(str(within)))


def _row(rule: _Object, place: _Place, ruleset: _Ruleset, position: int) -> NftablesRule:
    chain = ruleset.chains.get(place, {})
    of_table = ruleset.tables.get((*place[:2], ""), {})
    expressions = _expressions(rule)
    of_kernel = _dicts(rule.get("kernel_expr"))
    verdict = nftverdicts.verdict(expressions) or nftverdicts.verdict(of_kernel)
    packets, bytes_, counter = _counter(expressions, place, ruleset)
    return NftablesRule(
        family=place[0],
        table_name=place[1],
        chain=place[2],
        hook=printable_or_none(chain.get("hook")),
        policy=printable_or_none(chain.get("policy")),
        handle=_counted(rule.get("handle")) or 0,
        position=position,
        verdict=verdict,
        comment=printable_or_none(rule.get("comment")),
        packets=packets,
        bytes=bytes_,
        expr=expressions,
        dormant="dormant" in _texts(of_table.get("flags")),
        chain_type=printable_or_none(chain.get("type")),
        priority=_priority(chain.get("prio")),
        devices=_texts(chain.get("dev")),
        outcomes=_outcomes(verdict, of_kernel or expressions, place, ruleset),
        target=nftverdicts.target(expressions) or nftverdicts.target(of_kernel),
        counter=counter,
        chain_comment=printable_or_none(chain.get("comment")),
        table_comment=printable_or_none(of_table.get("comment")),
    )


def _expressions(rule: _Object) -> list[_Object]:
    """Return a rule's expressions, with the kernel's own of what nft has no JSON for, as of inline chains."""
    listed = rule.get("expr")
    expressions = _dicts(listed)
    if isinstance(listed, list) and len(expressions) < len(listed):
        expressions += [each for each in _dicts(rule.get("kernel_expr")) if nftverdicts.verdict([each])]
    return expressions


def _outcomes(verdict: str | None, expressions: list[_Object], place: _Place, ruleset: _Ruleset) -> list[str]:
    found = nftverdicts.looked_up(expressions)
    if isinstance(found, str):
        return ruleset.verdicts((place[0], place[1], found))
    return [verdict] if found is None and verdict is not None else found or []


def _counter(
    expressions: list[_Object], place: _Place, ruleset: _Ruleset
) -> tuple[int | None, int | None, str | None]:
    """Return packets, bytes and name of the counter of a rule."""
    for expression in expressions:
        counter = expression.get("counter")
        if isinstance(counter, dict):
            return _counted(counter.get("packets")), _counted(counter.get("bytes")), None
        if isinstance(counter, str):
            shared = ruleset.counters.get((place[0], place[1], printable(counter)), {})
            return _counted(shared.get("packets")), _counted(shared.get("bytes")), printable(counter)
    return None, None, None


def _dicts(value: object) -> list[_Object]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    """Return what nft writes as a text, or as a list of several."""
    values = value if isinstance(value, list) else [value]
    return [printable(each) for each in values if isinstance(each, str)]


def _counted(value: object) -> int | None:
    return min(value, (1 << 63) - 1) if isinstance(value, int) else None


def _priority(value: object) -> int | None:
    return value if isinstance(value, int) and -(1 << 31) <= value < 1 << 31 else None
