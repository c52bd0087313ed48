"""The pkg, read back with bsdtar; its bill of materials with a reader here, and with lsbom if installed."""

from __future__ import annotations

import hashlib
import os
import plistlib
import stat
import struct
import subprocess
import zlib
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

import pytest

from .conftest import mach_program, made, needs, off

if TYPE_CHECKING:
    from pathlib import Path

HOME = "./usr/local/lib/osquery/extensions/hello_ext"


class Billed(NamedTuple):
    """A line of a bill."""

    mode: int
    uid: int
    gid: int
    size: int
    checksum: int
    target: str


def read_bom(content: bytes) -> dict[str, Billed]:
    """Follow the tree of paths from its name on, by the numbers that are in the file."""
    magic, version, _, index, _, names, _ = struct.unpack_from(">8sIIIIII", content)
    assert (magic, version) == (b"BOMStore", 1)

    def block(number: int) -> bytes:
        at, length = struct.unpack_from(">II", content, index + 4 + 8 * number)
        return content[at : at + length]

    (count,) = struct.unpack_from(">I", content, names)
    at, known = names + 4, {}
    for _ in range(count):
        number, length = struct.unpack_from(">IB", content, at)
        known[content[at + 5 : at + 5 + length].decode()] = number
        at += 5 + length
    assert set(known) == {"BomInfo", "Paths", "HLIndex", "VIndex", "Size64"}
    kind, _, top, _, total, _ = struct.unpack(">4sIIIIB", block(known["Paths"]))
    assert kind == b"tree"
    node = block(top)
    while not struct.unpack_from(">H", node)[0]:
        node = block(struct.unpack_from(">I", node, 12)[0])
    paths: dict[int, str] = {}
    found: dict[str, Billed] = {}
    last_key = (0, b"")
    while True:
        _, count, after, _ = struct.unpack_from(">HHII", node)
        for place in range(count):
            value, key = struct.unpack_from(">II", node, 12 + 8 * place)
            number, inner = struct.unpack(">II", block(value))
            (parent,) = struct.unpack_from(">I", block(key))
            name = block(key)[4:-1]
            assert (parent, name) > last_key, "keys are in order"
            last_key = (parent, name)
            paths[number] = f"{paths[parent]}/{name.decode()}" if parent else name.decode()
            what = struct.unpack_from(">BBHHIIIIBII", block(inner))
            target = block(inner)[struct.calcsize(">BBHHIIIIBII") :].rstrip(b"\0").decode()
            found[paths[number]] = Billed(what[3], what[4], what[5], what[7], what[9], target)
            kinds = {1: stat.S_IFREG, 2: stat.S_IFDIR, 3: stat.S_IFLNK}
            assert stat.S_IFMT(what[3]) == kinds[what[0]]
        if not after:
            break
        node = block(after)
    assert len(found) == total == struct.unpack_from(">II", block(known["BomInfo"]))[1] - 1
    return found


