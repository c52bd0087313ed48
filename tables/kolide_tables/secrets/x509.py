"""Read X.509 certificates (RFC 5280) leniently: show what is in use, right or wrong.

Nothing is verified. A part that cannot be read is None, or is left out; only data that is not a certificate
at all is an error.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from kolide_kit.text import shown

from ..reading.der import (
    BIT_STRING,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    SET,
    Element,
    Malformed,
    bits_of,
    children,
    element,
    oid_text,
)
from .algorithms import (
    CURVES,
    DIGESTS,
    EC_KEYS,
    FIXED_KEYS,
    MODULAR_KEYS,
    RSA_KEYS,
    RSA_PSS,
    SIGNATURES,
    signature_digest,
)

__all__ = [
    "CertificateFacts",
    "certificate_facts",
    "certificate_public_key",
    "certificates_in",
    "general_names",
    "name_text",
    "pkcs7_certificates",
    "pss_digest",
    "public_key",
]

# fmt: off
# Short names as openssl prints them.
_NAMES = {
    "2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L",
    "2.5.4.8": "ST", "2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title",
    "2.5.4.13": "description", "2.5.4.15": "businessCategory", "2.5.4.17": "postalCode",
    "2.5.4.20": "telephoneNumber", "2.5.4.41": "name", "2.5.4.42": "GN", "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier", "2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier", "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC", "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName", "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST", "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
    "2.5.4.16": "postalAddress", "2.5.4.18": "postOfficeBox", "2.5.4.19": "physicalDeliveryOfficeName",
    "2.5.4.23": "facsimileTelephoneNumber", "2.5.4.45": "x500UniqueIdentifier",
    "2.5.4.51": "houseIdentifier", "2.5.4.54": "dmdName", "2.5.4.72": "role",
    "1.2.840.113549.1.9.8": "unstructuredAddress", "1.2.643.3.131.1.1": "INN", "1.2.643.100.1": "OGRN",
    "1.2.643.100.3": "SNILS", "0.9.2342.19200300.100.1.3": "mail",
}
_PURPOSES = {
    "2.5.29.37.0": "anyExtendedKeyUsage", "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth", "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection", "1.3.6.1.5.5.7.3.5": "ipsecEndSystem",
    "1.3.6.1.5.5.7.3.6": "ipsecTunnel", "1.3.6.1.5.5.7.3.7": "ipsecUser",
    "1.3.6.1.5.5.7.3.8": "timeStamping", "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "1.3.6.1.5.5.7.3.17": "ipsecIKE", "1.3.6.1.5.5.7.3.21": "secureShellClient",
    "1.3.6.1.5.5.7.3.22": "secureShellServer",
    "1.3.6.1.5.5.7.3.31": "id-kp-BrandIndicatorforMessageIdentification",
    "1.3.6.1.5.5.7.3.36": "id-kp-documentSigning",
    "1.3.6.1.5.2.3.4": "pkInitClientAuth", "1.3.6.1.5.2.3.5": "pkInitKDC",
    "1.3.6.1.4.1.311.2.1.21": "msCodeInd", "1.3.6.1.4.1.311.2.1.22": "msCodeCom",
    "1.3.6.1.4.1.311.10.3.1": "msCTLSign", "1.3.6.1.4.1.311.10.3.3": "msSGC",
    "1.3.6.1.4.1.311.10.3.4": "msEFS", "1.3.6.1.4.1.311.20.2.2": "msSmartcardLogin",
    "2.16.840.1.113730.4.1": "nsSGC",
}
# fmt: on
_BASIC_CONSTRAINTS, _ALTERNATIVE_NAMES = "2.5.29.19", "2.5.29.17"
_SUBJECT_KEY, _AUTHORITY_KEY = "2.5.29.14", "2.5.29.35"
_KEY_USAGE, _EXTENDED_KEY_USAGE = "2.5.29.15", "2.5.29.37"
# The names of RFC 5280, which openssl's configuration has too, from the first bit on.
_USAGES = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
)
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_TEXTS = dict.fromkeys((0x12, 0x13, 0x14, 0x16, 0x1A), "latin-1")
_TEXTS |= {0x0C: "utf-8", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
_TIME = re.compile(r"([0-9]{10,14})(?:[.,][0-9]{1,20})?(?:Z|([+-][0-9]{4}))?")
_EMPTY = b"\x30\0"
_MOST_NAMES = 5_000


class CertificateFacts(NamedTuple):
    """The facts of a certificate; the columns of the table describe them."""

    subject: str
    issuer: str
    serial: str
    sans: list[str]
    not_before: int | None
    not_after: int | None
    is_ca: bool
    self_signed: bool
    key_algorithm: str | None
    key_bits: int | None
    signature_algorithm: str
    sha256: str
    key_usages: list[str] | None
    extended_key_usages: list[str] | None
    signature_digest: str | None


def certificate_facts(data: bytes) -> CertificateFacts:
    """Read a certificate in DER, and ignore what follows it. Raises Malformed."""
    whole = element(data).expect(SEQUENCE)
    _signed, algorithm, _signature = _exactly(whole, 3)
    fields = _fields(whole)
    serial, _inner, issuer, validity, subject, key = fields[:6]
    extensions = dict(_extensions(fields[6:]))
    begin, end = _exactly(validity.expect(SEQUENCE), 2)
    key_algorithm = key_bits = None
    try:
        key_algorithm, key_bits = key_size(*public_key(key))
    except Malformed:
        pass  # keep the rest
    import hashlib

    return CertificateFacts(
        subject=name_text(subject),
        issuer=name_text(issuer),
        serial=_serial(serial.expect(INTEGER).content),
        sans=_alternative_names(extensions),
        not_before=_seconds(begin),
        not_after=_seconds(end),
        is_ca=_is_ca(extensions),
        self_signed=issuer.raw == subject.raw and _same_key(extensions),
        key_algorithm=key_algorithm,
        key_bits=key_bits,
        signature_algorithm=SIGNATURES.get(name := _algorithm(algorithm)) or DIGESTS.get(name, name),
        sha256=hashlib.sha256(whole.raw).hexdigest(),
        key_usages=_key_usages(extensions),
        extended_key_usages=_extended_key_usages(extensions),
        signature_digest=_signature_digest(name, algorithm),
    )


def certificates_in(data: bytes) -> Iterator[CertificateFacts]:
    """Yield the certificates in DER that stand one after the other, up to other data.

    Raises Malformed if the first one is none.
    """
    yield certificate_facts(data)
    offset = element(data).end
    while data[offset : offset + 1] == b"\x30":
        try:
            following = element(data, offset)
            facts = certificate_facts(following.raw)
        except Malformed:
            return  # what openssl writes behind a trusted certificate, for one
        yield facts
        offset = following.end


def pkcs7_certificates(data: bytes) -> list[bytes]:
    """Return the certificates in a PKCS#7 or CMS structure (RFC 5652), which may be BER. Raises Malformed."""
    content = list(children(element(data).expect(SEQUENCE)))
    if len(content) < 2 or oid_text(content[0]) != _SIGNED_DATA:
        raise Malformed("it is no PKCS#7 that has certificates")
    parts = list(children(_only(content[1].expect(0xA0)).expect(SEQUENCE)))
    return [
        child.raw for part in parts if part.tag == 0xA0 for child in children(part) if child.tag == SEQUENCE
    ]


