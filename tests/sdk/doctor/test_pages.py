"""Paste the commands of the pages on autoloading and on the doctor: osqueryd loads the extension."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from osquery_sdk.doctor import EXTENSION_CHECKS, SYSTEM_CHECKS

from ...support.paths import DOCS
from .support import ENVIRONMENT, Installation
from .test_running import Daemon, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def steps(page: Path) -> dict[str, str]:
    """The blocks of the page by their marks."""
    found = re.findall(
        r"<!-- autoload: (\w+) -->\n```\w+\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE
    )
    return dict(found)


@pytest.mark.parametrize(
    ("mark", "checks"), [("checks of osqueryd", SYSTEM_CHECKS), ("checks of an extension", EXTENSION_CHECKS)]
)
def test_every_check_is_documented(mark: str, checks: dict[str, object]) -> None:
    _, _, after = (DOCS / "doctor.md").read_text().partition(f"<!-- {mark} -->\n")
    assert re.findall(r"^\| `([a-z ]+)` \|", after.partition("\n\n")[0], re.MULTILINE) == list(checks)


class Machine:
    """Folders in place of the system's, in which the page's commands are run."""

    def __init__(self, installation: Installation) -> None:
        self.root = installation.directory
        self.installation = installation
        bundle = self.root / "build" / "hello.bundle"
        bundle.mkdir(parents=True)
        installation.write(path=bundle / "hello.ext", table="greetings")
        text = (bundle / "hello.ext").read_text()
        (bundle / "hello.ext").write_text(
            text.replace('"hello_ext"', '"hello"').replace('"hello_too"', '"hello"')
        )
        (self.root / "etc" / "osquery").mkdir(parents=True)
        (self.root / "var" / "osquery").mkdir(parents=True)
        installation.path = self.root / "usr/lib/osquery/extensions/hello/hello.ext"
        installation.list = self.root / "etc/osquery/extensions.load"
        installation.flagfile = self.root / "etc/osquery/osquery.flags"
        installation.socket = f"{self.root}/var/osquery/osquery.em"
        installation.set()
        self.steps = {
            name: re.sub(r"(?<![\w./])/(usr/lib|etc|var)/osquery", rf"{self.root}/\1/osquery", text).replace(
                "sudo ", ""
            )
            for name, text in steps(DOCS / "autoloading.md").items()
        }

    def do(self, step: str, *, more: str = "") -> subprocess.CompletedProcess[str]:
        text = self.steps[step].rstrip() + more
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", text],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=30,
            env={**ENVIRONMENT, "HOME": str(self.root)},
        )
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        return done


@pytest.fixture
def machine(installation: Installation, root: None) -> Machine:
    return Machine(installation)


@pytest.fixture
def started() -> Iterator[list[Daemon]]:
    daemons: list[Daemon] = []
    yield daemons
    for daemon in daemons:
        daemon.close()


def test_autoloading_step_by_step(machine: Machine, started: list[Daemon], osquery: None) -> None:
    for step in ("install", "list", "flags"):
        machine.do(step)
    said = machine.do("doctor", more=f" --flagfile={machine.installation.flagfile}").stdout
    assert said.splitlines()[-1] == "osqueryd would load it"
    config = machine.root / "etc/osquery/osquery.conf"
    config.write_text(machine.steps["config"].replace('"interval": 60', '"interval": 1'))
    assert "systemctl restart osqueryd" in machine.steps["restart"]
    log = machine.root / "log"
    log.mkdir()
    started.append(
        Daemon(
            machine.installation,
            f"--config_path={config}",
            "--disable_logging=false",
            f"--logger_path={log}",
            "--schedule_splay_percent=0",
        )
    )
    until(lambda: started[0].has("hello"))
    assert "| hello | 1.0" in machine.do("look").stdout
    snapshots = log / "osqueryd.snapshots.log"
    until(lambda: snapshots.exists() and snapshots.read_text().endswith("\n"))
    assert json.loads(snapshots.read_text().splitlines()[0])["snapshot"] == [{"word": "hello"}]
    bundled = machine.root / "build/hello.bundle/hello.ext"
    bundled.write_text(bundled.read_text().replace('version="1.0"', 'version="1.1"'))
    (running,) = psutil.Process(started[0].process.pid).children()
    assert running.name() == "hello.ext"
    # Other programs of that name are none of this test's.
    ending = "pkill -TERM -x hello.ext"
    assert ending in machine.steps["upgrade"]
    machine.steps["upgrade"] = machine.steps["upgrade"].replace(ending, f"kill -TERM {running.pid}")
    machine.do("upgrade")
    until(lambda: (started[0].extensions() or {}).get("hello") == "1.1", 20)
    machine.do("remove")
    assert not machine.installation.path.exists()
    assert machine.installation.list.read_text() == ""


def test_defaults_of_the_flags() -> None:
    """The table of flags has the doctor's defaults; another test compares these with osquery's."""
    from osquery_sdk.doctor.flags import defaults

    _, _, after = (DOCS / "autoloading.md").read_text().partition("## 4. Flags\n")
    rows = re.findall(r"^\| `--(\w+)` \| (?:`([^`]*)`)? ?\|", after, re.MULTILINE)
    known = defaults("linux")
    assert len(rows) == 9
    assert dict(rows) == {name: known[name] for name, _ in rows}
