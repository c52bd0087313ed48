"""Signatures, made with fresh keys and checked by each form's own tool."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import made, needs, needs_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Done


@pytest.fixture(scope="module")
def gpg() -> Iterator[tuple[Path, Path, dict[str, str]]]:
    """A private and a public key, and an environment for gpg."""
    needs("gpg")
    home = Path(tempfile.mkdtemp(prefix="g"))  # short: a socket's path is made of it
    environment = {**os.environ, "GNUPGHOME": str(home)}
    common = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "open sesame"]
    subprocess.run(
        [*common, "--quick-generate-key", "Table Makers <tables@example.com>", "rsa2048", "sign", "never"],
        env=environment,
        check=True,
        capture_output=True,
    )
    private, public = home / "private.asc", home / "public.asc"
    for file, option in ((private, "--export-secret-keys"), (public, "--export")):
        subprocess.run([*common, "--armor", "--output", file, option], env=environment, check=True)
    yield private, public, environment
    subprocess.run(["gpgconf", "--kill", "all"], env=environment)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def signed(
    bundle: Path, gpg: tuple[Path, Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Done:
    """A deb and an rpm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OSQUERY_SDK_SIGN_PASSPHRASE", "open sesame")
        return made(
            bundle, "--to", "deb,rpm", "--sign", f"gpg={gpg[0]}", output=tmp_path_factory.mktemp("signed")
        )


def test_a_deb(signed: Done, gpg: tuple[Path, Path, dict[str, str]], tmp_path: Path) -> None:
    """Check the signature like debsigs: it covers the parts before it."""
    needs("ar")
    subprocess.run(["ar", "x", signed.file("*.deb").absolute()], cwd=tmp_path, check=True)
    names = subprocess.run(["ar", "t", signed.file("*.deb")], capture_output=True, text=True).stdout.split()
    assert names[-1] == "_gpgorigin"
    content = b"".join((tmp_path / name).read_bytes() for name in names[:-1])
    command = ["gpg", "--verify", tmp_path / "_gpgorigin", "-"]
    assert subprocess.run(command, input=content, env=gpg[2], capture_output=True).returncode == 0
    assert subprocess.run(command, input=content + b"x", env=gpg[2], capture_output=True).returncode != 0


def test_a_signed_deb_installs(signed: Done) -> None:
    needs("dpkg-deb")
    assert subprocess.run(["dpkg-deb", "--info", signed.file("*.deb")], capture_output=True).returncode == 0


def test_an_rpm(signed: Done, gpg: tuple[Path, Path, dict[str, str]], tmp_path: Path) -> None:
    needs("rpmkeys")
    needs_root()
    keys = ["rpmkeys", f"--dbpath={tmp_path}"]
    before = subprocess.run([*keys, "-Kv", signed.file("*.rpm")], capture_output=True, text=True).stdout
    assert "NOKEY" in before
    subprocess.run([*keys, "--import", gpg[1]], check=True, capture_output=True)
    done = subprocess.run([*keys, "-Kv", signed.file("*.rpm")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "Signature" in done.stdout
    assert "NOKEY" not in done.stdout


def test_the_manifest_says_what_is_signed(signed: Done) -> None:
    manifest = json.loads(signed.file("*.manifest.json").read_text())
    assert [one["signed"] for one in manifest["packages"]] == [True, True]
    assert "unsigned" not in signed.stdout


def test_an_apk(bundle: Path, tmp_path: Path) -> None:
    """The first stream holds an RSA signature of the second, packed."""
    needs("openssl")
    key, public = tmp_path / "tables.pem", tmp_path / "tables.pub"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
    apk = made(bundle, "--to", "apk", "--sign", f"rsa={key}", output=tmp_path / "out").file("*.apk")
    content = apk.read_bytes()
    import zlib

    first = zlib.decompressobj(wbits=31)
    signature_tar = first.decompress(content)
    rest = first.unused_data
    second = zlib.decompressobj(wbits=31)
    second.decompress(rest)
    control = rest[: len(rest) - len(second.unused_data)]
    assert gzip.decompress(control)
    # The first has no end of an archive: the next goes on.
    with tarfile.open(fileobj=io.BytesIO(signature_tar + bytes(1024))) as archive:
        (member,) = archive.getmembers()
        assert member.name == ".SIGN.RSA.tables.rsa.pub"
        held = archive.extractfile(member)
        assert held is not None
        (tmp_path / "signature").write_bytes(held.read())
    command = ["openssl", "dgst", "-sha1", "-verify", public, "-signature", tmp_path / "signature"]
    assert subprocess.run(command, input=control, capture_output=True).returncode == 0
    assert subprocess.run(command, input=control + b"x", capture_output=True).returncode != 0


def test_an_msi(windows_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("wixl", "msibuild", "osslsigncode", "openssl")
    key, certificate, both = (tmp_path / name for name in ("key", "certificate", "both.pfx"))
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                key,
                "-out",
                certificate,
            ),
            *("-days", "30", "-subj", "/CN=Table Makers", "-addext", "extendedKeyUsage=codeSigning"),
        ],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        [
            *("openssl", "pkcs12", "-export", "-inkey", key, "-in", certificate),
            *("-out", both, "-passout", "pass:open sesame"),
        ],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("OSQUERY_SDK_SIGN_PASSPHRASE", "open sesame")
    msi = made(windows_bundle, "--to", "msi", "--sign", f"authenticode={both}", output=tmp_path / "out").file(
        "*.msi"
    )
    done = subprocess.run(
        ["osslsigncode", "verify", "-CAfile", certificate, "-in", msi], capture_output=True, text=True
    )
    assert "Number of verified signatures: 1" in done.stdout
    assert re.search(r"^Message digest algorithm *: SHA256$", done.stdout, re.MULTILINE)
    content = bytearray(msi.read_bytes())
    at = content.index(b"extension")
    content[at] ^= 0x20
    msi.write_bytes(content)
    broken = subprocess.run(
        ["osslsigncode", "verify", "-CAfile", certificate, "-in", msi], capture_output=True, text=True
    )
    assert broken.returncode != 0


def test_a_wrong_passphrase(bundle: Path, gpg: tuple[Path, Path, dict[str, str]], tmp_path: Path) -> None:
    from .conftest import package

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OSQUERY_SDK_SIGN_PASSPHRASE", "wrong")
        done = package(bundle, "--to", "deb", "--sign", f"gpg={gpg[0]}", output=tmp_path / "out")
    assert done.code == 1
    assert "nfpm did not write the deb" in done.stderr
    assert not (tmp_path / "out").exists()
