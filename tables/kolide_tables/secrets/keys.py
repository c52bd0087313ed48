"""Find the keys in a file, whatever its format, without a password.

Private parts are skipped, and nothing is computed from them: there is a fingerprint if the public key is in
the file in clear. What is a key of a kind, or in an encryption, that is not known has a row as well, with
what can be told about it. The modules beside this one know a family of formats each.
"""

import re
from collections.abc import Callable, Iterator

from ..reading.der import OID, Malformed, element
from .derkeys import cut_off_key, der_key, tpm_public_key
from .dnskeys import dns_keys
from .gnupgkeys import agent_key, is_agent_key, is_keybox, keybox_keys
from .keyfacts import PARAMETERS, PRIVATE, PUBLIC, SECRET, STORE, KeyFacts
from .keystores import store_keys
from .pem import PemBlock, bare_base64, pem_blocks, readable_text
from .pgpkeys import is_pgp, pgp_keys, unarmoured
from .sshkeys import legacy_private_key, openssh_private_keys, public_blob
from .sshlines import public_lines
from .stores import read_store
from .textkeys import text_keys
from .windowskeys import putty_keys, ssh2_key

__all__ = ["KeyFacts", "keys_in"]

_MOST_BROKEN = 1_000
_PKCS12_VERSION = b"\x02\x01\x03"
_SSH1_MAGIC = b"SSH PRIVATE KEY FILE FORMAT 1.1\n\0"
_PEM_FORMATS = {
    "RSA PRIVATE KEY": ("rsa", "pkcs1"),
    "DSA PRIVATE KEY": ("dsa", "dsa"),
    "EC PRIVATE KEY": ("ecdsa", "sec1"),
    "RSA PUBLIC KEY": ("rsa", "pkcs1"),
    "PRIVATE KEY": (None, "pkcs8"),
    "ENCRYPTED PRIVATE KEY": (None, "pkcs8"),
    "PUBLIC KEY": (None, "spki"),
    "DH PARAMETERS": ("dh", "pkcs3"),
    "X9.42 DH PARAMETERS": ("dh", "x942"),
    "DSA PARAMETERS": ("dsa", "dsa-parameters"),
    "EC PARAMETERS": ("ecdsa", "ec-parameters"),
    "OPENSSH PRIVATE KEY": (None, "openssh"),
    "TSS2 PRIVATE KEY": (None, "tss2"),
}
_STORES = ("PKCS12", "PFX")
_BROKEN = "its base64 is broken, or its end is missing"
_PGP = ("PGP PRIVATE KEY BLOCK", "PGP SECRET KEY BLOCK", "PGP PUBLIC KEY BLOCK")
_PGP_FILE = "PGP ARMORED FILE"  # whatever it has
_STATIC_KEY = "OpenVPN Static key V1"
_ROLES = frozenset(("ENCRYPTED", "PRIVATE", "PUBLIC", "KEY", "PARAMETERS"))
_TOR = (b"== ed25519v1-secret: ", b"== ed25519v1-public: ")
_SQLITE, _NSS_TABLE = b"SQLite format 3\0", b"CREATE TABLE nssPrivate"


def keys_in(content: bytes) -> Iterator[KeyFacts]:
    """Yield the keys in a file's content, private and public; data that is not a key is skipped.

    Of keys that are broken, the first 1,000 are yielded.
    """
    broken = 0
    for key in _keys_in(content):
        broken += key.error is not None
        if key.error is None or broken <= _MOST_BROKEN:
            yield key


def _keys_in(content: bytes) -> Iterator[KeyFacts]:
    is_found = False
    for key in _binary_keys(content):
        is_found = True
        yield key
    if not is_found:
        yield from _keys_of_text(readable_text(content))


def _binary_keys(content: bytes) -> Iterator[KeyFacts]:
    if (store := read_store(content)) is not None:
        yield from store_keys(store)
    elif content[:1] in (b"\x30", b"\x06"):
        yield from _der_keys(content)
    elif content.startswith(_SSH1_MAGIC):
        yield from _or_error(KeyFacts("rsa1", "ssh1", PRIVATE), lambda: iter((legacy_private_key(content),)))
    elif is_keybox(content):
        yield from _or_error(KeyFacts(None, "openpgp"), lambda: keybox_keys(content))
    elif content.startswith(_SQLITE) and _NSS_TABLE in content[:65536]:
        yield KeyFacts(None, "nss", STORE, error="the keys in it are not listed")
    elif content.startswith(_TOR):
        yield _tor_key(content)
    elif (key := tpm_public_key(content)) is not None:
        yield key
    elif content[:1] >= b"\x80" and is_pgp(content):
        yield from _or_error(KeyFacts(None, "openpgp"), lambda: pgp_keys(content))


def _keys_of_text(content: bytes) -> Iterator[KeyFacts]:
    """Yield the keys in a text; keys of several formats may stand in one file."""
    data = bare_base64(content)
    if data is not None:
        yield from _binary_keys(data)
        return
    if is_agent_key(content):
        yield from _or_error(KeyFacts(None, "gnupg", PRIVATE), lambda: iter((agent_key(content),)))
        return
    for block in pem_blocks(content):
        yield from _pem(block)
    if b"PuTTY-User-Key-File-" in content:
        yield from putty_keys(content)
    if b"---- BEGIN SSH2 " in content:
        yield from ssh2_key(content)
    yield from public_lines(content)
    yield from text_keys(content)
    yield from dns_keys(content)


