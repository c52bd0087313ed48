"""osquery's SQL functions on network addresses."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import struct

import apsw

from .values import Functions, SQLiteValue, text_of


def _inet_aton(value: SQLiteValue) -> int | None:
    try:
        return None if value is None else int(ipaddress.IPv4Address(text_of(value)))
    except ipaddress.AddressValueError:
        return None


def _in_cidr_block(block: SQLiteValue, address: SQLiteValue) -> int:
    if not isinstance(block, str):
        raise apsw.SQLError("CIDR must be a string")
    if not isinstance(address, str):
        raise apsw.SQLError("IP address must be a string")
    try:
        host = ipaddress.ip_address(text_of(address))
    except ValueError as exc:
        raise apsw.SQLError("IP address cannot be parsed") from exc
    try:
        if not re.fullmatch(r"[^/]+/\d{1,3}", text_of(block), re.ASCII):
            raise ValueError(block)
        kind = ipaddress.IPv4Network if host.version == 4 else ipaddress.IPv6Network
        network = kind(text_of(block), strict=False)
    except ValueError as exc:
        raise apsw.SQLError(f"CIDR for IP address v{host.version} cannot be parsed") from exc
    if host not in network:
        return 0
    if host.version == 4 and network.prefixlen < 32:
        # As osquery: the network's own address and its broadcast address are not in an IPv4 block of several.
        return int(host not in (network[0], network[-1]))
    # As osquery: it counts up to the address after the block, and the very last block has no address after
    # it.
    return int(int(network.broadcast_address) != 2**network.max_prefixlen - 1)


def _community_id(*values: SQLiteValue) -> str:
    """Return the Community ID (version 1) of a flow: "1:" and the SHA-1 of these bytes in Base64.

    ::

        seed 2 | address A | address B | protocol 1 | zero 1 | port A 2 | port B 2     (A is the smaller end)
    """
    seed = _community_id_seed(values[5]) if len(values) == 6 else 0
    source, target, source_port, target_port, protocol = values[:5]
    if not isinstance(source, str) or not isinstance(target, str):
        raise apsw.SQLError("Community ID IPs must be strings")
    addresses = []
    for name, text in (("saddr", source), ("daddr", target)):
        try:
            addresses.append(ipaddress.ip_address(text_of(text)))
        except ValueError as exc:
            raise apsw.SQLError(f"Community ID {name} cannot be parsed as IP") from exc
    if not isinstance(source_port, int) or not isinstance(target_port, int):
        raise apsw.SQLError("Community ID ports must be integers")
    if not (0 <= source_port <= 0xFFFF and 0 <= target_port <= 0xFFFF):
        raise apsw.SQLError("Community ID ports must fit in 2 bytes")
    if not isinstance(protocol, int):
        raise apsw.SQLError("Community ID protocol must be an integer")
    if not 0 <= protocol <= 0xFF:
        raise apsw.SQLError("Community ID protocol must fit in 1 byte")
    keys = [(address.version, address.packed) for address in addresses]
    ends = sorted(zip(keys, (source_port, target_port), strict=True))
    ((_, address_a), port_a), ((_, address_b), port_b) = ends
    data = struct.pack(">h", seed) + address_a + address_b + struct.pack(">BBHH", protocol, 0, port_a, port_b)
    return "1:" + base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def _community_id_seed(value: SQLiteValue) -> int:
    if not isinstance(value, int):
        raise apsw.SQLError("Community ID seed must be an integer")
    if not -0x8000 <= value <= 0x7FFF:
        raise apsw.SQLError("Community ID seed must fit in 2 bytes")
    return value


def _community_id_or_null(*values: SQLiteValue) -> str | None:
    try:
        return _community_id(*values)
    except apsw.SQLError:
        return None


FUNCTIONS: Functions = {
    "inet_aton": (_inet_aton, (1,)),
    "in_cidr_block": (_in_cidr_block, (2,)),
    "community_id_v1": (_community_id_or_null, (5, 6)),
    "community_id_v1_strict": (_community_id, (5, 6)),
}
