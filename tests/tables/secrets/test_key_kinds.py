"""kolide_keyinfo's rarer kinds: unknown ones, parameters, stores, post-quantum keys, OpenPGP, and words."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_tables.secrets.keyinfo import keyinfo
from kolide_tables.secrets.keys import keys_in

from ...support.compare import Compare
from ...support.tools import Run


def facts(content: bytes) -> list[dict[str, Any]]:
    return [key.columns() for key in keys_in(content)]


def only(content: bytes) -> dict[str, Any]:
    (key,) = facts(content)
    return key


def ssh(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def line(*parts: bytes, comment: str = "me@x") -> bytes:
    return parts[0] + b" " + base64.b64encode(ssh(*parts)) + f" {comment}\n".encode()


def der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = len(content)
    length = bytes((size,)) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes((tag,)) + length + content


def oid(text: str) -> bytes:
    first, second, *rest = map(int, text.split("."))
    out = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 127]
        while arc := arc >> 7:
            groups.append(arc & 127 | 128)
        out += bytes(reversed(groups))
    return der(6, bytes(out))


def pem(label: str, data: bytes) -> bytes:
    text = base64.encodebytes(data).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


class TestKindsOfSsh:
    def test_the_composite_of_ml_dsa_and_ed25519(self) -> None:
        name = b"ssh-mldsa44-ed25519@openssh.com"
        key = only(line(name, bytes(1344)))
        assert (key["type"], key["bits"], key["comment"], key["error"]) == (
            "mldsa44-ed25519",
            256,
            "me@x",
            None,
        )
        certificate = b"ssh-mldsa44-ed25519-cert-v01@openssh.com"
        signed = only(line(certificate, b"nonce", bytes(1344), b"rest"))
        assert (signed["type"], signed["kind"]) == ("mldsa44-ed25519-cert", "certificate")
        assert signed["fingerprint_sha256"] == key["fingerprint_sha256"]

    def test_a_kind_that_is_not_known_has_a_row(self) -> None:
        key = only(b'from="10.0.0.1" ' + line(b"ssh-new-kind@example.org", b"x" * 50, comment="a b"))
        assert (key["type"], key["comment"], key["options"]) == (
            "ssh-new-kind@example.org",
            "a b",
            ["from=10.0.0.1"],
        )
        assert key["fingerprint_sha256"].startswith("SHA256:")
        assert key["error"].startswith("line 1: a kind of key that is not known")

    def test_a_private_key_of_a_kind_that_is_not_known(self) -> None:
        blob = ssh(b"ssh-new-kind@example.org", b"x" * 50)
        data = b"openssh-key-v1\0" + ssh(b"aes256-ctr", b"bcrypt", ssh(b"salt") + (16).to_bytes(4, "big"))
        key = only(pem("OPENSSH PRIVATE KEY", data + (1).to_bytes(4, "big") + ssh(blob, b"secret")))
        assert key == key | {"type": "ssh-new-kind@example.org", "encrypted": True, "kind": "private"}
        assert (key["kdf"], key["iterations"]) == ("bcrypt", 16)
        assert key["error"] is not None

    @pytest.mark.parametrize(
        ("content", "kind", "problem"),
        [
            (b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB x\n", "rsa", "line 1: the key is cut off"),
            (b"\nssh-rsa AAAAB3NzaC1yc2EAAAADAQABA x\n", "ssh-rsa", "line 2: the base64 is broken"),
            (
                b"ssh-rsa " + line(b"ssh-ed25519", bytes(32)).split()[1],
                "ed25519",
                "line 1: the line says ssh-rsa",
            ),
        ],
    )
    def test_a_broken_key_has_a_row(self, content: bytes, kind: str, problem: str) -> None:
        key = only(content)
        assert key["type"] == kind
        assert key["error"].startswith(problem)

    def test_options_never_show_a_secret(self) -> None:
        options = (
            b'command="mysql -pHunter2, \\"x\\" ssh-rsa AAAAB3NzaC1yc2E",environment="TOKEN=hunter2",no-pty'
        )
        key = only(options + b" " + line(b"ssh-ed25519", bytes(32)))
        assert key["options"] == ["command=[redacted]", "environment=TOKEN=[redacted]", "no-pty"]
        assert "unter2" not in repr(key)

    def test_marks_and_hosts_of_known_hosts(self) -> None:
        key = only(b"@revoked a.example,10.0.0.1 " + line(b"ssh-ed25519", bytes(32)))
        assert key["options"] == ["@revoked", "a.example", "10.0.0.1"]

    def test_keys_of_ssh_1(self) -> None:
        modulus = (1 << 1023) + 7
        key = only(f"host.example 1024 35 {modulus} old key\n".encode())
        assert (key["type"], key["bits"], key["comment"]) == ("rsa1", 1024, "old key")
        number = (1024).to_bytes(2, "big") + modulus.to_bytes(128, "big") + b"\0\6\x23"
        private = (
            b"SSH PRIVATE KEY FILE FORMAT 1.1\n\0\3\0\0\0\0"
            + (1024).to_bytes(4, "big")
            + number
            + ssh(b"hello")
        )
        same = only(private)
        assert (same["encrypted"], same["comment"]) == (True, "hello")
        assert same["fingerprint_md5"] == key["fingerprint_md5"]


class TestKindsOfOpenssl:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (
                ("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048"),
                {"type": "dh", "bits": 2048, "format": "pkcs3"},
            ),
            (
                ("genpkey", "-genparam", "-algorithm", "DHX", "-pkeyopt", "dh_rfc5114:2"),
                {"type": "dh", "bits": 2048, "format": "x942"},
            ),
            (("dsaparam", "1024"), {"type": "dsa", "bits": 1024, "format": "dsa-parameters"}),
            (("ecparam", "-name", "sect233k1"), {"type": "ecdsa", "bits": 232, "format": "ec-parameters"}),
            (
                ("ecparam", "-name", "P-384", "-param_enc", "explicit"),
                {"type": "ecdsa", "bits": 384, "format": "ec-parameters"},
            ),
        ],
    )
    def test_parameters_are_not_keys(
        self, arguments: tuple[str, ...], expected: dict[str, Any], run: Run, tmp_path: Path
    ) -> None:
        path = tmp_path / "parameters"
        command, *options = arguments
        run("openssl", command, "-outform", "PEM", "-out", path, *options)
        key = only(path.read_bytes())
        assert key == key | expected | {"kind": "parameters", "encrypted": None, "error": None}
        block = path.read_bytes().split(b"-----")[2]
        assert only(base64.b64decode(block)) == key | {"format": expected["format"] + "-der"}

    def test_parameters_with_generator_5_are_not_an_rsa_key(self, run: Run, tmp_path: Path) -> None:
        run("openssl", "dhparam", "-5", "-outform", "DER", "-out", tmp_path / "dh", "512")
        assert (only((tmp_path / "dh").read_bytes())["type"], 512) == ("dh", 512)
        run(
            "openssl",
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_pubexp:3",
            "-out",
            tmp_path / "rsa",
        )
        run(
            "openssl",
            "rsa",
            "-in",
            tmp_path / "rsa",
            "-RSAPublicKey_out",
            "-outform",
            "DER",
            "-out",
            tmp_path / "n",
        )
        assert only((tmp_path / "n").read_bytes())["type"] == "rsa"

    def test_keys_of_diffie_hellman(self, run: Run, tmp_path: Path) -> None:
        path = tmp_path / "dh.pem"
        run("openssl", "genpkey", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", path)
        assert only(path.read_bytes()) == only(path.read_bytes()) | {
            "type": "dh",
            "bits": 2048,
            "encrypted": False,
        }
        assert only(run("openssl", "pkey", "-in", path, "-pubout").encode())["type"] == "dh"

    @pytest.mark.parametrize("digest", ["sha256", "sha512", "sha1", None])
    def test_the_digest_of_an_rsa_pss_key(self, digest: str | None, run: Run, tmp_path: Path) -> None:
        path = tmp_path / "pss.pem"
        restricted = ("-pkeyopt", f"rsa_pss_keygen_md:{digest}") if digest else ()
        run(
            *("openssl", "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:1024", *restricted),
            *("-out", path),
        )
        for content in (path.read_bytes(), run("openssl", "pkey", "-in", path, "-pubout").encode()):
            key = only(content)
            assert (key["type"], key["bits"], key["digest"]) == ("rsa-pss", 1024, digest)

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ((), (True, "pbkdf2", 2048, 1, None)),
            (("-keypbe", "NONE", "-certpbe", "NONE", "-nomac"), (False, None, None, 1, 1)),
            (("-iter", "7", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "NONE"), (True, "pkcs12", 7, 1, 1)),
        ],
    )
    def test_pkcs12(
        self,
        arguments: tuple[str, ...],
        expected: tuple[Any, ...],
        run: Run,
        tmp_path: Path,
        compare: Compare,
    ) -> None:
        key, path = tmp_path / "key", tmp_path / "store.p12"
        self_signed(run, key)
        run(
            *(
                "openssl",
                "pkcs12",
                "-export",
                "-in",
                key,
                "-name",
                "né",
                "-passout",
                "pass:words",
                *arguments,
            ),
            *("-out", path),
        )
        private = facts(path.read_bytes())[0]
        columns = ("encrypted", "kdf", "iterations", "keys", "certificates")
        assert tuple(private[column] for column in columns) == expected
        assert (private["format"], private["kind"], private["comment"]) == ("pkcs12", "private", "né")
        said = subprocess.run(
            ["openssl", "pkcs12", "-in", path, "-info", "-noout", "-passin", "pass:words"],
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        bags = said.count("Shrouded Keybag") + said.count("Key bag")
        compare("keyinfo", "openssl pkcs12 -info", [private["keys"]], [bags])
        hidden = [row for row in facts(path.read_bytes()) if row["kind"] == "store"]
        assert len(hidden) == said.count("PKCS7 Encrypted data")
        if expected[4]:
            assert private["bits"] == 256

    def test_pkcs12_in_ber(self) -> None:
        """Windows and NSS cut texts into pieces, and end elements with a mark in place of a length."""
        shrouded = der(
            0x30,
            oid("1.2.840.113549.1.12.10.1.2"),
            der(
                0xA0,
                der(
                    0x30,
                    der(0x30, oid("1.2.840.113549.1.12.1.3"), der(0x30, der(4, bytes(8)), der(2, b"\7\xd0"))),
                    der(4, bytes(40)),
                ),
            ),
        )
        bags = der(0x30, shrouded)
        pieces = der(0x24, der(4, bags[:20]), der(4, bags[20:]))
        parts = der(0x30, der(0x30, oid("1.2.840.113549.1.7.1"), der(0xA0, pieces)))
        content = b"\x24\x80" + der(4, parts[:10]) + der(4, parts[10:]) + b"\0\0"
        info = b"\x30\x80" + oid("1.2.840.113549.1.7.1") + b"\xa0\x80" + content + b"\0\0\0\0"
        key = only(b"\x30\x80" + der(2, b"\3") + info + b"\0\0")
        described = ("format", "kind", "encrypted", "kdf", "iterations", "keys", "certificates", "error")
        assert [key[column] for column in described] == [
            "pkcs12",
            "private",
            True,
            "pkcs12",
            2000,
            1,
            0,
            None,
        ]

    def test_a_pem_block_within_json(self, run: Run, tmp_path: Path) -> None:
        self_signed(run, tmp_path / "key")
        text = (tmp_path / "key").read_text()
        key = only(json.dumps({"type": "service_account", "private_key": text}).encode())
        assert (key["type"], key["encrypted"]) == ("ecdsa", False)


def self_signed(run: Run, path: Path) -> None:
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-subj", "/CN=x", "-days", "1", "-keyout", path, "-out", f"{path}.crt"),
    )
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())


POST_QUANTUM = [
    ("2.16.840.1.101.3.4.3.17", "ml-dsa-44", 1312, 10496),
    ("2.16.840.1.101.3.4.3.19", "ml-dsa-87", 2592, 20736),
    ("2.16.840.1.101.3.4.3.24", "slh-dsa-sha2-256s", 64, 512),
    ("2.16.840.1.101.3.4.3.31", "slh-dsa-shake-256f", 64, 512),
    ("2.16.840.1.101.3.4.4.2", "ml-kem-768", 1184, 768),
]


@pytest.mark.parametrize(("number", "name", "size", "bits"), POST_QUANTUM)
def test_post_quantum_keys(number: str, name: str, size: int, bits: int) -> None:
    """Sizes and identifiers are those of FIPS 203 to 205 and of NIST's register."""
    algorithm = der(0x30, oid(number))
    public = only(pem("PUBLIC KEY", der(0x30, algorithm, der(3, b"\0", bytes(size)))))
    assert (public["type"], public["bits"], public["error"]) == (name, bits, None)
    private = only(der(0x30, der(2, b"\0"), algorithm, der(4, der(0x80, bytes(32)))))
    assert (private["type"], private["kind"], private["encrypted"]) == (name, "private", False)
    short = only(pem("PUBLIC KEY", der(0x30, algorithm, der(3, b"\0", bytes(size - 1)))))
    assert short["error"] == f"its public key has {size - 1:,} bytes in place of {size:,}"


