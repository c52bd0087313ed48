"""Read GnuPG's own files: the private keys of its agent, and its keybox; nothing is decrypted.

Sources: GnuPG's agent/keyformat.txt and kbx/keybox-blob.c; Libgcrypt's manual, S-expressions.
"""

import re
from collections.abc import Iterator

from kolide_kit.text import shown

from ..reading.der import Malformed
from .algorithms import RSA_KEYS
from .derkeys import certificate_key
from .keyfacts import PRIVATE, KeyFacts
from .pgpkeys import pgp_keys
from .sshkeys import public_blob
from .x509 import certificate_public_key

__all__ = ["agent_key", "is_agent_key", "is_keybox", "keybox_keys"]

_FORMAT = "gnupg"
_KINDS = (b"private-key", b"protected-private-key", b"shadowed-private-key")
_CANONICAL = tuple(b"(%d:%s(" % (len(kind), kind) for kind in _KINDS)
_WRITTEN = re.compile(rb"(?m)^(?:Key:)?[ \n]*(?=\((?:protected-|shadowed-)?private-key[ \n(])")
_TOKEN = re.compile(rb'\s*(?:([()])|([0-9]{1,7}):|"((?:[^"\\]|\\.)*)"|#([0-9A-Fa-f\s]*)#|([^\s()"#:]+))')
_LONGEST = 1 << 16
_MOST_TOKENS = 2_000
_NUMBERS = {"rsa": b"n", "dsa": b"p", "elg": b"p", "elgamal": b"p"}
# For each curve, in Libgcrypt's words without blanks and dashes: its bits, its name in SSH.
_CURVES = {
    "nistp256": (256, b"nistp256"),
    "nistp384": (384, b"nistp384"),
    "nistp521": (521, b"nistp521"),
    "ed25519": (256, b""),
    "curve25519": (256, None),
    "ed448": (456, None),
    "x448": (448, None),
    "secp256k1": (256, None),
    "brainpoolp256r1": (256, None),
    "brainpoolp384r1": (384, None),
    "brainpoolp512r1": (512, None),
}
_OWN_TYPES = {"curve25519": "x25519", "ed25519": "ed25519", "ed448": "ed448", "x448": "x448"}
_KEYBOX = b"KBXf"
_OPENPGP_BLOB, _X509_BLOB = 2, 3
_MOST_BLOBS = 50_000

_Node = bytes | list["_Node"]


def is_agent_key(content: bytes) -> bool:
    """Return whether a file is a private key of GnuPG's agent, in one of its two forms."""
    return content.startswith(_CANONICAL) or _WRITTEN.search(content[:_LONGEST]) is not None


def agent_key(content: bytes) -> KeyFacts:
    """Return the facts of a key of the agent; raises Malformed."""
    content = content[:_LONGEST]
    written = None if content.startswith(_CANONICAL) else _WRITTEN.search(content)
    tree = _tree(content, 0 if written is None else written.end())
    kind, body = shown(_text(tree, 0)), _list(tree, 1)
    facts = KeyFacts(shown(_text(body, 0)) or None, _FORMAT, PRIVATE, kind != "private-key")
    if kind == "shadowed-private-key":
        facts = facts._replace(error="its private part is elsewhere")
    values = {_text(part, 0): part for part in body if isinstance(part, list)}
    label = (
        re.search(rb"(?m)^Label:[ ]*([^\r\n]{1,200})", content[:_LONGEST]) if written is not None else None
    )
    return _protected(_described(facts, values), values)._replace(
        comment=None if label is None else shown(label[1])
    )


def _described(facts: KeyFacts, values: dict[bytes, list[_Node]]) -> KeyFacts:
    name = (facts.type or "").lower()
    name = RSA_KEYS.get(name.removeprefix("oid."), name)  # gpgsm wrote numbers
    if name.startswith(("kyber", "mlkem", "ml-kem")):
        return facts._replace(type=name)
    if name in ("ecc", "ecdsa", "ecdh", "eddsa"):
        curve = shown(_text(values.get(b"curve", []), 1)).lower()
        curve = curve.replace(" ", "").replace("-", "")
        bits, ssh = _CURVES.get(curve, (None, None))
        error = None if bits is not None else f"the curve {curve[:40]} is not known"
        blob = None if ssh is None else _curve_blob(ssh, _text(values.get(b"q", []), 1))
        kind = _OWN_TYPES.get(curve, "ecdsa")
        return facts._replace(type=kind, bits=bits, blob=blob, error=facts.error or error)
    number = _text(values.get(_NUMBERS.get(name, b""), []), 1).lstrip(b"\0")
    blob = None
    if name == "rsa" and b"e" in values and number:
        blob = public_blob(b"ssh-rsa", _positive(_text(values[b"e"], 1)), _positive(number))
    return facts._replace(
        type="elgamal" if name == "elg" else name or None,
        bits=int.from_bytes(number[:4], "big").bit_length() + 8 * len(number[4:]) or None,
        blob=blob,
        error=facts.error or (None if name in _NUMBERS else "an algorithm that is not known"),
    )


