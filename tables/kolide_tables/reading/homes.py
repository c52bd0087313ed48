"""Find the homes of this machine's users, and walk through folders within limits.

Users come from this machine alone: /etc/passwd on Linux (the file itself, so that no directory service is
asked), the local node of Open Directory on macOS, the profiles in the registry on Windows. A home on a
network file system, or at a place where the automounter would mount one, is left out before anything in it is
touched: a server that does not answer must not hold up the answer about all other users.
"""

import os
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.patterns import SKIPPED_FOLDERS
from kolide_kit.text import shown
from osquery_sdk import Query

LEVELS = 3
PASSWD = "/etc/passwd"  # noqa: S105  the file's name
MOUNTS = "/proc/self/mountinfo"
_MACOS_USERS = "/var/db/dslocal/nodes/Default/users"
_MOST_LINKS = 40

# fmt: off
_REMOTE = frozenset((
    b"autofs", b"nfs", b"nfs4", b"cifs", b"smb3", b"smbfs", b"ncpfs", b"afs", b"coda", b"ceph", b"lustre",
    b"gpfs", b"beegfs", b"glusterfs", b"orangefs", b"davfs", b"fuse.sshfs", b"fuse.rclone", b"fuse.s3fs",
    b"fuse.glusterfs", b"fuse.ceph", b"fuse.davfs", b"fuse.davfs2", b"fuse.gvfsd-fuse", b"fuse.gcsfuse",
    b"fuse.blobfuse", b"fuse.moosefs", b"fuse.juicefs",
))
# fmt: on


class Home(NamedTuple):
    """A local user's home folder."""

    uid: int
    username: str
    path: str


class Folder(NamedTuple):
    """A folder that a walk has reached.

    Attributes:
        path: the folder.
        files: names of everything in it that is not a folder, links included.
        folders: names of its folders; a name that is removed from this list is not walked into.
    """

    path: str
    files: list[str]
    folders: list[str]


def local_homes(query: Query) -> Iterator[Home]:
    """Yield the homes of the local users whose `uid` the statement may want; no other home is touched.

    Users without a home, or with / as one, are left out. A home that may not be entered gives one warning,
    not one for each file that a table looks for.
    """
    mounts = Mounts()
    for home in _users(query):
        if (
            query.matches("uid", home.uid)
            and os.path.isabs(home.path)  # noqa: PTH117
            and home.path.strip("/")
            and mounts.is_local_folder(home.path)
        ):
            try:
                os.stat(f"{home.path}/.")  # noqa: PTH116
            except PermissionError as error:
                query.warn(f"{home.path}: {error.strerror}")
                continue
            except OSError:
                pass  # the table finds nothing there
            yield home


def _users(query: Query) -> Iterator[Home]:
    platform: str = sys.platform
    if platform == "win32":
        return _windows_profiles()
    if platform == "darwin":
        return macos_users(query, _MACOS_USERS)
    try:
        return parse_passwd(read_file(PASSWD))
    except (Unreadable, LimitExceeded) as error:
        query.warn(str(error))
        return iter(())


def parse_passwd(content: bytes) -> Iterator[Home]:
    """Yield the users in the content of /etc/passwd; lines of NIS (`+`) and malformed lines are skipped."""
    for line in content.split(b"\n"):
        fields = line.split(b":")
        if len(fields) >= 7 and fields[0][:1] not in (b"+", b"-", b"#") and fields[2].isdigit():
            yield Home(int(fields[2]), shown(fields[0]), os.fsdecode(fields[5]))


def macos_users(query: Query, folder: str) -> Iterator[Home]:
    """Yield the users whose records are in a folder of Open Directory's local node."""
    import plistlib

    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(".plist"))
    except OSError as error:
        query.warn(f"{folder}: {error.strerror or error}")
        return
    for name in names:
        try:
            user = plistlib.loads(read_file(f"{folder}/{name}"))
            yield Home(int(user["uid"][0]), user["name"][0], user["home"][0])
        except (Unreadable, LimitExceeded) as error:
            query.warn(str(error))
        except (ValueError, KeyError, IndexError, TypeError, plistlib.InvalidFileException):
            continue  # a user without an id or a home


