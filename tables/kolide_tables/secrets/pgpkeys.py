"""Read OpenPGP's keys: kind, size, protection and owner, in armour or not. Nothing is decrypted.

Sources: RFC 9580, draft-ietf-openpgp-pqc, and for keys of version 3 and 4, RFC 4880; GnuPG's DETAILS for keys
whose private part is elsewhere, and its tests/openpgp/samplekeys for keys of Kyber.
"""

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from kolide_kit.text import shown

from ..reading.der import Malformed
from .keyfacts import PRIVATE, PUBLIC, KeyFacts

__all__ = ["is_pgp", "pgp_keys", "unarmoured"]

_SECRET, _PUBLIC, _SECRET_SUB, _USER, _PUBLIC_SUB = 5, 6, 7, 13, 14
_MOST_PACKETS = 50_000
_FORMAT = "openpgp"
# For each algorithm: its name, its numbers before the private ones, whether a curve's identifier is first.
_ALGORITHMS = {
    1: ("rsa", 2, False),
    2: ("rsa", 2, False),
    3: ("rsa", 2, False),
    16: ("elgamal", 3, False),
    17: ("dsa", 4, False),
    18: ("ecdh", 1, True),
    19: ("ecdsa", 1, True),
    20: ("elgamal", 3, False),
    22: ("eddsa", 1, True),
}
_FIXED: dict[int, tuple[str, int | None, int]] = {
    25: ("x25519", 256, 32),
    26: ("x448", 448, 56),
    27: ("ed25519", 256, 32),
    28: ("ed448", 456, 57),
}
_FIXED |= {
    30: ("mldsa65-ed25519", None, 1984),
    31: ("mldsa87-ed448", None, 2649),
    32: ("slh-dsa-shake-128s", 256, 32),
    33: ("slh-dsa-shake-128f", 256, 32),
    34: ("slh-dsa-shake-256s", 512, 64),
    35: ("mlkem768-x25519", None, 1216),
    36: ("mlkem1024-x448", None, 1624),
}
_KYBER = 8  # GnuPG's own: a point as of ECDH, then a key of Kyber behind its length
_KYBER_SIZES = {1184: "kyber768", 1568: "kyber1024"}
_ECDH = 18
_CURVES = {
    bytes.fromhex("2a8648ce3d030107"): ("", 256),
    bytes.fromhex("2b81040022"): ("", 384),
    bytes.fromhex("2b81040023"): ("", 521),
    bytes.fromhex("2b8104000a"): ("", 256),
    bytes.fromhex("2b2403030208010107"): ("", 256),
    bytes.fromhex("2b240303020801010b"): ("", 384),
    bytes.fromhex("2b240303020801010d"): ("", 512),
    bytes.fromhex("2b06010401da470f01"): ("ed25519", 256),
    bytes.fromhex("2b060104019755010501"): ("x25519", 256),
    bytes.fromhex("2b6570"): ("ed25519", 256),
    bytes.fromhex("2b6571"): ("ed448", 456),
    bytes.fromhex("2b656e"): ("x25519", 256),
    bytes.fromhex("2b656f"): ("x448", 448),
}
_S2K = {0: "simple", 1: "salted", 3: "iterated", 4: "argon2"}
_BLANK_LINE = re.compile(rb"(?<=\n)[ \t]*\r?\n")
_LONGEST_CHECKSUM = 16
_ELSEWHERE = 101  # GnuPG's own: the private part is on a card, or was left out


class _Packet(NamedTuple):
    kind: int
    body: bytes


def unarmoured(body: bytes) -> bytes:
    """Return the bytes in the body of an armoured block: behind a blank line, before a checksum.

    Raises Malformed.
    """
    first = body.lstrip(b"\r\n").partition(b"\n")[0]
    text = _BLANK_LINE.split(body, maxsplit=1)[-1] if b": " in first else body
    text = text[: text.rfind(b"\n=")] if b"\n=" in text[-_LONGEST_CHECKSUM:] else text
    text = text.translate(None, b" \t\r\n")
    text = text[: len(text) & -4]  # the end may be missing
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise Malformed("its base64 is broken") from error


def is_pgp(content: bytes) -> bool:
    """Return whether a file begins with a packet that has a key."""
    try:
        packet = next(_packets(content[:4096], whole=False), None)
        return packet is not None and packet.kind in (_SECRET, _PUBLIC) and _key(packet).error is None
    except Malformed:
        return False


def pgp_keys(data: bytes) -> Iterator[KeyFacts]:
    """Yield the keys, subkeys too, each with the first owner's name; raises Malformed if there is none."""
    group: list[KeyFacts] = []
    owner: str | None = None
    problem: Malformed | None = None
    try:
        for packet in _packets(data):
            if packet.kind in (_SECRET, _PUBLIC):
                yield from (key._replace(comment=owner) for key in group)
                group, owner = [], None
            if packet.kind in (_SECRET, _PUBLIC, _SECRET_SUB, _PUBLIC_SUB):
                group.append(_key(packet))
            elif packet.kind == _USER and owner is None:
                owner = shown(packet.body[:1024]) or None
    except Malformed as error:
        problem = error
    yield from (key._replace(comment=owner) for key in group)
    if problem is not None or not data:
        raise problem or Malformed("it has no packets")


