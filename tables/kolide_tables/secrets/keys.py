"""Read from a key file, without its password: kind, size, fingerprint, encryption and key derivation.

Private parts are skipped, and nothing is computed from them: there is a fingerprint if the public key is in
the file in clear. The forms of OpenSSH, PEM and DER (PKCS#1, PKCS#8, SEC 1, SubjectPublicKeyInfo), PuTTY and
ssh.com. Sources: OpenSSH's PROTOCOL.key and PROTOCOL.certkeys, RFC 4253, 4716, 5656, 5958, 8017, 8018, 8709,
PuTTY's manual, appendix C.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from kolide_kit.text import shown

from ..reading.der import (
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    Element,
    Malformed,
    bits_of,
    children,
    element,
    oid_text,
)
from .pem import PemBlock, pem_blocks
from .x509 import curve_bits, key_size, public_key

__all__ = ["KeyFacts", "keys_in"]

_OPENSSH_MAGIC = b"openssh-key-v1\0"
_SSHCOM_MAGIC = b"\x3f\x6f\xf9\xeb"
_CERTIFICATE = "-cert-v01@openssh.com"
_MOST_LINES = 20_000
_LONGEST_LINE = 1 << 16
# For each kind of public key: its name here, and the number of its parts behind the name. In a certificate as
# many parts, behind the nonce, are the plain key's.
_SSH_KINDS = {
    "ssh-rsa": ("rsa", 2),
    "ssh-dss": ("dsa", 4),
    "ecdsa-sha2-nistp256": ("ecdsa", 2),
    "ecdsa-sha2-nistp384": ("ecdsa", 2),
    "ecdsa-sha2-nistp521": ("ecdsa", 2),
    "ssh-ed25519": ("ed25519", 1),
    "ssh-ed448": ("ed448", 1),
    "sk-ecdsa-sha2-nistp256@openssh.com": ("ecdsa-sk", 3),
    "sk-ssh-ed25519@openssh.com": ("ed25519-sk", 2),
}
# The parts of a private key in clear that stand between its name and its comment, which follows them.
_PRIVATE_PARTS = {"ssh-rsa": 6, "ssh-dss": 5, "ssh-ed25519": 2, "ssh-ed448": 2}
_CURVE_NAMES = {"1.2.840.10045.3.1.7": b"nistp256", "1.3.132.0.34": b"nistp384", "1.3.132.0.35": b"nistp521"}
_KDFS = {"1.2.840.113549.1.5.12": "pbkdf2", "1.3.6.1.4.1.11591.4.11": "scrypt"}
_PEM_KINDS = {
    "RSA PRIVATE KEY": ("rsa", "pkcs1"),
    "DSA PRIVATE KEY": ("dsa", "dsa"),
    "EC PRIVATE KEY": ("ecdsa", "sec1"),
}
_PBES2, _PKCS12_PBE, _PKCS5 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.12.1.", "1.2.840.113549.1.5."
_ED25519, _ED448 = "1.3.101.112", "1.3.101.113"
_LINE = re.compile(
    rb"(?:^|[ \t])((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]{3,50})"  # the kind
    rb"[ \t]+([A-Za-z0-9+/]{16,60000}={0,2})(?:[ \t]+([^\r\n]*))?"  # the key in base64, and a comment
)


class KeyFacts(NamedTuple):
    """The facts of a key; `type` is None if even that is encrypted, `encrypted` is None for a public key."""

    type: str | None
    format: str
    encrypted: bool | None = None
    bits: int | None = None
    blob: bytes | None = None
    comment: str | None = None
    kdf: str | None = None

    def columns(self) -> dict[str, Any]:
        """Return the facts by name, with the key's fingerprints, as ssh-keygen prints them, for its blob."""
        import hashlib

        facts = self._asdict()
        blob = facts.pop("blob")
        facts["fingerprint_sha256"] = facts["fingerprint_md5"] = None
        if blob is not None:
            digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
            facts["fingerprint_sha256"] = f"SHA256:{digest}"
            facts["fingerprint_md5"] = "MD5:" + hashlib.md5(blob, usedforsecurity=False).digest().hex(":")
        return facts


