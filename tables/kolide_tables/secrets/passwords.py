"""Read how a password protects a key in PKCS#8 or PKCS#12: the derivation of a key from it, and its cost.

Sources: RFC 8018 (PKCS#5), RFC 7292 (PKCS#12), RFC 7914 (scrypt).
"""

from typing import NamedTuple

from ..reading.der import INTEGER, OID, Element, Malformed, children, oid_text

__all__ = ["Protection", "protection"]

_PBES2, _PKCS12_PBE, _PKCS5 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.12.1.", "1.2.840.113549.1.5."
_PBES2_KDFS = {"1.2.840.113549.1.5.12": "pbkdf2", "1.3.6.1.4.1.11591.4.11": "scrypt"}
# Java's own: the protection of keys in its stores of the kinds JKS and JCEKS.
_JAVA = {"1.3.6.1.4.1.42.2.17.1.1": "jks", "1.3.6.1.4.1.42.2.19.1": "jceks"}


class Protection(NamedTuple):
    """The derivation of a key from a password.

    Attributes:
        kdf: its name, or the object identifier of a scheme that is not known.
        iterations: its rounds, or the cost N of scrypt.
        is_known: whether the scheme is one for passwords.
    """

    kdf: str
    iterations: int | None
    is_known: bool = True


def protection(algorithm: Element) -> Protection:
    """Return the protection that an AlgorithmIdentifier names; raises Malformed."""
    parts = list(children(algorithm))
    if not parts or parts[0].tag != OID:
        raise Malformed("an algorithm has no identifier")
    oid = oid_text(parts[0])
    parameters = parts[1] if len(parts) > 1 else None
    if oid == _PBES2:
        function = None if parameters is None else next(children(parameters), None)
        if function is None:
            raise Malformed("the encryption has no derivation")
        inner = list(children(function))
        name = oid_text(inner[0]) if inner else ""
        return Protection(_PBES2_KDFS.get(name, name), _cost(inner[1] if len(inner) > 1 else None))
    if oid.startswith(_PKCS12_PBE):
        return Protection("pkcs12", _cost(parameters))
    if oid in _JAVA:
        return Protection(_JAVA[oid], _cost(parameters))
    # The other schemes of PKCS#5 are those of its version 1.
    known = oid.startswith(_PKCS5)
    return Protection("pbkdf1" if known else oid, _cost(parameters) if known else None, known)


def _cost(parameters: Element | None) -> int | None:
    """Return the number behind the salt: all derivations have it there."""
    if parameters is None or not parameters.tag & 0x20:
        return None
    parts = list(children(parameters))
    if len(parts) < 2 or parts[1].tag != INTEGER or not 0 < len(parts[1].content) <= 8:
        return None
    cost = int.from_bytes(parts[1].content, "big", signed=True)
    return cost if cost >= 0 else None
