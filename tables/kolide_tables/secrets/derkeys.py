"""Read keys and their parameters in DER: PKCS#1, PKCS#8, SEC 1, SubjectPublicKeyInfo, PKCS#3, X9.42, TSS2.

A structure is recognized by its shape; the label in PEM decides where two shapes are the same. Sources: RFC
3279, 5480, 5915, 5958, 8017, 8410, PKCS#3, draft-woodhouse-cert-best-practice (keys of a TPM).
"""

from collections.abc import Callable

from ..reading.der import (
    BIT_STRING,
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
from .algorithms import CURVES, DSA, EC_KEYS, FIXED_KEYS, MODULAR_KEYS, RSA_KEYS, RSA_PSS
from .keyfacts import PARAMETERS, PRIVATE, KeyFacts
from .passwords import protection
from .sshkeys import public_blob
from .x509 import curve_bits, key_size, pss_digest, public_key

__all__ = ["certificate_key", "cut_off_key", "der_key", "tpm_public_key"]

_CURVE_NAMES = {"1.2.840.10045.3.1.7": b"nistp256", "1.3.132.0.34": b"nistp384", "1.3.132.0.35": b"nistp521"}
_EDWARDS_NAMES = {"1.3.101.112": b"ssh-ed25519", "1.3.101.113": b"ssh-ed448"}
_TPM_KEY = "2.23.133.10.1."
_TPM_KINDS = {1: "rsa", 8: "keyedhash", 0x23: "ecdsa", 0x25: "symcipher"}
_TPM_DIGESTS = frozenset((0x04, 0x0B, 0x0C, 0x0D, 0x12, 0x27, 0x28, 0x29))  # SHA-1, SHA-2, SM3, SHA-3
_LARGEST_TPM_KEY = 1 << 12
_SMALLEST_MODULUS = 512
# From here on it takes too long to tell a prime from a product of two.
_LARGEST_TO_TEST = 4096
_LONGEST_DIGEST_BITS = 512


def der_key(data: bytes, suffix: str, label: str = "") -> KeyFacts | None:
    """Return the facts of the key, or of the parameters, in a DER structure; None if it is neither.

    Args:
        data: the structure.
        suffix: what the name of the format ends with, `-der` or nothing.
        label: the label of its PEM block.

    Raises:
        Malformed: it is not DER, or a key that lacks a part.
    """
    whole = element(data)
    if whole.tag == OID:
        return _named_curve(whole, suffix, label)
    parts = list(children(whole.expect(SEQUENCE)))
    tags = [part.tag for part in parts]
    for matches, read in _SHAPES:
        if matches(tags, parts, label):
            key = read(parts, whole, label)
            return None if key is None else key._replace(format=key.format + suffix)
    return None


def cut_off_key(data: bytes, suffix: str) -> KeyFacts | None:
    """Return what the beginning of a key in DER tells if the rest is broken; None if it is none of a key."""
    parts = []
    offset = 2 + (data[1] & 0x7F if data[1:2] > b"\x80" else 0)
    try:
        for _ in range(2):
            parts.append(element(data, offset))
            offset = parts[-1].end
    except Malformed:
        pass
    facts = KeyFacts(None, "pkcs8" + suffix, PRIVATE)
    tags = [part.tag for part in parts]
    try:
        if tags[:2] == [INTEGER, SEQUENCE]:
            name = _known_name(parts[1])
            return None if name is None else facts._replace(type=name, encrypted=False)
        if tags[:2] == [INTEGER, INTEGER] and parts[0].content in (b"\0", b"\1"):
            bits = bits_of(parts[1])
            known = facts._replace(type="rsa", format="pkcs1" + suffix, encrypted=False, bits=bits)
            return known if bits >= _SMALLEST_MODULUS else None
        if tags[:1] == [SEQUENCE]:
            name = _known_name(parts[0])
            if name is not None:
                return KeyFacts(name, "spki" + suffix)
            how = protection(parts[0])
            known = facts._replace(encrypted=True, kdf=how.kdf, iterations=how.iterations)
            return known if how.is_known else None
    except Malformed:
        pass
    return None


def _known_name(algorithm: Element) -> str | None:
    oid = next(children(algorithm), algorithm)
    name = oid_text(oid)
    if name in EC_KEYS:
        return "ecdsa"
    fixed = FIXED_KEYS.get(name)
    return RSA_KEYS.get(name) or MODULAR_KEYS.get(name) or (None if fixed is None else fixed.name)


def certificate_key(info: Element) -> KeyFacts:
    """Return the facts of a SubjectPublicKeyInfo, such as a certificate has one; raises Malformed."""
    return _spki([], info, "")


_Read = Callable[[list[Element], Element, str], KeyFacts | None]
_Matches = Callable[[list[int], list[Element], str], bool]


def _pkcs8(parts: list[Element], _whole: Element, _label: str) -> KeyFacts:
    """Return the facts of a private key in clear; only its public parts are read."""
    algorithm = list(children(parts[1]))
    if not algorithm:
        raise Malformed("a key has no algorithm")
    oid = oid_text(algorithm[0])
    parameters = algorithm[1] if len(algorithm) > 1 else None
    facts = KeyFacts(oid, "pkcs8", PRIVATE, encrypted=False)
    if oid in RSA_KEYS:
        inner = list(children(element(parts[2].content).expect(SEQUENCE)))
        if len(inner) < 3:
            raise Malformed("an RSA key has too few parts")
        digest = pss_digest(parameters) if oid == RSA_PSS else None
        return _with_modulus(facts._replace(type=RSA_KEYS[oid], digest=digest), inner[1], inner[2])
    if oid in EC_KEYS:
        inner = list(children(element(parts[2].content).expect(SEQUENCE)))
        return _sec1_key(inner, parameters, facts.format)
    name, bits = key_size(oid, parameters, b"")
    blob = _edwards_blob(oid, _public_part(parts))
    return facts._replace(type=name, bits=bits, blob=blob, error=_unknown(oid, name))


def _public_part(parts: list[Element]) -> bytes | None:
    """Return the public key in version 2 of PKCS#8; some programs write its tag as if it was explicit."""
    for part in parts[3:]:
        if part.tag == 0x81:
            return part.content[1:]
        if part.tag == 0xA1:
            return next((inner.content[1:] for inner in children(part) if inner.tag == BIT_STRING), None)
    return None


def _encrypted(parts: list[Element], _whole: Element, label: str) -> KeyFacts | None:
    how = protection(parts[0])
    if not (how.is_known or label):
        return None  # it has the shape of others, such as a digest behind its algorithm
    error = None if how.is_known else "its encryption is not known"
    return KeyFacts(None, "pkcs8", PRIVATE, True, kdf=how.kdf, iterations=how.iterations, error=error)


def _spki(_parts: list[Element], whole: Element, _label: str) -> KeyFacts:
    oid, parameters, key = public_key(whole)
    facts = KeyFacts(oid, "spki")
    if oid in RSA_KEYS:
        inner = list(children(element(key).expect(SEQUENCE)))
        if len(inner) < 2:
            raise Malformed("an RSA key has too few parts")
        digest = pss_digest(parameters) if oid == RSA_PSS else None
        return _with_modulus(facts._replace(type=RSA_KEYS[oid], digest=digest), inner[0], inner[1])
    name, bits = key_size(oid, parameters, key)
    if oid in EC_KEYS:
        return facts._replace(type="ecdsa", bits=bits, blob=_curve_blob(parameters, key))
    if oid == DSA and parameters is not None and parameters.tag == SEQUENCE:
        numbers = [*children(parameters), element(key)]
        blob = public_blob(b"ssh-dss", *(number.expect(INTEGER).content for number in numbers))
        return facts._replace(type="dsa", bits=bits, blob=blob)
    fixed = FIXED_KEYS.get(oid)
    error = _unknown(oid, name)
    if fixed is not None and fixed.public_bytes and len(key) != fixed.public_bytes:
        error = f"its public key has {len(key):,} bytes in place of {fixed.public_bytes:,}"
    return facts._replace(type=name, bits=bits, blob=_edwards_blob(oid, key), error=error)


def _sec1(parts: list[Element], _whole: Element, _label: str) -> KeyFacts:
    return _sec1_key(parts, None, "sec1")


def _sec1_key(parts: list[Element], parameters: Element | None, form: str) -> KeyFacts:
    inner = {part.tag: part for part in parts}
    if 0xA0 in inner:
        parameters = next(children(inner[0xA0]), parameters)
    point = None
    if 0xA1 in inner:
        point = next((part.expect(BIT_STRING).content[1:] for part in children(inner[0xA1])), None)
    bits = None if parameters is None else curve_bits(parameters)
    blob = None if point is None else _curve_blob(parameters, point)
    error = None if bits is not None else _curve_problem(parameters)
    return KeyFacts("ecdsa", form, PRIVATE, False, bits=bits, blob=blob, error=error)


def _rsa_private(parts: list[Element], _whole: Element, _label: str) -> KeyFacts:
    return _with_modulus(KeyFacts("rsa", "pkcs1", PRIVATE, encrypted=False), parts[1], parts[2])


def _dsa_private(parts: list[Element], _whole: Element, _label: str) -> KeyFacts:
    blob = public_blob(b"ssh-dss", *(part.content for part in parts[1:5]))
    return KeyFacts("dsa", "dsa", PRIVATE, encrypted=False, bits=bits_of(parts[1]), blob=blob)


def _two_numbers(parts: list[Element], _whole: Element, label: str) -> KeyFacts | None:
    """Return a public RSA key, or parameters of Diffie-Hellman: both are a large number and a small one."""
    first, second = parts
    if "DH" in label or ("RSA" not in label and _is_prime_and_generator(first, second)):
        return KeyFacts("dh", "pkcs3", PARAMETERS, bits=bits_of(first))
    if "RSA" not in label and bits_of(first) < _SMALLEST_MODULUS:
        return None
    return _with_modulus(KeyFacts("rsa", "pkcs1"), first, second)


def _is_prime_and_generator(first: Element, second: Element) -> bool:
    exponent = int.from_bytes(second.content, "big") if len(second.content) <= 2 else 0
    bits = bits_of(first)
    if not exponent or bits < _SMALLEST_MODULUS:
        return False
    if exponent % 2 == 0:
        return True  # no RSA key has an even exponent
    if exponent > 5 or bits > _LARGEST_TO_TEST:
        return False
    # Both are in use with 3 and 5. Only Fermat's test of the modulus, which for RSA is no prime, decides.
    modulus = int.from_bytes(first.content, "big")
    return pow(2, modulus - 1, modulus) == 1


def _numbers(parts: list[Element], _whole: Element, label: str) -> KeyFacts | None:
    """Return the parameters of DSA (p, q, g), or of Diffie-Hellman: X9.42 (p, g, q, j), PKCS#3 (p, g, l)."""
    sizes = [bits_of(part) for part in parts if part.tag == INTEGER]
    if "DSA" in label or (
        "DH" not in label and sizes[1] <= _LONGEST_DIGEST_BITS < sizes[0] and sizes[2] > sizes[1]
    ):
        return KeyFacts("dsa", "dsa-parameters", PARAMETERS, bits=sizes[0])
    if not label and sizes[0] < _SMALLEST_MODULUS:
        return None
    return KeyFacts("dh", "pkcs3" if sizes[2] <= 32 else "x942", PARAMETERS, bits=sizes[0])


def _explicit_curve(_parts: list[Element], whole: Element, _label: str) -> KeyFacts:
    return KeyFacts("ecdsa", "ec-parameters", PARAMETERS, bits=curve_bits(whole))


def _named_curve(name: Element, suffix: str, label: str) -> KeyFacts | None:
    oid = oid_text(name)
    if oid not in CURVES and not label:
        return None
    error = None if oid in CURVES else f"the curve {oid} is not known"
    return KeyFacts("ecdsa", "ec-parameters" + suffix, PARAMETERS, bits=CURVES.get(oid), error=error)


def _tpm_key(parts: list[Element], _whole: Element, _label: str) -> KeyFacts:
    """Return the facts of a key that only one machine's TPM can use."""
    empty = next((part for part in parts if part.tag == 0xA0), None)
    has_password = empty is None or b"\xff" not in empty.content
    public = next((part.content for part in parts if part.tag == OCTET_STRING), b"")
    kind = _TPM_KINDS.get(int.from_bytes(public[2:4], "big"))
    return KeyFacts(kind, "tss2", PRIVATE, has_password, error=None if kind else "its kind is not known")


def tpm_public_key(data: bytes) -> KeyFacts | None:
    """Return the facts of a public part as a TPM writes it, which tpm2_create does to a file; None otherwise.

    It has its length (2 bytes), its kind (2), the digest of its name (2), and more.
    """
    kind = _TPM_KINDS.get(int.from_bytes(data[2:4], "big"))
    is_whole = 10 <= len(data) <= _LARGEST_TPM_KEY and int.from_bytes(data[:2], "big") == len(data) - 2
    if kind is None or not is_whole or int.from_bytes(data[4:6], "big") not in _TPM_DIGESTS:
        return None
    return KeyFacts(kind, "tpm2-public")


_SHAPES: tuple[tuple[_Matches, _Read], ...] = (
    (lambda tags, _parts, _label: tags[:3] == [INTEGER, SEQUENCE, OCTET_STRING], _pkcs8),
    (lambda tags, _parts, _label: tags == [SEQUENCE, OCTET_STRING], _encrypted),
    (lambda tags, _parts, _label: tags == [SEQUENCE, BIT_STRING], _spki),
    (lambda tags, _parts, _label: tags[:9] == [INTEGER] * 9, _rsa_private),
    (lambda tags, _parts, label: tags == [INTEGER] * 6 and "DH" not in label, _dsa_private),
    (lambda tags, _parts, _label: tags[:2] == [INTEGER, OCTET_STRING], _sec1),
    (lambda tags, _parts, _label: tags == [INTEGER] * 2, _two_numbers),
    (lambda tags, _parts, _label: tags[:3] == [INTEGER] * 3 and len(tags) <= 5, _numbers),
    (
        lambda tags, _parts, _label: tags[:5] == [INTEGER, SEQUENCE, SEQUENCE, OCTET_STRING, INTEGER],
        _explicit_curve,
    ),
    (lambda tags, parts, _label: tags[:1] == [OID] and oid_text(parts[0]).startswith(_TPM_KEY), _tpm_key),
)


def _with_modulus(facts: KeyFacts, modulus: Element, exponent: Element) -> KeyFacts:
    blob = public_blob(b"ssh-rsa", exponent.expect(INTEGER).content, modulus.expect(INTEGER).content)
    return facts._replace(bits=bits_of(modulus), blob=blob)


def _curve_blob(parameters: Element | None, point: bytes) -> bytes | None:
    """Return the public key as SSH writes it; None for a curve that SSH does not have."""
    if parameters is None or parameters.tag != OID or point[:1] != b"\x04":
        return None
    name = _CURVE_NAMES.get(oid_text(parameters))
    return None if name is None else public_blob(b"ecdsa-sha2-" + name, name, point)


def _edwards_blob(oid: str, key: bytes | None) -> bytes | None:
    name = _EDWARDS_NAMES.get(oid)
    return None if name is None or key is None else public_blob(name, key)


def _curve_problem(parameters: Element | None) -> str:
    if parameters is None or parameters.tag != OID:
        return "the file does not name the curve"
    return f"the curve {oid_text(parameters)} is not known"


def _unknown(oid: str, name: str) -> str | None:
    return "an algorithm that is not known" if name == oid else None
