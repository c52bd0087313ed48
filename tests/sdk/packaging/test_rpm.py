"""An rpm, installed, upgraded, gone back from and removed by rpm in a folder; looked at by rpmlint."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from .conftest import OTHERS, PROGRAM, Root, needs, needs_root, off, two_versions

# What scripts call, for a folder that they change into.
TOOLS = ("sh", "cat", "cp", "mv", "rm", "rmdir", "mkdir", "tail", "readlink", "chmod", "kill")


@pytest.fixture(scope="module")
def rpms(bundle: Path, bundle_2: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two versions."""
    return two_versions("rpm", bundle, bundle_2, tmp_path_factory.mktemp("rpms"))


class RpmRoot(Root):
    """A folder with an rpm database of its own, and the few programs that scripts call in it."""

    def __init__(self, folder: Path, busybox: Path) -> None:
        super().__init__(folder)
        (folder / "bin").mkdir(parents=True)
        shutil.copy(busybox, folder / "bin/busybox")
        for tool in TOOLS:
            (folder / "bin" / tool).symlink_to("busybox")
        for name in ("etc", "proc", "usr/bin", "var/lib"):
            (folder / name).mkdir(parents=True)
        (folder / "dev").mkdir()
        os.mknod(folder / "dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        self.before = set(self.files())

    def rpm(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["rpm", f"--root={self.folder}", "--nodeps", "--nosignature", *map(str, arguments)],
            capture_output=True,
            text=True,
        )

    def do(self, *arguments: str | Path) -> None:
        done = self.rpm(*arguments)
        # Debian's rpm begins with telling that there is dpkg.
        said = [
            line for line in done.stderr.splitlines() if not line.startswith("rpm: ") and line not in SAID
        ]
        assert (done.returncode, said) == (0, [])


SAID = (
    "hello_ext: restart osqueryd: it reads /etc/osquery/extensions.load when it starts",
    f"hello_ext: restart osqueryd: until then it looks for {PROGRAM}",
)


@pytest.fixture
def root(tmp_path: Path, static_busybox: Path) -> RpmRoot:
    needs("rpm")
    needs_root()
    return RpmRoot(tmp_path / "root", static_busybox)


def test_install_upgrade_back_remove(root: RpmRoot, rpms: tuple[Path, Path]) -> None:
    old, new = rpms
    lists = root / "/etc/osquery/extensions.load"
    lists.parent.mkdir(parents=True)
    lists.write_text(OTHERS)
    root.do("--install", old)
    assert root.listed == f"{OTHERS}{PROGRAM}\n"
    assert root.rpm("--verify", "hello_ext").stdout == ""
    root.do("--upgrade", new)
    assert root.listed == f"{OTHERS}{PROGRAM}\n", "the old version's scripts run after the new one's"
    assert root.rpm("--verify", "hello_ext").stdout == ""
    assert (root / PROGRAM).parent.joinpath("_internal/data.txt").read_text() == "data of 1.3.0\n"
    assert not (root / PROGRAM).parent.joinpath("_internal/lib/tool").exists()
    root.do("--upgrade", "--replacepkgs", new)
    root.do("--upgrade", "--oldpackage", old)
    assert root.listed == f"{OTHERS}{PROGRAM}\n"
    assert (root / PROGRAM).parent.joinpath("_internal/data.txt").read_text() == "data of 1.2.3\n"
    root.do("--erase", "hello_ext")
    assert root.listed == OTHERS
    assert set(root.files("rpmdb")) - root.before == {"/etc/osquery/extensions.load"}
    assert not (root / "/usr/lib/osquery").exists()


def test_what_the_operator_wrote_stays(root: RpmRoot, rpms: tuple[Path, Path]) -> None:
    old, new = rpms
    root.do("--install", old)
    (root / "/etc/osquery/extensions.load").write_text("/first.ext\n/last.ext")
    root.do("--upgrade", new)
    assert root.listed == "/first.ext\n/last.ext"
    root.do("--erase", "hello_ext")
    assert root.listed == "/first.ext\n/last.ext"


def test_what_is_switched_off_is_said(root: RpmRoot, rpms: tuple[Path, Path]) -> None:
    old, new = rpms
    root.do("--install", old)
    (root / "/etc/osquery/extensions.load").write_text(f"# {PROGRAM}\n/last.ext\n")
    assert off(1) in root.rpm("--upgrade", new).stderr.splitlines()
    assert "stays off" not in root.rpm("--erase", "hello_ext").stderr
    assert off(1) in root.rpm("--install", new).stderr.splitlines()
    assert root.listed == f"# {PROGRAM}\n/last.ext\n"


def test_verify_sees_what_was_changed(root: RpmRoot, rpms: tuple[Path, Path]) -> None:
    """The silence above means something."""
    root.do("--install", rpms[0])
    (root / PROGRAM).chmod(0o777)
    assert PROGRAM in root.rpm("--verify", "hello_ext").stdout


def test_owners_and_modes(rpms: tuple[Path, Path]) -> None:
    needs("rpm")
    form = "[%{FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME} %{FILEGROUPNAME}\\n]"
    done = subprocess.run(
        ["rpm", "-qp", "--nosignature", "--qf", form, rpms[0]], capture_output=True, text=True
    )
    found = {line.rsplit(" ", 3)[0]: line.rsplit(" ", 3)[1:] for line in done.stdout.splitlines()}
    assert found[PROGRAM] == ["100755", "root", "root"]
    assert found["/usr/lib/osquery/extensions"] == ["40755", "root", "root"]
    assert found["/usr/lib/osquery/extensions/hello_ext/_internal/data.txt"] == ["100644", "root", "root"]
    assert found["/usr/lib/osquery/extensions/hello_ext/_internal/link.txt"][0].startswith("120")
    assert {tuple(owners) for _, *owners in found.values()} == {("root", "root")}


def test_what_it_says_of_itself(rpms: tuple[Path, Path]) -> None:
    needs("rpm")
    form = "%{NAME} %{VERSION} %{RELEASE} %{LICENSE} %{BUILDHOST} %{BUILDTIME} [%{RECOMMENDS} ][%{REQUIRES} ]"
    said = subprocess.run(
        ["rpm", "-qp", "--nosignature", "--qf", form, rpms[0]], capture_output=True, text=True
    ).stdout
    assert said.startswith("hello_ext 1.2.3 1 MIT localhost 1767323045 osquery ")
    assert "libc.so.6(GLIBC_2." in said


def test_rpmlint(rpms: tuple[Path, Path]) -> None:
    needs("rpmlint")
    filters = Path(__file__).with_name("rpmlint.toml")
    done = subprocess.run(["rpmlint", "--config", filters, rpms[0]], capture_output=True, text=True)
    assert (done.returncode, "0 errors, 0 warnings" in done.stdout) == (0, True), done.stdout