@pytest.mark.parametrize("tag", [0x81, 0xA1])
def test_the_public_key_in_version_2_of_pkcs8(tag: int) -> None:
    public = bytes(range(32))
    part = der(0x81, b"\0" + public) if tag == 0x81 else der(0xA1, der(3, b"\0", public))
    key = only(der(0x30, der(2, b"\1"), der(0x30, oid("1.3.101.112")), der(4, der(4, bytes(32))), part))
    assert key["fingerprint_sha256"] == only(line(b"ssh-ed25519", public))["fingerprint_sha256"]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("NEBULA ED25519 PRIVATE KEY", {"type": "nebula ed25519", "kind": "private", "encrypted": None}),
        ("ENCRYPTED SOME PRIVATE KEY", {"type": "some", "kind": "private", "encrypted": True}),
        ("PRIVATE KEY", {"type": None, "kind": "private"}),
        ("RSA PRIVATE KEY", {"type": "rsa", "kind": "private"}),
        ("OPENSSH PRIVATE KEY", {"type": None, "kind": "private"}),
        ("PUBLIC KEY", {"type": None, "kind": "public"}),
        ("DH PARAMETERS", {"type": "dh", "kind": "parameters"}),
        ("PGP PRIVATE KEY BLOCK", {"type": None, "kind": "private", "format": "openpgp"}),
    ],
)
def test_a_block_with_a_key_s_label_always_has_a_row(label: str, expected: dict[str, Any]) -> None:
    for content in (pem(label, b"something else" * 4), pem(label, b"x" * 60).replace(b"eHh4", b"!!!!", 1)):
        key = only(content)
        assert key == key | expected
        assert key["error"]
    assert facts(pem("CERTIFICATE", b"x" * 40)) == []
    assert facts(f"Write -----BEGIN {label}----- in front of it.\n".encode()) == []