def keys_in(content: bytes) -> Iterator[KeyFacts]:
    """Yield the keys in a file's content, private and public; data that is not a key is skipped."""
    start = content[:256].lstrip()
    if start.startswith(b"PuTTY-User-Key-File-"):
        yield from _putty(content)
    elif start.startswith(b"---- BEGIN SSH2 "):
        yield from _ssh2(content)
    elif b"-----BEGIN " in content:
        for block in pem_blocks(content):
            try:
                yield from _pem(block)
            except Malformed:
                continue
    elif content[:1] == b"\x30":
        try:
            yield from _der(content, "-der")
        except Malformed:
            return
    else:
        yield from _public_lines(content)


# -- PEM and DER


def _pem(block: PemBlock) -> Iterator[KeyFacts]:
    label = block.label
    if block.data is None:
        return
    if label == "OPENSSH PRIVATE KEY":
        yield from _openssh(block.data)
    elif "DEK-Info" in block.headers:
        if label in _PEM_KINDS:
            # openssl's own derivation: one round of MD5.
            yield KeyFacts(*_PEM_KINDS[label], encrypted=True, kdf="md5")
    elif label.endswith(("PRIVATE KEY", "PUBLIC KEY")):
        yield from _der(block.data, "")


def _der(data: bytes, suffix: str) -> Iterator[KeyFacts]:
    """Yield the key in a DER structure, recognized by its shape: the label in PEM says no more."""
    parts = list(children(element(data).expect(SEQUENCE)))
    tags = [part.tag for part in parts]
    if tags[:3] == [INTEGER, SEQUENCE, OCTET_STRING]:
        yield _pkcs8(parts, "pkcs8" + suffix)
    elif tags == [SEQUENCE, OCTET_STRING]:
        kdf = _stretched_by(parts[0])
        if kdf is not None:
            yield KeyFacts(None, "pkcs8" + suffix, encrypted=True, kdf=kdf)
    elif tags == [SEQUENCE, 0x03]:
        yield _spki(element(data), "spki" + suffix)
    elif tags == [INTEGER] * 9:
        yield _rsa(parts[1], parts[2], "pkcs1" + suffix, encrypted=False)
    elif tags == [INTEGER] * 2 and bits_of(parts[0]) >= 512:
        yield _rsa(parts[0], parts[1], "pkcs1" + suffix, encrypted=None)
    elif tags == [INTEGER] * 6:
        blob = _blob(b"ssh-dss", *(part.content for part in parts[1:5]))
        yield KeyFacts("dsa", "dsa" + suffix, encrypted=False, bits=bits_of(parts[1]), blob=blob)
    elif tags[:2] == [INTEGER, OCTET_STRING]:
        yield _sec1(parts, None, "sec1" + suffix)


def _pkcs8(parts: list[Element], form: str) -> KeyFacts:
    """Return the facts of a private key in clear; only its public parts are read."""
    algorithm = list(children(parts[1]))
    oid = oid_text(algorithm[0])
    parameters = algorithm[1] if len(algorithm) > 1 else None
    name, bits = key_size(oid, parameters, b"\x30\0")
    if name in ("rsa", "rsa-pss"):
        inner = list(children(element(parts[2].content).expect(SEQUENCE)))
        if len(inner) < 3:
            raise Malformed("an RSA key has too few parts")
        return _rsa(inner[1], inner[2], form, encrypted=False)
    if name == "ec":
        return _sec1(list(children(element(parts[2].content).expect(SEQUENCE))), parameters, form)
    public = next((part.content[1:] for part in parts if part.tag == 0x81), None)
    blob = None if public is None else _edwards_blob(oid, public)
    return KeyFacts(name, form, encrypted=False, bits=bits, blob=blob)


def _spki(info: Element, form: str) -> KeyFacts:
    oid, parameters, key = public_key(info)
    name, bits = key_size(oid, parameters, key)
    if name in ("rsa", "rsa-pss"):
        inner = list(children(element(key)))
        return _rsa(inner[0], inner[1], form, encrypted=None)
    if name == "ec":
        return KeyFacts("ecdsa", form, bits=bits, blob=_curve_blob(parameters, key))
    if name == "dsa" and parameters is not None:
        numbers = [*children(parameters), element(key)]
        blob = _blob(b"ssh-dss", *(number.expect(INTEGER).content for number in numbers))
        return KeyFacts("dsa", form, bits=bits, blob=blob)
    return KeyFacts(name, form, bits=bits, blob=_edwards_blob(oid, key))