def _tor_key(content: bytes) -> KeyFacts:
    """Return a key of Tor's onion services: a text of 32 bytes, then the key."""
    if b"secret" in content[:32]:
        return KeyFacts("ed25519", "tor", PRIVATE, encrypted=False, bits=256)
    key = content[32:64]
    return KeyFacts(
        "ed25519", "tor", PUBLIC, bits=256, blob=public_blob(b"ssh-ed25519", key) if len(key) == 32 else None
    )


def _pem(block: PemBlock) -> Iterator[KeyFacts]:
    label = block.label
    if label.startswith("OpenVPN ") and "key" in label.lower():
        yield KeyFacts("openvpn", "openvpn", SECRET, False, bits=2048 if label == _STATIC_KEY else None)
        return
    if label == _PGP_FILE:
        yield from _keys_of_pgp_file(block.body)
        return
    if not (label.endswith((" KEY", " KEY BLOCK", " PARAMETERS")) or label in ("PRIVATE KEY", *_STORES)):
        return
    facts = _of_label(label)
    data = None if label in _PGP else block.data  # those have a checksum behind their base64
    if data is None and not _looks_like_key(block.body):
        return
    headers = block.headers
    if "DEK-Info" in headers or "ENCRYPTED" in headers.get("Proc-Type", ""):
        # openssl's own derivation: one round of MD5.
        yield facts._replace(encrypted=True, kdf="md5", error=_BROKEN if data is None else None)
    elif label in _PGP:
        yield from _or_error(facts, lambda: pgp_keys(unarmoured(block.body)))
    elif data is not None:
        yield from _or_error(facts, lambda: _of_block(data, label, facts))
    else:
        yield from _of_beginning(block.beginning, label, facts)


def _keys_of_pgp_file(body: bytes) -> Iterator[KeyFacts]:
    try:
        data = unarmoured(body)
    except Malformed:
        return
    if is_agent_key(data):
        yield from _or_error(KeyFacts(None, "gnupg", PRIVATE), lambda: iter((agent_key(data),)))
    else:
        yield from _binary_keys(data)


def _of_beginning(data: bytes, label: str, facts: KeyFacts) -> Iterator[KeyFacts]:
    """Yield what the beginning of a block tells whose end is missing, or broken."""
    try:
        keys = list(_of_block(data, label, facts))
    except Malformed:
        key = cut_off_key(data, "")
        keys = [facts if key is None else key]
    yield from (key._replace(error=_BROKEN) for key in keys)


def _of_label(label: str) -> KeyFacts:
    """Return what the label of a PEM block tells."""
    is_private = "PRIVATE" in label or "SECRET" in label
    kind = PRIVATE if is_private else PARAMETERS if label.endswith("PARAMETERS") else PUBLIC
    if label in _PGP:
        return KeyFacts(None, "openpgp", kind)
    encrypted = True if "ENCRYPTED" in label.split() else None
    if label in _PEM_FORMATS:
        return KeyFacts(*_PEM_FORMATS[label], kind, encrypted)
    words = (word.lower() for word in label.split() if word not in _ROLES)
    return KeyFacts(" ".join(words) or None, "pem", kind, encrypted)


def _of_block(data: bytes, label: str, facts: KeyFacts) -> Iterator[KeyFacts]:
    """Yield the keys in a block of PEM; raises Malformed."""
    if label == "OPENSSH PRIVATE KEY":
        yield from openssh_private_keys(data)
    elif label in _STORES:
        store = read_store(data)
        if store is None:
            raise Malformed("it is not PKCS#12")
        yield from store_keys(store)
    elif data[:1] == b"{":
        yield _of_json(data, facts)
    else:
        try:
            key = der_key(data, "", label)
        except Malformed:
            if label in _PEM_FORMATS:
                raise
            key = None
        yield facts._replace(error="a format that is not known") if key is None else key


def _of_json(data: bytes, facts: KeyFacts) -> KeyFacts:
    """Return the facts of a key of sigstore's cosign, which encrypts it and puts it into JSON."""
    import json

    from ..reading.parsing import as_object

    try:
        kdf = as_object(as_object(json.loads(data)).get("kdf"))
    except (ValueError, RecursionError) as error:
        raise Malformed("its JSON is broken") from error
    cost = as_object(kdf.get("params")).get("N")
    return facts._replace(
        type=None,
        kdf=str(kdf.get("name"))[:40] if kdf else None,
        iterations=cost if isinstance(cost, int) and 0 <= cost < 1 << 62 else None,
    )


def _der_keys(content: bytes) -> Iterator[KeyFacts]:
    try:
        whole = element(content)
        key = None if whole.tag == OID and whole.end != len(content) else der_key(content, "-der")
    except Malformed as error:
        if _PKCS12_VERSION in content[2:10]:
            key = KeyFacts(None, "pkcs12", STORE, error=f"it cannot be read: {error}")
        else:
            key = cut_off_key(content, "-der")  # None for most files, which begin like that by chance
            key = None if key is None else key._replace(error=f"it cannot be read: {error}")
    if key is not None:
        yield key


def _or_error(facts: KeyFacts, read: Callable[[], Iterator[KeyFacts]]) -> Iterator[KeyFacts]:
    """Yield the keys that are read; if that fails, yield what is known before, with the reason."""
    try:
        yield from read()
    except Malformed as error:
        yield facts._replace(error=f"it cannot be read: {error}")


def _looks_like_key(body: bytes) -> bool:
    """Return whether a block that is broken has some base64: texts about keys have their labels alone."""
    return re.search(rb"[A-Za-z0-9+/]{24}", body[:4096]) is not None
