"""What the tests of tables over files and homes share: the oracle's program, and homes of users made up."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kolide_tables import homes

Run = Callable[..., str]
FIXTURES = Path(__file__).parents[2] / "fixtures" / "tables"


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Inputs made by the real tools, with what those said of them."""
    return FIXTURES


@pytest.fixture(scope="session")
def run() -> Run:
    """`run(program, *arguments)` gives what it prints; without the program the test is skipped."""

    def call(program: str, *arguments: object, check: bool = True, **options: Any) -> str:
        path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if path is None:
            pytest.skip(f"{program} is not installed: it is the oracle of this test")
        done = subprocess.run(
            [path, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options
        )
        if check:
            assert done.returncode == 0, f"{program} {arguments}: {done.stderr}"
        return done.stdout

    return call


class Users:
    """Local users whose homes are folders of the test.

    Attributes:
        root: the folder with the homes.
        file: their /etc/passwd.
        mounts: their /proc/self/mountinfo.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "passwd"
        self.file.write_text("root:x:0:0::/nonexistent:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n+nis::::::\n")
        self.mounts = root / "mountinfo"
        self.mounts.write_text("21 1 8:1 / / rw - ext4 /dev/sda1 rw\n")

    def add(self, uid: int, name: str, home: Path | None = None) -> Path:
        """Another user; its home is made unless it is given."""
        if home is None:
            home = self.root / name
            home.mkdir()
        with self.file.open("a") as file:
            file.write(f"{name}:x:{uid}:{uid}::{home}:/bin/sh\n")
        return home


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Users:
    """The users that there are; of this machine's own none."""
    made = Users(tmp_path)
    defaults = {"passwd": str(made.file), "mountinfo": str(made.mounts)}
    monkeypatch.setattr(homes.local_homes, "__kwdefaults__", defaults)
    return made


@pytest.fixture
def link() -> Callable[[Path, object], None]:
    """`link(path, target)` makes a link that is not root's, whoever runs the tests."""

    def make(path: Path, target: object) -> None:
        path.symlink_to(str(target))
        if os.geteuid() == 0:
            os.lchown(path, 65534, 65534)

    return make
