"""kolide_disk_encryption on folders like the kernel's /sys, with UUIDs as cryptsetup writes them.

The kernel of these tests need not have dm-crypt: the trees below are as `lsblk` shows those of such machines.
"""

import errno
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kolide_tables.machine import fscrypt
from kolide_tables.machine.disk_encryption import (
    DiskEncryption,
    Places,
    disk_encryption,
    encryption_rows,
    parse_zfs,
)
from kolide_tables.machine.mounts import read_mounts, read_swaps
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.homes import Users
from ...support.tools import Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /sys, which only Linux has")

ID = "0123456789abcdef0123456789abcdef"
DASHED = "01234567-89ab-cdef-0123-456789abcdef"
# Number, the devices it is made of, and more files.
DEVICES: dict[str, tuple[str, list[str], dict[str, str]]] = {
    "nvme0n1": ("259:0", [], {}),
    "nvme0n1/nvme0n1p1": ("259:1", [], {"partition": "1"}),
    "nvme0n1/nvme0n1p3": ("259:3", [], {"partition": "3"}),
    "dm-0": ("254:0", ["nvme0n1p3"], {"dm/uuid": f"CRYPT-LUKS2-{ID}-root_crypt", "dm/name": "root_crypt"}),
    "dm-1": ("254:1", ["dm-0"], {"dm/uuid": "LVM-abcdef", "dm/name": "vg-root"}),
    "dm-2": ("254:2", ["sda"], {"dm/uuid": "CRYPT-PLAIN-swap", "dm/name": "swap"}),
    "dm-3": ("254:3", ["dm-0"], {"dm/uuid": "CRYPT-VERITY-x", "dm/name": "verity"}),
    "dm-4": ("254:4", ["sdb"], {"dm/uuid": "CRYPT-VERITY-x-y", "dm/name": "plainverity"}),
    "dm-5": ("254:5", ["sdb"], {"dm/uuid": "", "dm/name": "veracrypt1"}),
    "dm-6": ("254:6", ["sdb"], {"dm/uuid": f"CRYPT-BITLK-{ID}-win", "dm/name": "win"}),
    "dm-7": ("254:7", ["dm-0"], {"dm/uuid": f"part1-CRYPT-LUKS2-{ID}-root_crypt", "dm/name": "root1"}),
    "sda": ("8:0", [], {}),
    "sdb": ("8:16", [], {}),
    "md0": ("9:0", ["sda", "dm-1"], {}),
    "md1": ("9:1", ["dm-1", "dm-2"], {}),
    "loop0": ("7:0", [], {"loop/backing_file": "/home/snaps/core.snap"}),
    "loop1": ("7:1", [], {"loop/backing_file": "/boot/image"}),
    "loop1/loop1p1": ("7:2", [], {"partition": "1"}),
    "zram0": ("253:0", [], {"backing_dev": "none"}),
    "zram1": ("253:1", [], {"backing_dev": "/dev/dm-1"}),
    "zram2": ("253:2", [], {"backing_dev": "/dev/sdb"}),
    "dm-8": ("254:8", ["dm-9"], {"dm/uuid": f"CRYPT-LUKS2-{ID}-whole", "dm/name": "whole"}),
    "dm-9": ("254:9", ["sda"], {"dm/uuid": f"CRYPT-SUBDEV-{ID}-whole_dif", "dm/name": "whole_dif"}),
}
MOUNTS = """\
22 1 254:1 / / rw - ext4 /dev/mapper/vg-root rw
23 22 259:1 / /boot rw - ext4 /dev/nvme0n1p1 rw
24 22 254:3 / /verity ro - ext4 /dev/mapper/verity ro
25 22 254:4 / /plain ro - ext4 /dev/mapper/plainverity ro
26 22 254:5 / /vera rw - ext4 /dev/mapper/veracrypt1 rw
27 22 254:6 / /win rw - ntfs3 /dev/mapper/win rw
28 22 254:7 / /part rw - ext4 /dev/mapper/root1 rw
29 22 9:0 / /half\\040done rw - ext4 /dev/md0 rw
30 22 9:1 / /both rw - ext4 /dev/md1 rw
31 22 7:0 / /snap ro - squashfs /dev/loop0 ro
32 22 7:2 / /image ro - ext4 /dev/loop1p1 ro
33 22 0:30 / /butter rw - btrfs /dev/mapper/vg-root rw,subvol=/
34 22 0:31 / /mixed rw - btrfs /dev/sda rw
35 22 0:32 / /tank rw - zfs tank/data rw
36 22 0:33 / /private rw - ecryptfs /home/.private rw,ecryptfs_cipher=aes,ecryptfs_key_bytes=16
37 22 0:34 / /vault rw - fuse.gocryptfs /home/cipher rw
38 22 0:35 / /proc rw - proc proc rw
39 22 0:36 / /net rw - nfs4 server:/x rw
40 22 8:16 / /hidden rw - ext4 /dev/sdb rw
41 22 254:1 / /hidden rw - ext4 /dev/mapper/vg-root rw
broken line
"""
SWAPS = """\
Filename\t\t\t\tType\t\tSize\tUsed\tPriority
/dev/dm-2                               partition\t8\t0\t-2
/swap\\040file                           file\t8\t0\t-3
/dev/zram0                              partition\t8\t0\t100
"""


