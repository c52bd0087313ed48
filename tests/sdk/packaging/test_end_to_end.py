"""The bundled extension as a deb, in a Debian of its own, beside a real osqueryd that runs all the while.

Slow: it freezes, and fetches a small Debian. `OSQUERY_SDK_DEBIAN_ROOT` may name a folder made by debootstrap.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ...support.paths import ROOT
from .conftest import made, needs, needs_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.slow, pytest.mark.osqueryd]
PROGRAM = "/usr/lib/osquery/extensions/kolide_ext/kolide_ext.ext"
WITHIN = 60


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled extension, frozen: as `make build` has left it, or else by this test."""
    ready = ROOT / "build/kolide_ext.bundle"
    if ready.is_dir():
        return ready
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    from osquery_sdk.freeze import Options, build

    built = build(str(ROOT / "extensions/kolide_ext"), Options(output=tmp_path_factory.mktemp("frozen")))
    return built.program.parent


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small Debian with osqueryd and the libraries that it is linked with."""
    needs("osqueryd", "debootstrap", "dpkg", "ldd")
    needs_root()
    root = tmp_path_factory.mktemp("debian") / "root"
    ready = os.environ.get("OSQUERY_SDK_DEBIAN_ROOT")
    command = (
        ["cp", "-a", ready, root] if ready else ["debootstrap", "--variant=minbase", "stable", str(root)]
    )
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no Debian to be had: {done.stdout.splitlines()[-1:] or done.stderr}")
    osqueryd = shutil.which("osqueryd")
    assert osqueryd is not None
    shutil.copy(osqueryd, root / "usr/bin/osqueryd")
    linked = subprocess.run(["ldd", osqueryd], capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+) \(0x", linked):
        to = root / library.lstrip("/")
        if not to.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, to)
    mounted = subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("/proc cannot be mounted here")
    yield root
    subprocess.run(["umount", root / "proc"], check=True)


class Daemon:
    """An osqueryd in the folder, started as its unit would start it, and what it logs."""

    def __init__(self, root: Path, *flags: str) -> None:
        self.root = root
        with (root / "said").open("wb") as said:
            self.process = subprocess.Popen(
                ["chroot", root, "/usr/bin/osqueryd", *flags, "--verbose"],
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return (self.root / "said").read_text(errors="replace")

    def results(self, name: str) -> list[dict[str, Any]]:
        file = self.root / "var/log/osquery/osqueryd.snapshots.log"
        lines = file.read_text().splitlines() if file.exists() else []
        return [one for one in map(json.loads, lines) if one["name"] == name]

    def extensions(self) -> dict[int, str]:
        """Processes of the extension in this folder: number, and the file that each runs."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                program = os.readlink(process / "exe")  # noqa: PTH115
                if "kolide_ext.ext" in program and (process / "root").samefile(self.root):
                    found[int(process.name)] = program
            except OSError:
                continue
        return found

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()


def until(what: Callable[[], Any], saying: str) -> Any:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {WITHIN} s: {saying}")


