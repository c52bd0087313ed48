"""Find private keys that lie open: in PEM, as PuTTY, ssh.com and OpenVPN write them, and PEM within base64.

Keys that are encrypted with a password are not open. Sources: RFC 7468, RFC 1421 (Proc-Type), RFC 5958,
OpenSSH's PROTOCOL.key, PuTTY's manual, appendix C, RFC 9580, 5.5.3.
"""

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from .secret_values import decoded

__all__ = ["PrivateKey", "is_key_in_base64", "private_keys"]


class PrivateKey(NamedTuple):
    """A private key in a text; its `secret` is the base64 alone, however its lines end."""

    rule_id: str
    start: int
    end: int
    secret: str


_PEM = re.compile(
    r"-----BEGIN ((?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?)-----"
    r"((?:[^\-]|-(?!----)){40,30000})-----END "
)
_PUTTY = re.compile(
    r"PuTTY-User-Key-File-[23]: (?:[^P]|P(?!rivate-(?:Lines|MAC)|uTTY-User-Key)){40,20000}Private-Lines: "
    r"\d{1,3}(?:\s{1,2}[A-Za-z0-9+/=]{1,64}){1,300}"
)
_SSH2 = re.compile(
    r"---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----((?:[^\-]|-(?!---)){40,30000})---- END SSH2 "
)
_OPENVPN = re.compile(
    r"-----BEGIN OpenVPN (?:Static key V1|tls-crypt-v2 (?:client|server) key)-----"
    r"((?:[^\-]|-(?!----)){40,30000})-----END OpenVPN "
)
_OPEN_PUTTY = re.compile(r"\nEncryption: none\b")
_PASSWORD_BASED = re.compile(r"Proc-Type:\s{0,4}4,\s{0,2}ENCRYPTED|DEK-Info:")
# A key of Ed25519 has 32 bytes; no other has fewer.
_LEAST = 32
_OPENSSH = b"openssh-key-v1\0"
_SSHCOM = b"\x3f\x6f\xf9\xeb"
_PEM_IN_BASE64 = "LS0tLS1CRUdJTi"
# How many public numbers a key in OpenPGP has with their length in bits before them, by its algorithm; and
# how many octets those of other algorithms have.
_OPENPGP_NUMBERS = {1: 2, 2: 2, 3: 2, 16: 3, 17: 4, 18: 1, 19: 1, 22: 1}
_OPENPGP_FIXED = {25: 32, 26: 56, 27: 32, 28: 57}


def private_keys(text: str) -> Iterator[PrivateKey]:
    """Yield the private keys in a text that no password protects."""
    if "PRIVATE KEY" in text:
        for match in _PEM.finditer(text):
            if not _is_encrypted(match[1], match[2]) and _is_whole(match[2]):
                yield PrivateKey("private-key", match.start(), match.end(), _inner(match[2]))
        for match in _SSH2.finditer(text):
            if not _is_encrypted_ssh2(_bytes(match[1])):
                yield PrivateKey("private-key", match.start(), match.end(), _inner(match[1]))
    if "-BEGIN OpenVPN" in text:
        for match in _OPENVPN.finditer(text):
            yield PrivateKey("openvpn-key", match.start(), match.end(), _inner(match[1]))
    if "PuTTY-User-Key" in text:
        for match in _PUTTY.finditer(text):
            if _OPEN_PUTTY.search(match[0]):
                yield PrivateKey("putty-private-key", match.start(), match.end(), match[0])
    if _PEM_IN_BASE64 in text:
        yield from _in_base64(text)


def _in_base64(text: str) -> Iterator[PrivateKey]:
    for match in re.finditer(rf"(?<![A-Za-z0-9+/]){_PEM_IN_BASE64}[A-Za-z0-9+/]{{60,16000}}={{0,2}}", text):
        key = is_key_in_base64(match[0])
        if key is not None:
            yield PrivateKey("private-key", match.start(), match.end(), key)


