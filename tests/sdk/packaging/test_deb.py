"""A deb, installed, upgraded, removed and purged by dpkg in a folder; looked at by lintian."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .conftest import OTHERS, PROGRAM, Root, made, needs, needs_root, off, package, two_versions


@pytest.fixture(scope="module")
def debs(bundle: Path, bundle_2: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two versions."""
    return two_versions("deb", bundle, bundle_2, tmp_path_factory.mktemp("debs"))


class DebRoot(Root):
    """A folder with its own dpkg database. Scripts run outside of it, and DPKG_ROOT names it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "var/lib/dpkg/updates").mkdir(parents=True)
        (folder / "var/lib/dpkg/info").mkdir()
        (folder / "var/lib/dpkg/status").write_text("")
        (folder / "var/log").mkdir(parents=True)

    def dpkg(self, *arguments: str | Path) -> str:
        done = subprocess.run(
            [
                "dpkg",
                f"--root={self.folder}",
                "--force-script-chrootless",
                "--force-depends",
                "--force-bad-path",
                "--force-confold",
                *map(str, arguments),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def files(self, *but: str) -> list[str]:
        return super().files("/var/lib/dpkg", "/var/log", *but)


@pytest.fixture
def root(tmp_path: Path) -> DebRoot:
    needs("dpkg")
    needs_root()
    return DebRoot(tmp_path / "root")


def test_install_upgrade_remove_purge(root: DebRoot, debs: tuple[Path, Path]) -> None:
    old, new = debs
    lists = root / "/etc/osquery/extensions.load"
    lists.parent.mkdir(parents=True)
    lists.write_text(OTHERS)
    root.dpkg("--install", old)
    assert root.listed == f"{OTHERS}{PROGRAM}\n"
    assert subprocess.run([root / PROGRAM]).returncode == 0
    assert (root / PROGRAM).parent.joinpath("_internal/lib/tool").exists()
    for _ in range(2):
        root.dpkg("--install", new)
        assert root.listed == f"{OTHERS}{PROGRAM}\n"
        assert (root / PROGRAM).parent.joinpath("_internal/data.txt").read_text() == "data of 1.3.0\n"
        assert not (root / PROGRAM).parent.joinpath("_internal/lib/tool").exists()
    root.dpkg("--install", old)  # back again
    assert (root / PROGRAM).parent.joinpath("_internal/data.txt").read_text() == "data of 1.2.3\n"
    assert root.listed == f"{OTHERS}{PROGRAM}\n"
    root.dpkg("--remove", "hello-ext")
    assert root.listed == f"{OTHERS}{PROGRAM}\n"
    assert root.files() == ["/etc/osquery/extensions.load"]
    root.dpkg("--purge", "hello-ext")
    assert root.listed == OTHERS
    assert not (root / "/usr/lib/osquery").exists()


def test_what_the_operator_wrote_stays(root: DebRoot, debs: tuple[Path, Path]) -> None:
    old, new = debs
    lists = root / "/etc/osquery/extensions.load"
    root.dpkg("--install", old)
    assert root.listed == f"{PROGRAM}\n"
    lists.write_text(f"/first.ext\n#{PROGRAM}\n/last.ext")
    root.dpkg("--install", new)
    assert root.listed == f"/first.ext\n#{PROGRAM}\n/last.ext"
    root.dpkg("--remove", "hello-ext")
    root.dpkg("--install", new)
    assert root.listed == f"/first.ext\n#{PROGRAM}\n/last.ext"
    root.dpkg("--purge", "hello-ext")
    assert root.listed == f"/first.ext\n#{PROGRAM}\n/last.ext"


def test_what_is_switched_off_is_said(root: DebRoot, debs: tuple[Path, Path]) -> None:
    old, new = debs
    assert "stays off" not in root.dpkg("--install", old)
    (root / "/etc/osquery/extensions.load").write_text(f"/first.ext\n# {PROGRAM}\n")
    for arguments in (["--install", new], ["--install", new], ["--remove", "hello-ext"], ["--install", old]):
        said = root.dpkg(*arguments)
        assert (off(2) in said.splitlines()) == (arguments[0] == "--install"), said
    root.dpkg("--purge", "hello-ext")
    # Its configuration is gone, and the comment is not its own.
    assert off(2) in root.dpkg("--install", old).splitlines()
    (root / "/etc/osquery/extensions.load").write_text(f"/first.ext\n{PROGRAM}\n")
    assert "stays off" not in root.dpkg("--install", new)


def test_nothing_is_left_of_an_install_into_nothing(root: DebRoot, debs: tuple[Path, Path]) -> None:
    root.dpkg("--install", debs[0])
    root.dpkg("--purge", "hello-ext")
    assert root.files() == []
    assert not (root / "/etc/osquery").exists()


def test_osqueryd_accepts_owners_and_modes(root: DebRoot, debs: tuple[Path, Path]) -> None:
    root.dpkg("--install", debs[0])
    home = (root / PROGRAM).parent
    for path in (home.parent, home, *home.rglob("*")):
        status = path.lstat()
        assert (status.st_uid, status.st_gid) == (0, 0), path
        if not path.is_symlink():
            wanted = 0o755 if path.is_dir() or path.name in ("hello_ext.ext", "tool") else 0o644
            assert status.st_mode & 0o7777 == wanted, path
    assert (home / "_internal/link.txt").readlink() == Path("lib/with blank.txt")


def test_lintian(debs: tuple[Path, Path]) -> None:
    needs("lintian")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", debs[0]], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_what_it_says_of_itself(debs: tuple[Path, Path]) -> None:
    needs("dpkg-deb")
    fields = dict(
        line.split(": ", 1)
        for line in subprocess.run(
            ["dpkg-deb", "-f", debs[0]], capture_output=True, text=True
        ).stdout.splitlines()
        if not line.startswith(" ")
    )
    assert fields["Package"] == "hello-ext"
    assert fields["Version"] == "1.2.3-1"
    assert fields["Recommends"] == "osquery"
    assert fields["Depends"].startswith("libc6 (>= 2.")
    assert fields["Maintainer"] == "Table Makers <tables@example.com>"


@pytest.fixture(scope="module")
def full(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two versions of a full package, with flags and a secret."""
    needs("osqueryd")
    import shutil

    folder = tmp_path_factory.mktemp("full")
    (folder / "flags").write_text("--config_refresh=60\n")
    (folder / "secret").write_text("very secret\n")
    osqueryd = shutil.which("osqueryd")
    assert osqueryd is not None
    settings = ["--flags", folder / "flags", "--secret", folder / "secret", "--identifier", "acme"]
    for version in ("1.2.3", "1.3.0"):
        made(
            bundle,
            *("--to", "deb", "--full", "--osqueryd", osqueryd, "--version", version),
            *settings,
            output=folder / "out",
        )
        (folder / "flags").write_text("--config_refresh=90\n")
    return next((folder / "out").glob("*1.2.3*.deb")), next((folder / "out").glob("*1.3.0*.deb"))


