"""kolide_keyinfo and kolide_ssh_keys: the keys in files, and the private keys in the homes of this machine's
users.

Nothing is decrypted. Of a private key only its kind, its size and the fingerprint of its public part are
shown.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from kolide_kit.limits import Budget
from kolide_kit.text import shown
from osquery_sdk import Column, ColumnType, Query, Row, table

from ..reading.homes import Home, local_homes
from ..reading.leftout import LeftOut
from ..reading.paths import FileRow, asked_paths, past_trusted_links, read_or_warn

__all__ = ["KeyInfo", "SshKey", "keyinfo", "ssh_keys"]

_NOT_PUBLIC = frozenset(("private", "secret", "store"))
_SSH_FOLDER = ".ssh"
_NO_KEYS = frozenset(("known_hosts", "known_hosts.old", "config", "authorized_keys", "environment", "rc"))


class KeyInfo(FileRow):
    """A key in a file."""

    type: str | None = Column(
        "Algorithm: rsa, rsa-pss, dsa, ecdsa, ed25519, ed25519-sk, dh, ml-dsa-44, ..., with -cert for a "
        "certificate; as the file names it if it is not known; empty if it is encrypted as well"
    )
    encrypted: bool | None = Column(
        "1 if only a password opens it, 0 if it is in clear; NULL for what is public, or if the file "
        "does not tell"
    )
    bits: int | None = Column("Size in bits; NULL if the file does not tell it", type=ColumnType.INTEGER)
    fingerprint_sha256: str | None = Column(
        "Fingerprint of the public key as ssh-keygen -l prints it; empty if the public key is not "
        "there in clear",
        key=True,
    )
    fingerprint_md5: str | None = Column("Fingerprint with MD5, as older logs have it")
    format: str = Column(
        "Format: openssh, pkcs1, pkcs8, sec1, dsa, putty, ssh.com, ssh1, tss2, openpgp, age, minisign, "
        "wireguard, jwk; public: openssh-public, rfc4716, spki; parameters: pkcs3, x942, dsa-parameters, "
        "ec-parameters; stores: pkcs12, jks, jceks, bks; -der if it is not text",
        key=True,
    )
    comment: str | None = Column(
        "Comment in the file, where it is in clear; the name in a store; the owner of an OpenPGP key",
        key=True,
    )
    kdf: str | None = Column(
        "Derivation of the key from its password: bcrypt, pbkdf2, scrypt, argon2id, pkcs12, md5, "
        "...; empty if it has none"
    )
    mode: str | None = Column(
        "The file's permissions, in octal digits such as 0600; empty on Windows", default=None
    )
    kind: str = Column(
        "private, public, certificate, parameters, secret, or store for a part of a store that shows no key",
        key=True,
    )
    iterations: int | None = Column("Rounds of the derivation, or the cost of scrypt and argon2")
    digest: str | None = Column("Digest that an RSA-PSS key is restricted to: sha256")
    options: list[str] | None = Column(
        "JSON list of what stands before the key in its line: the options of authorized_keys, commands and "
        "variables redacted, or the mark and the host names of known_hosts"
    )
    keys: int | None = Column(
        "Keys of the store that can be counted without its password", type=ColumnType.INTEGER
    )
    certificates: int | None = Column(
        "Certificates of the store that can be counted without its password", type=ColumnType.INTEGER
    )
    error: str | None = Column("Reason why the rest is not known", key=True)


# Both tables share these columns.
_SHARED: Mapping[str, Any] = KeyInfo.__columns__


class SshKey(Row):
    """A private key in a user's folder .ssh."""

    user: str = Column("User whose home it is in")
    uid: int = Column("That user's number; on Windows the last part of the SID", index=True, key=True)
    path: str = Column("File that the key is in", key=True)
    type: str | None = _SHARED["type"]
    encrypted: bool | None = _SHARED["encrypted"]
    bits: int | None = _SHARED["bits"]
    fingerprint_sha256: str | None = _SHARED["fingerprint_sha256"]
    fingerprint_md5: str | None = _SHARED["fingerprint_md5"]
    format: str = _SHARED["format"]
    comment: str | None = _SHARED["comment"]
    kdf: str | None = _SHARED["kdf"]
    mode: str | None = _SHARED["mode"]
    kind: str = _SHARED["kind"]
    iterations: int | None = _SHARED["iterations"]
    digest: str | None = _SHARED["digest"]
    options: list[str] | None = _SHARED["options"]
    keys: int | None = _SHARED["keys"]
    certificates: int | None = _SHARED["certificates"]
    error: str | None = _SHARED["error"]


@table(
    "kolide_keyinfo",
    privilege="Without root: only files that the user may read.",
    examples=(
        (
            "select path, type, bits, format, mode from kolide_keyinfo where path like '/etc/ssh/%' "
            "and encrypted = 0"
        ),
        (
            "select u.username, k.fingerprint_sha256, k.type, k.bits, k.comment from users u "
            "join kolide_keyinfo k on k.path = u.directory || '/.ssh/authorized_keys'"
        ),
    ),
)
def keyinfo(query: Query) -> Iterator[KeyInfo]:
    """Private and public keys in files: kind, size, fingerprint, and whether a password protects them."""
    budget, left_out = Budget.of(query), LeftOut(query)
    for path in asked_paths(query, "path", budget, links=True):
        for columns in _keys(past_trusted_links(path), query, budget, left_out):
            yield KeyInfo(path=path, **columns)
    left_out.finish()


@table(
    "kolide_ssh_keys",
    privilege="Without root: only homes that the user may enter, which are often their own alone.",
    examples=(
        "select user, path, type, bits, mode from kolide_ssh_keys where encrypted = 0",
        (
            "select u.username, k.path, k.type, k.fingerprint_sha256 from users u "
            "join kolide_ssh_keys k using (uid) where k.type in ('dsa', 'rsa') and k.bits < 3072"
        ),
    ),
)
def ssh_keys(query: Query) -> Iterator[SshKey]:
    """Private keys in the .ssh folders of local users: kind, size, fingerprint, protection by a password."""
    budget, left_out = Budget.of(query), LeftOut(query)
    for home in local_homes(query):
        for path in _ssh_files(home, budget):
            for columns in _keys(path, query, budget, left_out):
                if columns["kind"] in _NOT_PUBLIC:
                    yield SshKey(user=home.username, uid=home.uid, path=shown(path), **columns)
    left_out.finish()


def _ssh_files(home: Home, budget: Budget) -> list[str]:
    folder = os.path.join(home.path, _SSH_FOLDER)  # noqa: PTH118
    try:
        with os.scandir(folder) as entries:
            paths = []
            for entry in entries:
                budget.step()
                if entry.name not in _NO_KEYS and entry.is_file(follow_symlinks=False):
                    paths.append(entry.path)
    except OSError:
        return []  # no keys, or not readable
    return sorted(paths)


def _keys(path: str, query: Query, budget: Budget, left_out: LeftOut) -> Iterator[dict[str, Any]]:
    """Yield the keys of one file, as columns.

    A file that cannot be read is logged, and the others are still read.
    """
    from .keys import keys_in

    budget.check()
    content = read_or_warn(path, query, warn=left_out.add)
    if content is None:
        return
    mode: str | None = None
    for key in keys_in(content):
        budget.add_rows()
        if mode is None and query.wants("mode"):
            mode = _mode(path)
        yield key.columns() | {"mode": mode}


def _mode(path: str) -> str | None:
    if os.name == "nt":
        return None
    try:
        return f"{stat.S_IMODE(os.lstat(path).st_mode):04o}"
    except OSError:
        return None
