"""kolide_luks: the LUKS encryption of disks and files, a row for each key slot; no key is read.

Source: LUKS On-Disk Format Specification 1.2.3, LUKS2 On-Disk Format Specification 1.1.3.
"""

import os
import re
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from kolide_kit.files import why_not
from kolide_kit.limits import Budget
from kolide_kit.text import printable, printable_or_none, shown
from osquery_sdk import Column, ColumnType, Query, Row, table

from ..reading.leftout import LeftOut
from ..reading.parsing import as_object
from ..reading.paths import asked_paths

_MAGIC, _SECOND_MAGIC = b"LUKS\xba\xbe", b"SKUL\xba\xbe"
_ACTIVE = 0x00AC71F3
_SLOTS_1, _SLOT_1_SIZE, _SLOTS_1_AT = 8, 48, 208
_HEADER_2 = 4096
_CHECKSUM_AT, _CHECKSUM_SIZE = 448, 64
# Offsets where the second header may be, by the sizes that the specification allows. The first header gives
# the offset, but may itself be the damaged one.
_SIZES_2 = tuple(_HEADER_2 << shift for shift in range(2, 11))


class LuksSlot(Row):
    """A key slot of an encrypted device: a passphrase, key file or token opens it."""

    device_path: str = Column("Disk, partition or file", index=True, required=True, key=True)
    version: int = Column("Version of the format, 1 or 2", type=ColumnType.INTEGER)
    uuid: str = Column("The device's UUID")
    cipher: str | None = Column("Cipher of the data: aes-xts-plain64")
    key_bits: int | None = Column("Bits of the key that encrypts data", type=ColumnType.INTEGER)
    slot: int | None = Column(
        "Key slot's number; NULL if the device has none", type=ColumnType.INTEGER, key=True
    )
    kdf: str | None = Column("Derivation of a key from the passphrase: pbkdf2, argon2i, argon2id")
    iterations: int | None = Column("Rounds of pbkdf2, or the time cost of argon2")
    tokens: list[str] = Column(
        "JSON list of the kinds of tokens that open the slot: systemd-tpm2, systemd-fido2, clevis"
    )


class Slot(NamedTuple):
    """A key slot."""

    slot: int | None
    kdf: str | None
    iterations: int | None
    key_bits: int | None
    tokens: list[str]


class Header(NamedTuple):
    """The facts of an encrypted device."""

    version: int
    uuid: str
    cipher: str | None
    key_bits: int | None
    slots: list[Slot]


@table(
    "kolide_luks",
    privilege="Without root: only files that the user may read, since block devices are closed.",
    platforms=("linux",),
    elsewhere="LUKS is Linux's; osquery itself has disk_encryption for macOS and bitlocker_info for Windows",
    examples=(
        (
            "select b.name, l.version, l.cipher, l.key_bits, l.slot, l.kdf, l.tokens from block_devices b "
            "join kolide_luks l on l.device_path = b.name where b.type = 'crypto_LUKS'"
        ),
        (
            "select device_path, count(slot) as slots from kolide_luks where device_path like '/dev/nvme%' "
            "group by device_path"
        ),
    ),
)
def luks(query: Query) -> Iterator[LuksSlot]:
    """LUKS encryption of devices and files: cipher, key size, key slots, key derivation and tokens."""
    budget, left_out = Budget.of(query), LeftOut(query)
    for path in asked_paths(query, "device_path", budget):
        budget.check()
        try:
            header = read_header(path)
        except (OSError, ValueError) as error:
            left_out.add(f"{shown(path)}: {why_not(path, error)}")
            continue
        if header is not None:
            for slot in header.slots or [Slot(None, None, None, header.key_bits, [])]:
                yield LuksSlot(
                    device_path=path,
                    version=header.version,
                    uuid=header.uuid,
                    cipher=header.cipher,
                    **slot._asdict(),
                )
    left_out.finish()


