"""Name public key algorithms, signatures, digests and curves by their object identifiers, with their sizes.

Sources: RFC 3279, 4055, 5480, 5639, 5758, 8410, 8692, 9215, 9881 (ML-DSA), 9909 (SLH-DSA), 9935 (ML-KEM),
NIST's register of algorithms, SEC 2, ANSI X9.62. Sizes of curves are those of their orders, as openssl counts
them.
"""

from typing import NamedTuple

__all__ = [
    "CURVES",
    "DIGESTS",
    "DSA",
    "EC_KEYS",
    "FIXED_KEYS",
    "MODULAR_KEYS",
    "RSA_KEYS",
    "RSA_PSS",
    "SIGNATURES",
    "FixedKey",
    "signature_digest",
]


class FixedKey(NamedTuple):
    """A kind of key that has one size.

    Attributes:
        name: the name to show.
        bits: the size to show, as openssl counts it.
        public_bytes: length of a public key.
    """

    name: str
    bits: int
    public_bytes: int


RSA_PSS = "1.2.840.113549.1.1.10"
RSA_KEYS = {"1.2.840.113549.1.1.1": "rsa", RSA_PSS: "rsa-pss", "1.2.840.113549.1.1.7": "rsa-oaep"}
# The last two allow a key for agreement only (RFC 5480).
EC_KEYS = frozenset(("1.2.840.10045.2.1", "1.3.132.1.12", "1.3.132.1.13"))
DSA = "1.2.840.10040.4.1"
# Their parameters begin with a prime.
MODULAR_KEYS = {DSA: "dsa", "1.2.840.113549.1.3.1": "dh", "1.2.840.10046.2.1": "dh"}

_NIST_SIGNATURE, _NIST_KEM = "2.16.840.1.101.3.4.3", "2.16.840.1.101.3.4.4"
_SLH_DSA = [
    f"slh-dsa-{digest}-{size}{speed}"
    for digest in ("sha2", "shake")
    for size in (128, 192, 256)
    for speed in "sf"
]
_SLH_SIZES = (32, 32, 48, 48, 64, 64) * 2
_ML_DSA = (("ml-dsa-44", 1312), ("ml-dsa-65", 1952), ("ml-dsa-87", 2592))
_ML_KEM = (("ml-kem-512", 800), ("ml-kem-768", 1184), ("ml-kem-1024", 1568))

# The keys of the variants that hash first have identifiers of their own, from 32 and from 35.
FIXED_KEYS = {
    "1.3.101.110": FixedKey("x25519", 256, 32),
    "1.3.101.111": FixedKey("x448", 448, 56),
    "1.3.101.112": FixedKey("ed25519", 256, 32),
    "1.3.101.113": FixedKey("ed448", 456, 57),
    "1.2.643.2.2.19": FixedKey("gost2001", 256, 66),
    "1.2.643.7.1.1.1.1": FixedKey("gost2012-256", 256, 66),
    "1.2.643.7.1.1.1.2": FixedKey("gost2012-512", 512, 131),
}
FIXED_KEYS |= {
    f"{_NIST_KEM}.{number}": FixedKey(name, int(name.rpartition("-")[2]), size)
    for number, (name, size) in enumerate(_ML_KEM, 1)
}
FIXED_KEYS |= {
    f"{_NIST_SIGNATURE}.{first + number}": FixedKey(prefix + name, size * 8, size)
    for first, prefix in ((17, ""), (32, "hash-"))
    for number, (name, size) in enumerate(_ML_DSA)
}
FIXED_KEYS |= {
    f"{_NIST_SIGNATURE}.{first + number}": FixedKey(prefix + name, size * 8, size)
    for first, prefix in ((20, ""), (35, "hash-"))
    for number, (name, size) in enumerate(zip(_SLH_DSA, _SLH_SIZES, strict=True))
}