MORE_MOUNTS = """\
22 1 0:40 / / rw - overlay overlay rw,lowerdir={0}/low:{0}/boot,upperdir={0}/up,workdir={0}/work
23 22 254:8 / {0}/up rw - ext4 /dev/mapper/whole rw
24 22 254:1 / {0}/low rw - ext4 /dev/mapper/vg-root rw
25 22 259:1 / {0}/boot rw - ext4 /dev/nvme0n1p1 rw
26 22 0:41 / {0}/container rw - overlay overlay rw,lowerdir={0}/low,upperdir={0}/up,workdir={0}/work
27 22 0:42 / {0}/gone rw - overlay overlay rw,lowerdir=/nowhere/a,upperdir=/nowhere/b
28 22 0:43 / {0}/self rw - overlay overlay rw,lowerdir={0}/self/a
29 22 0:44 / {0}/memory rw - tmpfs tmpfs rw
30 22 0:45 / {0}/cache rw - bcachefs /dev/dm-8:/dev/dm-1 rw
31 22 0:46 / {0}/open rw - bcachefs /dev/dm-8:/dev/sdb rw
"""


def test_devices_and_folders_between_a_mount_and_its_disk(places: Places, tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(MORE_MOUNTS.format(tmp_path))
    (tmp_path / "swaps").write_text("Filename\n/dev/zram1 partition 8 0 1\n/dev/zram2 partition 8 0 1\n")
    for name in ("low", "boot", "up", "container", "gone", "self/a", "memory", "cache", "open"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    found = {
        row["path"].removeprefix(f"{tmp_path}/"): (row["encrypted"], row["methods"], row["encrypted_device"])
        for row in rows(places)
    }
    assert found == {
        "/": (False, ["luks2"], "/dev/sda"),
        "up": (True, ["luks2"], "/dev/sda"),
        "low": (True, ["luks2"], "/dev/nvme0n1p3"),
        "boot": (False, [], None),
        "cache": (True, ["luks2"], "/dev/sda"),
        "open": (False, ["luks2"], "/dev/sda"),
        "/dev/zram1": (True, ["luks2"], "/dev/nvme0n1p3"),
        "/dev/zram2": (False, [], None),
    }
    named = {
        name: rows(places, path=str(tmp_path / name))[0]["encrypted"]
        for name in ("container", "gone", "self/a", "memory")
    }
    assert named == {"container": True, "gone": None, "self/a": None, "memory": None}


def test_a_pool_of_zfs_on_encrypted_devices(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The programs are written here by zfs-get(8) and zpool-list(8): the kernel of these tests has no ZFS."""
    for name, text in (
        ("zfs", "printf 'tank/a\\toff\\npool/a\\toff\\npool/b\\taes-256-gcm\\n'"),
        ("zpool", 'case $6 in tank) d=/dev/dm-1;; *) d=/dev/sdb;; esac; printf "$6\\t1G\\n\\t$d\\t1G\\n"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr("kolide_tables.machine.disk_encryption.find_tool", lambda name: str(tmp_path / name))
    (tmp_path / "mounts").write_text(
        "".join(
            f"2{n} 1 0:{n} / /{n} rw - zfs {name} rw\n"
            for n, name in enumerate(("tank/a", "pool/a", "pool/b"))
        )
    )
    found = [(row["device"], row["encrypted"], row["methods"]) for row in rows(places)][:3]
    assert found == [("tank/a", True, ["luks2"]), ("pool/a", False, []), ("pool/b", True, ["zfs"])]


@pytest.fixture
def places(tmp_path: Path, users: Users) -> Places:
    sys_ = tmp_path / "sys"
    folders = {}
    for name, (number, _below, files) in DEVICES.items():
        folder = folders[name.rpartition("/")[2]] = sys_ / "devices" / name
        (folder / "slaves").mkdir(parents=True)
        facts = {"dev": number, "uevent": f"DEVNAME={folder.name}\nDEVTYPE=disk"} | files
        for file, text in facts.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(f"{text}\n")
        for place in (sys_ / "dev" / "block" / number, sys_ / "class" / "block" / folder.name):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(folder)
    for name, (_number, below, _files) in DEVICES.items():
        for other in below:
            (sys_ / "devices" / name / "slaves" / other).symlink_to(folders[other])
    for identifier, names in (("a", ["dm-1"]), ("b", ["sda", "dm-1"])):
        devices = sys_ / "fs" / "btrfs" / identifier / "devices"
        devices.mkdir(parents=True)
        for name in names:
            (devices / name).symlink_to(folders[name])
    (tmp_path / "mounts").write_text(MOUNTS)
    (tmp_path / "swaps").write_text(SWAPS)
    return Places(str(sys_), str(tmp_path / "mounts"), str(tmp_path / "swaps"))


def rows(places: Places, **equals: Any) -> list[dict[str, Any]]:
    found = encryption_rows(Query.of(disk_encryption, equals=equals), places)
    return [{name: getattr(row, name) for name in DiskEncryption.__columns__} for row in found]


def test_every_mount_and_what_is_below_it(places: Places) -> None:
    found = [(row["mount_point"], row["encrypted"], row["methods"]) for row in rows(places)]
    assert found == [
        ("/", True, ["luks2"]),
        ("/boot", False, []),
        ("/verity", True, ["luks2"]),
        ("/plain", False, []),
        ("/vera", True, ["veracrypt"]),
        ("/win", True, ["bitlocker"]),
        ("/part", True, ["luks2"]),
        ("/half done", False, ["luks2"]),
        ("/both", True, ["luks2", "dm-crypt"]),
        ("/snap", True, ["luks2"]),
        ("/image", False, []),
        ("/butter", True, ["luks2"]),
        ("/mixed", False, ["luks2"]),
        ("/tank", None, []),
        ("/private", True, ["ecryptfs"]),
        ("/vault", True, ["gocryptfs"]),
        ("/hidden", True, ["luks2"]),
        ("[SWAP]", True, ["dm-crypt"]),
        ("[SWAP]", True, ["luks2"]),
        ("[SWAP]", None, []),
    ]


def test_the_device_that_holds_the_data(places: Places) -> None:
    (root,) = rows(places, mount_point="/")
    assert root == dict.fromkeys(DiskEncryption.__columns__) | {
        "path": "/",
        "mount_point": "/",
        "device": "/dev/mapper/vg-root",
        "filesystem": "ext4",
        "encrypted": True,
        "methods": ["luks2"],
        "encrypted_device": "/dev/nvme0n1p3",
        "mapped_name": "root_crypt",
        "uuid": DASHED,
    }
    (private,) = rows(places, mount_point="/private")
    assert private["cipher"] == "aes-128"


def test_a_file_is_in_its_mount(places: Places) -> None:
    (row,) = rows(places, path="/etc/passwd")
    assert (row["path"], row["mount_point"], row["methods"]) == ("/etc/passwd", "/", ["luks2"])
    assert rows(places, path="/no/such/file") == []
    assert rows(places, path="etc") == []


def test_devices_in_a_circle_end(places: Places) -> None:
    (Path(places.sys) / "devices" / "sda" / "slaves" / "md0").symlink_to(Path(places.sys) / "devices" / "md0")
    assert [row["encrypted"] for row in rows(places, mount_point="/half done")] == [False]


def test_homes_that_fscrypt_encrypts(places: Places, users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's answers are written here by its header: the file system of these tests has no fscrypt."""
    policies = {
        str(users.add(1001, "ann")): bytes((0, 1, 4, 0)) + bytes.fromhex("a1b2c3d4e5f60718"),
        str(users.add(1002, "bob")): bytes((2, 9, 9, 0)) + bytes(4) + bytes(range(16)),
        str(users.add(1003, "carl")): None,
    }
    (users.root / "mounts").write_text("22 1 254:1 / / rw - ext4 /dev/mapper/vg-root rw\n")
    opened: dict[int, str] = {}
    real = fscrypt.os.open
    monkeypatch.setattr(fscrypt.os, "open", lambda path, flags: remember(opened, real(path, flags), path))

    def answer(descriptor: int, request: int, data: bytearray) -> int:
        policy = policies.get(opened[descriptor])
        assert request == 0xC0096616
        assert data[:8] == struct.pack("=Q", 24)
        if policy is None:
            raise OSError(errno.ENODATA, "No data available")
        data[:] = struct.pack("=Q", len(policy)) + policy + bytes(24 - len(policy))
        return 0

    monkeypatch.setattr("fcntl.ioctl", answer)
    found = [(row["uid"], row["methods"], row["cipher"], row["key_id"]) for row in rows(places)]
    assert [each for each in found if each[0]] == [
        (1001, ["luks2", "fscrypt"], "aes-256-xts", "a1b2c3d4e5f60718"),
        (1002, ["luks2", "fscrypt"], "adiantum", bytes(range(16)).hex()),
    ]


def remember(opened: dict[int, str], descriptor: int, path: object) -> int:
    opened[descriptor] = str(path)
    return descriptor


# Adds a key, and encrypts an empty folder with it, by the kernel's header linux/fscrypt.h.
ENCRYPT = """
import fcntl, os, struct, sys
folder = os.open(sys.argv[1], os.O_RDONLY)
key = bytearray(struct.pack("=II32xII32x", 2, 0, 64, 0) + bytes(range(64)))
fcntl.ioctl(folder, 0xC0506617, key)
fcntl.ioctl(folder, 0x800C6613, bytearray(bytes((2, 1, 4, 3)) + bytes(4) + key[8:24]))
print(key[8:24].hex())
"""
IN_A_NAMESPACE = """
mount --make-rprivate / && mount -o loop "$1" "$2" || exit 77
mkdir "$2/private" "$2/open" && "$3" -c "$4" "$2/private" && mkdir "$2/private/below" && lsattr -d "$2"/* || exit 77
"$3" -c "$5" "$2/private" "$2/private/below" "$2/open"
"""
READ = """
import json, sys
from kolide_tables.machine.disk_encryption import disk_encryption
for path in sys.argv[1:]:
    (row,) = disk_encryption.rows(path=path)
    print(json.dumps([row.encrypted, row.methods, row.cipher, row.key_id, row.mount_point]))
"""


def test_folders_that_the_kernel_encrypts(run: Run, tmp_path: Path, compare: Compare) -> None:
    image, point = tmp_path / "image", tmp_path / "mounted"
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    run("mkfs.ext4", "-q", "-O", "encrypt", image)
    arguments = [
        "unshare",
        "-m",
        "sh",
        "-c",
        IN_A_NAMESPACE,
        "sh",
        image,
        point,
        sys.executable,
        ENCRYPT,
        READ,
    ]
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, timeout=60)
    if done.returncode == 77:
        pytest.skip(f"no right to mount, or no fscrypt in the kernel: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    key, *lines = done.stdout.splitlines()
    shown = (line.split() for line in lines if not line.startswith("["))
    theirs = {Path(path).name: "E" in flags for flags, path in shown if "lost+found" not in path}
    private, below, plain = (json.loads(line) for line in lines if line.startswith("["))
    compare("disk_encryption", "lsattr", {"private": private[0], "open": plain[0]}, theirs)
    assert private == below == [True, ["fscrypt"], "aes-256-xts", key, str(point)]
    assert plain == [False, [], None, None, str(point)]


def test_answers_of_zfs() -> None:
    """Lines as zfs-get(8) describes them; the kernel of these tests has no ZFS."""
    assert parse_zfs("tank\toff\ntank/my data\taes-256-gcm\nold\t-\n\n") == {
        "tank": "off",
        "tank/my data": "aes-256-gcm",
        "old": "off",
    }


def test_this_machine(run: Run, compare: Compare) -> None:
    listed = json.loads(run("lsblk", "-J", "-o", "NAME,TYPE,MOUNTPOINTS"))

    def points(devices: list[dict[str, Any]], *, crypt: bool) -> dict[str, bool]:
        found: dict[str, bool] = {}
        for device in devices:
            inside = crypt or device["type"] == "crypt"
            found |= {point: inside for point in device["mountpoints"] if point and point != "[SWAP]"}
            found |= points(device.get("children", []), crypt=inside)
        return found

    theirs = points(listed["blockdevices"], crypt=False)
    ours = {row.mount_point: row.encrypted for row in disk_encryption.rows() if row.mount_point in theirs}
    if not theirs:
        pytest.skip("lsblk shows no mount here")
    compare("disk_encryption", "lsblk", ours, {point: theirs[point] for point in ours})


def test_files_that_are_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert read_mounts(missing) == read_swaps(missing) == []
