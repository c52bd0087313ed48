"""kolide_luks beside cryptsetup, on files that it has made, and on damaged ones."""

import hashlib
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
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.secrets.luks import luks, parse_1, read_header
from osquery_sdk import Query, TableError
from osquery_sdk.tables.query import GREATER, Constraint

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LUKS is Linux's")
TABLE = luks


def cryptsetup(*arguments: str, secret: str = "") -> str:
    program = shutil.which("cryptsetup", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        pytest.skip("cryptsetup is not installed: it is the oracle of this test")
    done = subprocess.run([program, *arguments], input=secret, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


FAST_1 = ("--type", "luks1", "--pbkdf-force-iterations", "1000", "--key-file", "-")
FAST_2 = ("--type", "luks2", "--pbkdf-memory", "64", "--pbkdf-force-iterations", "4", "--key-file", "-")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make encrypted files of every kind; formatting one does not touch the machine's disks."""
    root = tmp_path_factory.mktemp("luks")
    made = {}

    def make(name: str, *options: str) -> Path:
        made[name] = root / name
        with made[name].open("wb") as file:
            file.truncate(20 << 20)
        cryptsetup("luksFormat", "--batch-mode", *options, str(made[name]), secret="correct horse")
        return made[name]

    make("one", *FAST_1)
    two_slots = make("one-more", *FAST_1, "--cipher", "aes-cbc-essiv:sha256", "--key-size", "256")
    (root / "new").write_text("battery staple")
    cryptsetup(
        "luksAddKey",
        "--pbkdf-force-iterations=2000",
        "--key-slot=5",
        "--key-file=-",
        str(two_slots),
        str(root / "new"),
        secret="correct horse",
    )
    make("two", *FAST_2)
    many = make(
        "two-more",
        *FAST_2[:2],
        "--pbkdf=pbkdf2",
        "--pbkdf-force-iterations=1234",
        "--key-file=-",
        "--key-size=256",
    )
    cryptsetup(
        "luksAddKey",
        "--pbkdf=argon2i",
        "--pbkdf-memory=64",
        "--pbkdf-force-iterations=5",
        "--key-slot=11",
        "--key-file=-",
        str(many),
        str(root / "new"),
        secret="correct horse",
    )
    token = json.dumps({"type": "acme-token", "keyslots": ["11"], "secret": "not to be shown"})
    cryptsetup("token", "import", "--token-id=3", str(many), secret=token)
    empty = make("none", *FAST_2)
    cryptsetup("luksErase", "--batch-mode", str(empty))
    return made


def said_by_cryptsetup(path: Path) -> tuple[Any, ...]:
    """Return version, UUID, cipher, bits and slots with kdf, rounds and tokens."""
    text = cryptsetup("luksDump", str(path))
    version = int(re.search(r"Version:\s+(\d)", text)[1])  # type: ignore[index]
    uuid = re.search(r"UUID:\s+(\S+)", text)[1]  # type: ignore[index]
    if version == 1:
        name, mode = (
            re.search(rf"Cipher {word}:\s+(\S+)", text)[1]  # type: ignore[index]
            for word in ("name", "mode")
        )
        bits = int(re.search(r"MK bits:\s+(\d+)", text)[1])  # type: ignore[index]
        slots = re.findall(r"Key Slot (\d): ENABLED\s+Iterations:\s+(\d+)", text)
        return 1, uuid, f"{name}-{mode}", [(int(n), "pbkdf2", int(rounds), bits, []) for n, rounds in slots]
    cipher = re.search(r"cipher: (\S+)", text)[1]  # type: ignore[index]
    tokens = re.findall(r"^  \d+: (\S+)\n\tKeyslot:\s+(\d+)", text, re.MULTILINE)
    found = []
    for number, body in re.findall(r"^  (\d+): luks2\n((?:\t.*\n)+)", text, re.MULTILINE):
        kdf = re.search(r"PBKDF:\s+(\S+)", body)[1]  # type: ignore[index]
        rounds = re.search(r"(?:Iterations|Time cost):\s*(\d+)", body)[1]  # type: ignore[index]
        bits = re.search(r"\tKey:\s+(\d+) bits", body)[1]  # type: ignore[index]
        kinds = [kind for kind, slot in tokens if slot == number]
        found.append((int(number), kdf, int(rounds), int(bits), kinds))
    return 2, uuid, cipher, found


@pytest.mark.parametrize("name", ["one", "one-more", "two", "two-more"])
def test_headers_are_those_that_cryptsetup_reads(files: Any, name: str, compare: Compare) -> None:
    version, uuid, cipher, slots = said_by_cryptsetup(files[name])
    rows = TABLE.rows(device_path=str(files[name]))
    assert len(rows) == len(slots) == (2 if "more" in name else 1)
    said = {slot: (str(files[name]), version, uuid, cipher, *facts) for slot, *facts in slots}
    ours = {
        row.slot: (
            *(row.device_path, row.version, row.uuid, row.cipher),
            *(row.kdf, row.iterations, row.key_bits, row.tokens),
        )
        for row in rows
    }
    compare("luks", "cryptsetup luksDump", ours, said)
    assert "not to be shown" not in repr(rows)


def test_a_device_without_any_slot_is_still_there(files: Any, compare: Compare) -> None:
    (row,) = TABLE.rows(device_path=str(files["none"]))
    assert (row.version, row.slot, row.kdf, row.tokens) == (2, None, None, [])
    compare("luks", "cryptsetup luksUUID", [row.uuid], cryptsetup("luksUUID", str(files["none"])).split())


def test_several_and_patterns(files: Any) -> None:
    paths = [str(files["one"]), str(files["two"]), "/nowhere", str(files["one"])]
    assert [row.device_path for row in TABLE.rows(device_path=paths)] == paths[:2]
    found = TABLE.rows(Query.of(TABLE, like={"device_path": str(files["one"].parent / "one%")}))
    assert {row.device_path for row in found} == {str(files["one"]), str(files["one-more"])}
    with pytest.raises(TableError, match="name a device_path"):
        list(
            TABLE.function(
                Query(TABLE.definition, {"device_path": (Constraint(GREATER, "/"),)}, None, deadline=0.0)
            )
        )


def test_only_headers_are_read(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[int, int]] = []
    real = os.pread

    def counted(descriptor: int, size: int, at: int) -> bytes:
        read.append((at, size))
        return real(descriptor, size, at)

    monkeypatch.setattr(os, "pread", counted)
    assert len(TABLE.rows(device_path=str(files["two"]))) == 1
    assert max(at + size for at, size in read) <= 32768
    read.clear()
    assert len(TABLE.rows(device_path=str(files["one"]))) == 1
    assert read == [(0, 4096)]


def test_a_damaged_first_header_leaves_the_second(files: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    data = files["two-more"].read_bytes()[:65536]
    expected = [tuple(row)[1:] for row in TABLE.rows(device_path=str(files["two-more"]))]
    for damaged in (
        bytes(4096) + data[4096:],
        data[:5000] + b"\xff" + data[5001:],
        data[:12] + b"\xff" + data[13:],
    ):
        copy.write_bytes(damaged)
        assert [tuple(row)[1:] for row in TABLE.rows(device_path=str(copy))] == expected


@pytest.mark.parametrize("keep", [6, 8, 100, 500, 4096, 5000])
def test_headers_that_are_cut_off(files: Any, tmp_path: Path, keep: int) -> None:
    for name in ("one", "two"):
        copy = tmp_path / f"{name}-{keep}"
        copy.write_bytes(files[name].read_bytes()[:keep])
        said: list[str] = []
        rows = TABLE.rows(Query.of(TABLE, equals={"device_path": str(copy)}, warn=said.append))
        if name == "one" and keep >= 4096:
            assert len(rows) == 1
        else:
            assert rows == []
            assert len(said) == 1


def forged(json_area: bytes, checksum: str = "sha256") -> bytes:
    """Return a correct header of version 2 with this JSON."""
    area = json_area.ljust(0x4000 - 4096, b"\0")
    binary = bytearray(4096)
    binary[:8], binary[8:16] = b"LUKS\xba\xbe\0\2", (0x4000).to_bytes(8, "big")
    binary[72 : 72 + len(checksum)], binary[168:172] = checksum.encode(), b"uuid"
    digest = hashlib.sha256(bytes(binary) + area).digest()
    binary[448 : 448 + len(digest)] = digest
    return bytes(binary) + area


@pytest.mark.parametrize(
    ("said", "slots"),
    [
        ({}, [(None, None, None, None, [])]),
        (
            {"keyslots": {"0": 7, "1": {"kdf": 8}, "x": {"kdf": {"type": "y"}}}},
            [(None, None, None, None, [])],
        ),
        (
            {"keyslots": {"0": {"kdf": {"type": 1, "time": 1 << 70}, "key_size": -1}}},
            [(0, None, None, None, [])],
        ),
        (
            {"keyslots": {str(n): {"kdf": {"type": "\udcff", "time": True}} for n in (31, 1 << 80)}},
            [(31, "\\xff", 1, None, [])],
        ),
        (
            {
                "keyslots": {"2": {"kdf": {"type": "pbkdf2", "iterations": 5}, "key_size": 64}},
                "tokens": {"0": {"type": ["x"], "keyslots": ["2"]}, "1": 5, "2": {"keyslots": "2"}},
                "segments": [1],
            },
            [(2, "pbkdf2", 5, 512, ["['x']"])],
        ),
    ],
)
def test_headers_that_say_anything(tmp_path: Path, said: Any, slots: list[Any]) -> None:
    """Hostile headers: anybody can write one onto a stick."""
    path = tmp_path / "forged"
    path.write_bytes(forged(json.dumps(said).encode()))
    rows = TABLE.rows(device_path=str(path))
    assert [(row.slot, row.kdf, row.iterations, row.key_bits, row.tokens) for row in rows] == slots
    assert {row.uuid for row in rows} == {"uuid"}


@pytest.mark.parametrize(
    "header",
    [
        forged(b"[" * 10_000),
        forged(b"\xff"),
        forged(b""),
        forged(b"{}", "shake_128"),
        forged(b"{}", "no such hash"),
    ],
    ids=["deep", "bytes", "empty", "a hash without a size", "no hash"],
)
def test_a_header_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, files: Any, header: bytes
) -> None:
    path = tmp_path / "forged"
    path.write_bytes(header)
    said: list[str] = []
    query = Query.of(TABLE, equals={"device_path": [str(path), str(files["one"])]}, warn=said.append)
    assert [row.device_path for row in TABLE.rows(query)] == [str(files["one"])]
    assert len(said) == 1


def test_a_large_file_without_a_header_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    started = time.process_time()
    assert TABLE.rows(device_path=str(tmp_path / "sparse")) == []
    assert time.process_time() - started < 1


def test_what_is_no_encrypted_device(tmp_path: Path, files: Any) -> None:
    (tmp_path / "text").write_text("LUKS\n")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(files["one"])
    (tmp_path / "loop").symlink_to("loop")
    said: list[str] = []
    paths = [str(tmp_path / name) for name in ("text", "empty", "pipe", "folder", "link", "loop", "none")]
    paths += ["/dev/zero", "/dev/tty", "a\0b"]
    assert TABLE.rows(Query.of(TABLE, equals={"device_path": paths}, warn=said.append)) == []
    assert len(said) == 6
    assert (
        said[-1]
        == f"kolide_luks: {len(paths) - 2 - 5} more files are left out, which cannot be read or parsed"
    )


def test_a_disk_by_a_link(files: Any, tmp_path: Path) -> None:
    program = shutil.which("losetup", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None or os.geteuid() != 0:
        pytest.skip("needs root and losetup")
    done = subprocess.run(
        [program, "--find", "--show", "--read-only", files["two"]], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no loop device here: {done.stderr.strip()}")
    device = done.stdout.strip()
    try:
        (tmp_path / "by-uuid").symlink_to(device)
        for path in (device, str(tmp_path / "by-uuid")):
            (row,) = TABLE.rows(device_path=path)
            assert (row.device_path, row.kdf) == (path, "argon2id")
    finally:
        subprocess.run([program, "--detach", device], check=True)


@given(st.binary(max_size=700))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    for magic in (b"", b"LUKS\xba\xbe\0\1", b"LUKS\xba\xbe\0\2\0\0\0\0\0\0\x40\0"):
        path.write_bytes(magic + data)
        try:
            read_header(str(path))
        except ValueError:
            pass
    try:
        parse_1(data)
    except ValueError:
        pass