def name_text(name: Element) -> str:
    """Return a distinguished name as RFC 4514 writes it, the most specific part first, in UTF-8.

    Raises Malformed.
    """
    parts = []
    for count, part in enumerate(children(name.expect(SEQUENCE))):
        if count == _MOST_NAMES:
            raise Malformed(f"a name has more than {_MOST_NAMES:,} parts")
        pairs = [_exactly(pair.expect(SEQUENCE), 2) for pair in children(part.expect(SET))]
        parts.append("+".join(_attribute(kind, value) for kind, value in reversed(pairs)))
    return ",".join(reversed(parts))


def general_names(names: Element) -> Iterator[str]:
    """Yield GeneralNames as text, each behind its kind in openssl's words. Raises Malformed."""
    for name in children(names.expect(SEQUENCE)):
        kind = name.tag & 0x1F
        if kind in (1, 2, 6):
            yield {1: "email:", 2: "DNS:", 6: "URI:"}[kind] + shown(name.content)
        elif kind == 7:
            import ipaddress

            is_whole = len(name.content) in (4, 16)
            yield f"IP:{ipaddress.ip_address(name.content) if is_whole else name.content.hex()}"
        elif kind == 4:
            yield "dirName:" + name_text(_only(name))
        elif kind == 8:
            yield "RID:" + oid_text(name._replace(tag=OID))
        elif kind == 0:
            kind_, value = _exactly(name, 2)
            yield f"otherName:{oid_text(kind_)};{_string(_only(value))}"
        else:
            yield f"{kind}:{name.content.hex()}"