def _sec1(parts: list[Element], parameters: Element | None, form: str) -> KeyFacts:
    inner = {part.tag: part for part in parts}
    if 0xA0 in inner:
        parameters = next(children(inner[0xA0]), parameters)
    point = None
    if 0xA1 in inner:
        point = next((part.expect(0x03).content[1:] for part in children(inner[0xA1])), None)
    bits = None if parameters is None else curve_bits(parameters)
    if bits is None and point is None:
        raise Malformed("no curve")
    blob = None if point is None else _curve_blob(parameters, point)
    return KeyFacts("ecdsa", form, encrypted=False, bits=bits, blob=blob)


def _rsa(modulus: Element, exponent: Element, form: str, *, encrypted: bool | None) -> KeyFacts:
    blob = _blob(b"ssh-rsa", exponent.expect(INTEGER).content, modulus.expect(INTEGER).content)
    return KeyFacts("rsa", form, encrypted=encrypted, bits=bits_of(modulus), blob=blob)


def _curve_blob(parameters: Element | None, point: bytes) -> bytes | None:
    """Return the public key as SSH writes it; None for a curve that SSH does not have."""
    if parameters is None or parameters.tag != OID or point[:1] != b"\x04":
        return None
    name = _CURVE_NAMES.get(oid_text(parameters))
    return None if name is None else _blob(b"ecdsa-sha2-" + name, name, point)


def _edwards_blob(oid: str, key: bytes) -> bytes | None:
    name = {_ED25519: b"ssh-ed25519", _ED448: b"ssh-ed448"}.get(oid)
    return None if name is None else _blob(name, key)


def _stretched_by(algorithm: Element) -> str | None:
    """Return the function that turns a password into the key.

    Return None if nothing is encrypted with a password.
    """
    parts = list(children(algorithm))
    if not parts or parts[0].tag != OID:
        return None
    oid = oid_text(parts[0])
    if oid.startswith(_PKCS12_PBE):
        return "pkcs12"
    if oid != _PBES2:
        # The other schemes of PKCS#5 are those of its version 1.
        return _KDFS.get(oid, "pbkdf1") if oid.startswith(_PKCS5) else None
    inner = next(children(parts[1]), None) if len(parts) > 1 else None
    function = None if inner is None else next(children(inner), None)
    return None if function is None else _KDFS.get(name := oid_text(function), name)


# -- SSH


def _openssh(data: bytes) -> Iterator[KeyFacts]:
    if not data.startswith(_OPENSSH_MAGIC):
        return
    parts = _Parts(data, len(_OPENSSH_MAGIC))
    cipher, kdf, _options = parts.string(), parts.string(), parts.string()
    count = parts.number()
    blobs = [parts.string() for _ in range(min(count, 16))]
    encrypted = cipher != b"none"
    comment = None if encrypted or count != 1 else _comment(parts.string())
    stretched_by = shown(kdf) if encrypted else None
    for blob in blobs:
        yield _ssh_key(blob, "openssh")._replace(encrypted=encrypted, comment=comment, kdf=stretched_by)


def _comment(private: bytes) -> str | None:
    """Return the comment behind a private key in clear."""
    parts = _Parts(private, 8)  # skip two equal numbers, which reveal a wrong password
    try:
        name = shown(parts.string())
        if name.endswith(_CERTIFICATE):
            return None
        if name.startswith("ecdsa-"):
            count = 3
        elif name.startswith("sk-"):
            for _ in range(3 if "ecdsa" in name else 2):
                parts.string()
            parts.offset += 1  # flags
            count = 2
        else:
            count = _PRIVATE_PARTS[name]
        for _ in range(count):
            parts.skip()
        return shown(parts.string())
    except (Malformed, KeyError):
        return None


def _ssh_key(blob: bytes, form: str) -> KeyFacts:
    """Return the facts of a public key as SSH writes it; a certificate has the fingerprint of its key."""
    parts = _Parts(blob, 0)
    name = shown(parts.string())
    plain = name.removesuffix(_CERTIFICATE)
    suffix = ""
    if name.endswith(_CERTIFICATE):
        plain = name.replace("-cert-v01", "") if name.startswith("sk-") else plain
        suffix = "-cert"
        parts.string()  # its nonce
    if plain not in _SSH_KINDS:
        raise Malformed("no kind of key that is known")
    kind, count = _SSH_KINDS[plain]
    values = [parts.string() for _ in range(count)]
    if suffix:
        blob = _blob(plain.encode(), *values)
    return KeyFacts(kind + suffix, form, bits=_ssh_bits(kind, plain, values), blob=blob)


