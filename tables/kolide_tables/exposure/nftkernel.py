"""Ask the Linux kernel for the rules of its packet filter, over netlink, where nft cannot be asked.

The answer has the form of `nft -j list ruleset`, so that one reader does for both. What a rule matches is not
decoded: of its expressions there are the names, and in full what decides, counts or comes from iptables.

    tables   GETTABLE   name, flags, comment
    chains   GETCHAIN   name, hook, priority, devices, policy, type, comment
    objects  GETOBJ     named counters
    rules    GETRULE    handle, expressions in order, comment
    maps     GETSETELEM the verdicts of a verdict map

Source: netlink(7), and the kernel's include/uapi/linux/netfilter/nf_tables.h, nf_tables_compat.h and
nfnetlink.h; libnftnl's udata.h for comments.
"""

import errno
from collections.abc import Callable, Iterator
from itertools import chain
from struct import calcsize, unpack_from
from typing import Any, TypeAlias

from kolide_kit.text import shown

from ..reading.netlink import Attributes
from .nfnetlink import dump, number, parsed, parsed_list, text

_Object: TypeAlias = dict[str, Any]

_GET_TABLE, _GET_CHAIN, _GET_RULE, _GET_ELEMENTS, _GET_OBJECT = 1, 4, 7, 13, 19
# NFPROTO numbers.
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting", "ingress")
_HOOKS_OF = {"arp": ("input", "output", "forward"), "netdev": ("ingress", "egress")}
_TABLE_FLAGS = {1: "dormant", 2: "owner", 4: "persist"}
_COUNTER_OBJECT, _SYNPROXY_OBJECT = 1, 10
# A verdict's number, with the kernel's sign; those that name a chain have it in another attribute.
_VERDICTS = {0: "drop", 1: "accept", 3: "queue", -1: "continue", -2: "continue", -5: "return"}
_TO_CHAINS = {-3: "jump", -4: "goto"}
_VERDICT_REGISTER = 0
# The kernel's names of expressions that nft writes otherwise.
_RENAMED = {"masq": "masquerade", "redir": "redirect"}
_DECODED = frozenset(("immediate", "counter", "objref", "match", "target", "lookup", "nat"))
_MOST_KNOWN = 4096  # parts of rules that are kept to be found again
# Where targets of ebtables and arptables keep the verdict that comes after them, and what its last 4 bits
# mean; with others the packet goes on.
_OF_EBTABLES, _OF_ARPTABLES = {0xF: "accept", 0xE: "drop", 0xC: "return"}, {0: "drop", 1: "accept"}
_VERDICTS_AFTER = {
    "mark": (calcsize("L"), _OF_EBTABLES), "arpreply": (8, _OF_EBTABLES), "mangle": (44, _OF_ARPTABLES),
}  # fmt: skip
_NO_NFTABLES = (errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.ENOENT)


def kernel_listing(check: Callable[[], None]) -> Iterator[_Object]:
    """Return tables, chains, counters and then rules as nft's JSON has them.

    A rule's expressions come by `expand_rule`. `check` is called again and again, and may raise to end it.
    Raises OSError if the kernel refuses this process; a kernel without nftables has no tables.
    """
    try:
        objects = [{"table": _table(family, each)} for family, each in dump(_GET_TABLE, check)]
    except OSError as error:
        if error.errno in _NO_NFTABLES:
            return iter(())
        raise
    objects += [{"chain": _chain(family, each)} for family, each in dump(_GET_CHAIN, check)]
    for family, each in dump(_GET_OBJECT, check):
        if number(each, 3) == _COUNTER_OBJECT:
            named = {"family": _FAMILIES.get(family), "table": text(each, 1), "name": text(each, 2)}
            objects.append({"counter": named | _counted(parsed(each.get(4, b"")))})
    rules = ({"rule": _rule(family, each)} for family, each in dump(_GET_RULE, check))
    return chain(objects, rules)


def kernel_verdicts(family: str, table: str, name: str, check: Callable[[], None]) -> list[str]:
    """Return the different verdicts in a verdict map, in the order in which they come; raises OSError."""
    number_of = next((each for each, known in _FAMILIES.items() if known == family), 0)
    wanted = {1: table.encode() + b"\0", 2: name.encode() + b"\0"}
    found: dict[str, None] = {}
    for _, answer in dump(_GET_ELEMENTS, check, family=number_of, wanted=wanted):
        for element in parsed_list(answer.get(3, b"")):
            data = parsed(parsed(element).get(2, b""))
            if 2 in data:
                ((kind, detail),) = _verdict(parsed(data[2])).items()
                found[f"{kind} {detail['target']}" if detail else kind] = None
    return list(found)