def public_key(info: Element) -> tuple[str, Element | None, bytes]:
    """Return a SubjectPublicKeyInfo's algorithm (an object identifier), its parameters, and the key's bytes.

    Raises Malformed.
    """
    algorithm, key = _exactly(info.expect(SEQUENCE), 2)
    parts = list(children(algorithm.expect(SEQUENCE)))
    if not parts:
        raise Malformed("a key has no algorithm")
    return oid_text(parts[0]), parts[1] if len(parts) > 1 else None, key.expect(BIT_STRING).content[1:]


def certificate_public_key(data: bytes) -> Element:
    """Return the SubjectPublicKeyInfo of a certificate in DER; raises Malformed."""
    return _fields(element(data).expect(SEQUENCE))[5]


def key_size(algorithm: str, parameters: Element | None, key: bytes) -> tuple[str, int | None]:
    """Return a public key's algorithm, by name or else by its numbers, and its bits if they are known.

    Raises Malformed.
    """
    if algorithm in FIXED_KEYS:
        return FIXED_KEYS[algorithm].name, FIXED_KEYS[algorithm].bits
    if algorithm in RSA_KEYS:
        modulus = next(children(element(key).expect(SEQUENCE)), None)
        return RSA_KEYS[algorithm], None if modulus is None else bits_of(modulus)
    if algorithm in EC_KEYS:
        return "ec", None if parameters is None else curve_bits(parameters)
    if algorithm in MODULAR_KEYS:
        prime = None if parameters is None or parameters.tag != SEQUENCE else next(children(parameters), None)
        return MODULAR_KEYS[algorithm], None if prime is None else bits_of(prime)
    return algorithm, None


def curve_bits(parameters: Element) -> int | None:
    """Return the size of a curve, given by name or by parameters; None for an unknown curve.

    Raises Malformed.
    """
    if parameters.tag == OID:
        return CURVES.get(oid_text(parameters))
    if parameters.tag != SEQUENCE:
        return None
    # The parameters are version, field, curve, base, order; the order gives the size.
    parts = list(children(parameters))
    return bits_of(parts[4]) if len(parts) > 4 else None


def _fields(whole: Element) -> list[Element]:
    """Return the parts of a certificate from the serial number on."""
    fields = list(children(_exactly(whole, 3)[0].expect(SEQUENCE)))
    if fields and fields[0].tag == 0xA0:  # the version; version 1 leaves it out
        del fields[0]
    if len(fields) < 6:
        raise Malformed("it has too few parts for a certificate")
    return fields


def _exactly(parent: Element, count: int) -> list[Element]:
    parts = list(children(parent))
    if len(parts) != count:
        raise Malformed(f"an element contains {len(parts)} others in place of {count}")
    return parts


def _only(parent: Element) -> Element:
    return _exactly(parent, 1)[0]


def _algorithm(identifier: Element) -> str:
    first = next(children(identifier.expect(SEQUENCE)), None)
    if first is None:
        raise Malformed("an algorithm has no identifier")
    return oid_text(first)


def _serial(content: bytes) -> str:
    """Return the serial number as openssl prints it: an even number of hexadecimal digits, behind a minus
    sign if negative.
    """
    if not content:
        raise Malformed("the serial number is empty")
    if content[0] & 0x80:
        positive = (1 << len(content) * 8) - int.from_bytes(content, "big") if len(content) <= 64 else 0
        return "-" + positive.to_bytes(len(content) + 1, "big").lstrip(b"\0").hex().upper()
    return (content.lstrip(b"\0") or b"\0").hex().upper()


def _extensions(fields: list[Element]) -> Iterator[tuple[str, bytes]]:
    for field in fields:
        if field.tag != 0xA3:
            continue
        for extension in children(_only(field).expect(SEQUENCE)):
            parts = list(children(extension.expect(SEQUENCE)))
            if len(parts) in (2, 3):
                yield oid_text(parts[0]), parts[-1].expect(OCTET_STRING).content


