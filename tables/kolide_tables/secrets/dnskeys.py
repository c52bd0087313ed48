"""Read the keys of name servers: private keys of DNSSEC, DNSKEY records, and the secrets of TSIG.

Sources: RFC 4034 (DNSKEY), RFC 3110, 6605, 8080 for its keys, IANA's registry of DNSSEC's algorithms; BIND's
manual, dnssec-keygen and the statement `key`.
"""

import binascii
import re
from collections.abc import Iterator

from kolide_kit.text import shown

from .keyfacts import PRIVATE, PUBLIC, SECRET, KeyFacts

__all__ = ["dns_keys"]

_PRIVATE_MARK = b"Private-key-format: v1."
_RECORD = re.compile(
    rb"(?m)^([^\s;]{1,255})[ \t]{1,99}(?:[0-9]{1,10}[ \t]{1,99})?(?:(?:IN|CH|HS)[ \t]{1,99})?"
    rb"(?:DNSKEY|CDNSKEY|KEY)[ \t]{1,99}[0-9]{1,5}[ \t]{1,99}3[ \t]{1,99}([0-9]{1,3})[ \t]{1,99}"
    rb"([A-Za-z0-9+/= \t]{20,8000})"
)
_TSIG = re.compile(
    rb'\bkey[ \t]+"?([^\s"{}]{1,255})"?[ \t\r\n]*\{[^{}]{0,400}?\balgorithm[ \t]+"?(hmac-[a-z0-9-]{3,20})'
    rb'[^{}]{0,400}?\bsecret[ \t]+"?([A-Za-z0-9+/=]{8,1000})'
)
# By the numbers of the registry: the name, and the size where there is one.
_ALGORITHMS: dict[int, tuple[str, int | None]] = {
    1: ("rsa", None),
    3: ("dsa", None),
    5: ("rsa", None),
    6: ("dsa", None),
    7: ("rsa", None),
    8: ("rsa", None),
    10: ("rsa", None),
    12: ("gost2001", 256),
    13: ("ecdsa", 256),
    14: ("ecdsa", 384),
    15: ("ed25519", 256),
    16: ("ed448", 456),
    17: ("sm2", 256),
}
# BIND's own numbers.
_HMACS = {157: "md5", 161: "sha1", 162: "sha224", 163: "sha256", 164: "sha384", 165: "sha512"}


def dns_keys(content: bytes) -> Iterator[KeyFacts]:
    """Yield the keys of a name server in a text."""
    if content.startswith(_PRIVATE_MARK):
        yield _private_key(content[:65536])
    if b"KEY" in content:
        yield from (_record(match) for match in _RECORD.finditer(content))
    if b"hmac-" in content and b"secret" in content:
        for match in _TSIG.finditer(content):
            yield KeyFacts(
                shown(match[2]),
                "tsig",
                SECRET,
                False,
                bits=_bits_of_secret(match[3]),
                comment=shown(match[1]),
            )


def _private_key(content: bytes) -> KeyFacts:
    fields = dict(line.partition(b":")[::2] for line in content.split(b"\n"))
    word = fields.get(b"Algorithm", b"").split()[:1]
    number = int(word[0]) if word and word[0].isdigit() and len(word[0]) < 4 else -1
    if number in _HMACS:
        bits = _bits_of_secret(fields.get(b"Key", b""))
        return KeyFacts(f"hmac-{_HMACS[number]}", "dnssec", SECRET, encrypted=False, bits=bits)
    facts = _of_algorithm(number, "dnssec")._replace(kind=PRIVATE, encrypted=False)
    if facts.bits is None:
        modulus = _decoded(fields.get(b"Modulus") or fields.get(b"Prime(p)", b""))
        facts = facts._replace(bits=_bits_in(modulus))
    if b"Label" in fields or b"Engine" in fields:
        return facts._replace(encrypted=None, error="its private part is elsewhere")
    return facts


def _record(match: re.Match[bytes]) -> KeyFacts:
    facts = _of_algorithm(int(match[2]), "dnskey")._replace(kind=PUBLIC, comment=shown(match[1]))
    if facts.type != "rsa":
        return facts
    # The exponent is first, behind its length of one byte, or of two behind a zero.
    key = _decoded(match[3])
    size, at = (key[0], 1) if key[:1] > b"\0" else (int.from_bytes(key[1:3], "big"), 3)
    return facts._replace(bits=_bits_in(key[at + size :]))


def _of_algorithm(number: int, form: str) -> KeyFacts:
    name, bits = _ALGORITHMS.get(number, (f"dnssec-{number}", None))
    error = None if number in _ALGORITHMS else "an algorithm that is not known"
    return KeyFacts(name, form, bits=bits, error=error)


def _bits_of_secret(text: bytes) -> int | None:
    return len(_decoded(text)) * 8 or None


def _bits_in(number: bytes) -> int | None:
    number = number.lstrip(b"\0")
    return (len(number) - 1) * 8 + number[0].bit_length() if number else None


def _decoded(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text)
    except binascii.Error:
        return b""
