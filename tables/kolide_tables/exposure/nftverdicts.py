"""Tell what a rule of nftables decides, from its expressions as `nft -j` writes them.

Source: libnftables-json(5), Verdicts and Statements; iptables-extensions(8), ebtables-nft(8) for targets.
"""

from collections.abc import Iterable
from sys import intern
from typing import Any, TypeAlias

from kolide_kit.text import printable

Expression: TypeAlias = dict[str, Any]

# Statements that decide about a packet, or hand it to another chain.
# fmt: off
_VERDICTS = frozenset((
    "accept", "drop", "continue", "return", "jump", "goto", "queue", "reject", "vmap", "masquerade", "snat",
    "dnat", "redirect", "tproxy", "synproxy", "fwd",
))
# Targets of iptables and ebtables that do, by the name of nftables' own statement where there is one. The
# others, such as LOG and MARK, let the packet go on.
_TARGETS = {
    "REJECT": "reject", "MASQUERADE": "masquerade", "SNAT": "snat", "DNAT": "dnat", "REDIRECT": "redirect",
    "NETMAP": "netmap", "TPROXY": "tproxy", "SYNPROXY": "synproxy", "NFQUEUE": "queue", "QUEUE": "queue",
    "redirect": "redirect", "snat": "snat", "dnat": "dnat",
}
# fmt: on


def verdict(expressions: list[Expression]) -> str | None:
    """Return what a rule decides, with the chain that it hands packets to; None if it decides nothing."""
    # At most one statement decides; the ones before it only match, count or mark.
    for expression in reversed(expressions):
        for name, detail in expression.items():
            if name == "xt":
                found = _target_verdict(detail)
            else:
                found = _named(name, detail) if name in _VERDICTS else None
            if found is not None:
                return found
    return None


def target(expressions: list[Expression]) -> str | None:
    """Return the name of the target of iptables or ebtables that a rule has."""
    for expression in expressions:
        detail = expression.get("xt")
        if isinstance(detail, dict) and detail.get("type") in ("target", "watcher"):
            return printable(str(detail.get("name")))
    return None


def looked_up(expressions: list[Expression]) -> str | list[str] | None:
    """Return the name of the map that a rule looks its verdict up in, or the verdicts of an unnamed one.

    None stands for a rule that looks none up.
    """
    for expression in expressions:
        detail = expression.get("vmap")
        if not isinstance(detail, dict):
            continue
        data = detail.get("data")
        if isinstance(data, str):
            return data.removeprefix("@")
        return verdicts(data.get("set") if isinstance(data, dict) else None)
    return None


def verdicts(elements: object) -> list[str]:
    """Return the different verdicts of a map's elements, which are lists of a key and a verdict."""
    listed = elements if isinstance(elements, list) else []
    return _different(pair[1] for pair in listed if isinstance(pair, list) and len(pair) == 2)


def _different(values: Iterable[object]) -> list[str]:
    found = (verdict([value]) for value in values if isinstance(value, dict))
    return list(dict.fromkeys(filter(None, found)))


def _target_verdict(detail: object) -> str | None:
    if not isinstance(detail, dict) or detail.get("type") != "target":
        return None
    name, after = detail.get("name"), detail.get("verdict")
    return _TARGETS.get(str(name)) or (after if isinstance(after, str) else None)


def _named(name: str, detail: object) -> str:
    chain = detail.get("target") if isinstance(detail, dict) else None
    return f"{name} {printable(chain)}" if isinstance(chain, str) else intern(name)
