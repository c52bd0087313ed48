"""The tar: extracted, run, installed by its own scripts, gone again."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from .conftest import made, needs, off

if TYPE_CHECKING:
    from pathlib import Path

HOME = "usr/lib/osquery/extensions/hello_ext"
PROGRAM = f"/{HOME}/hello_ext.ext"


def extract(file: Path, folder: Path) -> Path:
    """Extract the tar as a person does, and return the only folder in it."""
    folder.mkdir()
    subprocess.run(["tar", "-C", folder, "-xzf", file], check=True)
    (top,) = folder.iterdir()
    return top


@pytest.fixture(scope="module")
def tars(bundle: Path, bundle_2: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two versions, extracted."""
    folder = tmp_path_factory.mktemp("tars")
    tops = []
    for number, one in enumerate((bundle, bundle_2)):
        file = made(one, "--to", "tar", output=folder / f"out{number}").file("*.tar.gz")
        tops.append(extract(file, folder / str(number)))
    return tops[0], tops[1]


def run(top: Path, script: str, root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [top / script, *arguments], env={**os.environ, "DESTDIR": str(root)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_extracted_and_run(tars: tuple[Path, Path]) -> None:
    top = tars[0]
    assert top.name.startswith("hello_ext-1.2.3-linux-")
    assert sorted(path.name for path in top.iterdir()) == ["files", "install", "remove", "root"]
    program = top / "root" / HOME / "hello_ext.ext"
    assert subprocess.run([program]).returncode == 0
    assert program.stat().st_mode & 0o7777 == 0o755
    assert (program.parent / "_internal/link.txt").read_text() == "a blank\n"
    assert (program.parent / "_internal/data.txt").stat().st_mode & 0o7777 == 0o644


def test_install_upgrade_back_remove(tars: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = tars
    lists = tmp_path / "etc/osquery/extensions.load"
    lists.parent.mkdir(parents=True)
    lists.write_text("/other")
    for _ in range(2):
        run(old, "install", tmp_path)
        assert lists.read_text() == f"/other\n{PROGRAM}\n"
    assert subprocess.run([tmp_path / PROGRAM[1:]]).returncode == 0
    run(new, "install", tmp_path)
    assert (tmp_path / HOME / "_internal/new.txt").exists()
    assert not (tmp_path / HOME / "_internal/lib/tool").exists()
    assert sorted(path.name for path in (tmp_path / HOME).parent.iterdir()) == ["hello_ext"]
    lists.write_text("/other\n")
    run(old, "install", tmp_path)
    assert lists.read_text() == "/other\n"
    assert not (tmp_path / HOME / "_internal/new.txt").exists()
    for _ in range(2):
        run(old, "remove", tmp_path)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [lists]
        assert not (tmp_path / "usr/lib/osquery").exists()
    assert (
        "only option is --purge"
        in subprocess.run([old / "remove", "-x"], capture_output=True, text=True).stderr
    )


def test_what_is_switched_off_is_said(tars: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = tars
    assert run(old, "install", tmp_path) == ""
    (tmp_path / "etc/osquery/extensions.load").write_text(f"/other\n\n;{PROGRAM}")
    assert run(new, "install", tmp_path) == f"{off(3)}\n"
    assert run(new, "remove", tmp_path, "--purge") == ""
    assert run(old, "install", tmp_path) == f"{off(3)}\n"


def test_full_keeps_settings_and_state(bundle: Path, tmp_path: Path) -> None:
    needs("osqueryd")
    osqueryd = shutil.which("osqueryd")
    assert osqueryd is not None
    (tmp_path / "flags").write_text("--config_refresh=60\n")
    (tmp_path / "secret").write_text("very secret\n")
    arguments = ["--full", "--identifier", "acme", "--osqueryd", osqueryd]
    arguments += ["--flags", str(tmp_path / "flags"), "--secret", str(tmp_path / "secret")]
    file = made(bundle, "--to", "tar", *arguments, output=tmp_path / "out").file("*.tar.gz")
    top = extract(file, tmp_path / "x")
    root = tmp_path / "root"
    run(top, "install", root)
    assert (root / "etc/acme/secret").stat().st_mode & 0o7777 == 0o600
    assert (root / "var/acme").stat().st_mode & 0o7777 == 0o700
    assert (root / "usr/local/acme/bin/osqueryd").stat().st_mode & 0o7777 == 0o755
    (root / "etc/acme/osquery.flags").write_text("--config_refresh=5\n")
    (root / "var/acme/state").write_text("")
    said = run(top, "install", root)
    assert "/etc/acme/osquery.flags is kept as it is; the new one is /etc/acme/osquery.flags.new" in said
    assert "stays off" not in said
    (root / "etc/acme/extensions.load").write_text("#/usr/local/acme/extensions/hello_ext/hello_ext.ext\n")
    assert off(1, "/etc/acme/extensions.load", "acme") in run(top, "install", root).splitlines()
    assert (root / "etc/acme/osquery.flags").read_text() == "--config_refresh=5\n"
    run(top, "remove", root)
    assert not (root / "usr/local/acme").exists()
    assert (root / "etc/acme/osquery.flags").read_text() == "--config_refresh=5\n"
    assert (root / "var/acme/state").exists()
    run(top, "remove", root, "--purge")
    assert [path for path in root.rglob("*") if not path.is_dir()] == []
    assert not (root / "etc/acme").exists()


def test_only_root_installs_for_osqueryd(tars: tuple[Path, Path]) -> None:
    """Without DESTDIR, and not root: one line."""
    if os.geteuid() == 0:
        needs("setpriv")
        command = ["setpriv", "--reuid=65534", "--clear-groups", "--regid=65534", "sh"]
    else:
        command = ["sh"]
    script = (tars[0] / "install").read_text()
    done = subprocess.run([*command, "-s"], input=script, capture_output=True, text=True, cwd="/")
    assert done.returncode == 1
    assert "has to be root's to be loaded: run it with sudo, or set DESTDIR" in done.stderr