def expand_rule(rule: _Object, known: dict[bytes, list[_Object]]) -> None:
    """Decode the expressions of a rule of `kernel_listing`; a comment may be among them.

    Rules are much alike: `known` is for what their parts came to, and each part is decoded once.
    """
    data = rule.pop("data", None)
    if data is None:
        return
    rule["expr"] = expressions = []
    for part in parsed_list(data):
        if part not in known:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[part] = list(_expression(parsed(part)))
        expressions += known[part]
    rule["comment"] = rule["comment"] or _iptables_comment(expressions)


def _table(family: int, values: Attributes) -> _Object:
    flags = number(values, 2)
    return {
        "family": _FAMILIES.get(family, str(family)),
        "name": text(values, 1),
        "flags": [name for bit, name in _TABLE_FLAGS.items() if flags & bit],
        "comment": _comment(values.get(6, b"")),
    }


def _chain(family: int, values: Attributes) -> _Object:
    name = _FAMILIES.get(family, str(family))
    found: _Object = {"family": name, "table": text(values, 1), "name": text(values, 3)}
    found["comment"] = _comment(values.get(12, b""))
    hook = parsed(values.get(4, b""))
    if not hook:
        return found
    hooks = _HOOKS_OF.get(name, _HOOKS)
    place = number(hook, 1)
    devices = [shown(each.rstrip(b"\0")) for each in parsed_list(hook.get(4, b""))]
    if 3 in hook:
        devices = devices or [text(hook, 3)]
    return found | {
        "type": text(values, 7),
        "hook": hooks[place] if place < len(hooks) else str(place),
        "prio": number(hook, 2, signed=True),
        "policy": _VERDICTS.get(number(values, 5, default=1), "accept"),
        "dev": devices,
    }


def _rule(family: int, values: Attributes) -> _Object:
    return {
        "family": _FAMILIES.get(family, str(family)),
        "table": text(values, 1),
        "chain": text(values, 2),
        "handle": number(values, 3),
        "comment": _comment(values.get(7, b"")),
        "data": values.get(4, b""),
    }


def _expression(values: Attributes) -> Iterator[_Object]:
    name = text(values, 1)
    if name not in _DECODED:
        yield {_RENAMED.get(name, name): None}
        return
    data = parsed(values.get(2, b""))
    if name == "immediate":
        verdict = parsed(data.get(2, b"")).get(2)
        yield {"immediate": None} if verdict is None else _verdict(parsed(verdict))
    elif name == "counter":
        yield {"counter": _counted(data)}
    elif name == "objref" and number(data, 1) == _COUNTER_OBJECT:
        yield {"counter": text(data, 2)}
    elif name == "objref" and number(data, 1) == _SYNPROXY_OBJECT:
        yield {"synproxy": text(data, 2)}
    elif name in ("match", "target"):
        yield {"xt": _extension(name, data)}
    elif name == "lookup" and data.get(3) is not None and number(data, 3) == _VERDICT_REGISTER:
        yield {"vmap": {"data": f"@{text(data, 1)}"}}
    elif name == "nat":
        yield {"dnat" if number(data, 1) else "snat": None}
    else:
        yield {_RENAMED.get(name, name): None}


def _verdict(values: Attributes) -> _Object:
    code = number(values, 1, signed=True)
    if code in _TO_CHAINS:
        return {_TO_CHAINS[code]: {"target": text(values, 2)}}
    # The number of a queue is above the verdict's own bits.
    return {_VERDICTS.get(code if code < 0 else code & 0xFF, str(code)): None}


def _counted(values: Attributes) -> _Object:
    return {"packets": number(values, 2), "bytes": number(values, 1)}


def _extension(kind: str, values: Attributes) -> _Object:
    """Return an extension of iptables, with a comment's text, and the verdict after such a target."""
    extension: _Object = {"type": kind, "name": text(values, 1)}
    details = values.get(3, b"")
    if kind == "match" and extension["name"] == "comment":
        extension["comment"] = shown(details.partition(b"\0")[0])
    at, verdicts = _VERDICTS_AFTER.get(extension["name"], (0, {})) if kind == "target" else (0, {})
    if verdicts and len(details) >= at + 4:
        extension["verdict"] = verdicts.get(unpack_from("=i", details, at)[0] & 0xF)
    return extension


def _iptables_comment(expressions: list[_Object]) -> str | None:
    found = (each["xt"].get("comment") for each in expressions if "xt" in each)
    return next(filter(None, found), None)


def _comment(data: bytes) -> str | None:
    """Return the comment in the data of nft's own that the kernel keeps: type, length and value, in bytes."""
    at = 0
    while at + 2 <= len(data):
        kind, size = data[at], data[at + 1]
        if kind == 0:
            return shown(data[at + 2 : at + 2 + size].partition(b"\0")[0]) or None
        at += 2 + size
    return None
