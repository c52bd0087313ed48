"""kolide_disk_encryption: for each mount, and for swap, whether it is encrypted, and by what.

Looked at are dm-crypt below the file system, in all its forms (LUKS, plain, BitLocker, VeraCrypt), fscrypt in
it, ZFS's own encryption, and file systems that encrypt files of another, such as eCryptfs and gocryptfs.
"""

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kolide_kit.errors import DeadlineExceeded, LimitExceeded, ProgramFailed
from kolide_kit.limits import Budget
from kolide_kit.programs import run_program
from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, table

from ..reading.homes import local_homes
from ..reading.tools import find_tool
from .block_encryption import BlockDevices, Encryption, Layer, together
from .fscrypt import FILE_SYSTEMS, Policy, policy_of
from .mounts import SWAP, Mount, mount_of, read_mounts, read_swaps

_STACKED = {
    "ecryptfs": "ecryptfs",
    "fuse.gocryptfs": "gocryptfs",
    "fuse.encfs": "encfs",
    "fuse.cryfs": "cryfs",
    "fuse.securefs": "securefs",
    "fuse.dislocker": "bitlocker",
}
_NOTHING = Encryption(False, [])
_MOST_FOLDERS = 500


class DiskEncryption(Row):
    """A mount, swap, or a folder, and its encryption."""

    path: str = Column(
        "File or folder to look at; without it the mount points, and homes that are encrypted alone",
        index=True,
        key=True,
    )
    mount_point: str = Column("Place where its file system is mounted; [SWAP] for swap", index=True, key=True)
    device: str = Column("Device, data set or folder that is mounted")
    filesystem: str = Column("Kind of file system: ext4, btrfs, zfs, swap")
    encrypted: bool | None = Column(
        "1 if all of it is encrypted, 0 if it is not, or only in part; NULL if it is never on a "
        "disk, or not known"
    )
    methods: list[str] = Column(
        "JSON list of what encrypts it: luks2, luks1, dm-crypt, bitlocker, veracrypt, fscrypt, zfs, "
        "ecryptfs, gocryptfs"
    )
    cipher: str | None = Column("Cipher of fscrypt, ZFS or eCryptfs; for LUKS see kolide_luks")
    encrypted_device: str | None = Column(
        "Device below that holds the encrypted data; device_path in kolide_luks"
    )
    mapped_name: str | None = Column("Name of the opened device in /dev/mapper")
    uuid: str | None = Column("UUID of the encrypted device")
    key_id: str | None = Column("Identifier of the key of fscrypt, which is no secret")
    uid: int | None = Column("User whose home the folder is; NULL for a mount", index=True)


class Places(NamedTuple):
    """The files of the kernel that are read."""

    sys: str = "/sys"
    mounts: str = "/proc/self/mountinfo"
    swaps: str = "/proc/swaps"


@table(
    "kolide_disk_encryption",
    platforms=("linux",),
    privilege="Without root: all mounts, and the homes among them that the user may enter.",
    elsewhere="it is read from Linux's /sys and /proc; osquery itself has disk_encryption for macOS and "
    "bitlocker_info for Windows",
    examples=(
        "select mount_point, device, methods from kolide_disk_encryption where encrypted = 0",
        (
            "select d.mount_point, d.methods, b.name, b.model from kolide_disk_encryption d "
            "join block_devices b on b.name = d.encrypted_device where d.encrypted = 1"
        ),
    ),
)
def disk_encryption(query: Query) -> Iterator[DiskEncryption]:
    """Encryption of each mount on a disk, of swap and of homes: LUKS and other dm-crypt, fscrypt, ZFS."""
    return encryption_rows(query, Places())


def encryption_rows(query: Query, places: Places) -> Iterator[DiskEncryption]:
    """Yield the rows from the kernel's files."""
    budget = Budget.of(query)
    machine = _Machine(query, places)
    paths = query.equals("path")
    for place in machine.all_places() if paths is None else machine.named(paths):
        budget.check()
        if query.matches("mount_point", shown(place.mount.point)) and query.matches(
            "path", shown(place.path)
        ):
            budget.add_rows()
            yield machine.row(place)


class _Place(NamedTuple):
    path: str
    mount: Mount
    uid: int | None = None