def dpkg(root: Path, *arguments: str) -> str:
    done = subprocess.run(["chroot", root, "dpkg", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


CONFIG = {
    "schedule": {
        "toml": {
            "query": "select fullkey, value from kolide_toml where path = '/etc/sample.toml'",
            "interval": 1,
            "snapshot": True,
        },
        "own": {"query": "select version from osquery_info", "interval": 1, "snapshot": True},
    }
}
FLAGS = (
    "--config_path=/etc/osquery/osquery.conf",
    "--extensions_autoload=/etc/osquery/extensions.load",
    "--database_path=/var/osquery/osquery.db",
    "--extensions_socket=/var/osquery/osquery.em",
    "--logger_path=/var/log/osquery",
    "--pidfile=/var/osquery/osqueryd.pid",
    "--disable_events",
    "--schedule_splay_percent=0",
)


def test_installed_upgraded_removed_beside_a_running_osqueryd(
    frozen: Path, debian: Path, tmp_path: Path
) -> None:
    for version in ("1.0.0", "2.0.0"):
        deb = made(frozen, "--to", "deb", "--version", version, output=tmp_path / version).file("*.deb")
        shutil.copy(deb, debian / f"{version}.deb")
    (debian / "etc/osquery").mkdir()
    (debian / "etc/osquery/osquery.conf").write_text(json.dumps(CONFIG))
    (debian / "etc/osquery/extensions.load").write_text("# ours\n")
    (debian / "etc/sample.toml").write_text("answer = 42\n")
    for folder in ("var/osquery", "var/log/osquery"):
        (debian / folder).mkdir(parents=True)
    dpkg(debian, "-i", "/1.0.0.deb")
    assert (debian / "etc/osquery/extensions.load").read_text() == f"# ours\n{PROGRAM}\n"

    daemon = Daemon(debian, *FLAGS)
    try:
        (first, *_) = until(lambda: daemon.results("toml"), "the schedule asks the bundled table")
        assert first["snapshot"] == [{"fullkey": "answer", "value": "42"}]
        ((old, program),) = daemon.extensions().items()
        assert program.endswith(PROGRAM)

        dpkg(debian, "-i", "/2.0.0.deb")
        until(lambda: old not in daemon.extensions(), "the old version ends")
        ((new, program),) = until(daemon.extensions, "the new version is started").items()
        assert new != old
        assert not program.endswith("(deleted)")
        count = len(daemon.results("toml"))
        (debian / "etc/sample.toml").write_text("answer = 43\n")
        until(
            lambda: daemon.results("toml")[-1]["snapshot"] == [{"fullkey": "answer", "value": "43"}],
            "the new version answers",
        )
        assert len(daemon.results("toml")) > count
        assert daemon.process.poll() is None

        # What the operator does now, the package manager leaves.
        (debian / "etc/osquery/extensions.load").write_text(f"# ours\n{PROGRAM}\n# and more\n")
        dpkg(debian, "-r", "kolide-ext")
        until(lambda: not daemon.extensions(), "the extension ends with its package")
        count = len(daemon.results("own"))
        until(lambda: len(daemon.results("own")) > count + 2, "osqueryd goes on without it")
        assert daemon.process.poll() is None
        assert (debian / "etc/osquery/extensions.load").read_text() == f"# ours\n{PROGRAM}\n# and more\n"
        dpkg(debian, "-P", "kolide-ext")
        assert (debian / "etc/osquery/extensions.load").read_text() == "# ours\n# and more\n"
        assert not (debian / "usr/lib/osquery").exists()
        assert "unsafe permissions" not in daemon.said()
    finally:
        daemon.stop()


def test_the_full_package_is_an_osquery_by_itself(frozen: Path, debian: Path, tmp_path: Path) -> None:
    """Its unit's command, run without systemd: the operator's flags have the last word."""
    (tmp_path / "flags").write_text(
        "--config_path=/etc/full.conf\n--disable_events\n--schedule_splay_percent=0\n--config_refresh=77\n"
    )
    config = {"schedule": {name: dict(one) for name, one in CONFIG["schedule"].items()}}
    config["schedule"]["flags"] = {
        "query": "select value from osquery_flags where name = 'config_refresh'",
        "interval": 1,
        "snapshot": True,
    }
    (debian / "etc/full.conf").write_text(json.dumps(config))
    (debian / "etc/sample.toml").write_text("answer = 44\n")
    osqueryd = shutil.which("osqueryd")
    assert osqueryd is not None
    full = ["--full", "--identifier", "acme", "--osqueryd", osqueryd, "--flags", tmp_path / "flags"]
    deb = made(frozen, "--to", "deb", *full, output=tmp_path / "out").file("*.deb")
    shutil.copy(deb, debian / "full.deb")
    dpkg(debian, "-i", "/full.deb")
    unit = (debian / "usr/lib/systemd/system/acme.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert "Restart=on-failure" in unit
    log = debian / "var/acme/log/osqueryd.snapshots.log"
    process = subprocess.Popen(["chroot", debian, *command.split()], stderr=subprocess.DEVNULL)
    try:
        until(lambda: log.exists() and '"name":"toml"' in log.read_text(), "a bundled table in the log")
        until(lambda: '"name":"flags"' in log.read_text(), "the flags")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert next(one["snapshot"] for one in lines if one["name"] == "toml") == [
            {"fullkey": "answer", "value": "44"}
        ]
        assert next(one["snapshot"] for one in lines if one["name"] == "flags") == [{"value": "77"}]
    finally:
        process.terminate()
        process.wait(30)
    dpkg(debian, "-P", "acme")
    left = [path for top in ("usr/local/acme", "etc/acme", "var/acme") for path in debian.glob(top)]
    assert left == []
