"""kolide_certificates against openssl: every kind of certificate, the system's own, and other files."""

import base64
import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.reading.der import Malformed, children, element
from kolide_tables.secrets.certificates import Certificate, certificates, found_in
from kolide_tables.secrets.pem import pem_blocks
from kolide_tables.secrets.x509 import CertificateFacts, certificate_facts
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.homes import Link
from ...support.tools import Run

BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
NAME_OPTIONS = ("-nameopt", "rfc2253,utf8,-esc_msb")
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
CONFIG = """
[req]
distinguished_name = dn
prompt = no
utf8 = yes
string_mask = utf8only
[dn]
C = DE
O = Grüße, "Söhne" + <Co>; = \\\\ Ltd
1.OU = one
+2.OU = two
CN = " #x y "
title = "ends in \\\\ "
emailAddress = a@b.example
UID = 7
DC = example
serialNumber = 42
houseIdentifier = 7b
role = admin
1.2.3.4 = odd
[many]
basicConstraints = critical,CA:TRUE,pathlen:3
keyUsage = critical,digitalSignature,nonRepudiation,keyEncipherment,keyCertSign,cRLSign,decipherOnly
extendedKeyUsage = serverAuth,clientAuth,codeSigning,emailProtection,timeStamping,OCSPSigning,1.2.3.4
subjectAltName = @names
[names]
DNS.1 = *.a.example
DNS.2 = xn--bcher-kva.example
IP.1 = 10.0.0.1
IP.2 = 2001:db8::1
email.1 = a@b.example
URI.1 = https://a.example/x?y=z,1
RID.1 = 1.2.3.4
otherName.1 = 1.3.6.1.4.1.311.20.2.3;UTF8:me@a.example
dirName.1 = inner
[inner]
C = FR
CN = In, side
[plain]
basicConstraints = CA:FALSE
[bare]
"""
KEYS = {
    "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "rsa1024": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
    "pss": ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:1024"),
    "p256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "p521": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"),
    "k256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
    "explicit": (
        *("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
        *("-pkeyopt", "ec_param_enc:explicit"),
    ),
    "ed25519": ("-algorithm", "ed25519"),
    "ed448": ("-algorithm", "ed448"),
}
CASES = {  # key, extensions, more arguments
    "rsa": ("rsa", "many", ("-days", "10")),
    "sha1": ("rsa1024", "plain", ("-days", "1", "-sha1")),
    "sha3": ("rsa1024", "plain", ("-days", "1", "-sha3-256")),
    "pss": ("pss", "plain", ("-days", "1", "-sha384")),
    "pss-signature": ("rsa", "plain", ("-days", "1", "-sigopt", "rsa_padding_mode:pss")),
    "p256": ("p256", "many", ("-days", "1")),
    "p521": ("p521", "plain", ("-days", "1", "-sha512")),
    "k256": ("k256", "plain", ("-days", "1")),
    "explicit": ("explicit", "plain", ("-days", "1")),
    "ed25519": ("ed25519", "many", ("-days", "30000")),  # beyond 2049 the time has another form
    "ed448": ("ed448", "bare", ("-days", "1", "-set_serial", "0")),
    "negative": ("ed25519", "bare", ("-days", "1", "-set_serial", "-0x1234567890abcdef")),
    "large": ("ed25519", "bare", ("-days", "1", "-set_serial", "0xffeeddccbbaa99887766554433221100ffeeddcc")),
}


