"""Read keys that are words in a text file: those of age, WireGuard, tinc, minisign and signify, and JSON Web
Keys.

Sources: age's specification (C2SP, age.md); wg(8), and NetworkManager's names for its keys; tinc.conf(5);
minisign's page, "Key formats"; OpenBSD's signify(1) and its source; RFC 7517, 7518, 8037 and 9964 for JSON
Web Keys.
"""

import base64
import binascii
import re
from collections.abc import Iterator

from kolide_kit.text import shown

from .keyfacts import PRIVATE, PUBLIC, SECRET, KeyFacts

__all__ = ["text_keys"]

_MOST_WEB_KEYS = 1_000
_DEEPEST = 4
_LARGEST_JSON = 1 << 20
_AGE = re.compile(
    rb"(?m)^[ \t]*(AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{20,6000}|AGE-PLUGIN-[0-9A-Z+._-]{1,64}-1[0-9A-Z]{6,6000}"
    rb"|age1[0-9a-z]{20,6000})[ \t\r]*$"
)
_WIREGUARD = re.compile(
    rb"(?mi)^[ \t]*(Private-?Key|PublicKey|Preshared-?Key)[ \t]*=[ \t]*([A-Za-z0-9+/]{43}=)"
    rb"[ \t\r]*(?:#[^\n]*)?$"
)
_TINC = re.compile(rb"(?mi)^Ed25519PublicKey[ \t]*=[ \t]*[A-Za-z0-9+/_-]{43}[ \t\r]*$")
_SIGN = re.compile(rb"^untrusted comment: ([^\r\n]*)\r?\n([A-Za-z0-9+/=]{40,400})\r?$", re.MULTILINE)
_WEB_KEY = re.compile(rb'"kty"\s*:')
_WEB_CURVES = {
    "P-256": 256,
    "P-384": 384,
    "P-521": 521,
    "secp256k1": 256,
    "Ed25519": 256,
    "Ed448": 456,
    "X25519": 256,
    "X448": 448,
}


def text_keys(content: bytes) -> Iterator[KeyFacts]:
    """Yield the keys in a text; other text is skipped."""
    if b"untrusted comment:" in content[:64]:
        yield from _signing_keys(content)
    if b"AGE-" in content or b"age1" in content:
        yield from map(_age_key, _AGE.findall(content))
    if _WIREGUARD.search(content) is not None:
        yield from (_wireguard_key(match) for match in _WIREGUARD.finditer(content))
    if b"Ed25519PublicKey" in content:
        yield from (KeyFacts("ed25519", "tinc", PUBLIC, bits=256) for _ in _TINC.finditer(content))
    if len(content) <= _LARGEST_JSON and _WEB_KEY.search(content) is not None:
        yield from _web_keys(content)


def _age_key(word: bytes) -> KeyFacts:
    if word.startswith(b"AGE-PLUGIN-"):
        name = shown(word[11:].rpartition(b"-1")[0]).lower()
        return KeyFacts(f"age-plugin-{name}", "age", PRIVATE, error="a plugin of age has the key")
    if word.startswith(b"AGE-SECRET-KEY-"):
        return _age_sized("mlkem768-x25519" if b"-PQ-1" in word else "x25519", PRIVATE, encrypted=False)
    name = shown(word[4:].rpartition(b"1")[0])
    if name == "pq":
        return _age_sized("mlkem768-x25519", PUBLIC, encrypted=None)
    if name:
        return KeyFacts(f"age-plugin-{name}", "age", error="a plugin of age knows the key")
    return _age_sized("x25519", PUBLIC, encrypted=None)


def _age_sized(kind: str, role: str, *, encrypted: bool | None) -> KeyFacts:
    return KeyFacts(kind, "age", role, encrypted, bits=256 if kind == "x25519" else None)


