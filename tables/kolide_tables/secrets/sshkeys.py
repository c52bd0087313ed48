"""Read keys in SSH's own encoding: public keys, certificates, and OpenSSH's private keys.

Sources: OpenSSH's PROTOCOL.key, PROTOCOL.certkeys and PROTOCOL.u2f, RFC 4253, 5656, 8709,
draft-miller-sshm-mldsa44-ed25519-composite-sigs.
"""

from collections.abc import Iterator

from kolide_kit.text import shown

from ..reading.der import Malformed
from .keyfacts import CERTIFICATE, PRIVATE, PUBLIC, KeyFacts

__all__ = ["Parts", "is_known_kind", "legacy_private_key", "openssh_private_keys", "public_blob", "ssh_key"]

_MAGIC = b"openssh-key-v1\0"
_LEGACY_MAGIC = b"SSH PRIVATE KEY FILE FORMAT 1.1\n\0"
_CERTIFICATE = "-cert-v01"
_MOST_KEYS = 16
_LONGEST_NAME = 80
# For each kind of public key: its name here, the number of its parts behind the name, and its size where the
# kind says it. In a certificate as many parts, behind the nonce, are the plain key's.
_KINDS: dict[str, tuple[str, int, int | None]] = {
    "ssh-rsa": ("rsa", 2, None),
    "ssh-dss": ("dsa", 4, None),
    "ecdsa-sha2-nistp256": ("ecdsa", 2, 256),
    "ecdsa-sha2-nistp384": ("ecdsa", 2, 384),
    "ecdsa-sha2-nistp521": ("ecdsa", 2, 521),
    "ssh-ed25519": ("ed25519", 1, 256),
    "ssh-ed448": ("ed448", 1, 456),
    "ssh-mldsa44-ed25519@openssh.com": ("mldsa44-ed25519", 1, 256),
    "ssh-xmss@openssh.com": ("xmss", 2, 256),
    "sk-ecdsa-sha2-nistp256@openssh.com": ("ecdsa-sk", 3, 256),
    "webauthn-sk-ecdsa-sha2-nistp256@openssh.com": ("ecdsa-sk", 3, 256),
    "sk-ssh-ed25519@openssh.com": ("ed25519-sk", 2, 256),
}
# The parts of a private key in clear that stand between its name and its comment, which follows them.
_PRIVATE_PARTS = {
    "ssh-rsa": 6,
    "ssh-dss": 5,
    "ssh-ed25519": 2,
    "ssh-ed448": 2,
    "ssh-mldsa44-ed25519@openssh.com": 2,
}


def is_known_kind(name: str) -> bool:
    """Return whether a name is that of a kind of key, or of certificate, that is known."""
    return name in _KINDS or _plain_kind(name) is not None


def ssh_key(blob: bytes, form: str) -> KeyFacts:
    """Return the facts of a public key as SSH writes it; a certificate has the fingerprint of its key.

    A kind that is not known keeps its name and has the fingerprint of its bytes. Raises Malformed if even the
    name cannot be read.
    """
    parts = Parts(blob, 0)
    name = _name(parts)
    is_certificate = _CERTIFICATE in name
    kind = CERTIFICATE if is_certificate else PUBLIC
    plain = _plain_kind(name) if is_certificate else name
    if plain not in _KINDS:
        which = "of the whole certificate" if is_certificate else "of its bytes"
        error = f"a kind of key that is not known: its fingerprint is that {which}"
        return KeyFacts(name, form, kind, blob=blob, error=error)
    called, count, bits = _KINDS[plain]
    called += "-cert" if is_certificate else ""
    try:
        if is_certificate:
            parts.string()  # its nonce
        values = [parts.string() for _ in range(count)]
    except Malformed as error:
        return KeyFacts(called, form, kind, error=f"the key is cut off: {error}")
    if is_certificate:
        blob = public_blob(plain.encode(), *values)
    if bits is None:
        bits = _bits(values[1 if called.startswith("rsa") else 0])
    return KeyFacts(called, form, kind, bits=bits, blob=blob)