@pytest.fixture(scope="module")
def made(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a certificate of each case."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "config").write_text(CONFIG, encoding="utf-8")
    for name, options in KEYS.items():
        run("openssl", "genpkey", *options, "-out", folder / f"{name}.key")
    for name, (key, extensions, more) in CASES.items():
        run(
            *("openssl", "req", "-x509", "-new", "-key", folder / f"{key}.key", "-config", folder / "config"),
            *("-extensions", extensions, *more, "-out", folder / f"{name}.pem"),
        )
    return folder


def said_by_openssl(run: Run, path: Path) -> dict[str, Any]:
    """Return the columns that openssl can tell."""
    text = run(
        *("openssl", "x509", "-in", path, "-noout", "-subject", "-issuer", "-serial", "-dates"),
        *("-fingerprint", "-sha256", "-text", *NAME_OPTIONS),
    )
    said = dict(line.split("=", 1) for line in text.split("\n") if re.match(r"\w+( Fingerprint)?=", line))
    return of_text(text) | {
        "subject": said["subject"],
        "issuer": said["issuer"],
        "serial": said["serial"],
        "sha256": next(said[name] for name in said if "Fingerprint" in name).replace(":", "").lower(),
    }


def of_text(text: str) -> dict[str, Any]:
    """Return the columns in openssl's text about a certificate; of alternative names only their number."""
    key_bits = re.search(r"Public-Key: \((\d+) bit\)", text)
    algorithm = re.search(r"Public Key Algorithm: (\S+)", text)
    signature = re.search(r"Signature Algorithm: (\S+)", text)
    begin, end = (re.search(rf"Not {name} ?: (.*)", text) for name in ("Before", "After"))
    assert algorithm
    assert signature
    assert begin
    assert end
    bits = {"ED25519": 256, "ED448": 456}
    names = text.partition("X509v3 Subject Alternative Name:")[2].partition("\n")[2].partition("\n")[0]
    kinds = r"(?:^|, ) *(?:DNS|IP Address|email|URI|Registered ID|othername|DirName):"
    return {
        "not_before": seconds(begin[1]),
        "not_after": seconds(end[1]),
        "sans": len(re.findall(kinds, names)),
        "is_ca": "CA:TRUE" in text,
        "key_algorithm": {
            "rsaEncryption": "rsa",
            "rsassaPss": "rsa-pss",
            "id-ecPublicKey": "ec",
            "dsaEncryption": "dsa",
        }.get(algorithm[1], algorithm[1].lower()),
        "key_bits": int(key_bits[1]) if key_bits else bits[algorithm[1]],
        "signature_algorithm": signature[1],
        "key_usages": extension(text, "Key Usage"),
        "extended_key_usages": extension(text, "Extended Key Usage"),
    }


USAGES = {
    "Digital Signature": "digitalSignature",
    "Non Repudiation": "nonRepudiation",
    "Key Encipherment": "keyEncipherment",
    "Data Encipherment": "dataEncipherment",
    "Key Agreement": "keyAgreement",
    "Certificate Sign": "keyCertSign",
    "CRL Sign": "cRLSign",
    "Encipher Only": "encipherOnly",
    "Decipher Only": "decipherOnly",
    "TLS Web Server Authentication": "serverAuth",
    "TLS Web Client Authentication": "clientAuth",
    "Code Signing": "codeSigning",
    "E-mail Protection": "emailProtection",
    "Time Stamping": "timeStamping",
    "OCSP Signing": "OCSPSigning",
    "Any Extended Key Usage": "anyExtendedKeyUsage",
}


def extension(text: str, name: str) -> list[str] | None:
    """Return the values of an extension in openssl's text."""
    found = re.search(rf"X509v3 {name}:[^\n]*\n([^\n]*)", text)
    return None if found is None else [USAGES.get(use, use) for use in found[1].strip().split(", ")]


def told(row: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a row that openssl tells too."""
    return {name: row[name] for name in said} | {"sans": len(row["sans"])}


def seconds(text: str) -> int:
    month, day, clock, year, _zone = text.split()
    made = f"{year}-{MONTHS.index(month) + 1:02}-{int(day):02}T{clock}+00:00"
    from datetime import datetime

    return int(datetime.fromisoformat(made).timestamp())


def only(rows: list[Certificate]) -> dict[str, Any]:
    (row,) = rows
    return shown(row)


def shown(row: Certificate) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Certificate.__columns__}


@pytest.mark.parametrize("case", CASES)
def test_a_certificate_of_openssl(case: str, made: Path, run: Run, compare: Compare) -> None:
    path = made / f"{case}.pem"
    row = only(certificates.rows(path=str(path)))
    said = said_by_openssl(run, path)
    compare("certificates", "openssl x509", told(row, said), said, rows=1)
    assert (row["idx"], row["container"], row["error"]) == (0, "pem", None)
    assert row["self_signed"]
    run("openssl", "x509", "-in", path, "-outform", "DER", "-out", made / f"{case}.der")
    assert only(certificates.rows(path=str(made / f"{case}.der"))) == row | {
        "path": str(made / f"{case}.der"),
        "container": "der",
    }


@pytest.mark.parametrize(
    ("case", "digest"),
    [
        ("rsa", "sha256"),
        ("sha1", "sha1"),
        ("sha3", "sha3-256"),
        ("pss", "sha384"),
        ("pss-signature", "sha256"),
        ("p521", "sha512"),
        ("ed25519", None),
    ],
)
def test_the_digest_that_is_signed(case: str, digest: str | None, made: Path, run: Run) -> None:
    row = only(certificates.rows(path=str(made / f"{case}.pem")))
    assert row["signature_digest"] == digest
    text = run("openssl", "x509", "-in", made / f"{case}.pem", "-noout", "-text")
    hashed = re.search(r"Hash Algorithm: (\S+)", text)
    if case.startswith("pss"):
        assert hashed
        assert hashed[1] == digest


def test_alternative_names_of_every_kind(made: Path) -> None:
    row = only(certificates.rows(path=str(made / "rsa.pem")))
    assert sorted(row["sans"]) == sorted(
        [
            "DNS:*.a.example",
            "DNS:xn--bcher-kva.example",
            "IP:10.0.0.1",
            "IP:2001:db8::1",
            "email:a@b.example",
            "URI:https://a.example/x?y=z,1",
            "RID:1.2.3.4",
            "otherName:1.3.6.1.4.1.311.20.2.3;me@a.example",
            "dirName:CN=In\\, side,C=FR",
        ]
    )


def test_thousands_of_alternative_names(made: Path, run: Run, tmp_path: Path, compare: Compare) -> None:
    names = "\n".join(f"DNS.{number} = host{number}.example" for number in range(6_000))
    (tmp_path / "config").write_text(
        "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = x\n[many]\nsubjectAltName = "
        f"@names\n[names]\n{names}\n"
    )
    options = ("-config", tmp_path / "config", "-extensions", "many", "-out", tmp_path / "many.pem")
    run("openssl", "req", "-x509", "-new", "-key", made / "ed25519.key", *options)
    row, said = (
        only(certificates.rows(path=str(tmp_path / "many.pem"))),
        said_by_openssl(run, tmp_path / "many.pem"),
    )
    compare("certificates", "openssl x509", told(row, said), said, rows=1)
    assert said["sans"] == 6_000


@pytest.mark.skipif(not BUNDLE.exists(), reason=f"there is no {BUNDLE}")
def test_the_system_s_own_certificates(run: Run, compare: Compare) -> None:
    """Return openssl's facts about the whole bundle, without starting it for each certificate."""
    rows = certificates.rows(path=str(BUNDLE))
    assert [row.idx for row in rows] == list(range(len(rows)))
    assert {row.error for row in rows} == {None}
    listed = run("openssl", "storeutl", "-certs", "-noout", "-text", BUNDLE)
    _, *texts = re.split(r"^\d+: Certificate\n", listed, flags=re.MULTILINE)
    said = [of_text(text) | {"serial": serial(text)} for text in texts]
    ours = [told(shown(row) | {"serial": int(row.serial, 16)}, said[0]) for row in rows]
    compare("certificates", "openssl storeutl -text", ours, said)
    assert len(rows) > 50


def serial(text: str) -> int:
    """A small serial number is written in decimal digits as well."""
    found = re.search(r"Serial Number:(?: (\d+) \(|\s+([0-9a-f:]+)\n)", text)
    assert found
    return int(found[1]) if found[1] else int(found[2].replace(":", ""), 16)


@pytest.mark.parametrize("step", [16, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.skipif(not BUNDLE.exists(), reason=f"there is no {BUNDLE}")
def test_the_system_s_own_certificates_one_by_one(
    step: int, run: Run, tmp_path: Path, compare: Compare
) -> None:
    """Compare names and fingerprints too. Starting openssl takes the time."""
    rows = certificates.rows(path=str(BUNDLE))[::step]
    blocks = re.findall(r"-----BEGIN CERT.*?-----END [^\n]*\n", BUNDLE.read_text(), re.DOTALL)[::step]
    said = []
    for block in blocks:
        (tmp_path / "one.pem").write_text(block)
        said.append(said_by_openssl(run, tmp_path / "one.pem"))
    compare("certificates", "openssl x509", [told(shown(row), said[0]) for row in rows], said)


def test_a_chain_and_what_issued_it(made: Path, run: Run, tmp_path: Path) -> None:
    run(
        *(
            "openssl",
            "req",
            "-new",
            "-key",
            made / "ed25519.key",
            "-subj",
            "/CN=leaf",
            "-out",
            tmp_path / "leaf.csr",
        ),
        cwd=tmp_path,
    )
    run(
        *(
            "openssl",
            "x509",
            "-req",
            "-in",
            tmp_path / "leaf.csr",
            "-CA",
            made / "p256.pem",
            "-CAkey",
            made / "p256.key",
        ),
        *("-days", "1", "-set_serial", "5", "-out", tmp_path / "leaf.pem"),
    )
    chain = tmp_path / "chain.pem"
    texts = [
        (tmp_path / "leaf.pem").read_text(),
        (made / "p256.pem").read_text(),
        (made / "p256.key").read_text(),
    ]
    chain.write_text("Some words before\n" + "and between\n".join(texts))
    rows = certificates.rows(path=str(chain))
    assert [(row.idx, row.subject == "CN=leaf", row.self_signed) for row in rows] == [
        (0, True, False),
        (1, False, True),
    ]
    assert rows[0].issuer == rows[1].subject
    for form, name in (("PEM", "chain.p7b"), ("DER", "chain.p7c")):
        run("openssl", "crl2pkcs7", "-nocrl", "-certfile", chain, "-outform", form, "-out", tmp_path / name)
        inner = certificates.rows(path=str(tmp_path / name))
        assert {row.container for row in inner} == {"pkcs7"}
        assert [row.sha256 for row in inner] == [row.sha256 for row in rows]


def test_certificates_in_a_store(made: Path, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "store.p12"
    for encryption, error in (
        ("NONE", None),
        ("AES-256-CBC", "it is PKCS#12, which only its password opens"),
    ):
        run(
            *("openssl", "pkcs12", "-export", "-in", made / "p256.pem", "-inkey", made / "p256.key"),
            *("-certpbe", encryption, "-passout", "pass:words", "-out", path),
        )
        row = only(certificates.rows(path=str(path)))
        assert row["error"] == error
        if error is None:
            same = only(certificates.rows(path=str(made / "p256.pem")))
            assert row == same | {"path": str(path), "container": "pkcs12"}


@pytest.mark.parametrize(
    "written",
    [
        lambda pem, _der: b"\xef\xbb\xbf" + pem,
        lambda pem, _der: pem.decode().encode("utf-16"),
        lambda pem, _der: b"certificate-authority-data: " + base64.b64encode(pem) + b"\nkind: Config\n",
        lambda pem, _der: b"<x>" + pem.replace(b"\n", b"&#10;") + b"</x>",
        lambda _pem, der: base64.encodebytes(der),
    ],
    ids=["mark", "utf-16", "kubeconfig", "XML", "base64 of DER"],
)
def test_a_certificate_within_another_format(
    written: Callable[[bytes, bytes], bytes], made: Path, run: Run
) -> None:
    pem, der = (made / "ed25519.pem").read_bytes(), made / "plain.der"
    run("openssl", "x509", "-in", made / "ed25519.pem", "-outform", "DER", "-out", der)
    ((_, facts),) = found_in(written(pem, der.read_bytes()))
    assert not isinstance(facts, str)
    assert facts.sha256 == hashlib.sha256(der.read_bytes()).hexdigest()
    assert [container for container, _ in found_in(der.read_bytes() * 3)] == ["der"] * 3


def test_what_a_file_has_in_place_of_a_certificate(made: Path, run: Run) -> None:
    request = run("openssl", "req", "-new", "-key", made / "ed25519.key", "-subj", "/CN=x")
    blocks = request.replace("CERTIFICATE REQUEST", "X509 CRL") + request
    ((container, error),) = found_in(blocks.encode())
    assert container is None
    assert error == "there is no certificate in it: it has X509 CRL, CERTIFICATE REQUEST"


def test_carriage_returns_in_der_are_no_ends_of_lines() -> None:
    """Made by hand, since it must not have a line feed."""
    algorithm = wrapped(b"\6\3\x2b\x65\x70")
    pair = wrapped(b"\6\3\x55\4\3" + b"\x0c\2\r\r")
    name = wrapped(bytes((0x31, len(pair))) + pair)
    validity = wrapped(b"\x17\x0d300101000000Z" * 2)
    key = wrapped(algorithm + b"\3\x21\0" + bytes(32))
    signed = wrapped(b"\2\1\1" + algorithm + name + validity + name + key)
    der = wrapped(signed + algorithm + b"\3\1\0")
    assert b"\n" not in der
    ((container, facts),) = found_in(der)
    assert not isinstance(facts, str)
    assert (container, facts.subject) == ("der", "CN=\\0D\\0D")


def test_a_message_without_certificates(made: Path, run: Run, tmp_path: Path) -> None:
    empty, path = tmp_path / "empty", tmp_path / "path"
    empty.touch()
    run("openssl", "crl2pkcs7", "-nocrl", "-certfile", empty, "-out", path)
    ((container, error),) = found_in(path.read_bytes())
    assert (container, error) == ("pkcs7", "there is no certificate in it")


def test_a_length_may_begin_with_zeros() -> None:
    assert element(b"\x04\x88\0\0\0\0\0\0\0\2ab").content == b"ab"
    with pytest.raises(Malformed):
        element(b"\x04\x88\1\0\0\0\0\0\0\2ab")


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (0x17, "2001010000Z"),
        (0x17, "200101000000+0100"),
        (0x17, "200101000000-0530"),
        (0x17, "500101000000Z"),
        (0x17, "491231235959Z"),
        (0x18, "20200101000000.5Z"),
        (0x18, "18991231235959Z"),
        (0x18, "99991231235959Z"),
        (0x18, "202001010000Z"),
        (0x18, "20210229000000Z"),
        (0x18, "2020010100Z"),
    ],
)
def test_times_of_every_form_are_those_of_openssl(
    tag: int, text: str, made: Path, run: Run, tmp_path: Path
) -> None:
    """The validity is taken out of a certificate of openssl, and another put in its place."""
    body = (made / "ed25519.pem").read_text().partition("-----\n")[2].partition("-----END")[0]
    signed, *rest = children(element(base64.b64decode(body)))
    parts = [part.raw for part in children(signed)]
    end = bytes((0x17, 13)) + b"300101000000Z"
    parts[4] = wrapped(bytes((tag, len(text))) + text.encode() + end)
    path = tmp_path / "der"
    path.write_bytes(wrapped(wrapped(b"".join(parts)) + b"".join(part.raw for part in rest)))
    said = run("openssl", "x509", "-inform", "DER", "-in", path, "-noout", "-startdate").strip()
    date = re.sub(r"(:[0-9]{2})\.[0-9]+", r"\1", said.removeprefix("notBefore="))
    row = only(certificates.rows(path=str(path)))
    assert row["not_before"] == (None if date == "Bad time value" else seconds(date))


def wrapped(content: bytes) -> bytes:
    size = len(content)
    return b"\x30" + (bytes((size,)) if size < 128 else b"\x82" + size.to_bytes(2, "big")) + content


def test_a_signed_message_without_lengths(made: Path, run: Run, tmp_path: Path) -> None:
    """openssl streams what it signs: BER, where only an end mark tells the length."""
    (tmp_path / "text").write_text("x" * 100_000)
    run(
        *(
            "openssl",
            "cms",
            "-sign",
            "-in",
            tmp_path / "text",
            "-signer",
            made / "rsa.pem",
            "-inkey",
            made / "rsa.key",
        ),
        *("-stream", "-nodetach", "-binary", "-outform", "DER", "-out", tmp_path / "signed"),
    )
    assert (tmp_path / "signed").read_bytes()[1] == 0x80
    row = only(certificates.rows(path=str(tmp_path / "signed")))
    assert row["sha256"] == only(certificates.rows(path=str(made / "rsa.pem")))["sha256"]


def test_an_expired_certificate_and_a_trusted_one(made: Path, run: Run, tmp_path: Path) -> None:
    old = tmp_path / "old.pem"
    run(
        *(
            "openssl",
            "x509",
            "-in",
            made / "p256.pem",
            "-signkey",
            made / "p256.key",
            "-days",
            "-1",
            "-out",
            old,
        ),
    )
    row = only(certificates.rows(path=str(old)))
    assert row["not_after"] < time.time()
    run(
        "openssl",
        "x509",
        "-in",
        old,
        "-trustout",
        "-addtrust",
        "clientAuth",
        "-out",
        tmp_path / "trusted.pem",
    )
    assert b"BEGIN TRUSTED CERTIFICATE" in (tmp_path / "trusted.pem").read_bytes()
    assert only(certificates.rows(path=str(tmp_path / "trusted.pem")))["sha256"] == row["sha256"]


def test_recorded_certificates(fixtures: Path, compare: Compare) -> None:
    """The certificates were made and described by openssl once, for machines without it."""
    recorded = json.loads((fixtures / "certificates" / "openssl.json").read_text())
    assert len(recorded) > 8
    ours = {}
    for name, said in recorded.items():
        row = only(certificates.rows(path=str(fixtures / "certificates" / name)))
        ours[name] = {column: row[column] for column in said}
    compare("certificates", "openssl x509, recorded", ours, recorded)


def test_a_broken_file_does_not_hide_the_others(fixtures: Path, tmp_path: Path, link: Link) -> None:
    good = (fixtures / "certificates" / "ed25519.pem").read_text()
    (tmp_path / "a.pem").write_text(good)
    (tmp_path / "b.pem").write_text(good.replace("M", "!"))
    (tmp_path / "c.pem").write_text(good.replace("-----END", "----END"))
    (tmp_path / "d.pem").write_text("nothing")
    (tmp_path / "e.pem").write_bytes(b"\x30\x82\x00\x05\x02\x01\x03")
    link(tmp_path / "f.pem", "/etc/shadow")
    os.mkfifo(tmp_path / "g.pem")
    with (tmp_path / "h.pem").open("wb") as large:
        large.truncate(1 << 30)
    (tmp_path / "i.pem").write_text(
        f"{good}-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n{good}"
    )
    (tmp_path / "z.pem").write_text(good)
    started = time.monotonic()
    rows = certificates.rows(Query.of(certificates, like={"path": f"{tmp_path}/%.pem"}))
    assert time.monotonic() - started < 20
    said = [(Path(row.path).name, row.idx, row.error) for row in rows]
    assert [
        (name, index, None if error is None else error.removeprefix(str(tmp_path)))
        for name, index, error in said
    ] == [
        ("a.pem", 0, None),
        ("b.pem", 0, "its base64 is broken"),
        ("c.pem", 0, "its base64 is broken"),
        ("d.pem", None, "there is no certificate in it"),
        ("e.pem", None, "it is PKCS#12, which only its password opens"),
        ("f.pem", None, "/f.pem is a symbolic link, which is not followed"),
        ("g.pem", None, "/g.pem is a FIFO"),
        (
            "h.pem",
            None,
            (
                "/h.pem has 1,073,741,824 bytes, the limit is 16,777,216 bytes a file: leave it out, or "
                "raise max_file_bytes"
            ),
        ),
        ("i.pem", 0, None),
        ("i.pem", 1, "not a certificate: an element contains 0 others in place of 3"),
        ("i.pem", 2, None),
        ("z.pem", 0, None),
    ]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can make root's links")
def test_links_that_root_made_are_followed(fixtures: Path, tmp_path: Path, link: Link) -> None:
    """Links like those in /etc/ssl/certs are followed; the row has the given path."""
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "1.pem").write_bytes((fixtures / "certificates" / "p256.pem").read_bytes())
    (tmp_path / "first").symlink_to("archive/1.pem")
    (tmp_path / "second").symlink_to(tmp_path / "first")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nothing").symlink_to("gone")
    link(tmp_path / "theirs", "archive/1.pem")
    (tmp_path / "through").symlink_to("theirs")
    rows = certificates.rows(Query.of(certificates, like={"path": f"{tmp_path}/%"}))
    assert [(Path(row.path).name, row.subject, row.error is None) for row in rows] == [
        ("first", "CN=p256", True),
        ("loop", None, False),
        ("nothing", None, False),
        ("second", "CN=p256", True),
        ("theirs", None, False),
        ("through", None, False),
    ]


def test_what_was_asked_is_all_that_is_read(fixtures: Path, opened: list[str]) -> None:
    paths = [str(fixtures / "certificates" / name) for name in ("ed25519.pem", "p256.pem")]
    assert len(certificates.rows(path=[*paths, paths[0]])) == 2
    assert opened == paths


def test_limits(fixtures: Path, tmp_path: Path) -> None:
    good = (fixtures / "certificates" / "ed25519.pem").read_text()
    (tmp_path / "many.pem").write_text(good * 11)
    with pytest.raises(LimitExceeded, match="more than 10 rows"):
        certificates.configured(limits=Limits(max_rows=10)).rows(path=str(tmp_path / "many.pem"))


@pytest.mark.parametrize(
    "content",
    [
        b"-----BEGIN CERTIFICATE-----" * 50_000,
        b"-----BEGIN CERTIFICATE-----\n" * 50_000,
        b"-----BEGIN " * 300_000,
        b"-----BEGIN CERTIFICATE-----\n" + b"A" * 15_000_000 + b"\n-----END CERTIFICATE-----\n",
        b"\x30\x84\x00\xf0\x00\x00" + b"\x30\x00" * 7_800_000,
        b"\x30\x80" * 8_000_000,
        b"\x30\x80" * 100_000 + b"\0\0" * 100_000,
        b"\x30\x83\xff\xff\xff" * 3_000_000,
        b"\x30\x84\x00\xf0\x00\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x84\x00\xe0\x00\x00"
        + b"\x05\x00" * 7_000_000,
    ],
)
def test_megabytes_of_nothing_take_no_time(content: bytes) -> None:
    started = time.process_time()
    found = sum(isinstance(one, CertificateFacts) for _, one in found_in(content))
    assert found == 0
    assert time.process_time() - started < 8


def _all_elements(data: bytes) -> int:
    whole = element(data)
    return 1 + sum(_all_elements(child.raw) for child in children(whole)) if whole.tag & 0x20 else 1


@settings(deadline=None)  # the machine may be busy
@given(data=st.data())
def test_a_changed_byte_is_an_error_or_a_value(data: st.DataObject, fixtures: Path) -> None:
    block = next(pem_blocks((fixtures / "certificates" / "many.pem").read_bytes()))
    assert block.data is not None
    changed = bytearray(block.data)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        facts = certificate_facts(bytes(changed[: data.draw(st.integers(1, len(changed)))]))
    except Malformed:
        return
    facts.subject.encode()
    json.dumps(facts.sans).encode()
    assert facts.not_after is None or -(10**11) < facts.not_after < 10**12


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=200))
def test_garbage_is_malformed(data: bytes) -> None:
    for read in (certificate_facts, _all_elements):
        try:
            read(b"\x30" + data)
        except Malformed:
            pass


def test_elements_are_those_of_openssl(run: Run, fixtures: Path, tmp_path: Path) -> None:
    block = next(pem_blocks((fixtures / "certificates" / "many.pem").read_bytes()))
    assert block.data is not None
    (tmp_path / "der").write_bytes(block.data)
    lines = run("openssl", "asn1parse", "-inform", "DER", "-in", tmp_path / "der").splitlines()
    assert _all_elements(block.data) == len(lines) > 50
    assert hashlib.sha256(block.data).hexdigest() == certificate_facts(block.data).sha256


def test_the_table_s_columns_are_typed(fixtures: Path) -> None:
    """All values pass the SDK's own checks, as osqueryd gets them."""
    from osquery_sdk import Extension
    from osquery_sdk.engine import Host

    with Host([Extension("one", version="1", plugins=[certificates], log=lambda line: None).start]) as host:
        rows = host.query(
            "select idx, is_ca, key_bits, json_array_length(sans) as n from kolide_certificates where "
            f"path = '{fixtures}/certificates/many.pem'"
        ).rows
        for example in certificates.definition.examples:
            host.query(example)
    assert [{name: int(row[name]) for name in row} for row in rows] == [
        {"idx": 0, "is_ca": 1, "key_bits": 256, "n": 9}
    ]
