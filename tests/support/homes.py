"""Users whose homes are folders of the test, and links in them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kolide_tables.reading import homes

Link = Callable[[Path, object], None]


class Users:
    """Local users whose homes are folders of the test.

    Attributes:
        root: the folder with the homes.
        file: their /etc/passwd.
        mounts: their /proc/self/mountinfo.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Replace this machine's users by none, until the test ends."""
        self.root = root
        self.file = root / "passwd"
        self.file.write_text("root:x:0:0::/nonexistent:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n+nis::::::\n")
        self.mounts = root / "mountinfo"
        self.mounts.write_text("21 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
        monkeypatch.setattr(homes, "PASSWD", str(self.file))
        monkeypatch.setattr(homes, "MOUNTS", str(self.mounts))

    def add(self, uid: int, name: str, home: Path | None = None) -> Path:
        """Add a user; the home is made unless it is given."""
        if home is None:
            home = self.root / name
            home.mkdir()
        with self.file.open("a") as file:
            file.write(f"{name}:x:{uid}:{uid}::{home}:/bin/sh\n")
        return home
