"""apk and pacman's packages, read back with tar: contents, scripts, descriptions."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from .conftest import made, needs, off

if TYPE_CHECKING:
    from pathlib import Path

HOME = "usr/lib/osquery/extensions/hello_ext"


@pytest.fixture(scope="module")
def apk(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for Alpine."""
    return made(bundle, "--to", "apk", output=tmp_path_factory.mktemp("apk")).file("*.apk")


@pytest.fixture(scope="module")
def arch(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for Arch."""
    needs("bsdtar")
    return made(bundle, "--to", "arch", output=tmp_path_factory.mktemp("arch")).file("*.pkg.tar.zst")


def streams(file: Path) -> list[bytes]:
    """An apk is gzip streams after one another: control, then data, both halves of one tar."""
    import zlib

    rest, found = file.read_bytes(), []
    while rest:
        one = zlib.decompressobj(wbits=31)
        found.append(one.decompress(rest))
        rest = one.unused_data
    return found


def test_apk_control(apk: Path) -> None:
    control, data = streams(apk)
    with tarfile.open(fileobj=io.BytesIO(control)) as archive:
        files = {
            member.name: archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive
        }
        modes = {member.name: member.mode for member in archive}
    assert set(files) == {".PKGINFO", ".post-install", ".post-upgrade", ".pre-deinstall", ".post-deinstall"}
    info = dict(line.split(" = ", 1) for line in files[".PKGINFO"].splitlines() if " = " in line)
    assert (info["pkgname"], info["pkgver"], info["arch"]) == ("hello_ext", "1.2.3-r1", "x86_64")
    # The checksum is of the data as it is packed.
    packed = apk.read_bytes()[-len(gzip_tail(apk)) :]
    assert info["datahash"] == hashlib.sha256(packed).hexdigest()
    assert info["depend"] == "gcompat"
    assert {name: modes[name] & 0o111 for name in files if name != ".PKGINFO"} == dict.fromkeys(
        set(files) - {".PKGINFO"}, 0o111
    )
    assert data


def gzip_tail(apk: Path) -> bytes:
    """The last stream, packed."""
    import zlib

    rest = apk.read_bytes()
    while True:
        one = zlib.decompressobj(wbits=31)
        one.decompress(rest)
        if not one.unused_data:
            return rest
        rest = one.unused_data


SCRIPTS = {
    "post-install": "installed\n",
    "post-upgrade": "upgraded\n",
    "pre-deinstall": "removing\n",
    "post-deinstall": "removed\npurged\ngone\n",
}


@pytest.mark.parametrize(("name", "calls"), SCRIPTS.items())
def test_apk_scripts(apk: Path, tmp_path: Path, name: str, calls: str) -> None:
    needs("busybox")
    with tarfile.open(fileobj=io.BytesIO(streams(apk)[0])) as archive:
        text = archive.extractfile(f".{name}").read().decode()  # type: ignore[union-attr]
    assert text.startswith("#!/bin/sh\n")
    assert text.endswith(f"{calls}exit 0\n")
    (tmp_path / "script").write_text(text)
    assert subprocess.run(["busybox", "sh", "-n", tmp_path / "script"]).returncode == 0


def test_apk_contents(apk: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(streams(apk)[1])) as archive:
        members = {member.name.strip("/"): member for member in archive}
    assert members[f"{HOME}/hello_ext.ext"].mode & 0o7777 == 0o755
    assert members[f"{HOME}/_internal/data.txt"].mode & 0o7777 == 0o644
    assert members[f"{HOME}/_internal/link.txt"].linkname == "lib/with blank.txt"
    assert {(member.uid, member.gid) for member in members.values()} == {(0, 0)}


def read(arch: Path, name: str) -> str:
    done = subprocess.run(["bsdtar", "-xOf", arch, name], capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_arch_says_what_it_is(arch: Path) -> None:
    info = dict(line.split(" = ", 1) for line in read(arch, ".PKGINFO").splitlines() if " = " in line)
    assert (info["pkgname"], info["pkgver"], info["arch"]) == ("hello_ext", "1.2.3-1", "x86_64")
    assert re.fullmatch(r"glibc>=2\.\d+", info["depend"])
    tree = gzip.decompress(
        subprocess.run(["bsdtar", "-xOf", arch, ".MTREE"], capture_output=True).stdout
    ).decode()
    assert f"./{HOME}/hello_ext.ext" in tree


def test_arch_scripts(arch: Path, tmp_path: Path) -> None:
    """One file of functions, of which pacman calls one."""
    text = read(arch, ".INSTALL")
    assert re.findall(r"^function (\w+)", text, re.MULTILINE) or re.findall(
        r"^(\w+)\(\) \{", text, re.MULTILINE
    )
    (tmp_path / "install").write_text(text)
    root = tmp_path / "root"
    (root / "etc/osquery").mkdir(parents=True)
    script = f'sed -i "s|^root=.*|root={root}|" {tmp_path}/install; . {tmp_path}/install; '
    lists = root / "etc/osquery/extensions.load"
    lists.write_text("/other\n")
    for call, after in (
        ("post_install 1.2.3-1", f"/other\n/{HOME}/hello_ext.ext\n"),
        ("post_upgrade 1.3.0-1 1.2.3-1", f"/other\n/{HOME}/hello_ext.ext\n"),
        ("pre_remove 1.3.0-1", f"/other\n/{HOME}/hello_ext.ext\n"),
        ("post_remove 1.3.0-1", "/other\n"),
    ):
        done = subprocess.run(["bash", "-c", f"{script}{call}"], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), call
        assert lists.read_text() == after, call
    lists.write_text(f"# /{HOME}/hello_ext.ext\n")
    for call in ("post_install 1.2.3-1", "post_upgrade 1.3.0-1 1.2.3-1"):
        done = subprocess.run(["bash", "-c", f"{script}{call}"], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, f"{off(1)}\n"), call


def test_arch_contents(arch: Path) -> None:
    done = subprocess.run(["bsdtar", "-tvf", arch], capture_output=True, text=True)
    assert f"{HOME}/hello_ext.ext" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.endswith("hello_ext.ext"))
    assert line.startswith("-rwxr-xr-x")
    assert f"{HOME}/_internal/link.txt -> lib/with blank.txt" in done.stdout