def _ssh_bits(kind: str, name: str, values: list[bytes]) -> int | None:
    if kind in ("rsa", "dsa"):
        number = values[1 if kind == "rsa" else 0].lstrip(b"\0")
        return (len(number) - 1) * 8 + number[0].bit_length() if number else 0
    if kind.startswith("ecdsa"):
        return int(name.partition("nistp")[2][:3])
    return 456 if kind == "ed448" else 256


def _public_lines(content: bytes) -> Iterator[KeyFacts]:
    """Yield the keys in lines of authorized_keys, known_hosts and .pub files."""
    for line in _lines_with(b" AAAA", content):
        match = None if line.lstrip()[:1] == b"#" else _LINE.search(line)
        if match is None:
            continue
        try:
            blob = binascii.a2b_base64(match[2], strict_mode=True)
            key = _ssh_key(blob, "openssh-public")
        except (binascii.Error, Malformed):
            continue
        yield key._replace(comment=shown((match[3] or b"").strip()) or None)


def _lines_with(mark: bytes, content: bytes) -> Iterator[bytes]:
    """Yield the lines that contain a mark, except those longer than any key.

    Most of a large file is never split.
    """
    position = 0
    while (at := content.find(mark, position)) >= 0:
        start = max(content.rfind(b"\n", position, at) + 1, position)
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        if end - start <= _LONGEST_LINE:
            yield content[start:end]
        position = end + 1


def _ssh2(content: bytes) -> Iterator[KeyFacts]:
    """Yield ssh.com's private keys, and public keys as RFC 4716 writes them."""
    lines = content.replace(b"\r\n", b"\n").replace(b"\\\n", b"").split(b"\n", _MOST_LINES)
    is_private = b"PRIVATE" in lines[0]
    comment = None
    body: list[bytes] = []
    for line in lines[1:]:
        if line.startswith(b"---- END"):
            break
        name, colon, value = line.partition(b":")
        if not colon:
            body.append(line.strip())
        elif name.lower() == b"comment":
            comment = shown(value.strip().strip(b'"')) or None
    try:
        data = binascii.a2b_base64(b"".join(body))
        if not is_private:
            yield _ssh_key(data, "rfc4716")._replace(comment=comment)
        elif data.startswith(_SSHCOM_MAGIC):
            parts = _Parts(data, 8)  # skip the mark and the length
            kind, cipher = shown(parts.string()), parts.string()
            called = "rsa" if "rsa" in kind else "dsa" if kind.startswith("dl-") else None
            yield KeyFacts(called, "ssh.com", encrypted=cipher != b"none", comment=comment)
    except (binascii.Error, Malformed):
        return


def _putty(content: bytes) -> Iterator[KeyFacts]:
    lines = iter(content.replace(b"\r\n", b"\n").split(b"\n", _MOST_LINES))
    fields: dict[bytes, bytes] = {}
    body: list[bytes] = []
    for line in lines:
        name, _, value = line.partition(b": ")
        if name == b"Public-Lines" and value.isdigit() and len(value) < 6:
            body = list(islice(lines, int(value)))
        elif name == b"Private-Lines":
            break
        elif len(fields) < 16:
            fields[name] = value
    encrypted = fields.get(b"Encryption", b"none") != b"none"
    try:
        key = _ssh_key(binascii.a2b_base64(b"".join(body)), "putty")
    except (binascii.Error, Malformed):
        return
    # Before version 3 of the format the derivation is SHA-1, twice.
    kdf = shown(fields.get(b"Key-Derivation") or b"sha1").lower() if encrypted else None
    yield key._replace(encrypted=encrypted, comment=shown(fields.get(b"Comment", b"")) or None, kdf=kdf)


class _Parts:
    """Reads texts and numbers in SSH's encoding, one after the other; raises Malformed beyond the end."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._data = data
        self.offset = offset

    def number(self) -> int:
        end = self.offset + 4
        if end > len(self._data):
            raise Malformed("the data ends within a number")
        value = int.from_bytes(self._data[self.offset : end], "big")
        self.offset = end
        return value

    def skip(self) -> None:
        length = self.number()
        if self.offset + length > len(self._data):
            raise Malformed("a text is longer than the data")
        self.offset += length

    def string(self) -> bytes:
        start = self.offset + 4
        self.skip()
        return self._data[start : self.offset]


def _blob(*parts: bytes) -> bytes:
    """Return texts in SSH's encoding."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