def _alternative_names(extensions: dict[str, bytes]) -> list[str]:
    names: list[str] = []
    try:
        names.extend(general_names(element(extensions.get(_ALTERNATIVE_NAMES, _EMPTY))))
    except Malformed:
        pass  # keep those that were read
    return names


def _key_usages(extensions: dict[str, bytes]) -> list[str] | None:
    """Return the uses of the key that the certificate allows; None if it does not restrict them."""
    try:
        bits = element(extensions[_KEY_USAGE]).expect(BIT_STRING).content[1:]
    except (KeyError, Malformed):
        return None
    return [
        name
        for number, name in enumerate(_USAGES)
        if number // 8 < len(bits) and bits[number // 8] & 0x80 >> number % 8
    ]


def _extended_key_usages(extensions: dict[str, bytes]) -> list[str] | None:
    """Return the purposes that the certificate allows; None if it does not restrict them."""
    try:
        purposes = [oid_text(purpose) for purpose in children(element(extensions[_EXTENDED_KEY_USAGE]))]
    except (KeyError, Malformed):
        return None
    return [_PURPOSES.get(purpose, purpose) for purpose in purposes]


def _signature_digest(oid: str, algorithm: Element) -> str | None:
    """Return the digest that is signed: that of the algorithm, or for RSA-PSS that of its parameters."""
    if oid != RSA_PSS:
        return signature_digest(SIGNATURES.get(oid, ""))
    try:
        parts = list(children(algorithm))
        return pss_digest(parts[1] if len(parts) > 1 else None)
    except Malformed:
        return None


def pss_digest(parameters: Element | None) -> str | None:
    """Return the digest that RSASSA-PSS parameters name; None if there are no parameters.

    Raises Malformed.
    """
    if parameters is None or parameters.tag != SEQUENCE:
        return None
    wrapped = next((part for part in children(parameters) if part.tag == 0xA0), None)
    if wrapped is None:
        return "sha1"  # the default
    name = _algorithm(_only(wrapped))
    return DIGESTS.get(name, name)


def _is_ca(extensions: dict[str, bytes]) -> bool:
    try:
        first = next(children(element(extensions.get(_BASIC_CONSTRAINTS, _EMPTY))), None)
    except Malformed:
        return False
    return first is not None and first.tag == 0x01 and first.content not in (b"", b"\0")


def _same_key(extensions: dict[str, bytes]) -> bool:
    """Return whether the issuer's key may be the certificate's own, by the identifiers of both."""
    try:
        own = element(extensions[_SUBJECT_KEY]).content
        parts = children(element(extensions[_AUTHORITY_KEY]))
        return own == next((part.content for part in parts if part.tag == 0x80), own)
    except (KeyError, Malformed):
        return True


def _seconds(time: Element) -> int | None:
    """Return a time in Unix seconds; BER may leave out the seconds, have fractions, or name an offset."""
    match = _TIME.fullmatch(time.content.decode("ascii", "replace"))
    if match is None:
        return None
    digits, offset = match[1], match[2]
    if time.tag == 0x17 and len(digits) in (10, 12):  # two digits of the year: 1950 to 2049
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    try:
        moment = datetime.strptime(f"{digits:0<14}{offset or '+0000'}", "%Y%m%d%H%M%S%z")
        return int(moment.timestamp()) if len(digits) in (12, 14) else None
    except (ValueError, OverflowError):
        return None


def _attribute(kind: Element, value: Element) -> str:
    oid = oid_text(kind)
    if oid not in _NAMES or value.tag not in _TEXTS:
        return f"{_NAMES.get(oid, oid)}=#{value.raw.hex().upper()}"
    return f"{_NAMES[oid]}={_escaped(_string(value))}"


def _string(value: Element) -> str:
    encoding = _TEXTS.get(value.tag)
    if encoding is None:
        return f"#{value.raw.hex().upper()}"
    return shown(value.content) if encoding == "utf-8" else value.content.decode(encoding, "backslashreplace")


def _escaped(text: str) -> str:
    escaped = re.sub(r'^[# ]|[,+"\\<>;]| \Z', r"\\\g<0>", text)
    return re.sub(r"[\0-\x1f\x7f]", lambda control: f"\\{ord(control[0]):02X}", escaped)