@pytest.mark.parametrize(
    "form",
    ["JKS", pytest.param("JCEKS", marks=pytest.mark.slow), pytest.param("PKCS12", marks=pytest.mark.slow)],
)
def test_stores_of_keytool(form: str, tmp_path: Path, compare: Compare) -> None:
    if shutil.which("keytool") is None:
        pytest.skip("needs keytool")
    path = tmp_path / "store"
    store = ("-keystore", str(path), "-storetype", form, "-storepass", "changeit")
    keytool(*store, "-genkeypair", "-alias", "one", "-keyalg", "RSA", "-keysize", "1024", "-dname", "CN=a")
    if form != "JKS":
        keytool(*store, "-genseckey", "-alias", "two", "-keyalg", "AES", "-keysize", "128")
    said = keytool(*store, "-list")
    rows = [row for row in facts(path.read_bytes()) if row["kind"] != "store"]
    ours = sorted((row["comment"], row["kind"]) for row in rows)
    kinds = {"PrivateKeyEntry": "private", "SecretKeyEntry": "secret"}
    theirs = sorted(
        (entry.split(",")[0], kinds[next(kind for kind in kinds if kind in entry)])
        for entry in said.splitlines()
        if "KeyEntry" in entry
    )
    compare("keyinfo", "keytool -list", ours, theirs)
    assert {row["encrypted"] for row in rows} == {True}
    if form != "PKCS12":
        assert {(row["type"], row["bits"]) for row in rows if row["kind"] == "private"} == {("rsa", 1024)}


