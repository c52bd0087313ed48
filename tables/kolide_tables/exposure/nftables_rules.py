"""kolide_nftables_rules: the rules of the kernel's packet filter, as nft lists them.

Rules of iptables-nft, firewalld, ufw and container engines are among them; rules of iptables-legacy are not.
Source: nft(8), libnftables-json(5).
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from kolide_kit.text import decode_kept, printable, printable_or_none
from osquery_sdk import Column, ColumnType, Query, Row, TableError, run_program, table

from ..reading.tools import need_tool

# nft joins its arguments to one text and parses that: only plain names may become part of it.
_PLAIN_NAME = r"[A-Za-z][A-Za-z0-9_]*"
_FAMILIES = ("ip", "ip6", "inet", "arp", "bridge", "netdev")
# Statements that decide about a packet, or hand it to another chain. Source: libnftables-json(5), verdicts.
# fmt: off
_VERDICTS = frozenset((
    "accept", "drop", "continue", "return", "jump", "goto", "queue", "reject", "vmap", "masquerade", "snat",
    "dnat", "redirect", "tproxy", "synproxy", "xt",
))
# fmt: on

_Object: TypeAlias = dict[str, Any]


class NftablesRule(Row):
    """A rule of the packet filter."""

    family: str = Column("Packets it is for: ip, ip6, inet, arp, bridge, netdev", key=True)
    table_name: str = Column("Table's name", index=True, key=True)
    chain: str = Column("Chain's name", key=True)
    hook: str | None = Column(
        "Hook at which the chain meets packets: prerouting, input, forward, output, postrouting, ingress; "
        "empty if others jump to it"
    )
    policy: str | None = Column("Verdict on packets that no rule of the chain decides about: accept or drop")
    handle: int = Column("The kernel's number of the rule within the table", key=True)
    position: int = Column("Place within the chain, from 1", type=ColumnType.INTEGER)
    verdict: str | None = Column(
        "accept, drop, reject, return, jump CHAIN, goto CHAIN, vmap, masquerade, snat, dnat, ...; "
        "empty if it decides nothing"
    )
    comment: str | None = Column("The rule's comment")
    packets: int | None = Column("Packets that its counter has counted; NULL without a counter of its own")
    bytes: int | None = Column("Bytes that its counter has counted")
    expr: list[Any] = Column(
        "JSON list of what it matches and does, as nft writes it; without sets' elements"
    )


@table(
    "kolide_nftables_rules",
    privilege="Without root: no rows, since the kernel shows no rules.",
    platforms=("linux",),
    elsewhere="nftables is Linux's packet filter; osquery itself has alf for macOS "
    "and windows_firewall_rules for Windows",
    examples=(
        (
            "select table_name, chain, position, verdict, comment, packets from kolide_nftables_rules "
            "where hook = 'input' order by chain, position"
        ),
        (
            "select distinct family, table_name, chain from kolide_nftables_rules where hook = 'input' "
            "and policy = 'accept'"
        ),
    ),
)
def nftables_rules(query: Query) -> Iterator[NftablesRule]:
    """Rules of nftables, the kernel's packet filter, in their order, with counters and verdicts."""
    nft = need_tool("nft", "nftables")

    def run(*arguments: str) -> bytes:
        return run_program(nft, "-jat", "list", *arguments, query=query).stdout

    return listed_rows(query, run)


def listed_rows(query: Query, run: Callable[..., bytes]) -> Iterator[NftablesRule]:
    """Yield the rows of what `nft -jat list ...` answers, for all tables or only those that are asked for."""
    for objects in _listings(query, run):
        chains = {_place(chain, "name"): chain for chain in _of_kind(objects, "chain")}
        positions: dict[tuple[str, ...], int] = {}
        for rule in _of_kind(objects, "rule"):
            place = _place(rule, "chain")
            positions[place] = position = positions.get(place, 0) + 1
            if query.matches("table_name", place[1]):
                yield _row(rule, place, chains.get(place, {}), position)


def _listings(query: Query, run: Callable[..., bytes]) -> Iterator[list[_Object]]:
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


def _place(item: _Object, chain: str) -> tuple[str, ...]:
    return tuple(printable(str(item.get(key, ""))) for key in ("family", "table", chain))


def _row(rule: _Object, place: tuple[str, ...], chain: _Object, position: int) -> NftablesRule:
    listed = rule.get("expr")
    items = listed if isinstance(listed, list) else []
    expressions = [expression for expression in items if isinstance(expression, dict)]
    counter = next(iter(_of_kind(expressions, "counter")), {})
    return NftablesRule(
        family=place[0],
        table_name=place[1],
        chain=place[2],
        hook=printable_or_none(chain.get("hook")),
        policy=printable_or_none(chain.get("policy")),
        handle=_counted(rule.get("handle")) or 0,
        position=position,
        verdict=_verdict(expressions),
        comment=printable_or_none(rule.get("comment")),
        packets=_counted(counter.get("packets")),
        bytes=_counted(counter.get("bytes")),
        expr=expressions,
    )


def _verdict(expressions: list[_Object]) -> str | None:
    # At most one statement decides; the ones before it only match, count or mark.
    for expression in reversed(expressions):
        for name, detail in expression.items():
            if name not in _VERDICTS:
                continue
            target = detail.get("target") if isinstance(detail, dict) else None
            return f"{name} {printable(target)}" if isinstance(target, str) else name
    return None


def _counted(value: object) -> int | None:
    return min(value, (1 << 63) - 1) if isinstance(value, int) else None
