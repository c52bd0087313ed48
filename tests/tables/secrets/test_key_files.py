"""kolide_keyinfo's files: several keys in one, in odd encodings, cut off, and those of single programs."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_tables.secrets.keys import keys_in

from ...support.compare import Compare
from ...support.tools import Run
from .test_key_kinds import der, facts, line, oid, only, pem, ssh

PUBLIC = line(b"ssh-ed25519", bytes(range(32)))
PUTTY = (
    b"PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: me\r\nPublic-Lines: 1\r\n"
    + PUBLIC.split()[1]
    + b"\r\nPrivate-Lines: 1\r\nAAAA\r\nPrivate-MAC: 00\r\n"
)
RFC_4716 = b"---- BEGIN SSH2 PUBLIC KEY ----\n" + PUBLIC.split()[1] + b"\n---- END SSH2 PUBLIC KEY ----\n"
ED25519 = der(0x30, der(2, b"\0"), der(0x30, oid("1.3.101.112")), der(4, der(4, bytes(32))))
PEM = pem("PRIVATE KEY", ED25519)


@pytest.mark.parametrize("text", [PUBLIC, PUTTY, RFC_4716, PEM], ids=["openssh", "putty", "rfc4716", "pem"])
@pytest.mark.parametrize(
    "written",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.decode().encode("utf-16"),
        lambda text: b"\xfe\xff" + text.decode().encode("utf-16-be"),
        lambda text: text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\r\n", b"\n").replace(b"\n", b"\r"),
        lambda text: b"0 notes\n\n" + text + b"\nmore notes\n",
    ],
    ids=["mark", "utf-16", "utf-16-be", "crlf", "cr", "within text"],
)
def test_a_key_is_found_however_its_text_is_written(text: bytes, written: Callable[[bytes], bytes]) -> None:
    assert only(written(text)) == only(text)
    assert only(text)["type"] == "ed25519"
    assert only(text)["error"] is None


def test_keys_of_several_formats_stand_in_one_file() -> None:
    wireguard = b"PrivateKey = " + b"A" * 43 + b"= # mine\n"
    rows = facts(PUTTY + PEM + RFC_4716 + PUBLIC + PUTTY + wireguard)
    assert sorted(row["format"] for row in rows) == [
        *("openssh-public", "pkcs8", "putty", "putty", "rfc4716", "wireguard")
    ]
    assert not any(row["error"] for row in rows)


@pytest.mark.parametrize(
    "content",
    [
        b"users:\n- client-key-data: " + base64.b64encode(PEM) + b"\n  name: a\n",
        b"tls.key: " + base64.b64encode(PEM + b"\n") + b"\nkind: Secret\n",
        base64.encodebytes(PEM),
        base64.encodebytes(ED25519),
        b"<key>" + PEM.replace(b"\n", b"&#10;") + b"</key>",
        b"<key>" + PEM.replace(b"\n", b"&#xD;&#xA;") + b"</key>",
        json.dumps({"key": PEM.decode()}).encode(),
    ],
    ids=["kubeconfig", "a secret of Kubernetes", "base64 of PEM", "base64 of DER", "XML", "XML's CR", "JSON"],
)
def test_a_key_within_another_format(content: bytes) -> None:
    key = only(content)
    assert (key["type"], key["kind"], key["encrypted"], key["error"]) == ("ed25519", "private", False, None)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("NEBULA ED25519 ENCRYPTED PRIVATE KEY", {"type": "nebula ed25519", "encrypted": True}),
        ("SSH2 ENCRYPTED PRIVATE KEY", {"type": "ssh2", "encrypted": True}),
    ],
)
def test_a_label_says_that_a_key_is_encrypted(label: str, expected: dict[str, Any]) -> None:
    key = only(pem(label, b"something else" * 4))
    assert key == key | expected


RSA = der(0x30, oid("1.2.840.113549.1.1.1"), b"\5\0")
MODULUS = der(2, b"\0\xc1" + bytes(127))
PBES1 = der(0x30, oid("1.2.840.113549.1.12.1.3"), der(0x30, der(4, bytes(8)), der(2, b"\x08\0")))


@pytest.mark.parametrize(
    ("data", "expected", "begin"),
    [
        (ED25519, {"type": "ed25519", "format": "pkcs8-der", "kind": "private", "encrypted": False}, 12),
        (
            der(0x30, der(2, b"\0"), RSA, der(4, bytes(300))),
            {"type": "rsa", "format": "pkcs8-der", "kind": "private", "encrypted": False},
            22,
        ),
        (der(0x30, RSA, der(3, b"\0", bytes(300))), {"type": "rsa", "format": "spki-der"}, 19),
        (
            der(0x30, der(2, b"\0"), MODULUS, *[der(2, b"\1" * 64)] * 7),
            {"type": "rsa", "format": "pkcs1-der", "bits": 1024, "encrypted": False},
            140,
        ),
        (der(0x30, PBES1, der(4, bytes(300))), {"kdf": "pkcs12", "encrypted": True, "iterations": 2048}, 35),
    ],
)
def test_the_beginning_of_a_key_in_der_tells_what_it_has(
    data: bytes, expected: dict[str, Any], begin: int
) -> None:
    for end in range(begin, len(data)):
        key = only(data[:end])
        assert key == key | expected
        assert key["error"].startswith("it cannot be read")


@pytest.mark.parametrize("text", [PUBLIC, PUTTY, RFC_4716, PEM], ids=["openssh", "putty", "rfc4716", "pem"])
def test_a_key_that_is_cut_off_has_a_row(text: bytes) -> None:
    for end in range(len(text) * 2 // 3, len(text)):
        assert len(facts(text[:end])) == 1


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
@pytest.mark.parametrize("form", ["OPENSSH", "PEM", "PKCS8", "encrypted PEM"])
def test_the_beginning_of_a_block_tells_what_it_has(form: str, kind: str, run: Run, tmp_path: Path) -> None:
    if kind == "ed25519" and form != "OPENSSH":
        pytest.skip("ssh-keygen writes these only as its own")
    path = tmp_path / "key"
    password = ("-N", "secret") if "encrypted" in form else ("-N", "")
    options = () if form == "OPENSSH" else ("-m", form.removeprefix("encrypted "))
    run(
        "ssh-keygen",
        "-q",
        "-t",
        kind,
        *(("-b", "1024") if kind == "rsa" else ()),
        *password,
        *options,
        "-f",
        path,
    )
    whole = only(path.read_bytes())
    for end in range(path.stat().st_size // 2, path.stat().st_size * 9 // 10, 7):
        key = only(path.read_bytes()[:end])
        assert key["error"] == "its base64 is broken, or its end is missing"
        told = ("type", "kind", "format", "encrypted", "kdf")
        if form == "OPENSSH" and kind == "ed25519":
            told += ("bits", "fingerprint_sha256")
        assert {name: key[name] for name in told} == {name: whole[name] for name in told}


def test_another_mark_at_the_end_does_not_hide_a_key() -> None:
    key = only(PEM.replace(b"END PRIVATE", b"END RSA PRIVATE"))
    assert (key["type"], key["bits"], key["encrypted"]) == ("ed25519", 256, False)
    assert key["error"] == "its base64 is broken, or its end is missing"


def test_a_header_alone_says_that_a_key_is_encrypted() -> None:
    block = pem("RSA PRIVATE KEY", b"secret" * 20).replace(
        b"-----\n", b"-----\nProc-Type: 4,ENCRYPTED\n\n", 1
    )
    assert (only(block)["encrypted"], only(block)["error"]) == (True, None)


def test_keys_of_openpgp_that_are_cut_off(fixtures: Path) -> None:
    text = (fixtures / "keystores" / "openpgp-public.asc").read_bytes()
    first, second = facts(text[: len(text) // 2])
    assert (first["type"], first["error"]) == ("ed25519", None)
    assert second["error"].startswith("it cannot be read")


def test_keys_of_name_servers() -> None:
    secret = base64.b64encode(bytes(32)).decode()
    modulus = base64.b64encode(b"\xc1" + bytes(255)).decode()
    private = f"Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: {secret}\n"
    rsa = f"Private-key-format: v1.2\nAlgorithm: 8 (RSASHA256)\nModulus: {modulus}\nPrivateExponent: x\n"
    hardware = "Private-key-format: v1.3\nAlgorithm: 15\nEngine: cGtjczEx\nLabel: YQ==\n"
    hmac = f"Private-key-format: v1.3\nAlgorithm: 163 (HMAC_SHA256)\nKey: {secret}\n"
    record = base64.b64encode(b"\3\1\0\1\xc1" + bytes(255)).decode()
    public = f"; a key\nexample.org. 3600 IN DNSKEY 257 3 8 {record[:60]} {record[60:]}\n"
    tsig = f'key "rndc-key" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n'
    texts = (private, rsa, hardware, hmac, public, tsig)
    described = ("type", "format", "kind", "encrypted", "bits", "comment")
    rows = [only(text.encode()) for text in texts]
    assert [tuple(row[column] for column in described) for row in rows] == [
        ("ecdsa", "dnssec", "private", False, 256, None),
        ("rsa", "dnssec", "private", False, 2048, None),
        ("ed25519", "dnssec", "private", None, 256, None),
        ("hmac-sha256", "dnssec", "secret", False, 256, None),
        ("rsa", "dnskey", "public", None, 2048, "example.org."),
        ("hmac-sha256", "tsig", "secret", False, 256, "rndc-key"),
    ]
    assert [row["error"] for row in rows if row["error"]] == ["its private part is elsewhere"]
    assert secret not in repr(rows)


def test_keys_of_single_programs() -> None:
    secret = only(b"== ed25519v1-secret: type0 ==\0\0\0" + bytes(64))
    assert (secret["type"], secret["format"], secret["encrypted"]) == ("ed25519", "tor", False)
    public = only(b"== ed25519v1-public: type0 ==\0\0\0" + bytes(range(32)))
    assert public["fingerprint_sha256"] == only(PUBLIC)["fingerprint_sha256"]
    tinc = only(b"Ed25519PublicKey = " + b"A" * 43 + b"\nAddress = example.org\n")
    assert (tinc["type"], tinc["format"]) == ("ed25519", "tinc")
    manager = only(b"[wireguard]\nprivate-key=" + b"A" * 43 + b"=\n")
    assert (manager["kind"], manager["encrypted"]) == ("private", False)
    signify = only(b"untrusted comment: a signify public key\n" + base64.b64encode(b"Ed" + bytes(40)) + b"\n")
    assert signify["format"] == "signify"
    tpm = only(b"\0\x56\0\x23\0\x0b" + bytes(82))
    assert (tpm["type"], tpm["format"], tpm["kind"]) == ("ecdsa", "tpm2-public", "public")
    nss = only(b"SQLite format 3\0" + bytes(100) + b"CREATE TABLE nssPrivate (id)")
    assert (nss["format"], nss["kind"]) == ("nss", "store")


def test_a_key_of_xmss() -> None:
    key = only(line(b"ssh-xmss@openssh.com", b"XMSS_SHA2-256_W16_H10", bytes(68), b""))
    assert (key["type"], key["bits"], key["error"]) == ("xmss", 256, None)


@pytest.fixture(scope="module")
def gnupg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make keys of several kinds with gpg, with a password and without."""
    if shutil.which("gpg") is None or shutil.which("gpg-connect-agent") is None:
        pytest.skip("needs gpg and its agent")
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    (home / "gpg-agent.conf").write_text("s2k-count 65536\n")  # without it the agent measures for seconds
    options = ("gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback")
    for name, kind, password in (("a", "rsa1024", ""), ("b", "ed25519", "pw"), ("c", "nistp384", "")):
        made = subprocess.run(
            [*options, "--passphrase", password, "--quick-gen-key", f"{name} <{name}@x>", kind, "sign"],
            capture_output=True,
            text=True,
        )
        if made.returncode:
            pytest.skip(f"gpg makes no keys here: {made.stderr.strip()}")
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return home