class _Machine:
    """The mounts of the machine, and what encrypts them."""

    def __init__(self, query: Query, places: Places) -> None:
        self._query = query
        self._mounts = read_mounts(places.mounts)
        self._swaps = read_swaps(places.swaps)
        self._devices = BlockDevices(places.sys, self._of_file)
        self._zfs: dict[str, str] | None = None

    def all_places(self) -> Iterator[_Place]:
        for mount in (*self._mounts, *self._swaps):
            if _is_on_disk(mount):
                yield _Place(mount.source if mount.point == SWAP else mount.point, mount)
        points = {mount.point for mount in self._mounts}
        for home in local_homes(self._query):
            below = mount_of(home.path, self._mounts)
            if home.path not in points and below is not None and _policy(home.path, below) is not None:
                yield _Place(home.path, below, home.uid)

    def named(self, paths: Iterable[str]) -> Iterator[_Place]:
        swaps = {swap.source: swap for swap in self._swaps}
        for path in filter(os.path.isabs, paths):
            mount = swaps.get(path) or mount_of(os.path.normpath(path), self._mounts)
            if mount is not None and os.path.lexists(path):
                yield _Place(path, mount)

    def row(self, place: _Place) -> DiskEncryption:
        path, mount, uid = place
        encryption = self._encryption(mount, 0)
        layers = encryption.layers if encryption is not None else []
        layer = layers[0] if layers else Layer("", None, None, None)
        policy = _policy(path, mount)
        methods = list(dict.fromkeys(layer.method for layer in layers))
        is_whole = None if encryption is None else encryption.is_whole
        return DiskEncryption(
            path=shown(path),
            mount_point=shown(mount.point),
            device=shown(mount.source),
            filesystem=shown(mount.filesystem),
            encrypted=is_whole or (True if policy is not None else is_whole),
            methods=[*methods, *(["fscrypt"] if policy is not None else [])],
            cipher=policy.cipher if policy is not None else self._cipher(mount),
            encrypted_device=layer.device,
            mapped_name=layer.name,
            uuid=layer.uuid,
            key_id=None if policy is None else policy.key,
            uid=uid,
        )

    def _encryption(self, mount: Mount, depth: int) -> Encryption | None:
        if mount.filesystem in _STACKED:
            return Encryption(True, [Layer(_STACKED[mount.filesystem], None, None, None)])
        if mount.filesystem == "zfs":
            value = self._zfs_values().get(mount.source)
            if value is None:
                return None
            if value != "off":
                return Encryption(True, [Layer("zfs", None, None, None)])
            return self._of_devices(self._pool_devices(mount.source.partition("/")[0]), depth)
        if mount.filesystem == "overlay":
            return self._overlay(mount, depth)
        if mount.filesystem == "bcachefs":
            return self._of_devices(mount.source.split(":"), depth)
        if mount.point == SWAP and mount.options == "file":
            return self._of_file(mount.source, depth + 1)
        if not mount.device.startswith("0:"):
            return self._devices.by_number(mount.device, depth)
        return self._devices.by_path(mount.source, depth) if mount.source.startswith("/") else None

    def _of_devices(self, paths: list[str], depth: int) -> Encryption:
        """Return the encryption below a file system on several devices."""
        parts = [self._devices.by_path(path, depth) or _NOTHING for path in paths]
        return together(parts) if parts else _NOTHING

    def _overlay(self, mount: Mount, depth: int) -> Encryption | None:
        """Return the encryption of the folders that an overlay is made of.

        In a container they are not there: then it is not known.
        """
        options = dict(option.partition("=")[::2] for option in mount.options.split(","))
        folders = [options.get("upperdir", ""), *options.get("lowerdir", "").split(":")]
        parts = []
        for folder in filter(None, folders[:_MOST_FOLDERS]):
            below = mount_of(folder, self._mounts) if os.path.isdir(folder) else None  # noqa: PTH112
            found = None if below is None or depth > 16 else self._encryption(below, depth + 1)
            if found is None:
                return None
            parts.append(found)
        return together(parts)

    def _of_file(self, path: str, depth: int) -> Encryption:
        """Return the encryption of a file, which a loop device or swap is in."""
        mount = mount_of(path, self._mounts)
        encryption = None if mount is None or depth > 16 else self._encryption(mount, depth)
        return encryption or _NOTHING

    def _cipher(self, mount: Mount) -> str | None:
        if mount.filesystem == "zfs":
            value = self._zfs_values().get(mount.source)
            return None if value in (None, "off") else value
        if mount.filesystem == "ecryptfs":
            options = dict(option.partition("=")[::2] for option in mount.options.split(","))
            size = options.get("ecryptfs_key_bytes", "")
            bits = f"-{int(size) * 8}" if re.fullmatch(r"[0-9]{1,3}", size) else ""
            return options.get("ecryptfs_cipher", "aes") + bits
        return None

    def _pool_devices(self, pool: str) -> list[str]:
        output = self._run_zfs("zpool", "list", "-v", "-H", "-P", "-L", pool)
        return [line.split()[0] for line in output.splitlines() if line.strip().startswith("/")]

    def _zfs_values(self) -> dict[str, str]:
        if self._zfs is None:
            names = [mount.source for mount in self._mounts if mount.filesystem == "zfs"]
            self._zfs = self._ask_zfs(names) if names else {}
        return self._zfs

    def _ask_zfs(self, names: list[str]) -> dict[str, str]:
        if find_tool("zfs") is None:
            self._query.warn("the program zfs is not installed: whether data sets are encrypted is not known")
            return {}
        return parse_zfs(self._run_zfs("zfs", "get", "-H", "-o", "name,value", "encryption", *names))

    def _run_zfs(self, name: str, *arguments: str) -> str:
        program = find_tool(name)
        if program is None:
            return ""
        try:
            timeout = self._query.limits.max_seconds
            return run_program(program, *arguments, timeout=timeout, codes=None).text
        except (ProgramFailed, DeadlineExceeded, LimitExceeded) as error:
            self._query.warn(str(error))
            return ""


def parse_zfs(text: str) -> dict[str, str]:
    """Return the value of `zfs get -H -o name,value encryption` by data set; older versions have none."""
    pairs = (line.partition("\t") for line in text.splitlines())
    return {name: "off" if value in ("-", "") else value for name, tab, value in pairs if tab}


def _policy(path: str, mount: Mount) -> Policy | None:
    return policy_of(path) if mount.filesystem in FILE_SYSTEMS else None


def _is_on_disk(mount: Mount) -> bool:
    if mount.point == SWAP or mount.filesystem in ("zfs", *_STACKED):
        return True
    if mount.filesystem == "overlay":
        return mount.point == "/"  # a container's file system is one as well
    return not mount.device.startswith("0:") or mount.source.startswith("/dev/")