def keytool(*arguments: str) -> str:
    options = ("-J-Xshare:auto", "-J-XX:TieredStopAtLevel=1")
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["keytool", *options, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        timeout=60,
    )
    return done.stdout


def test_bouncy_castle_s_store_of_an_entry() -> None:
    """Written here by the format's description; pyjks has stores of Bouncy Castle itself."""
    name = b"\0\3one"
    entry = b"\4" + name + bytes(8) + bytes(4) + ssh(ssh(bytes(20)) + (1234).to_bytes(4, "big") + b"secret")
    content = b"\0\0\0\2" + ssh(bytes(20)) + (1000).to_bytes(4, "big") + entry + b"\0" + bytes(20)
    key = only(content)
    assert (key["format"], key["kind"], key["comment"], key["iterations"]) == ("bks", "secret", "one", 1234)
    hidden = only(b"\0\0\0\1" + ssh(bytes(20)) + (1000).to_bytes(4, "big") + b"\xff" * 100)
    assert (hidden["format"], hidden["kind"], hidden["encrypted"]) == ("uber", "store", True)


def test_keys_of_openpgp(fixtures: Path) -> None:
    """The files are gpg's: `--quick-generate-key` with a password, and a subkey for encryption."""
    rows = facts((fixtures / "keystores" / "openpgp-encrypted.asc").read_bytes())
    described = ("type", "bits", "kind", "encrypted", "kdf", "iterations", "comment")
    assert [tuple(row[column] for column in described) for row in rows] == [
        ("ed25519", 256, "private", True, "iterated", 65011712, "Bob <b@x.example>"),
        ("x25519", 256, "private", True, "iterated", 65011712, "Bob <b@x.example>"),
    ]
    public = facts((fixtures / "keystores" / "openpgp-public.asc").read_bytes())
    assert [(row["type"], row["kind"], row["encrypted"]) for row in public] == [
        ("ed25519", "public", None),
        ("x25519", "public", None),
    ]