def _protected(facts: KeyFacts, values: dict[bytes, list[_Node]]) -> KeyFacts:
    """Add the derivation.

    It is in `(protected openpgp-s2k3-ocb-aes128-cbc ((sha1 SALT ROUNDS) NONCE) DATA)`.
    """
    protection = values.get(b"protected", [])
    if not protection:
        return facts
    derivation = _list(_list(protection, 2), 0)
    rounds = _text(derivation, 2)
    is_s2k = _text(protection, 1).startswith(b"openpgp-s2k3")
    iterations = int(rounds) if rounds.isdigit() and len(rounds) < 11 else None
    return facts._replace(kdf="iterated" if is_s2k else "openpgp-native", iterations=iterations)


def _curve_blob(name: bytes, point: bytes) -> bytes | None:
    if name:
        return public_blob(b"ecdsa-sha2-" + name, name, point) if point[:1] == b"\x04" else None
    return public_blob(b"ssh-ed25519", point[1:]) if len(point) == 33 and point[:1] == b"\x40" else None


def _positive(number: bytes) -> bytes:
    number = number.lstrip(b"\0")
    return b"\0" + number if number[:1] >= b"\x80" else number


def _tree(content: bytes, offset: int) -> list[_Node]:
    """Return the S-expression at an offset, as lists in lists."""
    open_lists: list[list[_Node]] = [[]]
    for _ in range(_MOST_TOKENS):
        token = _TOKEN.match(content, offset)
        if token is None:
            break
        offset = token.end()
        mark, length, quoted, digits, word = token.groups()
        if mark == b"(":
            open_lists.append([])
        elif mark == b")":
            closed = open_lists.pop()
            if len(open_lists) == 1:
                return closed
            open_lists[-1].append(closed)
        elif length is not None:
            open_lists[-1].append(content[offset : offset + int(length)])
            offset += int(length)
        elif digits is not None:
            hexadecimal = digits.translate(None, b" \t\r\n\v\f").decode()
            open_lists[-1].append(bytes.fromhex(hexadecimal + "0" * (len(hexadecimal) % 2)))
        else:
            open_lists[-1].append(quoted if quoted is not None else word)
    raise Malformed("the key is cut off")


def _text(nodes: list[_Node], index: int) -> bytes:
    node = nodes[index] if index < len(nodes) else b""
    return node if isinstance(node, bytes) else b""


def _list(nodes: list[_Node], index: int) -> list[_Node]:
    node = nodes[index] if index < len(nodes) else []
    return node if isinstance(node, list) else []


def is_keybox(content: bytes) -> bool:
    """Return whether a file is a keybox, such as pubring.kbx."""
    return content[8:12] == _KEYBOX and content[4:5] == b"\x01"


def keybox_keys(content: bytes) -> Iterator[KeyFacts]:
    """Yield the public keys in a keybox: those of OpenPGP, and those of certificates; raises Malformed.

    A blob begins with its length (4 bytes), its kind (1), and behind 3 more where its key is (4) and the
    key's length (4).
    """
    offset = 0
    for _ in range(_MOST_BLOBS):
        if offset >= len(content):
            return
        size = int.from_bytes(content[offset : offset + 4], "big")
        if size < 16 or offset + size > len(content):
            raise Malformed("the keybox is cut off")
        blob = content[offset : offset + size]
        start, length = (int.from_bytes(blob[at : at + 4], "big") for at in (8, 12))
        key = blob[start : start + length]
        try:
            if blob[4] == _OPENPGP_BLOB:
                yield from pgp_keys(key)
            elif blob[4] == _X509_BLOB:
                yield certificate_key(certificate_public_key(key))
        except Malformed as error:
            yield KeyFacts(None, "openpgp", error=f"it cannot be read: {error}")
        offset += size
