"""The facts of a key that the tables show, and the fingerprints of its public part."""

import base64
from typing import Any, NamedTuple

__all__ = ["CERTIFICATE", "PARAMETERS", "PRIVATE", "PUBLIC", "SECRET", "STORE", "KeyFacts"]

PRIVATE, PUBLIC, CERTIFICATE = "private", "public", "certificate"
PARAMETERS, SECRET, STORE = "parameters", "secret", "store"


class KeyFacts(NamedTuple):
    """The facts of a key.

    Attributes:
        type: the algorithm; None if even that is encrypted.
        format: the format of the file.
        kind: private, public, certificate, parameters, secret, or store for a store that shows no key.
        encrypted: whether a password protects it; None for what is public.
        bits: the size.
        blob: the public key as SSH writes it, for the fingerprints; None if it is not there in clear.
        comment: the comment, or the name in a store.
        kdf: the function that derives a key from the password.
        iterations: its rounds, or its cost.
        digest: the digest that an RSA-PSS key is restricted to.
        options: what stands before the key in its line.
        keys: the number of keys in a store.
        certificates: the number of certificates in a store.
        error: the reason why the rest is not known.
    """

    type: str | None
    format: str
    kind: str = PUBLIC
    encrypted: bool | None = None
    bits: int | None = None
    blob: bytes | None = None
    comment: str | None = None
    kdf: str | None = None
    iterations: int | None = None
    digest: str | None = None
    options: list[str] | None = None
    keys: int | None = None
    certificates: int | None = None
    error: str | None = None

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
