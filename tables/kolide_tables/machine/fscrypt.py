"""Ask a file system for the encryption of a folder or file: fscrypt of ext4, f2fs, ubifs and ceph.

Source: the kernel's Documentation/filesystems/fscrypt.rst and include/uapi/linux/fscrypt.h.
"""

import os
import stat
import sys
from typing import NamedTuple

__all__ = ["FILE_SYSTEMS", "Policy", "parse_policy", "policy_of"]

FILE_SYSTEMS = frozenset(("ext4", "f2fs", "ubifs", "ceph"))
_GET_POLICY = 0xC0096616  # FS_IOC_GET_ENCRYPTION_POLICY_EX
_SIZE = 8  # the policy is behind a number of eight bytes, its size
_LARGEST = 24
_MODES = {
    1: "aes-256-xts",
    4: "aes-256-cts",
    5: "aes-128-cbc",
    6: "aes-128-cts",
    7: "sm4-xts",
    8: "sm4-cts",
    9: "adiantum",
    10: "aes-256-hctr2",
}
# For each version of a policy: where the identifier of its key is, which is no secret.
_IDENTIFIERS = {0: (4, 12), 2: (8, 24)}


class Policy(NamedTuple):
    """The encryption of a folder: the cipher of contents, and the identifier of the key."""

    cipher: str
    key: str


def policy_of(path: str) -> Policy | None:
    """Return the policy of a folder or file; None if it has none, or may not be opened."""
    try:
        import fcntl
    except ImportError:  # not on Linux
        return None
    try:
        mode = os.lstat(path).st_mode
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        answer = bytearray(_LARGEST.to_bytes(_SIZE, sys.byteorder) + bytes(_LARGEST))
        fcntl.ioctl(descriptor, _GET_POLICY, answer)
        return parse_policy(bytes(answer))
    except OSError:
        return None  # not encrypted, or not by this
    finally:
        os.close(descriptor)


def parse_policy(answer: bytes) -> Policy | None:
    """Return the policy in the kernel's answer; None for a version that is not known."""
    size = int.from_bytes(answer[:_SIZE], sys.byteorder)
    policy = answer[_SIZE : _SIZE + size]
    if len(policy) < 4 or policy[0] not in _IDENTIFIERS:
        return None
    begin, end = _IDENTIFIERS[policy[0]]
    return Policy(_MODES.get(policy[1], f"mode {policy[1]}"), policy[begin:end].hex())