def _windows_profiles() -> Iterator[Home]:
    if sys.platform != "win32":
        return
    import winreg

    key = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList"
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as profiles:
        for index in range(winreg.QueryInfoKey(profiles)[0]):
            sid = winreg.EnumKey(profiles, index)
            with winreg.OpenKey(profiles, sid) as profile:
                try:
                    path = os.path.expandvars(str(winreg.QueryValueEx(profile, "ProfileImagePath")[0]))
                except OSError:
                    continue
            # The uid is the last part of the SID, as in osquery's users table.
            number = sid.rpartition("-")[2]
            if number.isdigit() and not path.startswith("\\\\"):
                yield Home(int(number), path.rpartition("\\")[2], path)


class Mounts:
    """Tells which paths are on other machines, by the list of mounts alone."""

    def __init__(self, mountinfo: str | None = None) -> None:
        """Read the list of mounts; without one (macOS, Windows) every path counts as local."""
        self._remote: dict[str, bool] = {}
        try:
            content = read_file(MOUNTS if mountinfo is None else mountinfo)
        except (Unreadable, LimitExceeded):
            return
        for line in content.split(b"\n"):
            before, _, after = line.partition(b" - ")
            fields = before.split(b" ")
            if len(fields) > 4 and after:
                # The last mount at a place hides the earlier ones.
                self._remote[os.fsdecode(_unescaped(fields[4]))] = after.split(b" ", 1)[0] in _REMOTE

    def is_remote(self, path: str) -> bool:
        """Return whether an absolute path without links is on a network file system, or would be mounted when
        touched.
        """
        while path not in self._remote:
            if path in ("/", ""):
                return False
            path = path.rpartition("/")[0] or "/"
        return self._remote[path]

    def is_local_folder(self, path: str) -> bool:
        """Return whether a path leads to a folder of this machine.

        Each link is checked before it is followed.
        """
        if not self._remote:
            return os.path.isdir(path)  # noqa: PTH112
        todo = path.split("/")[::-1]
        here, links = "", 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                here = here.rpartition("/")[0]
                continue
            step = f"{here}/{part}"
            if self.is_remote(step):
                return False
            try:
                target = os.readlink(step)  # noqa: PTH115
            except OSError:
                here = step  # not a link; whether it exists shows at the end
                continue
            links += 1
            if links > _MOST_LINKS:
                return False
            here = "" if target.startswith("/") else here
            todo += target.split("/")[::-1]
        return os.path.isdir(here or "/")  # noqa: PTH112


def walk(
    top: str,
    *,
    levels: int = LEVELS,
    max_folders: int,
    on_step: Callable[[], None],
    mounts: Mounts | None = None,
) -> Iterator[Folder]:
    """Yield the folders from `top` down, the nearest first.

    Skip links, other machines, node_modules, .git and caches.

    Args:
        top: the first folder, level 0.
        levels: how many levels of folders below `top` are listed.
        max_folders: the most folders that are listed.
        on_step: called now and then, to check a deadline.
        mounts: the machine's mounts, if they are known already.

    Raises:
        LimitExceeded: there are more folders; the text says what was not searched.
    """
    mounts = Mounts() if mounts is None else mounts
    folders, listed = [top], 0
    for level in range(levels + 1):
        below: list[str] = []
        for index, path in enumerate(folders):
            if listed >= max_folders:
                left = len(folders) - index + len(below)
                raise LimitExceeded(
                    f"{shown(top)} has more than {max_folders:,} folders within {levels} levels: "
                    f"{left:,} or more were not searched, {shown(path)} the first of them; name a folder, or "
                    "raise max_folders"
                )
            listed += 1
            folder = _listed(path, on_step)
            yield folder
            if level < levels:
                inner = (f"{path.rstrip('/')}/{name}" for name in folder.folders)
                below += (path for path in inner if not mounts.is_remote(path))
        folders = below


def _listed(path: str, on_step: Callable[[], None]) -> Folder:
    files: list[str] = []
    folders: list[str] = []
    on_step()
    try:
        with os.scandir(path) as entries:
            for index, entry in enumerate(entries):
                if index & 1023 == 1023:
                    on_step()
                try:
                    is_folder = entry.is_dir(follow_symlinks=False)
                except OSError:
                    continue
                if not is_folder:
                    files.append(entry.name)
                elif entry.name not in SKIPPED_FOLDERS:
                    folders.append(entry.name)
    except (OSError, ValueError):
        pass  # it may not be listed, or has gone
    return Folder(path, sorted(files), sorted(folders))


def _unescaped(path: bytes) -> bytes:
    r"""Return a path of mountinfo with its escapes replaced: blanks and backslashes are written as `\040` and
    the like.
    """
    first, *rest = path.split(b"\\")
    return first + b"".join(bytes((int(part[:3], 8) & 255,)) + part[3:] for part in rest)