def said_by_gpg(run: Run, home: Path) -> dict[str, list[str]]:
    """Return for each owner the size, the keygrip, and the public key as SSH writes it."""
    fields = [
        entry.split(":")
        for entry in run(
            "gpg", "--homedir", home, "--list-keys", "--with-keygrip", "--with-colons"
        ).splitlines()
    ]
    said: dict[str, list[str]] = {}
    grip = bits = fingerprint = ""
    for field in fields:
        if field[0] == "pub":
            bits = "256" if field[2] == "255" else field[2]
        elif field[0] == "fpr":
            fingerprint = field[9]
        elif field[0] == "grp":
            grip = field[9]
        elif field[0] == "uid":
            text = run("gpg", "--homedir", home, "--export-ssh-key", f"{fingerprint}!")
            (key,) = facts(text.encode())
            said[field[9]] = [bits, grip, key["fingerprint_sha256"]]
    return said


def test_private_keys_of_gnupg(gnupg: Path, run: Run, compare: Compare) -> None:
    said = said_by_gpg(run, gnupg)
    ours = {
        owner: [str(key["bits"]), grip, key["fingerprint_sha256"]]
        for owner, (_, grip, _) in said.items()
        for key in facts((gnupg / "private-keys-v1.d" / f"{grip}.key").read_bytes())
    }
    compare("keyinfo", "gpg --list-keys --with-keygrip", ours, said)
    rows = [only(path.read_bytes()) for path in sorted((gnupg / "private-keys-v1.d").iterdir())]
    assert sorted((row["type"], row["encrypted"], row["kdf"]) for row in rows) == [
        ("ecdsa", False, None),
        ("ed25519", True, "iterated"),
        ("rsa", False, None),
    ]