def is_key_in_base64(value: str) -> str | None:
    """Return the base64 of the open private key in PEM that a value has in base64, or None."""
    inner = decoded(value)
    key = None if inner is None else _PEM.search(inner.decode("latin-1"))
    return None if key is None or _is_encrypted(key[1], key[2]) else _inner(key[2])


def _inner(body: str) -> str:
    r"""Return the base64 of a block; in JSON and in variables its lines may end in a written-out `\n`."""
    return re.sub(r"\\[nr]|[^A-Za-z0-9+/=]", "", body)


def _is_whole(body: str) -> bool:
    """Return whether a block has base64, and not words about it or an ellipsis in the place of its middle."""
    return len(_bytes(body)) >= _LEAST and not re.search(r"\.{3}|\u2026|\$\{|\{\{|<[a-z]", body)


def _bytes(body: str) -> bytes:
    """Return what a block's base64 stands for, as far as it can be read, without headers and checksums."""
    plain = re.sub(r"\\{1,4}[nr]", "\n", body)
    lines = [
        line
        for line in re.split(r"[\s>|*#\"',]+", plain)
        if line != "+" and re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", line)
    ]
    joined = "".join(lines)
    try:
        return binascii.a2b_base64(joined[: len(joined) // 4 * 4])
    except binascii.Error:
        return b""


def _is_encrypted(label: str, body: str) -> bool:
    # A chip of the machine has the key that opens one of the kind TSS2.
    if label.startswith(("ENCRYPTED", "TSS2")) or _PASSWORD_BASED.search(body):
        return True
    if label.startswith("OPENSSH"):
        data = _bytes(body)
        size = int.from_bytes(data[15:19], "big")
        return data.startswith(_OPENSSH) and data[19 : 19 + size] != b"none"
    if label.startswith("PGP"):
        # Headers such as Version and Comment end at a blank line.
        head, blank, rest = body.lstrip("\r\n").replace("\r\n", "\n").partition("\n\n")
        return _is_encrypted_openpgp(_bytes(rest if blank and ":" in head else body))
    return False


def _is_encrypted_ssh2(data: bytes) -> bool:
    """Return whether the cipher of a key in ssh.com's form, its second text, is another than none."""
    if not data.startswith(_SSHCOM):
        return True
    kind = 12 + int.from_bytes(data[8:12], "big")
    size = int.from_bytes(data[kind : kind + 4], "big")
    return data[kind + 4 : kind + 4 + size] != b"none"


def _is_encrypted_openpgp(data: bytes) -> bool:
    """Return whether the first packet, a secret key, has its secret numbers encrypted.

    A packet's body is: version, time, algorithm, public numbers, and an octet that is 0 for secret numbers in
    clear.
    """
    body = _openpgp_body(data)
    if len(body) < 7 or body[0] not in (4, 5, 6):
        return False
    at = 6 + (4 if body[0] > 4 else 0)
    algorithm = body[5]
    if algorithm in (18, 19, 22) and at < len(body):
        at += 1 + body[at]  # the curve
    for _ in range(_OPENPGP_NUMBERS.get(algorithm, 0)):
        at += 2 + (int.from_bytes(body[at : at + 2], "big") + 7) // 8
    at += _OPENPGP_FIXED.get(algorithm, 0)
    if algorithm == 18 and at < len(body):
        at += 1 + body[at]  # how the shared secret is derived
    return at < len(body) and body[at] != 0


def _openpgp_body(data: bytes) -> bytes:
    """Return the body of the first packet if it is a secret key, else nothing."""
    if len(data) < 6 or not data[0] & 0x80:
        return b""
    if data[0] & 0x40:
        tag, head = data[0] & 0x3F, 2 if data[1] < 192 else 3 if data[1] < 255 else 6
    else:
        tag, head = data[0] >> 2 & 0xF, 1 + (1, 2, 4, 0)[data[0] & 3]
    return data[head:] if tag in (5, 7) else b""
