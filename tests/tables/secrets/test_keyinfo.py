"""kolide_keyinfo and kolide_ssh_keys against ssh-keygen, openssl and puttygen: keys of every form."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_tables.secrets.keyinfo import KeyInfo, SshKey, keyinfo, ssh_keys
from kolide_tables.secrets.keys import keys_in
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.homes import Link, Users
from ...support.tools import Run

SSH = {  # arguments, what ssh-keygen -l calls it
    "rsa": ("-t", "rsa", "-b", "2048"),
    "ecdsa256": ("-t", "ecdsa", "-b", "256"),
    "ecdsa521": ("-t", "ecdsa", "-b", "521"),
    "ed25519": ("-t", "ed25519"),
}
PEM_KEYS = {
    "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "pss": ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:1024"),
    "p256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "p384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "k256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
    "brainpool": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP384r1"),
    "ed25519": ("-algorithm", "ed25519"),
    "ed448": ("-algorithm", "ed448"),
    "x25519": ("-algorithm", "x25519"),
}


def shown(row: KeyInfo | SshKey) -> dict[str, Any]:
    return dict(zip(type(row).__columns__, row, strict=True))


def only(path: Path) -> dict[str, Any]:
    (row,) = keyinfo.rows(path=str(path))
    return shown(row)


def of(row: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a row that the oracle tells too."""
    return {column: row[column] for column in said}


def said_by_ssh_keygen(run: Run, path: Path) -> dict[str, Any]:
    """Return the columns that ssh-keygen can tell."""
    said = {}
    for column, algorithm in (("fingerprint_sha256", "sha256"), ("fingerprint_md5", "md5")):
        found = re.fullmatch(
            r"(\d+) (\S+) (.*) \(([\w-]+)\)\n", run("ssh-keygen", "-l", "-E", algorithm, "-f", path)
        )
        assert found
        said |= {"bits": int(found[1]), column: found[2], "type": found[4].lower()}
        if found[3] != "no comment":
            said["comment"] = found[3]
    return said