def _packets(data: bytes, *, whole: bool = True) -> Iterator[_Packet]:
    """Yield the packets; with `whole` false the last one may be cut off."""
    offset = 0
    for _ in range(_MOST_PACKETS):
        if offset >= len(data):
            return
        kind, start, length = _header(data, offset)
        end = len(data) if length is None else start + length
        if end > len(data) and whole:
            raise Malformed("a packet is longer than the data")
        yield _Packet(kind, data[start:end])
        offset = end


def _header(data: bytes, offset: int) -> tuple[int, int, int | None]:
    """Return a packet's kind, where its body begins, and its length; None up to the end of the data."""
    first = data[offset]
    if not first & 0x80:
        raise Malformed("it is not made of OpenPGP's packets")
    if not first & 0x40:  # the old form: the width of the length is in the first byte
        width = first & 3
        if width == 3:
            return first >> 2 & 15, offset + 1, None
        start = offset + 1 + (1 << width)
        return first >> 2 & 15, start, _big_endian(data, offset + 1, 1 << width)
    size = _big_endian(data, offset + 1, 1)
    if size < 192:
        return first & 63, offset + 2, size
    if size < 224:
        return first & 63, offset + 3, ((size - 192) << 8) + _big_endian(data, offset + 2, 1) + 192
    if size == 255:
        return first & 63, offset + 6, _big_endian(data, offset + 2, 4)
    raise Malformed("a packet of a key is in pieces")


def _key(packet: _Packet) -> KeyFacts:
    kind = PRIVATE if packet.kind in (_SECRET, _SECRET_SUB) else PUBLIC
    facts = KeyFacts(None, _FORMAT, kind)
    try:
        version = _big_endian(packet.body, 0, 1)
        if version not in (2, 3, 4, 5, 6):
            return facts._replace(error=f"version {version} of OpenPGP's keys is not known")
        # Behind the version stand the time, in old keys the days until it expires, and the algorithm; from
        # version 5 on also the length of the numbers.
        at = 7 if version < 4 else 5
        algorithm = _big_endian(packet.body, at, 1)
        numbers = at + 1 + (4 if version > 4 else 0)
        return _described(facts, packet.body, algorithm, numbers, version)
    except Malformed as error:
        return facts._replace(error=f"the key is cut off: {error}")


def _described(facts: KeyFacts, body: bytes, algorithm: int, at: int, version: int) -> KeyFacts:
    if algorithm == _KYBER:
        at += 1 + _big_endian(body, at, 1)
        at += 2 + (_big_endian(body, at, 2) + 7) // 8
        length = _big_endian(body, at, 4)
        name, bits, end = _KYBER_SIZES.get(length, "kyber"), None, at + 4 + length
    elif algorithm in _FIXED:
        name, bits, size = _FIXED[algorithm]
        end = at + size
    elif algorithm in _ALGORITHMS:
        name, count, has_curve = _ALGORITHMS[algorithm]
        curve = None
        if has_curve:
            length = _big_endian(body, at, 1)
            curve = body[at + 1 : at + 1 + length]
            at += 1 + length
        bits = _big_endian(body, at, 2)
        for _ in range(count):
            at += 2 + (_big_endian(body, at, 2) + 7) // 8
        if algorithm == _ECDH:
            at += 1 + _big_endian(body, at, 1)  # the parameters of the derivation
        end = at
        if curve is not None:
            other, bits_of_curve = _CURVES.get(curve, ("", None))
            name = other or name
            bits = bits_of_curve or bits
    else:
        return facts._replace(type=f"openpgp-{algorithm}", error=f"algorithm {algorithm} is not known")
    facts = facts._replace(type=name, bits=bits)
    return facts if facts.kind == PUBLIC else _protected(facts, body, end, version)


def _protected(facts: KeyFacts, body: bytes, at: int, version: int) -> KeyFacts:
    """Add the protection of the private part, which is behind the public one."""
    usage = _big_endian(body, at, 1)
    if usage == 0:
        return facts._replace(encrypted=False)
    if usage < 253:  # the cipher itself: the password's MD5 is the key
        return facts._replace(encrypted=True, kdf="md5")
    at += 2 if version > 4 else 1  # from version 5 on the length of all parameters is here
    at += 2 if usage == 253 else 1  # the cipher, and its mode
    at += 1 if version > 5 else 0  # the length of the derivation's parameters
    kind = _big_endian(body, at, 1)
    if kind == _ELSEWHERE:
        return facts._replace(encrypted=True, error="its private part is elsewhere")
    coded = _big_endian(body, at + 10, 1) if kind == 3 else None
    # The count of bytes that are hashed is packed into one byte.
    count = None if coded is None else (16 + (coded & 15)) << (coded >> 4) + 6
    return facts._replace(encrypted=True, kdf=_S2K.get(kind, str(kind)), iterations=count)


def _big_endian(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise Malformed("the data ends within a packet")
    return int.from_bytes(data[at : at + size], "big")