def read_header(path: str) -> Header | None:
    """Return the header of a device or file; None if it has none.

    Raises OSError if it cannot be read, and ValueError if it is damaged, or neither a disk nor a file.
    """
    # Disks are named by links of many kinds (/dev/disk/by-uuid); a link to a file is not followed.
    _require_storage(path, os.lstat(path).st_mode, may_link=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        opened = os.fstat(descriptor)
        if not stat.S_ISBLK(opened.st_mode):
            named = os.lstat(path)
            _require_storage(path, named.st_mode, may_link=False)
            if not os.path.samestat(named, opened):
                raise ValueError("it is exchanged while it is opened")
        return _header(descriptor)
    finally:
        os.close(descriptor)


def _require_storage(path: str, mode: int, *, may_link: bool) -> None:
    if stat.S_ISLNK(mode) and may_link:
        mode = os.stat(path).st_mode  # noqa: PTH116
        if stat.S_ISBLK(mode):
            return
        raise ValueError("it is a symbolic link to something other than a disk")
    if not (stat.S_ISREG(mode) or (stat.S_ISBLK(mode) and may_link)):
        raise ValueError("it is neither a disk nor a file")


def _header(descriptor: int) -> Header | None:
    first = os.pread(descriptor, _HEADER_2, 0)
    if first[:8] == _MAGIC + b"\0\1":
        return parse_1(first)
    headers = [*filter(None, (_read_2(descriptor, first, 0), _second(descriptor, first)))]
    if headers:
        return _parse_2(*max(headers, key=lambda header: int.from_bytes(header[0][16:24], "big")))
    if first[:6] == _MAGIC:
        raise ValueError("its LUKS header is damaged")
    return None


def parse_1(data: bytes) -> Header:
    """Return a header of version 1; raises ValueError if it is cut off."""
    if len(data) < _SLOTS_1_AT + _SLOTS_1 * _SLOT_1_SIZE:
        raise ValueError("its LUKS header is cut off")
    key_bits = _big_endian(data, 108, 4) * 8
    slots = []
    for number in range(_SLOTS_1):
        at = _SLOTS_1_AT + number * _SLOT_1_SIZE
        if _big_endian(data, at, 4) == _ACTIVE:
            slots.append(Slot(number, "pbkdf2", _big_endian(data, at + 4, 4), key_bits, []))
    cipher = f"{_string(data, 8, 32)}-{_string(data, 40, 32)}"
    return Header(1, _string(data, 168, 40), cipher, key_bits, slots)


def _second(descriptor: int, first: bytes) -> tuple[bytes, bytes] | None:
    """Return the second header of version 2: it is where the first one ends, or has to be searched for."""
    given = _big_endian(first, 8, 8) if first[:6] == _MAGIC else 0
    for at in (given,) if given in _SIZES_2 else _SIZES_2:
        header = _read_2(descriptor, os.pread(descriptor, _HEADER_2, at), at)
        if header is not None:
            return header
    return None


def _read_2(descriptor: int, binary: bytes, at: int) -> tuple[bytes, bytes] | None:
    """Return the binary and the JSON part of a header whose checksum is right; None otherwise."""
    import hashlib

    magic = _SECOND_MAGIC if at else _MAGIC
    size = _big_endian(binary, 8, 8)
    if binary[:8] != magic + b"\0\2" or size not in _SIZES_2 or _big_endian(binary, 256, 8) != at:
        return None
    area = os.pread(descriptor, size - _HEADER_2, at + _HEADER_2)
    blank = binary[:_CHECKSUM_AT] + bytes(_CHECKSUM_SIZE) + binary[_CHECKSUM_AT + _CHECKSUM_SIZE :]
    try:
        digest = hashlib.new(_string(binary, 72, 32), blank + area, usedforsecurity=False).digest()
    except (ValueError, TypeError):  # the hash is unknown, or has no size of its own
        return None
    return (binary, area) if binary[_CHECKSUM_AT:].startswith(digest) else None


def _parse_2(binary: bytes, area: bytes) -> Header:
    import json

    try:
        document = json.loads(area.partition(b"\0")[0])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its LUKS header has no JSON: {error}") from error
    keyslots, tokens, segments = (_dictionary(document, key) for key in ("keyslots", "tokens", "segments"))
    slots = []
    for number in sorted((key for key in keyslots if re.fullmatch(r"[0-9]{1,2}", key)), key=int):
        keyslot, kdf = _dictionary(keyslots, number), _dictionary(_dictionary(keyslots, number), "kdf")
        if not kdf:
            continue  # the slot of a reencryption holds no key
        key_bits = (_count(keyslot.get("key_size")) or 0) * 8 or None
        iterations = _count(kdf.get("iterations", kdf.get("time")))
        kinds = _token_kinds(tokens, number)
        slots.append(Slot(int(number), printable_or_none(kdf.get("type")), iterations, key_bits, kinds))
    ciphers = (_dictionary(segments, key).get("encryption") for key in sorted(segments))
    cipher = printable_or_none(next(filter(None, ciphers), None))
    return Header(2, _string(binary, 168, 40), cipher, None, slots)


def _token_kinds(tokens: dict[str, Any], slot: str) -> list[str]:
    entries = [_dictionary(tokens, key) for key in sorted(tokens)]
    return [
        printable(str(token.get("type")))
        for token in entries
        if isinstance(token.get("keyslots"), list) and slot in token["keyslots"]
    ]


def _dictionary(value: object, key: str) -> dict[str, Any]:
    return as_object(as_object(value).get(key))


def _count(value: object) -> int | None:
    # The format's fields are 32 bits wide, but a hostile header may hold any number.
    return value if isinstance(value, int) and 0 <= value < 1 << 32 else None


def _string(data: bytes, at: int, size: int) -> str:
    return shown(data[at : at + size].partition(b"\0")[0])


def _big_endian(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")