# fmt: off
SIGNATURES = {
    "1.2.840.113549.1.1.2": "md2WithRSAEncryption", "1.2.840.113549.1.1.3": "md4WithRSAEncryption",
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption", "1.2.840.113549.1.1.14": "sha224WithRSAEncryption",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption", "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption", RSA_PSS: "rsassaPss",
    "1.2.840.113549.1.1.15": "sha512-224WithRSAEncryption",
    "1.2.840.113549.1.1.16": "sha512-256WithRSAEncryption", "2.16.840.1.101.3.4.3.13": "RSA-SHA3-224",
    "2.16.840.1.101.3.4.3.14": "RSA-SHA3-256", "2.16.840.1.101.3.4.3.15": "RSA-SHA3-384",
    "2.16.840.1.101.3.4.3.16": "RSA-SHA3-512", "1.3.14.3.2.29": "sha1WithRSA",
    "1.3.14.3.2.3": "md5WithRSA", "1.3.36.3.3.1.2": "ripemd160WithRSA",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1", "1.2.840.10045.4.3.1": "ecdsa-with-SHA224",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256", "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512", "2.16.840.1.101.3.4.3.9": "ecdsa_with_SHA3-224",
    "2.16.840.1.101.3.4.3.10": "ecdsa_with_SHA3-256", "2.16.840.1.101.3.4.3.11": "ecdsa_with_SHA3-384",
    "2.16.840.1.101.3.4.3.12": "ecdsa_with_SHA3-512", "1.2.840.10040.4.3": "dsaWithSHA1",
    "1.3.14.3.2.27": "dsaWithSHA1-old",
    "2.16.840.1.101.3.4.3.1": "dsa_with_SHA224", "2.16.840.1.101.3.4.3.2": "dsa_with_SHA256",
    "2.16.840.1.101.3.4.3.3": "dsa_with_SHA384", "2.16.840.1.101.3.4.3.4": "dsa_with_SHA512",
    "1.3.101.112": "ED25519", "1.3.101.113": "ED448", "1.2.156.10197.1.501": "SM2-with-SM3",
    "1.2.643.2.2.3": "GOST R 34.11-94 with GOST R 34.10-2001",
    "1.2.643.7.1.1.3.2": "GOST R 34.10-2012 with GOST R 34.11-2012 (256 bit)",
    "1.2.643.7.1.1.3.3": "GOST R 34.10-2012 with GOST R 34.11-2012 (512 bit)",
}
# openssl writes the last letter of SLH-DSA's sets small: SLH-DSA-SHA2-128s.
SIGNATURES |= {
    oid: key.name[:-1].upper() + key.name[-1]
    for oid, key in FIXED_KEYS.items()
    if oid.startswith(_NIST_SIGNATURE)
}
DIGESTS = {
    "1.2.840.113549.2.5": "md5", "1.3.14.3.2.26": "sha1", "1.3.36.3.2.1": "ripemd160",
    "2.16.840.1.101.3.4.2.4": "sha224", "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.5": "sha512-224", "2.16.840.1.101.3.4.2.6": "sha512-256",
    "2.16.840.1.101.3.4.2.7": "sha3-224", "2.16.840.1.101.3.4.2.8": "sha3-256",
    "2.16.840.1.101.3.4.2.9": "sha3-384", "2.16.840.1.101.3.4.2.10": "sha3-512",
    "2.16.840.1.101.3.4.2.11": "shake128", "2.16.840.1.101.3.4.2.12": "shake256",
    "1.2.156.10197.1.401": "sm3",
}
_CURVES_BY_ARC = {
    "1.2.156.10197.1": {301: 256},
    "1.2.840.10045.3.0": {
        1: 163, 2: 162, 3: 162, 4: 161, 5: 191, 6: 190, 7: 189, 10: 193, 11: 238, 12: 237, 13: 236, 16: 257,
        17: 289, 18: 353, 19: 353, 20: 418,
    },
    "1.2.840.10045.3.1": {1: 192, 2: 192, 3: 192, 4: 239, 5: 239, 6: 239, 7: 256},
    "1.3.36.3.3.2.8.1.1": {
        1: 160, 2: 160, 3: 192, 4: 192, 5: 224, 6: 224, 7: 256, 8: 256, 9: 320, 10: 320, 11: 384, 12: 384,
        13: 512, 14: 512,
    },
    "1.3.132.0": {
        1: 163, 2: 162, 3: 238, 4: 113, 5: 113, 6: 112, 7: 110, 8: 161, 9: 161, 10: 256, 15: 163, 16: 281,
        17: 282, 22: 131, 23: 131, 24: 193, 25: 193, 26: 232, 27: 233, 28: 128, 29: 126, 30: 161, 31: 192,
        32: 225, 33: 224, 34: 384, 35: 521, 36: 407, 37: 409, 38: 570, 39: 570,
    },
    "2.23.43.1.4": {
        1: 112, 3: 163, 4: 113, 5: 163, 6: 112, 7: 161, 8: 113, 9: 161, 10: 232, 11: 233, 12: 224,
    },
}
# fmt: on
CURVES = {f"{arc}.{last}": bits for arc, curves in _CURVES_BY_ARC.items() for last, bits in curves.items()}


def signature_digest(name: str) -> str | None:
    """Return the digest in the name of a signature algorithm as openssl writes it; None if it names none."""
    import re

    digest = re.search(r"sha3-\d+|sha512-\d+|sha(?:1|224|256|384|512)|md[245]|ripemd160|sm3", name.lower())
    return None if digest is None else digest[0]