def test_full(root: DebRoot, full: tuple[Path, Path]) -> None:
    old, new = full
    root.dpkg("--install", old)
    modes = {
        "/etc/acme/secret": 0o600,
        "/etc/acme/osquery.flags": 0o644,
        "/etc/acme/extensions.load": 0o644,
        "/var/acme": 0o700,
        "/usr/local/acme/bin/osqueryd": 0o755,
        "/usr/lib/systemd/system/acme.service": 0o644,
    }
    assert {path: (root / path).stat().st_mode & 0o7777 for path in modes} == modes
    program = "/usr/local/acme/extensions/hello_ext/hello_ext.ext"
    assert (root / "/etc/acme/extensions.load").read_text() == f"{program}\n"
    assert (root / program).is_file()
    (root / "/var/acme/osquery.db").mkdir()
    (root / "/etc/acme/osquery.flags").write_text("--config_refresh=5\n")
    (root / "/etc/acme/secret").write_text("another\n")
    (root / "/etc/acme/extensions.load").write_text(f"# {program}\n")
    assert off(1, "/etc/acme/extensions.load", "acme") in root.dpkg("--install", new).splitlines()
    assert (root / "/etc/acme/extensions.load").read_text() == f"# {program}\n"
    assert (root / "/etc/acme/osquery.flags").read_text() == "--config_refresh=5\n"
    assert (root / "/etc/acme/secret").read_text() == "another\n"
    assert (root / "/etc/acme/secret").stat().st_mode & 0o7777 == 0o600
    root.dpkg("--remove", "acme")
    assert (root / "/etc/acme/osquery.flags").read_text() == "--config_refresh=5\n"
    assert (root / "/var/acme/osquery.db").is_dir()
    assert not (root / "/usr/local/acme").exists()
    root.dpkg("--purge", "acme")
    assert root.files() == []
    assert not (root / "/var/acme").exists()


def test_a_package_with_a_secret_is_nobody_elses_to_read(full: tuple[Path, Path]) -> None:
    assert full[0].stat().st_mode & 0o7777 == 0o600


@pytest.mark.slow
def test_full_lintian(full: tuple[Path, Path]) -> None:
    needs("lintian")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", full[0]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_the_unit(full: tuple[Path, Path], tmp_path: Path) -> None:
    needs("systemd-analyze", "dpkg-deb")
    subprocess.run(["dpkg-deb", "-x", full[0], tmp_path], check=True)
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={tmp_path}", "acme.service"], capture_output=True, text=True
    )
    # That the folder has no systemd to depend on is no fault of the unit's.
    wrong = [line for line in done.stderr.splitlines() if not line.endswith(".target not found.")]
    assert wrong == []


def test_other_places(bundle: Path, tmp_path: Path) -> None:
    needs("dpkg-deb")
    places = ["--root", "/opt/tables", "--load-list", "/opt/osquery/extensions.load", "--name", "my-tables"]
    deb = made(bundle, "--to", "deb", *places, output=tmp_path).file("*.deb")
    assert deb.name.startswith("my-tables_")
    listed = subprocess.run(["dpkg-deb", "-c", deb], capture_output=True, text=True).stdout
    assert "./opt/tables/hello_ext/hello_ext.ext" in listed
    subprocess.run(["dpkg-deb", "-e", deb, tmp_path / "control"], check=True)
    assert "load_list=/opt/osquery/extensions.load\n" in (tmp_path / "control/postinst").read_text()


def test_musl_is_no_debian(bundle: Path, tmp_path: Path) -> None:
    """A program whose loader is musl's, made by writing its name over the other's."""
    import shutil

    other = shutil.copytree(bundle, tmp_path / "hello_ext.bundle", symlinks=True)
    program = other / "hello_ext.ext"
    content = program.read_bytes()
    start = content.index(b"/lib64/ld-linux-x86-64.so.2") if b"/lib64/ld-linux-x86-64.so.2" in content else -1
    if start < 0:
        pytest.skip("true is not linked as on x86_64")
    name = b"/lib/ld-musl-x86_64.so.1"
    program.write_bytes(content[:start] + name.ljust(27, b"\0") + content[start + 27 :])
    done = package(other, "--to", "deb", output=tmp_path / "out")
    assert "is linked with musl" in done.stderr
    made(other, "--to", "apk", output=tmp_path / "out")
