"""Read PuTTY's private keys, ssh.com's, and public keys as RFC 4716 writes them.

Source: PuTTY's manual, appendix C, for versions 1 to 3 of its format.
"""

import binascii
import re
from collections.abc import Iterator
from itertools import chain, islice, pairwise

from kolide_kit.text import shown

from ..reading.der import Malformed
from .keyfacts import PRIVATE, PUBLIC, KeyFacts
from .sshkeys import Parts, ssh_key

__all__ = ["putty_keys", "ssh2_key"]

_SSHCOM_MAGIC = b"\x3f\x6f\xf9\xeb"
_MOST_LINES = 20_000
_MOST_FIELDS = 16
_PREFIXES = ("ssh-", "ecdsa-sha2-")
_PUTTY = re.compile(rb"(?m)^[ \t]*PuTTY-User-Key-File-")
_SSH2 = re.compile(rb"(?m)^[ \t]*---- BEGIN SSH2 ")
_LONGEST_KEY = 1 << 20


def putty_keys(content: bytes) -> Iterator[KeyFacts]:
    """Yield the PuTTY keys in a text, each from its first line to the next one's."""
    for piece in _pieces(_PUTTY, content):
        yield _putty_key(piece)


def _pieces(first_line: re.Pattern[bytes], content: bytes) -> Iterator[bytes]:
    """Yield what begins with each match, up to the next one, in as many bytes as a key may have."""
    starts = (match.start() for match in first_line.finditer(content))
    for start, end in pairwise(chain(starts, (len(content),))):
        yield content[start : min(end, start + _LONGEST_KEY)].lstrip()


def _putty_key(content: bytes) -> KeyFacts:
    """Return the facts of a PuTTY key, whose public part is in clear."""
    fields, body = _putty_fields(content)
    first = next(iter(fields), b"")
    kind = shown(fields.get(first, b"")).strip()
    encrypted = fields.get(b"Encryption", b"none").strip() != b"none"
    # Before version 3 of the format the derivation is SHA-1, twice.
    kdf = shown(fields.get(b"Key-Derivation") or b"sha1").strip().lower() if encrypted else None
    passes = fields.get(b"Argon2-Passes", b"").strip()
    facts = KeyFacts(
        None,
        "putty",
        PRIVATE,
        encrypted,
        comment=shown(fields.get(b"Comment", b"")) or None,
        kdf=kdf,
        iterations=int(passes) if encrypted and passes.isdigit() and len(passes) < 10 else None,
    )
    try:
        key = ssh_key(binascii.a2b_base64(body), facts.format)
    except (binascii.Error, Malformed) as error:
        return facts._replace(type=_short(kind), error=f"its public part is broken: {error}")
    return facts._replace(type=key.type, bits=key.bits, blob=key.blob, error=key.error)


def _putty_fields(content: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Return the fields, the one with the key's kind first, and the public part in base64."""
    lines = iter(content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n", _MOST_LINES))
    fields: dict[bytes, bytes] = {}
    body = b""
    for line in lines:
        name, _, value = line.partition(b": ")
        if name == b"Public-Lines" and value.strip().isdigit() and len(value) < 6:
            body = b"".join(islice(lines, int(value)))
        elif name == b"Private-Lines":
            break
        elif len(fields) < _MOST_FIELDS:
            fields[name] = value
    return fields, body


def ssh2_key(content: bytes) -> Iterator[KeyFacts]:
    """Yield a key of ssh.com, or a public key as RFC 4716 writes it, several one after the other as well."""
    for piece in _pieces(_SSH2, content):
        block = piece.partition(b"\n---- END")[0]
        yield _ssh2_block(block.replace(b"\r\n", b"\n").replace(b"\\\n", b"").split(b"\n", _MOST_LINES))


def _ssh2_block(lines: list[bytes]) -> KeyFacts:
    is_private = b"PRIVATE" in lines[0]
    comment = None
    body: list[bytes] = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon:
            body.append(line.strip())
        elif name.lower() == b"comment":
            comment = shown(value.strip().strip(b'"')) or None
    form, kind = ("ssh.com", PRIVATE) if is_private else ("rfc4716", PUBLIC)
    try:
        data = binascii.a2b_base64(b"".join(body))
        key = _sshcom_key(data) if is_private else ssh_key(data, form)
    except (binascii.Error, Malformed) as error:
        return KeyFacts(None, form, kind, comment=comment, error=f"the key is broken: {error}")
    return key._replace(comment=comment)


def _sshcom_key(data: bytes) -> KeyFacts:
    if not data.startswith(_SSHCOM_MAGIC):
        raise Malformed("it does not begin as ssh.com's keys do")
    parts = Parts(data, 8)  # skip the mark and the length
    kind, cipher = shown(parts.string()), parts.string()
    called = "rsa" if "rsa" in kind else "dsa" if kind.startswith("dl-") else None
    error = None if called else f"a kind of key that is not known: {kind[:80]}"
    return KeyFacts(called, "ssh.com", PRIVATE, cipher != b"none", error=error)


def _short(kind: str) -> str | None:
    """Return the name of a kind of key without the words before it, as `rsa` for ssh-rsa."""
    if kind == "ssh-dss":
        return "dsa"
    prefix = next((prefix for prefix in _PREFIXES if kind.startswith(prefix)), "")
    return "ecdsa" if prefix.startswith("ecdsa") else kind.removeprefix(prefix) or None
