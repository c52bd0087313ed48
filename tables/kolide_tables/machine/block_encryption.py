"""Find the encryption below a block device: down through LVM, RAID, partitions and loop devices to the disks.

The kernel shows in /sys which devices a device is made of, and the UUID that cryptsetup gave to each of its
own. Sources: the kernel's Documentation/ABI/testing/sysfs-block-dm; cryptsetup's libdevmapper code, for the
UUIDs.
"""

import os
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kolide_kit.text import shown

from ..reading.paths import attribute_text, names_in

__all__ = ["MEMORY", "BlockDevices", "Encryption", "Layer", "together"]

MEMORY = "memory"
_DEEPEST = 16
_MOST_LEAVES = 1_000
_CRYPT = re.compile(r"CRYPT-([A-Z0-9]+)(?:-([0-9a-f]{32})(?![0-9a-f]))?")
# These check data, or are parts of other devices: they encrypt nothing.
_PARTS = frozenset(("INTEGRITY", "SUBDEV"))
_NOT_ENCRYPTION = _PARTS | {"VERITY"}
_METHODS = {"PLAIN": "dm-crypt", "BITLK": "bitlocker", "FVAULT2": "filevault2", "TCRYPT": "veracrypt"}


class Layer(NamedTuple):
    """An encrypted device.

    Attributes:
        method: luks1, luks2, dm-crypt, bitlocker, veracrypt, ...
        name: name of the opened device in /dev/mapper.
        device: the device that holds the encrypted data.
        uuid: its UUID, where it has one.
    """

    method: str
    name: str | None
    device: str | None
    uuid: str | None


class Encryption(NamedTuple):
    """The encryption of what is on a device.

    Attributes:
        is_whole: whether all of it is encrypted; None if it is never on a disk.
        layers: the encrypted devices on the way to the disks.
    """

    is_whole: bool | None
    layers: list[Layer]


def together(parts: list[Encryption]) -> Encryption:
    """Return the encryption of what is spread over several places."""
    layers = list(dict.fromkeys(layer for part in parts for layer in part.layers))
    on_disk = [part.is_whole for part in parts if part.is_whole is not None]
    return Encryption(all(on_disk) if on_disk else None, layers)


class BlockDevices:
    """The block devices of the machine.

    Args:
        sys: the kernel's folder /sys.
        of_file: returns the encryption of the file system that a file, the content of a loop device, is in.
    """

    def __init__(self, sys: str, of_file: Callable[[str, int], Encryption]) -> None:
        """Look at nothing yet."""
        self._sys = sys
        self._of_file = of_file
        self._named: dict[str, str] | None = None

    def by_number(self, number: str, depth: int = 0) -> Encryption | None:
        """Return the encryption of a device by its major and minor number; None if it is unknown."""
        folder = f"{self._sys}/dev/block/{number}"
        return self._encryption([folder], depth) if os.path.isdir(folder) else None  # noqa: PTH112

    def by_path(self, path: str, depth: int = 0) -> Encryption | None:
        """Return the encryption of a device by its path in /dev; with that of all devices of its btrfs."""
        folder = self._folder(path)
        if folder is None:
            return None
        return self._encryption(self._btrfs_devices(attribute_text(f"{folder}/dev")) or [folder], depth)

    def _folder(self, path: str) -> str | None:
        if self._named is None:
            self._named = dict(self._names())
        if path in self._named:
            return self._named[path]
        try:
            number = os.stat(path).st_rdev  # noqa: PTH116
        except (OSError, ValueError):
            return None
        folder = f"{self._sys}/dev/block/{os.major(number)}:{os.minor(number)}"
        return folder if os.path.isdir(folder) else None  # noqa: PTH112

    def _names(self) -> Iterator[tuple[str, str]]:
        for name in names_in(f"{self._sys}/class/block"):
            folder = f"{self._sys}/class/block/{name}"
            yield f"/dev/{name}", folder
            mapped = attribute_text(f"{folder}/dm/name")
            if mapped is not None:
                yield f"/dev/mapper/{mapped}", folder

    def _btrfs_devices(self, number: str | None) -> list[str]:
        """Return the folders of all devices of the btrfs that a device is part of."""
        for identifier in names_in(f"{self._sys}/fs/btrfs"):
            devices = f"{self._sys}/fs/btrfs/{identifier}/devices"
            folders = [f"{devices}/{name}" for name in names_in(devices)]
            if number is not None and number in [attribute_text(f"{folder}/dev") for folder in folders]:
                return folders
        return []

    def _encryption(self, folders: list[str], depth: int) -> Encryption:
        return together([part for folder in folders for part in self._below(folder, depth)])

    def _below(self, folder: str, depth: int) -> Iterator[Encryption]:
        """Yield the encryption on each way from a device down to a disk."""
        if depth > _DEEPEST:
            yield Encryption(False, [])
            return
        layer = self._layer(folder)
        if layer is not None:
            yield Encryption(True, [layer])
            return
        below = names_in(f"{folder}/slaves")[:_MOST_LEAVES]
        file = attribute_text(f"{folder}/loop/backing_file")
        if below:
            for name in below:
                yield from self._below(f"{folder}/slaves/{name}", depth + 1)
        elif file is not None:
            yield self._of_file(file, depth + 1)
        elif attribute_text(f"{folder}/partition") is not None:
            yield from self._below(f"{folder}/..", depth + 1)
        elif _name(folder).startswith(("zram", "ram")):
            backing = attribute_text(f"{folder}/backing_dev") or "none"
            yield Encryption(None, []) if backing == "none" else self._of_backing(backing, depth + 1)
        else:
            yield Encryption(False, [])

    def _of_backing(self, path: str, depth: int) -> Encryption:
        """Return the encryption of the device that a compressed memory is written to."""
        return self.by_path(path, depth) or Encryption(False, [])

    def _layer(self, folder: str) -> Layer | None:
        uuid, name = attribute_text(f"{folder}/dm/uuid") or "", attribute_text(f"{folder}/dm/name")
        found = _CRYPT.match(uuid)
        if found is None:
            if name is None or re.fullmatch(r"(?:vera|true)crypt[0-9]+", name) is None:
                return None
            method, identifier = "veracrypt", None
        elif found[1] in _NOT_ENCRYPTION:
            return None
        else:
            method, identifier = _METHODS.get(found[1], found[1].lower()), found[2]
        device = _holder(folder)
        return Layer(method, name, device, None if identifier is None else _with_dashes(identifier))


def _holder(folder: str) -> str | None:
    """Return the device that holds the encrypted data.

    With integrity, or while it is encrypted anew, devices of cryptsetup's own are between the two.
    """
    for _ in range(_DEEPEST):
        below = names_in(f"{folder}/slaves")
        if not below:
            return None
        folder = f"{folder}/slaves/{below[0]}"
        found = _CRYPT.match(attribute_text(f"{folder}/dm/uuid") or "")
        if found is None or found[1] not in _PARTS:
            return f"/dev/{shown(_name(folder) or below[0])}"
    return None


def _with_dashes(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _name(folder: str) -> str:
    """Return the name of a device in /dev."""
    lines = (attribute_text(f"{folder}/uevent") or "").splitlines()
    return next((line.partition("=")[2] for line in lines if line.startswith("DEVNAME=")), "")
