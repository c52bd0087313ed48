"""kolide_certificates: the certificates in PEM, DER and PKCS#7 files, and in stores as far as these are not
encrypted: whole chains, expired and malformed ones too.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.limits import Budget
from osquery_sdk import Column, ColumnType, Query, table

from ..reading.paths import FileRow, asked_paths, past_trusted_links

if TYPE_CHECKING:
    from .pem import PemBlock
    from .x509 import CertificateFacts

__all__ = ["Certificate", "certificates"]

_PEM = frozenset(("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"))
_PEM_PKCS7 = frozenset(("PKCS7", "PKCS #7 SIGNED DATA", "CMS"))
_PKCS12_VERSION = b"\x02\x01\x03"
_MOST_LABELS = 5


class Certificate(FileRow):
    """A certificate in a file, or an error about one."""

    idx: int | None = Column(
        "Number among the certificates of the file, from 0", type=ColumnType.INTEGER, key=True, default=None
    )
    subject: str | None = Column(
        "Name of its subject as RFC 4514 writes it, the most specific part first", default=None
    )
    issuer: str | None = Column("Name of its issuer, written in the same way", default=None)
    serial: str | None = Column("Serial number, in hexadecimal digits", default=None)
    sans: list[str] | None = Column(
        "Alternative names of the subject: a JSON array of texts such as DNS:example.org, "
        "IP:192.0.2.1, email:a@b, URI:x",
        default=None,
    )
    not_before: int | None = Column("Beginning of its validity, Unix seconds", default=None)
    not_after: int | None = Column("End of its validity, Unix seconds", default=None)
    is_ca: bool | None = Column("1 if it says that it may issue others", default=None)
    self_signed: bool | None = Column(
        "1 if by its names and key identifiers it is its own issuer; the signature is not verified",
        default=None,
    )
    key_algorithm: str | None = Column(
        "Kind of its public key: rsa, rsa-pss, ec, ed25519, ed448, dsa, ..., or an object identifier",
        default=None,
    )
    key_bits: int | None = Column("Size of its public key, in bits", type=ColumnType.INTEGER, default=None)
    signature_algorithm: str | None = Column(
        "Signature algorithm in openssl's words, or an object identifier", default=None
    )
    sha256: str | None = Column("SHA-256 of the certificate in DER: its fingerprint", default=None)
    container: str | None = Column(
        "Container that it was in: pem, der, pkcs7, or a store: pkcs12, jks, jceks, bks", default=None
    )
    error: str | None = Column(
        "Reason why the file, or this certificate in it, could not be read", key=True, default=None
    )
    key_usages: list[str] | None = Column(
        "JSON array of what its key may be used for, in the words of RFC 5280: digitalSignature, "
        "keyCertSign; empty if it does not say",
        default=None,
    )
    extended_key_usages: list[str] | None = Column(
        "JSON array of its purposes: serverAuth, clientAuth, codeSigning, or an object identifier; "
        "empty if it does not say",
        default=None,
    )
    signature_digest: str | None = Column(
        "Digest that is signed, for RSA-PSS that of its parameters: sha256; empty if the algorithm "
        "names none",
        default=None,
    )


@table(
    "kolide_certificates",
    privilege="Without root: only files that the user may read.",
    examples=(
        (
            "select path, subject, datetime(not_after, 'unixepoch') as expires from kolide_certificates "
            "where path like '/etc/ssl/certs/%.pem' and not_after < unixepoch('now', '+30 days') "
            "order by not_after"
        ),
        (
            "select path, idx, subject, key_algorithm, key_bits, signature_algorithm "
            "from kolide_certificates where path = '/etc/ssl/certs/ca-certificates.crt' "
            "and (key_algorithm = 'rsa' and key_bits < 2048 or signature_algorithm like 'sha1%')"
        ),
    ),
)
def certificates(query: Query) -> Iterator[Certificate]:
    """Certificates in PEM, DER and PKCS#7 files and in stores, all those of a chain; nothing is verified."""
    budget = Budget.of(query)
    for path in asked_paths(query, "path", budget, links=True):
        budget.check()
        try:
            content = read_file(past_trusted_links(path), max_bytes=query.limits.max_file_bytes)
        except (Unreadable, LimitExceeded) as error:
            yield Certificate(path=path, error=str(error))
            continue
        for index, (container, facts) in enumerate(found_in(content)):
            budget.add_rows()
            if isinstance(facts, str):
                yield Certificate(
                    path=path, idx=index if container else None, container=container, error=facts
                )
            else:
                yield Certificate(path=path, idx=index, container=container, **facts._asdict())


def found_in(content: bytes) -> Iterator[tuple[str | None, "CertificateFacts | str"]]:
    """Yield the certificates in a file's content, each with the name of its container, or with an error in
    its place.
    """
    from .pem import bare_base64, pem_blocks, readable_text

    text = readable_text(content)
    labels: list[str] = []
    is_found = False
    for block in pem_blocks(text):
        if block.label in _PEM | _PEM_PKCS7:
            is_found = True
            yield from _in_block(block)
        elif len(labels) < _MOST_LABELS and block.label not in labels:
            labels.append(block.label)
    if labels and not is_found:
        yield None, f"there is no certificate in it: it has {', '.join(labels)}"
    elif not is_found:
        yield from _in_binary(bare_base64(text) or content)


def _in_block(block: "PemBlock") -> Iterator[tuple[str, "CertificateFacts | str"]]:
    from ..reading.der import Malformed
    from .x509 import pkcs7_certificates

    container = "pem" if block.label in _PEM else "pkcs7"
    data = block.data
    if data is None:
        yield container, "its base64 is broken"
        return
    try:
        inner = [data] if container == "pem" else pkcs7_certificates(data)
    except Malformed as error:
        yield container, f"not a certificate: {error}"
    else:
        yield from ((container, _read(certificate)) for certificate in inner or [b""])


def _in_binary(content: bytes) -> Iterator[tuple[str | None, "CertificateFacts | str"]]:
    from ..reading.der import Malformed
    from .stores import read_store
    from .x509 import certificates_in, pkcs7_certificates

    store = read_store(content)
    if store is not None and (inner := [der for entry in store.entries for der in entry.certificates]):
        yield from ((store.format, _read(certificate)) for certificate in inner)
        if store.hidden is not None:
            yield store.format, "it has more, which only its password opens"
        return
    try:
        yield from (("der", facts) for facts in certificates_in(content))
    except Malformed as error:
        try:
            inner = pkcs7_certificates(content)
        except Malformed:
            yield None, _no_certificate(content, str(error))
        else:
            yield from (("pkcs7", _read(certificate)) for certificate in inner or [b""])


def _read(data: bytes) -> "CertificateFacts | str":
    from ..reading.der import Malformed
    from .x509 import certificate_facts

    if not data:
        return "there is no certificate in it"
    try:
        return certificate_facts(data)
    except Malformed as error:
        return f"not a certificate: {error}"


def _no_certificate(content: bytes, why: str) -> str:
    if content[:1] != b"\x30":
        return "there is no certificate in it"
    if _PKCS12_VERSION in content[2:10]:
        return "it is PKCS#12, which only its password opens"
    return f"there is no certificate in it: {why}"