@pytest.fixture(scope="module")
def made(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with keys of ssh-keygen and of openssl."""
    folder = tmp_path_factory.mktemp("keys")
    for name, options in SSH.items():
        run("ssh-keygen", "-q", "-N", "", "-C", f"a {name} é", *options, "-f", folder / f"{name}.ssh")
    for name, options in PEM_KEYS.items():
        run("openssl", "genpkey", *options, "-out", folder / f"{name}.pem")
    return folder


@pytest.mark.parametrize("password", ["", "secret"])
@pytest.mark.parametrize("name", SSH)
def test_keys_of_ssh_keygen(
    name: str, password: str, made: Path, run: Run, tmp_path: Path, compare: Compare
) -> None:
    path, public = tmp_path / "key", made / f"{name}.ssh.pub"
    path.write_bytes((made / f"{name}.ssh").read_bytes())
    path.chmod(0o600)
    if password:
        run("ssh-keygen", "-p", "-q", "-P", "", "-N", password, "-a", "1", "-f", path)
    said = said_by_ssh_keygen(run, public)
    path.chmod(0o640)
    row = only(path)
    if password:  # the comment is encrypted as well
        said["comment"] = None
    compare("keyinfo", "ssh-keygen -l", of(row, said), said, rows=1)
    assert row == row | {
        "encrypted": bool(password),
        "format": "openssh",
        "kdf": "bcrypt" if password else None,
        "mode": "0640",
    }
    row = only(public)
    said = said_by_ssh_keygen(run, public)
    compare("keyinfo", "ssh-keygen -l", of(row, said), said, rows=1)
    assert row == row | {
        "encrypted": None,
        "format": "openssh-public",
        "kdf": None,
    }


@pytest.mark.parametrize("password", ["", "secret"])
@pytest.mark.parametrize("name", ["rsa", "ecdsa256"])
@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
def test_keys_that_ssh_keygen_wrote_in_openssl_s_forms(
    name: str, form: str, password: str, made: Path, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_bytes((made / f"{name}.ssh").read_bytes())
    path.chmod(0o600)
    run("ssh-keygen", "-p", "-q", "-P", "", "-N", password, "-m", form, "-f", path)
    said = said_by_ssh_keygen(run, made / f"{name}.ssh.pub")
    said["comment"] = None
    if password:
        said |= {"bits": None, "fingerprint_sha256": None, "fingerprint_md5": None}
        if form == "PKCS8":
            said["type"] = None
    old = {"rsa": "pkcs1", "ecdsa256": "sec1"}[name]
    row = only(path)
    kdf = None if not password else "md5" if form == "PEM" else "pbkdf2"
    assert row == row | said | {
        "encrypted": bool(password),
        "format": old if form == "PEM" else "pkcs8",
        "kdf": kdf,
    }


def test_a_public_key_in_every_form(made: Path, run: Run, tmp_path: Path) -> None:
    for name in SSH:
        said = said_by_ssh_keygen(run, made / f"{name}.ssh.pub")
        for form, format_ in (
            ("RFC4716", "rfc4716"),
            ("PKCS8", "spki"),
            ("PEM", "pkcs1" if name == "rsa" else "spki"),
        ):
            text = run("ssh-keygen", "-e", "-m", form, "-f", made / f"{name}.ssh.pub", check=False)
            if not text:  # ssh-keygen has no such form of this kind of key
                assert name == "ed25519"
                continue
            (tmp_path / "key").write_text(text)
            row = only(tmp_path / "key")
            assert row == row | {
                "type": said["type"],
                "bits": said["bits"],
                "encrypted": None,
                "fingerprint_sha256": said["fingerprint_sha256"],
                "fingerprint_md5": said["fingerprint_md5"],
                "format": format_,
            }, (name, form)


@pytest.mark.parametrize("name", PEM_KEYS)
def test_keys_of_openssl(name: str, made: Path, run: Run, tmp_path: Path, compare: Compare) -> None:
    path = made / f"{name}.pem"
    text = run("openssl", "pkey", "-in", path, "-noout", "-text")
    bits = re.search(r"Private-Key: \((\d+) bit", text)
    kinds = {
        "rsa": "rsa",
        "pss": "rsa-pss",
        "p256": "ecdsa",
        "p384": "ecdsa",
        "k256": "ecdsa",
        "brainpool": "ecdsa",
    }
    row = only(path)
    said = {
        "type": kinds.get(name, name),
        "bits": int(bits[1]) if bits else {"ed448": 456}.get(name, 256),
    }
    compare("keyinfo", "openssl pkey -text", of(row, said), said, rows=1)
    assert row == row | {
        "encrypted": False,
        "format": "pkcs8",
        "kdf": None,
    }
    run("openssl", "pkey", "-in", path, "-pubout", "-out", tmp_path / "public.pem")
    public = only(tmp_path / "public.pem")
    same = (
        ("type", "bits")
        if name in ("ed25519", "ed448")
        else ("type", "bits", "fingerprint_sha256", "fingerprint_md5")
    )
    assert {column: public[column] for column in same} == {column: row[column] for column in same}
    assert (public["encrypted"], public["format"]) == (None, "spki")
    if name in ("rsa", "p256", "p384"):
        (tmp_path / "key.pub").write_text(
            run("ssh-keygen", "-i", "-m", "PKCS8", "-f", tmp_path / "public.pem")
        )
        assert (
            public["fingerprint_sha256"]
            == said_by_ssh_keygen(run, tmp_path / "key.pub")["fingerprint_sha256"]
        )
    if name in ("k256", "brainpool", "x25519"):  # SSH has no such keys
        assert public["fingerprint_sha256"] is None
    der = tmp_path / "der"
    old = "sec1-der" if row["type"] == "ecdsa" else "pkcs8-der"
    for arguments, expected, form in (
        (("pkcs8", "-topk8", "-nocrypt", "-in", path), row, "pkcs8-der"),
        (("pkey", "-pubin", "-in", tmp_path / "public.pem"), public, "spki-der"),
        (("pkey", "-in", path), row, {"pss": "pkcs8-der", "rsa": "pkcs1-der"}.get(name, old)),
    ):
        run("openssl", *arguments, "-outform", "DER", "-out", der)
        again = only(der)
        assert again == expected | {"path": str(der), "format": form, "mode": again["mode"]}


@pytest.mark.parametrize(
    ("arguments", "kdf"),
    [
        (("-v2", "aes-256-cbc", "-iter", "2"), "pbkdf2"),
        (("-scrypt", "-scrypt_N", "16"), "scrypt"),
        (("-v1", "PBE-SHA1-3DES", "-iter", "2"), "pkcs12"),
    ],
)
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_keys_that_openssl_encrypted(
    arguments: tuple[str, ...], kdf: str, form: str, made: Path, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    run(
        *("openssl", "pkcs8", "-topk8", "-in", made / "p256.pem", "-passout", "pass:secret", *arguments),
        *("-outform", form, "-out", path),
    )
    row = only(path)
    assert row == row | {
        **dict.fromkeys(("type", "bits", "fingerprint_sha256", "fingerprint_md5", "comment")),
        "encrypted": True,
        "format": "pkcs8" if form == "PEM" else "pkcs8-der",
        "kdf": kdf,
    }


def test_old_keys_of_openssl(made: Path, run: Run, tmp_path: Path) -> None:
    for name, command, form in (("rsa", "rsa", "pkcs1"), ("p256", "ec", "sec1")):
        new = only(made / f"{name}.pem")
        for password in ((), ("-aes256", "-passout", "pass:secret")):
            traditional = () if command == "ec" else ("-traditional",)
            run(
                "openssl",
                command,
                "-in",
                made / f"{name}.pem",
                *traditional,
                *password,
                "-out",
                tmp_path / "key",
            )
            row = only(tmp_path / "key")
            assert (row["type"], row["encrypted"], row["format"]) == (new["type"], bool(password), form)
            assert row["fingerprint_sha256"] == (None if password else new["fingerprint_sha256"])
            assert row["kdf"] == ("md5" if password else None)
    run(
        "openssl",
        "genpkey",
        "-genparam",
        "-algorithm",
        "DSA",
        "-pkeyopt",
        "dsa_paramgen_bits:1024",
        "-out",
        tmp_path / "dsa.par",
    )
    run("openssl", "genpkey", "-paramfile", tmp_path / "dsa.par", "-out", tmp_path / "dsa.pem")
    run("openssl", "dsa", "-in", tmp_path / "dsa.pem", "-out", tmp_path / "old.pem")
    run("openssl", "dsa", "-in", tmp_path / "dsa.pem", "-pubout", "-out", tmp_path / "pub.pem")
    new, old, public = (only(tmp_path / name) for name in ("dsa.pem", "old.pem", "pub.pem"))
    assert {(row["type"], row["bits"]) for row in (new, old, public)} == {("dsa", 1024)}
    assert new["fingerprint_sha256"] is None  # the public number is not in it
    assert public["fingerprint_sha256"] is not None
    if "BEGIN DSA PRIVATE KEY" in (tmp_path / "old.pem").read_text():
        assert old["fingerprint_sha256"] == public["fingerprint_sha256"]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("password", ["", "secret"])
def test_keys_of_putty(
    version: int, password: str, made: Path, run: Run, tmp_path: Path, compare: Compare
) -> None:
    (tmp_path / "old").write_text("")
    (tmp_path / "new").write_text(password)
    path = tmp_path / "key.ppk"
    options = ("--ppk-param", f"version={version}" + (",time=1,memory=64" if version == 3 else ""))
    run(
        *("puttygen", made / "ed25519.ssh", "-O", "private", "-C", "my comment", *options, "-o", path),
        *("--old-passphrase", tmp_path / "old", "--new-passphrase", tmp_path / "new"),
    )
    said = said_by_ssh_keygen(run, made / "ed25519.ssh.pub") | {"comment": "my comment"}
    row = only(path)
    compare("keyinfo", "ssh-keygen -l", of(row, said), said, rows=1)
    kdf = ("argon2id" if version == 3 else "sha1") if password else None
    assert row == row | {"encrypted": bool(password), "format": "putty", "kdf": kdf}
    if not password:
        run(
            "puttygen",
            made / "rsa.ssh",
            "-O",
            "private-sshcom",
            "-o",
            tmp_path / "com",
            "--new-passphrase",
            tmp_path / "old",
        )
        row = only(tmp_path / "com")
        assert (row["type"], row["encrypted"], row["format"]) == ("rsa", False, "ssh.com")
        (tmp_path / "new").write_text("secret")
        run(
            "puttygen",
            made / "rsa.ssh",
            "-O",
            "private-sshcom",
            "-o",
            tmp_path / "com",
            "--new-passphrase",
            tmp_path / "new",
        )
        row = only(tmp_path / "com")
        assert (row["type"], row["encrypted"], row["fingerprint_sha256"]) == ("rsa", True, None)


def test_certificates_have_the_fingerprint_of_their_key(
    made: Path, run: Run, tmp_path: Path, compare: Compare
) -> None:
    for name in SSH:
        (tmp_path / "key.pub").write_bytes((made / f"{name}.ssh.pub").read_bytes())
        run("ssh-keygen", "-q", "-s", made / "ed25519.ssh", "-I", "me", "-n", "root", tmp_path / "key.pub")
        row, said = only(tmp_path / "key-cert.pub"), said_by_ssh_keygen(run, tmp_path / "key-cert.pub")
        compare("keyinfo", "ssh-keygen -l", of(row, said), said, rows=1)
        assert row["type"].endswith("-cert")


def test_authorized_keys(made: Path, run: Run, tmp_path: Path, compare: Compare) -> None:
    lines = ["# a comment", "", "nonsense AAAA"]
    lines += [(made / f"{name}.ssh.pub").read_text().strip() for name in SSH]
    lines.append('restrict,command="echo ssh-rsa \\"AAAA\\" x" ' + (made / "rsa.ssh.pub").read_text().strip())
    lines.append("ssh-ed25519 " + "A" * 70_000)
    path = tmp_path / "authorized_keys"
    path.write_text("\n".join(lines))
    rows = [shown(row) for row in keyinfo.rows(path=str(path))]
    said = []
    for line in run("ssh-keygen", "-l", "-f", path).splitlines():
        bits, fingerprint, *comment, kind = line.split(" ")
        said.append((int(bits), fingerprint, " ".join(comment), kind.strip("()").lower()))
    ours = [(row["bits"], row["fingerprint_sha256"], row["comment"], row["type"]) for row in rows]
    compare("keyinfo", "ssh-keygen -l", ours, said)
    assert len(rows) == 5


def test_no_line_of_a_long_file_is_left_out(made: Path, tmp_path: Path) -> None:
    key = (made / "ed25519.ssh.pub").read_text()
    (tmp_path / "known_hosts").write_text(
        "# nothing\n" * 100_000 + f"host {key}" + "x\n" * 50_000 + f"@revoked * {key.strip()}"
    )
    rows = keyinfo.rows(path=str(tmp_path / "known_hosts"))
    assert [row.type for row in rows] == ["ed25519", "ed25519"]


def test_the_mode_is_looked_at_only_if_it_is_used(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []
    real = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path, **options: (looks.append(path), real(path, **options))[1])
    path = str(made / "ed25519.ssh.pub")
    counts = []
    for used in (("type",), ("mode",)):
        del looks[:]
        assert len(keyinfo.rows(Query.of(keyinfo, equals={"path": path}, used=used))) == 1
        counts.append(looks.count(path))
    # Opening the file looks at it too.
    assert counts[1] == counts[0] + 1


@pytest.mark.skipif(not list(Path("/etc/ssh").glob("*key.pub")), reason="this machine has no host keys")
def test_this_machine_s_own_keys(run: Run, compare: Compare) -> None:
    rows = keyinfo.rows(Query.of(keyinfo, like={"path": "/etc/ssh/%key.pub"}))
    ours, theirs = {}, {}
    for row in rows:
        theirs[row.path] = said_by_ssh_keygen(run, Path(row.path))
        ours[row.path] = of(shown(row), theirs[row.path])
    compare("keyinfo", "ssh-keygen -l", ours, theirs)
    assert {str(path) for path in Path("/etc/ssh").glob("*key.pub")} == ours.keys()


def test_recorded_keys(fixtures: Path, compare: Compare) -> None:
    """Public and encrypted keys of ssh-keygen, stubs of hardware keys too, with its answers about them."""
    recorded = json.loads((fixtures / "keys" / "ssh-keygen.json").read_text())
    assert len(recorded) >= 6
    ours = {name: of(only(fixtures / "keys" / name), said) for name, said in recorded.items()}
    compare("keyinfo", "ssh-keygen -l, recorded", ours, recorded)


def test_what_is_no_key(made: Path, tmp_path: Path, link: Link) -> None:
    link(tmp_path / "a", made / "ed25519.ssh")
    os.mkfifo(tmp_path / "b")
    with (tmp_path / "c").open("wb") as large:
        large.truncate(1 << 30)
    (tmp_path / "d").write_bytes(os.urandom(100_000))
    (tmp_path / "e").write_text(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    (tmp_path / "f").write_bytes((made / "ed25519.ssh").read_bytes())
    warnings: list[str] = []
    started = time.monotonic()
    rows = keyinfo.rows(Query.of(keyinfo, like={"path": f"{tmp_path}/%"}, warn=warnings.append))
    assert time.monotonic() - started < 20
    assert [(Path(row.path).name, row.error is None) for row in rows] == [("e", False), ("f", True)]
    causes = [
        re.search("symbolic link|FIFO|limit is", warning)[0]  # type: ignore[index]
        for warning in warnings
    ]
    assert causes == ["symbolic link", "FIFO", "limit is"]
    paths = [str(tmp_path / name) for name in "abcdf"] + [str(tmp_path), str(tmp_path / "missing")]
    warnings.clear()
    named = keyinfo.rows(Query.of(keyinfo, equals={"path": paths}, warn=warnings.append))
    assert [(Path(row.path).name, row.kind, row.error is None) for row in named] == [
        *((name, "", False) for name in "abcd"),
        ("f", "private", True),
        (tmp_path.name, "", False),
    ]
    assert warnings == []
    assert named[3].error == "there is no key in it that is known"


@pytest.mark.parametrize(
    "content",
    [
        b"ssh-rsa AAAA" * 300_000,
        b"\nssh-rsa AAAA" * 300_000,
        b"ssh-rsa " + b" " * 3_000_000 + b"AAAA",
        b"PuTTY-User-Key-File-3: ssh-rsa\n" + b"Public-Lines: 0\n" * 300_000,
        b"---- BEGIN SSH2 PUBLIC KEY ----\n" + b"A\n" * 2_000_000,
        b"-----BEGIN RSA PRIVATE KEY-----\n" + b"A: b\n" * 1_000_000,
        b"\x30\x84\x00\x3d\x00\x00" + b"\x02\x00" * 2_000_000,
    ],
)
def test_megabytes_of_nothing_take_no_time(content: bytes) -> None:
    started = time.process_time()
    keys = list(keys_in(content))
    assert len(keys) <= 1
    assert all(key.error for key in keys)
    assert time.process_time() - started < 4


@settings(deadline=None)  # the machine may be busy
@given(data=st.data())
def test_a_changed_key_is_a_key_or_none(data: st.DataObject, fixtures: Path) -> None:
    names = sorted(path.name for path in (fixtures / "keys").iterdir() if path.suffix != ".json")
    content = bytearray((fixtures / "keys" / data.draw(st.sampled_from(names))).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    for key in keys_in(bytes(content)):
        assert key.bits is None or key.bits >= 0
        (key.comment or "").encode()


def test_keys_of_users(users: Users, made: Path, opened: list[str]) -> None:
    for uid, name in ((1001, "ann"), (1002, "bob"), (1003, "carl")):
        folder = users.add(uid, name) / ".ssh"
        folder.mkdir()
        for key in ("rsa", "ed25519"):
            (folder / f"id_{key}").write_bytes((made / f"{key}.ssh").read_bytes())
            (folder / f"id_{key}.pub").write_bytes((made / f"{key}.ssh.pub").read_bytes())
        (folder / "authorized_keys").write_bytes((made / "rsa.ssh.pub").read_bytes())
        (folder / "config").write_text("Host x\n")
    rows = ssh_keys.rows()
    assert [(row.user, row.uid, Path(row.path).name, row.type) for row in rows] == [
        (name, uid, f"id_{key}", key)
        for name, uid in (("ann", 1001), ("bob", 1002), ("carl", 1003))
        for key in ("ed25519", "rsa")
    ]
    assert {Path(path).name for path in opened} == {
        "passwd",
        "mountinfo",
        "id_rsa",
        "id_rsa.pub",
        "id_ed25519",
        "id_ed25519.pub",
    }
    del opened[:]
    assert len(ssh_keys.rows(uid=1002)) == 2
    assert {path for path in opened if "/.ssh/" in path} == {
        f"{users.root}/bob/.ssh/id_{key}{suffix}" for key in ("rsa", "ed25519") for suffix in ("", ".pub")
    }
    assert ssh_keys.rows(uid=[5, 7]) == []


@pytest.mark.osqueryd
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can put keys into a home for itself alone"
)
def test_keys_of_users_are_those_of_osquery(made: Path, run: Run, tmp_path: Path, compare: Compare) -> None:
    """Compare with core's user_ssh_keys, on keys in a home that only the two tables see."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (tmp_path / "passwd").write_text(f"root:x:0:0::{home}:/bin/sh\nann:x:7001:7001::{home}:/bin/sh\n")
    folder = home / ".ssh"
    for name in SSH:
        (folder / name).write_bytes((made / f"{name}.ssh").read_bytes())
        (folder / name).chmod(0o600)
        run("ssh-keygen", "-p", "-q", "-P", "", "-N", "secret", "-a", "1", "-f", folder / name)
        (folder / f"{name}.clear").write_bytes((made / f"{name}.ssh").read_bytes())
    (folder / "p256.pem").write_bytes((made / "p256.pem").read_bytes())
    (folder / "no key").write_text("nothing")
    sql = "select k.uid, path, encrypted from users join user_ssh_keys k using (uid)"
    ours = (
        "import json; from kolide_tables.secrets.keyinfo import ssh_keys; "
        "print(json.dumps([(str(r.uid), r.path, str(int(r.encrypted))) for r in ssh_keys.rows()]))"
    )
    script = f"""
mount --bind {tmp_path}/passwd /etc/passwd || exit 77
osqueryi --json --disable_extensions --extensions_socket={tmp_path}/em "{sql}" && {sys.executable} -c '{ours}'
"""
    if shutil.which("osqueryi") is None:
        pytest.skip("no osqueryi on PATH")
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, env=environment
    )
    if done.returncode == 77:
        pytest.skip("no right to mount anything")
    assert done.returncode == 0, done.stderr
    core, _, bundle = done.stdout.rpartition("\n[[")
    said = {(row["uid"], row["path"], row["encrypted"]) for row in json.loads(core)}
    assert len(said) >= 18
    compare("ssh_keys", "core's user_ssh_keys", {tuple(row) for row in json.loads("[[" + bundle)}, said)