def test_the_keybox_of_gnupg(gnupg: Path, run: Run, compare: Compare) -> None:
    rows = facts((gnupg / "pubring.kbx").read_bytes())
    theirs = {owner: bits for owner, (bits, _, _) in said_by_gpg(run, gnupg).items()}
    compare("keyinfo", "gpg --list-keys", {row["comment"]: str(row["bits"]) for row in rows}, theirs)
    (cut_off, *_), whole = facts((gnupg / "pubring.kbx").read_bytes()[:60]), rows
    assert cut_off["error"] is not None
    assert len(whole) == 3


def test_keys_of_gnupg_in_its_older_form() -> None:
    key = only(
        b"(21:protected-private-key(3:rsa(1:n3:\0\xff\xff)(1:e1:\3)(9:protected27:openpgp-s2k3-ocb-aes128-cbc"
        b"((4:sha18:abcdefgh8:25165824)12:abcdefghijkl)3:xyz)))"
    )
    assert key == key | {
        "type": "rsa",
        "bits": 16,
        "encrypted": True,
        "kdf": "iterated",
        "iterations": 25165824,
    }
    card = only(b"(20:shadowed-private-key(3:ecc(5:curve7:Ed25519)(1:q33:@" + bytes(range(32)) + b")))")
    assert (card["type"], card["error"]) == ("ed25519", "its private part is elsewhere")
    assert card["fingerprint_sha256"] == only(PUBLIC)["fingerprint_sha256"]
    assert only(b"(11:private-key(3:rsa(1:n")["error"].startswith("it cannot be read")