@pytest.fixture(scope="module")
def pkg(mac_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An add-on."""
    needs("bsdtar")
    return made(mac_bundle, "--to", "pkg", output=tmp_path_factory.mktemp("pkg")).file("*.pkg")


def extracted(pkg: Path, folder: Path) -> Path:
    """The inner package, with Payload and Scripts extracted beside themselves."""
    subprocess.run(["bsdtar", "-C", folder, "-xf", pkg], check=True)
    inner = next(folder.glob("*.pkg"))
    for name in ("Payload", "Scripts"):
        (folder / name).mkdir()
        subprocess.run(["bsdtar", "-C", folder / name, "-xpf", inner / name], check=True)
    return inner


@pytest.fixture(scope="module")
def inner(pkg: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `extracted`."""
    return extracted(pkg, tmp_path_factory.mktemp("inner"))


def test_the_bill_is_of_the_payload(inner: Path) -> None:
    payload = inner.parent / "Payload"
    billed = read_bom((inner / "Bom").read_bytes())
    on_disk = {"."} | {f"./{path.relative_to(payload).as_posix()}" for path in payload.rglob("*")}
    assert set(billed) == on_disk
    for name, line in billed.items():
        status = (payload / name).lstat()
        assert (line.uid, line.gid) == (0, 0)
        if not stat.S_ISLNK(line.mode):
            assert line.mode == status.st_mode, name
        if stat.S_ISREG(line.mode):
            assert line.size == status.st_size
    assert billed[f"{HOME}/_internal/link.txt"].target == "lib/file 1.txt"
    assert billed[f"{HOME}/hello_ext.ext"].mode & 0o7777 == 0o755


def test_checksums_are_those_of_cksum(inner: Path) -> None:
    needs("cksum")
    payload = inner.parent / "Payload"
    billed = read_bom((inner / "Bom").read_bytes())
    files = [name for name, line in billed.items() if stat.S_ISREG(line.mode)]
    done = subprocess.run(["cksum", *files], cwd=payload, capture_output=True, text=True, check=True)
    said = {line.split(" ", 2)[2]: int(line.split()[0]) for line in done.stdout.splitlines()}
    assert said == {name: billed[name].checksum for name in files}


def test_lsbom_reads_the_same(inner: Path) -> None:
    needs("lsbom")
    done = subprocess.run(["lsbom", inner / "Bom"], capture_output=True, text=True)
    if done.returncode < 0:
        pytest.skip("this lsbom does not read what its own mkbom writes either")
    found = {}
    for line in done.stdout.splitlines():
        name, mode, owners, *rest = line.rstrip("\t").split("\t")
        found[name] = (int(mode, 8), owners, tuple(rest))
    billed = read_bom((inner / "Bom").read_bytes())
    assert set(found) == set(billed)
    for name, line in billed.items():
        assert found[name][:2] == (line.mode, "0/0")
        if stat.S_ISREG(line.mode):
            assert found[name][2] == (str(line.size), str(line.checksum))


def test_the_archive_has_owners_and_times(pkg: Path) -> None:
    done = subprocess.run(
        ["bsdtar", "-tvf", pkg], capture_output=True, text=True, check=True, env={**os.environ, "TZ": "UTC"}
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {line[-1] for line in lines} == {
        "Distribution",
        "hello_ext.pkg",
        "hello_ext.pkg/Bom",
        "hello_ext.pkg/PackageInfo",
        "hello_ext.pkg/Payload",
        "hello_ext.pkg/Scripts",
    }
    assert {(line[2], line[3]) for line in lines} == {("root", "wheel")}


def test_the_table_of_contents_tells_the_truth(pkg: Path) -> None:
    content = pkg.read_bytes()
    magic, size, _, packed, plain, algorithm = struct.unpack_from(">4sHHQQI", content)
    assert (magic, algorithm) == (b"xar!", 1)
    table = content[size : size + packed]
    heap = content[size + packed :]
    assert heap[:20] == hashlib.sha1(table).digest()
    document = zlib.decompress(table)
    assert len(document) == plain
    top = ElementTree.fromstring(document)
    numbers = [one.text for one in top.iter("inode")]
    assert len(set(numbers)) == len(numbers)
    datas = list(top.iter("data"))
    assert len(datas) == 5
    for data in datas:
        at, length = int(data.findtext("offset", "")), int(data.findtext("length", ""))
        assert data.findtext("archived-checksum") == hashlib.sha1(heap[at : at + length]).hexdigest()


def test_documents(inner: Path) -> None:
    info = ElementTree.parse(inner / "PackageInfo").getroot()
    assert (info.get("identifier"), info.get("version"), info.get("install-location")) == (
        "com.hello-ext",
        "1.2.3",
        "/",
    )
    payload = info.find("payload")
    assert payload is not None
    assert payload.get("numberOfFiles") == str(len(read_bom((inner / "Bom").read_bytes())))
    distribution = ElementTree.parse(inner.parent / "Distribution").getroot()
    options = distribution.find("options")
    assert options is not None
    assert options.get("hostArchitectures") == "arm64"
    assert [ref.text for ref in distribution.iter("pkg-ref") if ref.text] == ["#hello_ext.pkg"]


def script(inner: Path, name: str, root: Path, temporary: Path, *, says: str = "") -> None:
    """Run a script with the installer's arguments: the package, the destination, the volume, the root."""
    done = subprocess.run(
        ["bash", inner.parent / "Scripts" / name, "x.pkg", "/", f"{root}/", "/"],
        env={"PATH": "/usr/bin:/bin", "INSTALLER_TEMP": str(temporary)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, says), name


def test_scripts(inner: Path, tmp_path: Path) -> None:
    root, temporary = tmp_path / "root", tmp_path / "temporary"
    temporary.mkdir()
    lists = root / "private/var/osquery/extensions.load"
    lists.parent.mkdir(parents=True)
    lists.write_text("/other\n")
    program = f"{HOME[1:]}/hello_ext.ext"
    script(inner, "preinstall", root, temporary)
    (root / program[1:]).parent.mkdir(parents=True)
    (root / program[1:]).write_text("")
    script(inner, "postinstall", root, temporary)
    assert lists.read_text() == f"/other\n{program}\n"
    lists.write_text("/other\n")
    script(inner, "preinstall", root, temporary)
    script(inner, "postinstall", root, temporary)
    assert lists.read_text() == "/other\n", "an upgrade adds nothing that somebody took out"
    lists.write_text(f"#{program}\n")
    said = f"{off(1, '/private/var/osquery/extensions.load')}\n"
    script(inner, "postinstall", root, temporary, says=said)
    script(inner, "preinstall", root, temporary)
    script(inner, "postinstall", root, temporary, says=said)
    assert list(temporary.iterdir()) == []


def test_the_remover(inner: Path, tmp_path: Path) -> None:
    text = (inner.parent / "Payload" / HOME / "remove.sh").read_text()
    (tmp_path / "remove.sh").write_text(text)
    assert subprocess.run(["bash", "-n", tmp_path / "remove.sh"]).returncode == 0
    assert "pkgutil --forget com.hello-ext" in text


def test_full(mac_bundle: Path, tmp_path: Path) -> None:
    needs("bsdtar")
    (tmp_path / "osqueryd").write_bytes(mach_program(more=b"extensions_autoload"))
    (tmp_path / "secret").write_text("very secret\n")
    arguments = [
        "--full",
        "--identifier",
        "acme",
        "--osqueryd",
        tmp_path / "osqueryd",
        "--secret",
        tmp_path / "secret",
    ]
    pkg = made(mac_bundle, "--to", "pkg", *arguments, output=tmp_path / "out").file("*.pkg")
    assert pkg.stat().st_mode & 0o7777 == 0o600
    (tmp_path / "x").mkdir()
    inner = extracted(pkg, tmp_path / "x")
    billed = read_bom((inner / "Bom").read_bytes())
    defaults = "./private/etc/acme/defaults"
    assert billed[f"{defaults}/secret"].mode & 0o7777 == 0o600
    assert billed[defaults].mode & 0o7777 == 0o700
    daemon = inner.parent / "Payload/Library/LaunchDaemons/com.acme.osqueryd.plist"
    content = plistlib.loads(daemon.read_bytes())
    assert content["Label"] == "com.acme.osqueryd"
    assert content["ProgramArguments"][0] == "/usr/local/acme/bin/osqueryd"
    assert content["ProgramArguments"][-1] == "--flagfile=/private/etc/acme/osquery.flags"
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", f"{inner.parent}/Payload", root], check=True)
    (tmp_path / "temporary").mkdir()
    for name in ("preinstall", "postinstall"):
        script(inner, name, root, tmp_path / "temporary")
    secret = root / "private/etc/acme/secret"
    assert (secret.read_text(), secret.stat().st_mode & 0o7777) == ("very secret\n", 0o600)
    flags = root / "private/etc/acme/osquery.flags"
    assert flags.stat().st_mode & 0o7777 == 0o644
    flags.write_text("--verbose\n")
    script(inner, "postinstall", root, tmp_path / "temporary")
    assert flags.read_text() == "--verbose\n"