KEYRINGS = sorted(Path("/usr/share/keyrings").glob("*.gpg"))


@pytest.mark.skipif(not KEYRINGS, reason="this machine has no keyrings")
def test_this_machine_s_keyrings(run: Run, tmp_path: Path, compare: Compare) -> None:
    ours, theirs = [], []
    for path in KEYRINGS:
        ours += [row.bits for row in keyinfo.rows(path=str(path))]
        said = run("gpg", "--homedir", tmp_path, "--batch", "--show-keys", "--with-colons", path)
        fields = [entry.split(":") for entry in said.splitlines()]
        # gpg counts 255 bits for the curve that is called 25519.
        theirs += [
            256 if field[2] == "255" else int(field[2]) for field in fields if field[0] in ("pub", "sub")
        ]
    compare("keyinfo", "gpg --show-keys", ours, theirs)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"# public key: age1x\nAGE-SECRET-KEY-1" + b"Q" * 58 + b"\n", [("x25519", "private", False, "age")]),
        (b"age1" + b"q" * 58 + b"\n", [("x25519", "public", None, "age")]),
        (b"AGE-PLUGIN-YUBIKEY-1QGZQQ5\n", [("age-plugin-yubikey", "private", None, "age")]),
        (
            b"[Interface]\nPrivateKey = "
            + b"A" * 43
            + b"=\n[Peer]\npublickey="
            + b"B" * 43
            + b"=\nPresharedKey = "
            b"" + b"C" * 43 + b"=\n",
            [
                ("x25519", "private", False, "wireguard"),
                ("x25519", "public", None, "wireguard"),
                ("preshared", "secret", False, "wireguard"),
            ],
        ),
        (
            b"untrusted comment: minisign public key\n" + base64.b64encode(b"Ed" + bytes(40)) + b"\n",
            [("ed25519", "public", None, "minisign")],
        ),
        (
            b"untrusted comment: minisign encrypted secret key\n"
            + base64.b64encode(b"EdScB2" + bytes(152))
            + b"\n",
            [("ed25519", "private", True, "minisign")],
        ),
        (
            b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "", "y": ""}, {"kty": "oct", "k": "AAAA"}]}',
            [("ecdsa", "public", None, "jwk"), ("oct", "secret", False, "jwk")],
        ),
        (
            b"-----BEGIN OpenVPN Static key V1-----\n"
            + b"0123456789abcdef\n" * 16
            + b"-----END OpenVPN Static key "
            b"V1-----\n",
            [("openvpn", "secret", False, "openvpn")],
        ),
    ],
)
def test_keys_that_are_words(content: bytes, expected: list[tuple[Any, ...]]) -> None:
    rows = facts(content)
    assert [(row["type"], row["kind"], row["encrypted"], row["format"]) for row in rows] == expected
    assert "AAAA" not in repr(rows)


@settings(deadline=None)  # the machine may be busy
@given(data=st.data())
def test_a_changed_store_is_a_store_or_none(data: st.DataObject, fixtures: Path) -> None:
    java = b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1\0\0\0\1\0\1a" + bytes(8) + ssh(bytes(30)) + bytes(4)
    armoured = (fixtures / "keystores" / "openpgp-public.asc").read_bytes()
    serial = b"\xce\xce\xce\xce\0\0\0\2\0\0\0\1\0\0\0\3\0\1a" + bytes(8) + b"\xac\xed\0\5sr\0\1A" + bytes(30)
    content = bytearray(data.draw(st.sampled_from([java, armoured, serial])))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    for key in keys_in(bytes(content)):
        key.columns()
