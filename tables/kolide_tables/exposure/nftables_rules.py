"""kolide_nftables_rules: the rules of the kernel's packet filter.

The kernel itself lists tables, chains and rules, and nft says in words what the rules match. Without nft, or
without the kernel's own answer, there is what the other one says.

Rules of iptables-nft, firewalld, ufw and container engines are among them; rules of iptables-legacy are not.
Source: nft(8), libnftables-json(5).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kolide_kit.text import printable, printable_or_none
from osquery_sdk import Column, ColumnType, Query, Row, TableError, run_program, table

from ..reading.tools import find_tool
from . import nftverdicts
from .nftkernel import expand_rule, kernel_listing, kernel_verdicts
from .nftlisting import NftRules, Object, Place, Run, place_of, rules_last, whole_listing

_MOST_BYTES = 64 << 20  # of nft's words, which are kept packed and read piece by piece


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
        "JSON list of what it matches and does, as nft writes it, without the elements of named sets; "
        "without the program nft, the kernel's names of what it matches",
        costly=True,
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


class _Ruleset:
    """The objects of a listing that rules are about, by their kind and place."""

    def __init__(self, verdicts: Callable[[Place], list[str]]) -> None:
        """Take a function that returns the verdicts of a map of which nothing is listed but its name."""
        self._objects: dict[tuple[str, Place], Object] = {}
        self._verdicts = verdicts
        self._known: dict[Place, list[str]] = {}  # of the maps that have been asked for

    def add(self, item: Object) -> None:
        """Take an object of a listing; others than these kinds are passed over."""
        for kind in ("table", "chain", "counter", "map"):
            if isinstance(detail := item.get(kind), dict):
                self._objects[kind, place_of(detail, "" if kind == "table" else "name")] = detail

    def get(self, kind: str, place: Place) -> Object:
        """Return an object; an empty one if it is not listed."""
        return self._objects.get((kind, place), {})

    def verdicts(self, place: Place) -> list[str]:
        """Return the different verdicts of a map."""
        if place not in self._known:
            elements = self.get("map", place).get("elem")
            self._known[place] = nftverdicts.verdicts(elements) or self._verdicts(place)
        return self._known[place]


@table(
    "kolide_nftables_rules",
    privilege="Without root: an error, since the kernel shows nobody else its rules.",
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
        # Then it tells nft nothing either.
        if nft is None or isinstance(error, PermissionError):
            raise TableError(f"the kernel does not list its packet filter's rules: {error}") from error

    def run(*arguments: str) -> Iterator[bytes]:
        from kolide_kit.packed import PackedBytes

        output = PackedBytes()
        words = ("-jat", "list", *arguments)
        run_program(
            str(nft), *words, timeout=query.remaining(), query=query, max_bytes=_MOST_BYTES, take=output.add
        )
        return output.pieces()

    return listed_rows(query, run if nft is not None else None, kernel)


def listed_rows(
    query: Query, run: Run | None, kernel: Iterable[Object] | None = None
) -> Iterator[NftablesRule]:
    """Yield the rows of what `nft -jat list ...` answers, for all tables or only those that are asked for.

    With the kernel's own listing, the rows are of that, and nft is run to add what its rules match, if there
    are rules and somebody wants to know.
    """
    if kernel is None:
        objects = whole_listing(query, run) if run is not None else []
        yield from _rows(query, rules_last(objects), lambda _: [], lambda *_: None)
        return
    known: dict[bytes, list[Object]] = {}
    spelled = NftRules(query, run) if run is not None and query.wants("expr") else None

    def verdicts(place: Place) -> list[str]:
        try:
            return kernel_verdicts(*place, query.check)
        except OSError:  # the map has just been deleted
            return []

    def spell(rule: Object, place: Place) -> None:
        _spell(rule, None if spelled is None else spelled.expressions(place, rule.get("handle")), known)

    yield from _rows(query, kernel, verdicts, spell)


def _rows(
    query: Query,
    objects: Iterable[Object],
    verdicts: Callable[[Place], list[str]],
    spell: Callable[[Object, Place], None],
) -> Iterator[NftablesRule]:
    """Yield the rows of objects of which the rules come last."""
    ruleset = _Ruleset(verdicts)
    places: dict[Place, Place] = {}  # rules of a chain share the texts of its names
    positions: dict[Place, int] = {}
    for item in objects:
        query.check()
        ruleset.add(item)
        if not isinstance(rule := item.get("rule"), dict):
            continue
        place = place_of(rule, "chain")
        place = places.setdefault(place, place)
        positions[place] = position = positions.get(place, 0) + 1
        if query.matches("table_name", place[1]):
            spell(rule, place)
            yield _row(rule, place, ruleset, position)


def _spell(rule: Object, expressions: object, known: dict[bytes, list[Object]]) -> None:
    """Give a rule of the kernel the expressions of nft, and its own too where those say too little."""
    listed = expressions if isinstance(expressions, list) else None
    if listed and all(isinstance(each, dict) and not each.keys() & {"xt", "vmap"} for each in listed):
        rule["expr"] = listed
        return
    expand_rule(rule, known)
    if listed:
        rule["kernel_expr"] = rule.get("expr")
        rule["expr"] = listed


def _row(rule: Object, place: Place, ruleset: _Ruleset, position: int) -> NftablesRule:
    chain = ruleset.get("chain", place)
    of_table = ruleset.get("table", (*place[:2], ""))
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


def _expressions(rule: Object) -> list[Object]:
    """Return a rule's expressions, with the kernel's own of what nft has no JSON for, as of inline chains."""
    listed = rule.get("expr")
    expressions = _dicts(listed)
    if isinstance(listed, list) and len(expressions) < len(listed):
        expressions += [each for each in _dicts(rule.get("kernel_expr")) if nftverdicts.verdict([each])]
    return expressions


def _outcomes(verdict: str | None, expressions: list[Object], place: Place, ruleset: _Ruleset) -> list[str]:
    found = nftverdicts.looked_up(expressions)
    if isinstance(found, str):
        return ruleset.verdicts((place[0], place[1], found))
    return [verdict] if found is None and verdict is not None else found or []


def _counter(
    expressions: list[Object], place: Place, ruleset: _Ruleset
) -> tuple[int | None, int | None, str | None]:
    """Return packets, bytes and name of the counter of a rule."""
    for expression in expressions:
        counter = expression.get("counter")
        if isinstance(counter, dict):
            return _counted(counter.get("packets")), _counted(counter.get("bytes")), None
        if isinstance(counter, str):
            shared = ruleset.get("counter", (place[0], place[1], printable(counter)))
            return _counted(shared.get("packets")), _counted(shared.get("bytes")), printable(counter)
    return None, None, None


def _dicts(value: object) -> list[Object]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    """Return what nft writes as a text, or as a list of several."""
    values = value if isinstance(value, list) else [value]
    return [printable(each) for each in values if isinstance(each, str)]


def _counted(value: object) -> int | None:
    return min(value, (1 << 63) - 1) if isinstance(value, int) else None


def _priority(value: object) -> int | None:
    return value if isinstance(value, int) and -(1 << 31) <= value < 1 << 31 else None