@pytest.mark.parametrize(
    "content",
    [
        b"(private-key\n (rsa\n  (n #00FFFF#)\n  (e #03#)))\n",
        b"(private-key (oid.1.2.840.113549.1.1.1 (n #00FFFF#) (e #03#)))",
        pem("PGP ARMORED FILE", b"(11:private-key(3:rsa(1:n2:\xff\xff)(1:e1:\3)))"),
        b"Text.\n" + pem("PGP ARMORED FILE", b"(11:private-key(3:rsa(1:n2:\xff\xff)(1:e1:\3)))"),
    ],
    ids=["written", "numbers", "armoured", "armoured within text"],
)
def test_a_private_key_of_gnupg_in_other_forms(content: bytes) -> None:
    key = only(content)
    assert (key["type"], key["bits"], key["format"], key["error"]) == ("rsa", 16, "gnupg", None)


def packet(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return b"\x99" + len(body).to_bytes(2, "big") + body


def test_post_quantum_keys_of_openpgp() -> None:
    point = b"\x0a" + bytes.fromhex("2b060104019755010501") + b"\1\7" + bytes(33)
    kyber = point + (1184).to_bytes(4, "big") + bytes(1184)
    keys = packet(b"\5time\x08", len(kyber).to_bytes(4, "big"), kyber)
    for number, size in ((30, 1984), (31, 2649), (32, 32), (35, 1216), (36, 1624)):
        keys += packet(b"\6time", bytes((number,)), size.to_bytes(4, "big"), bytes(size))
    rows = facts(pem("PGP PUBLIC KEY BLOCK", keys))
    assert [row["type"] for row in rows] == [
        *("kyber768", "mldsa65-ed25519", "mldsa87-ed448", "slh-dsa-shake-128s"),
        *("mlkem768-x25519", "mlkem1024-x448"),
    ]
    assert not any(row["error"] for row in rows)
    agent = only(b"Key: (private-key (kyber768 (p #00#)(s #00#)))")
    assert (agent["type"], agent["error"]) == ("kyber768", None)


@settings(deadline=None)  # the machine may be busy
@given(data=st.data())
def test_any_change_and_any_end_is_a_row_or_none(data: st.DataObject) -> None:
    agent = b"Key: (private-key (rsa (n #00FF#)(e #03#)))\n"
    box = b"\0\0\0\x20\1\1\0\2KBXf" + bytes(20) + b"\0\0\0\x20\2\1\0\0\0\0\0\x14\0\0\0\x08" + bytes(16)
    zone = (
        b"a. IN DNSKEY 257 3 8 AwEAAcEAAAAAAAAAAAAAAAAAAAAA\nkey k { algorithm hmac-md5; secret AAAAAAAA; };"
    )
    wrapped = b"x: " + base64.b64encode(PEM)
    content = bytearray(data.draw(st.sampled_from([agent, box, zone, wrapped, PUTTY, RFC_4716, ED25519])))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    for key in keys_in(bytes(content[: data.draw(st.integers(0, len(content)))])):
        key.columns()


@pytest.mark.parametrize(
    "content",
    [
        b" PuTTY-User-Key-File-" * 100_000,
        b"- PuTTY-User-Key-File-" * 100_000,
        b"\nPuTTY-User-Key-File-" * 20_000,
        b"LS0tLS1CRUdJTi" * 100_000,
        b"LS0tLS1CRUdJTi\n" * 100_000,
        b"Key: (private-key " + b"(" * 100_000,
        b"(11:private-key" + b"(1:" * 100_000,
        b"key " * 100_000 + b"hmac-secret",
        b"key a{" * 100_000 + b"hmac-secret",
        b"key a{algorithm hmac-md5 " * 100_000 + b"hmac-secret",
        b"a IN DNSKEY " * 100_000,
        b"a " + b" " * 100_000 + b"KEY",
        b"M" * 100_000,
        b"\0\0\0\x20\1\1\0\2KBXf" + bytes(20) + b"\0\0\0\x10\2\1\0\0" * 100_000,
    ],
    ids=range(14),
)
def test_megabytes_of_beginnings_take_no_time(content: bytes) -> None:
    before = os.times().user
    assert len(list(keys_in(content))) <= 20_000
    assert os.times().user - before < 2


def test_a_private_key_of_ssh_with_a_comment_in_another_encoding() -> None:
    blob = ssh(b"ssh-ed25519", bytes(32))
    private = bytes(8) + ssh(b"ssh-ed25519", bytes(32), bytes(64), b"caf\xe9")
    data = b"openssh-key-v1\0" + ssh(b"none", b"none", b"") + (1).to_bytes(4, "big") + ssh(blob, private)
    assert only(pem("OPENSSH PRIVATE KEY", data))["comment"] == "caf\\xe9"


@pytest.mark.parametrize(
    ("block", "kind"), [(PUTTY, "putty"), (RFC_4716, "rfc4716")], ids=["putty", "rfc4716"]
)
def test_no_key_of_many_is_left_out(block: bytes, kind: str) -> None:
    rows = facts(block * 8_000)
    assert len(rows) == 8_000
    assert {(row["format"], row["error"]) for row in rows} == {(kind, None)}


def test_a_broken_block_of_a_keybox_costs_only_itself() -> None:
    header = b"\0\0\0\x20\1\1\0\2KBXf" + bytes(20)
    broken = b"\0\0\0\x20\2\1\0\0\0\0\0\x10\0\0\0\x10" + bytes(16)
    key = b"\x99\0\x0c\4time\1\0\x08\xff\0\2\3"
    whole = (16 + len(key)).to_bytes(4, "big") + b"\2\1\0\0" + b"\0\0\0\x10"
    whole += len(key).to_bytes(4, "big") + key
    rows = facts(header + broken + whole)
    assert [(row["type"], row["error"] is None) for row in rows] == [(None, False), ("rsa", True)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_file_is_not_kept_in_memory_twice_over(tmp_path: Path) -> None:
    """Measured in a process of its own: a file of 15 MB, each of its elements of two bytes."""
    path = tmp_path / "der"
    path.write_bytes(b"\x30\x84\x00\xff\xff\x00" + b"\x30\x00" * 7_500_000)
    program = (
        "import sys; from kolide_tables.secrets.keyinfo import keyinfo; keyinfo.rows(path=sys.argv[1]); "
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    used = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert int(used.stdout) < 80 << 10