def _wireguard_key(match: re.Match[bytes]) -> KeyFacts:
    role = match[1].lower().replace(b"-", b"")
    if role == b"publickey":
        return KeyFacts("x25519", "wireguard", PUBLIC, bits=256)
    if role == b"privatekey":
        return KeyFacts("x25519", "wireguard", PRIVATE, encrypted=False, bits=256)
    return KeyFacts("preshared", "wireguard", SECRET, encrypted=False, bits=256)


def _signing_keys(content: bytes) -> Iterator[KeyFacts]:
    for comment, text in _SIGN.findall(content):
        try:
            data = binascii.a2b_base64(text)
        except binascii.Error:
            continue
        key = _signing_key(data, "signify" if b"signify" in comment else "minisign")
        if key is not None:
            yield key._replace(comment=shown(comment).strip() or None)


def _signing_key(data: bytes, program: str) -> KeyFacts | None:
    """Return a key of minisign or signify; signatures, which look alike, are longer than public keys.

    Only the comment tells whose a public key is.

    Both begin with Ed. A public key has a number of 8 bytes and the key behind that. A private key of
    minisign has 158 bytes: the derivation, Sc or none, the checksum's kind, the salt, the cost. One of
    signify has 104: the derivation, BK, its rounds, 0 if there is no password.
    """
    if data[:2] != b"Ed":
        return None
    if len(data) == 42:
        return KeyFacts("ed25519", program, PUBLIC, bits=256)
    if len(data) == 158:
        encrypted = data[2:4] == b"Sc"
        cost = int.from_bytes(data[38:46], "little") if encrypted else None
        kdf = "scrypt" if encrypted else None
        return KeyFacts("ed25519", "minisign", PRIVATE, encrypted, bits=256, kdf=kdf, iterations=cost)
    if len(data) == 104 and data[2:4] == b"BK":
        rounds = int.from_bytes(data[4:8], "big")
        return KeyFacts(
            *("ed25519", "signify", PRIVATE, bool(rounds)),
            bits=256,
            kdf="bcrypt" if rounds else None,
            iterations=rounds or None,
        )
    return None


def _web_keys(content: bytes) -> Iterator[KeyFacts]:
    import json

    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return
    for count, key in enumerate(_objects_with_kind(document, 0)):
        if count == _MOST_WEB_KEYS:
            return
        yield _web_key(key)


def _objects_with_kind(value: object, depth: int) -> Iterator[dict[str, object]]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for element in value:
            yield from _objects_with_kind(element, depth + 1)
    elif isinstance(value, dict):
        if isinstance(value.get("kty"), str):
            yield value
        else:
            for element in value.values():
                yield from _objects_with_kind(element, depth + 1)


def _web_key(key: dict[str, object]) -> KeyFacts:
    kind, curve = str(key["kty"]), str(key.get("crv", ""))
    has_private = isinstance(key.get("d") or key.get("priv"), str)
    name = key.get("kid")
    facts = KeyFacts(
        kind.lower()[:40],
        "jwk",
        PRIVATE if has_private else PUBLIC,
        False if has_private else None,
        comment=shown(name[:200].encode("utf-8", "backslashreplace")) if isinstance(name, str) else None,
    )
    if kind == "RSA":
        return facts._replace(bits=_bits_in(key.get("n")))
    if kind == "EC":
        return facts._replace(type="ecdsa", bits=_WEB_CURVES.get(curve))
    if kind == "OKP":
        return facts._replace(type=curve.lower()[:40] or "okp", bits=_WEB_CURVES.get(curve))
    if kind == "AKP":
        return facts._replace(type=str(key.get("alg", "akp")).lower()[:40])
    if kind == "oct":
        return facts._replace(kind=SECRET, encrypted=False, bits=_length_of(key.get("k")))
    return facts._replace(error="a kind of key that is not known")


def _bits_in(value: object) -> int | None:
    number = _decoded(value).lstrip(b"\0")
    return (len(number) - 1) * 8 + number[0].bit_length() if number else None


def _length_of(value: object) -> int | None:
    return len(_decoded(value)) * 8 or None


def _decoded(value: object) -> bytes:
    if not isinstance(value, str):
        return b""
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (ValueError, binascii.Error):
        return b""