def openssh_private_keys(data: bytes) -> Iterator[KeyFacts]:
    """Yield the keys of an OPENSSH PRIVATE KEY block, which begins with the public parts.

    Raises Malformed.
    """
    if not data.startswith(_MAGIC):
        raise Malformed("it does not begin as OpenSSH's private keys do")
    parts = Parts(data, len(_MAGIC))
    cipher, kdf, options = parts.string(), parts.string(), parts.string()
    count = parts.number()
    blobs = [parts.string() for _ in range(min(count, _MOST_KEYS))]
    encrypted = cipher != b"none"
    comment = None if encrypted or count != 1 else _comment(data, parts.offset)
    facts = KeyFacts(
        None,
        "openssh",
        PRIVATE,
        encrypted,
        comment=comment,
        kdf=shown(kdf) if encrypted else None,
        iterations=_rounds(kdf, options),
    )
    for blob in blobs:
        key = ssh_key(blob, facts.format)
        yield facts._replace(type=key.type, bits=key.bits, blob=key.blob, error=key.error)


def legacy_private_key(data: bytes) -> KeyFacts:
    """Return the facts of a private key of SSH 1, whose public part and comment are in clear.

    Raises Malformed.
    """
    if not data.startswith(_LEGACY_MAGIC):
        raise Malformed("it does not begin as private keys of SSH 1 do")
    # Behind the mark: the cipher, 0 for none; four bytes that are not in use; the size; the public numbers.
    parts = Parts(data, len(_LEGACY_MAGIC) + 5)
    encrypted = data[len(_LEGACY_MAGIC) : len(_LEGACY_MAGIC) + 1] != b"\0"
    parts.number()
    modulus, exponent = parts.bits(), parts.bits()
    return KeyFacts(
        "rsa1",
        "ssh1",
        PRIVATE,
        encrypted,
        bits=_bits(modulus),
        blob=modulus + exponent,
        comment=shown(parts.string()) or None,
        kdf="md5" if encrypted else None,
    )


def public_blob(*parts: bytes) -> bytes:
    """Return texts in SSH's encoding."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class Parts:
    """Reads texts and numbers in SSH's encoding, one after the other; raises Malformed beyond the end."""

    def __init__(self, data: bytes, offset: int) -> None:
        """Begin at an offset."""
        self._data = data
        self.offset = offset

    def number(self) -> int:
        """Return a number of four bytes."""
        end = self.offset + 4
        if end > len(self._data):
            raise Malformed("the data ends within a number")
        value = int.from_bytes(self._data[self.offset : end], "big")
        self.offset = end
        return value

    def skip(self) -> None:
        """Pass over a text."""
        length = self.number()
        if self.offset + length > len(self._data):
            raise Malformed("a text is longer than the data")
        self.offset += length

    def string(self) -> bytes:
        """Return a text, behind its length in bytes."""
        start = self.offset + 4
        self.skip()
        return self._data[start : self.offset]

    def bits(self) -> bytes:
        """Return a number of SSH 1, behind its length in bits, which has two bytes."""
        start = self.offset + 2
        if start > len(self._data):
            raise Malformed("the data ends within a number")
        self.offset = start + (int.from_bytes(self._data[start - 2 : start], "big") + 7) // 8
        if self.offset > len(self._data):
            raise Malformed("a number is longer than the data")
        return self._data[start : self.offset]


def _name(parts: Parts) -> str:
    name = shown(parts.string())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise Malformed("it does not begin with the name of a kind of key")
    return name


def _plain_kind(name: str) -> str | None:
    """Return the kind of key that a kind of certificate is about."""
    if _CERTIFICATE not in name:
        return None
    # Some names end with @openssh.com without a certificate, too.
    names = name.replace(_CERTIFICATE, ""), name.partition(_CERTIFICATE)[0]
    return next((plain for plain in names if plain in _KINDS), None)


def _bits(number: bytes) -> int:
    number = number.lstrip(b"\0")
    return (len(number) - 1) * 8 + number[0].bit_length() if number else 0


def _rounds(kdf: bytes, options: bytes) -> int | None:
    if kdf != b"bcrypt":
        return None
    parts = Parts(options, 0)
    try:
        parts.skip()  # the salt
        return parts.number()
    except Malformed:
        return None


def _comment(data: bytes, offset: int) -> str | None:
    """Return the comment behind a private key in clear; None if the key is cut off."""
    # Skip the length, and two equal numbers, which reveal a wrong password.
    parts = Parts(data, offset + 12)
    try:
        name = shown(parts.string())
        if _CERTIFICATE in name:
            return None
        if name.startswith("ecdsa-"):
            count = 3
        elif name.startswith("sk-"):
            for _ in range(3 if "ecdsa" in name else 2):
                parts.skip()
            parts.offset += 1  # flags
            count = 2
        else:
            count = _PRIVATE_PARTS[name]
        for _ in range(count):
            parts.skip()
        return shown(parts.string())
    except (Malformed, KeyError):
        return None
