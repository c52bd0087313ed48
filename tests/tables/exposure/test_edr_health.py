"""kolide_edr_health on folders laid out as the agents do it, beside dpkg's and systemd's own answers."""

import json
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest

from kolide_tables.exposure.edr_agents import AGENTS
from kolide_tables.exposure.edr_health import EdrAgent, agent_rows, edr_health
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.tools import Run


class Machine(Protocol):
    """Boots a systemd with units."""

    def __call__(self, units: Mapping[str, str]) -> AbstractContextManager[Run]:
        """Return the context of the machine."""


def write(path: Path, content: str | bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


STATUS = """\
Package: auditd
Status: install ok installed
Architecture: amd64
Version: 1:3.0.9-1
Description: User space tools
 Version: 9

Package: falcon-sensor
Status: install ok installed
Version: 7.20.0-17306

Package: mdatp
Status: deinstall ok config-files
Version: 101.1

Package: auditd-extra
Status: install ok installed
Version: 5
"""
UNIT = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a machine's folders with agents in every state."""
    write(tmp_path / "var/lib/dpkg/status", STATUS)
    write(tmp_path / "usr/sbin/auditd")
    write(tmp_path / "opt/CrowdStrike/falcond")
    write(tmp_path / "var/ossec/bin/wazuh-agentd")
    write(tmp_path / "var/ossec/VERSION.json", json.dumps({"version": "4.14.1", "stage": "rc1"}, indent=4))
    write(tmp_path / "opt/sophos-spl/base/bin/sophos_watchdog")
    write(
        tmp_path / "opt/sophos-spl/base/VERSION.ini", "PRODUCT_NAME = SPL-Base\nPRODUCT_VERSION = 1.2.6.1\n"
    )
    write(tmp_path / "usr/bin/osqueryd")
    for unit in ("auditd", "falcon-sensor", "wazuh-agent", "sophos-spl", "clamav-daemon", "clamav-freshclam"):
        write(tmp_path / f"usr/lib/systemd/system/{unit}.service", UNIT)
    etc = tmp_path / "etc/systemd/system"
    (etc / "multi-user.target.wants").mkdir(parents=True)
    for unit in ("auditd", "falcon-sensor"):
        link = etc / f"multi-user.target.wants/{unit}.service"
        link.symlink_to(f"/usr/lib/systemd/system/{unit}.service")
    (etc / "sophos-spl.service").symlink_to("/dev/null")
    return tmp_path


def rows_of(root: Path, platform: str = "linux", **options: Any) -> list[EdrAgent]:
    return list(agent_rows(Query.of(edr_health, **options), str(root), platform))


def active(root: Path, unit: str, *, processes: str) -> None:
    """Make what a running unit has."""
    link = root / f"run/systemd/units/invocation:{unit}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("0123456789abcdef0123456789abcdef")
    write(root / f"sys/fs/cgroup/system.slice/{unit}/cgroup.procs", processes)


@pytest.mark.skipif(sys.platform != "linux", reason="links to units are Linux's")
def test_agents(root: Path) -> None:
    active(root, "auditd.service", processes="612\n")
    active(root, "falcon-sensor.service", processes="")
    write(root / "sys/fs/cgroup/system.slice/falcon-sensor.service/worker/cgroup.procs", "613\n")
    active(root, "wazuh-agent.service", processes="")
    rows = {(row.name, row.unit): row for row in rows_of(root)}
    seen = {key: (row.version, row.installed, row.unit_state, row.running) for key, row in rows.items()}
    assert seen == {
        ("auditd", "auditd.service"): ("1:3.0.9-1", True, "enabled", True),
        ("crowdstrike-falcon", "falcon-sensor.service"): ("7.20.0-17306", True, "enabled", True),
        ("wazuh-agent", "wazuh-agent.service"): ("4.14.1", True, "disabled", False),
        ("sophos", "sophos-spl.service"): ("1.2.6.1", True, "masked", False),
        ("osquery", None): (None, True, None, None),
        ("clamav", "clamav-daemon.service"): (None, False, "disabled", False),
        ("clamav", "clamav-freshclam.service"): (None, False, "disabled", False),
    }
    assert rows["crowdstrike-falcon", "falcon-sensor.service"].path == "/opt/CrowdStrike/falcond"
    assert rows["crowdstrike-falcon", "falcon-sensor.service"].package == "falcon-sensor"
    assert [row.name for row in rows_of(root, equals={"name": ["auditd"]})] == ["auditd"]


def test_a_package_whose_files_are_gone(tmp_path: Path) -> None:
    write(tmp_path / "var/lib/dpkg/status", STATUS)
    assert {(row.name, row.version, row.installed) for row in rows_of(tmp_path)} == {
        ("auditd", "1:3.0.9-1", False),
        ("crowdstrike-falcon", "7.20.0-17306", False),
    }


def test_applications_of_macos(tmp_path: Path) -> None:
    for name, content in {
        "Falcon.app": plistlib.dumps({"CFBundleShortVersionString": "7.20"}),
        "Santa.app": plistlib.dumps({"CFBundleShortVersionString": 5}),
        "Cortex XDR.app": b"no property list",
    }.items():
        write(tmp_path / "Applications" / name / "Contents/Info.plist", content)
    write(tmp_path / "usr/local/jamf/bin/jamf")
    warnings: list[str] = []
    rows = rows_of(tmp_path, "darwin", warn=warnings.append)
    assert [(row.name, row.version, row.path) for row in rows] == [
        ("crowdstrike-falcon", "7.20", "/Applications/Falcon.app"),
        ("cortex-xdr", None, "/Applications/Cortex XDR.app"),
        ("santa", None, "/Applications/Santa.app"),
        ("jamf", None, "/usr/local/jamf/bin/jamf"),
    ]
    assert len(warnings) == 1


def test_nothing(tmp_path: Path) -> None:
    assert not any(rows_of(tmp_path, platform) for platform in ("linux", "darwin", "win32"))


def test_each_agent_by_its_program_alone_its_unit_alone_and_its_package_alone(tmp_path: Path) -> None:
    """What is left of an agent has a row, which says what is there; another agent has none."""
    for agent in AGENTS:
        for number, path in enumerate(agent.linux):
            top = tmp_path / agent.name / str(number)
            write(top / path.removeprefix("/"))
            rows = rows_of(top)
            assert [(row.name, row.installed, row.path, row.unit) for row in rows] == [
                (agent.name, True, path, None)
            ]
        for unit in agent.units:
            top = tmp_path / agent.name / unit
            write(top / "usr/lib/systemd/system" / unit, UNIT)
            rows = rows_of(top)
            assert [(row.name, row.installed, row.path, row.unit, row.running) for row in rows] == [
                (agent.name, False, None, unit, False)
            ]
        for package in agent.packages:
            top = tmp_path / agent.name / f"package-{package}"
            status = f"Package: {package}\nStatus: install ok installed\nVersion: 1\n"
            write(top / "var/lib/dpkg/status", status)
            rows = rows_of(top)
            assert [(row.name, row.installed, row.package) for row in rows] == [(agent.name, False, package)]


def test_the_table_of_agents() -> None:
    assert len({agent.name for agent in AGENTS}) == len(AGENTS)
    for agent in AGENTS:
        assert agent.source.startswith("https://")
        assert all(unit.endswith(".service") for unit in agent.units)
        assert all(path.startswith("/") for path in (*agent.linux, *agent.macos))


def test_versions_are_those_of_dpkg(root: Path, run: Run, compare: Compare) -> None:
    shown = run(
        "dpkg-query",
        f"--admindir={root}/var/lib/dpkg",
        "-W",
        "-f",
        "${Package} ${Version} ${db:Status-Abbrev}\n",
    )
    words = [line.split() for line in shown.splitlines()]
    known = {name for agent in AGENTS for name in agent.packages}
    theirs = {name: version for name, version, state in words if state == "ii" and name in known}
    compare(
        "edr_health", "dpkg-query", {row.package: row.version for row in rows_of(root) if row.package}, theirs
    )


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_states_are_those_of_systemctl(root: Path, compare: Compare) -> None:
    program = shutil.which("systemctl")
    if program is None:
        pytest.skip("systemctl is not installed: it is the oracle of this test")
    ours = {row.unit: row.unit_state for row in rows_of(root) if row.unit is not None}
    done = subprocess.run(
        [program, f"--root={root}", "is-enabled", *ours], capture_output=True, text=True, timeout=60
    )
    theirs = dict(zip(ours, done.stdout.split(), strict=True))
    compare("edr_health", "systemctl is-enabled", ours, theirs)


PRINT = """
import json
from kolide_tables.exposure.edr_health import edr_health
print(json.dumps({row.unit: row.running for row in edr_health.rows() if row.unit}))
"""


@pytest.mark.slow
def test_running_units_are_those_of_systemctl(systemd_machine: Machine, compare: Compare) -> None:
    """Boot a machine in which some agents run, one has ended, one failed, and one was never started."""
    services = {
        "sentinelone.service": UNIT,
        "mdatp.service": UNIT.replace("/bin/sleep 1000", "/bin/sh -c 'sleep 1000 & sleep 1000'"),
        "tetragon.service": UNIT.replace("/bin/sleep 1000", "/bin/true"),
        "xagt.service": UNIT.replace("/bin/sleep 1000", "/bin/false"),
        "kesl.service": UNIT,
        "tmxbc.service": UNIT,
    }
    with systemd_machine(services) as run:
        for unit in ("sentinelone", "mdatp", "tetragon", "xagt"):
            run("systemctl", "start", unit)
        ours = json.loads(run(sys.executable, "-c", PRINT))
        shown = {
            unit: run("systemctl", "show", "-p", "ActiveState", "--value", unit).strip() for unit in ours
        }
        theirs = {unit: state == "active" for unit, state in shown.items()}
    assert {"sentinelone.service", "mdatp.service", "xagt.service"} <= ours.keys()
    compare("edr_health", "systemctl is-active", ours, theirs)
