"""kolide_edr_health: the agents that watch over this machine, and whether their services run.

An agent is known by its files, its package and its units. Nothing of it is run or asked. Sources:
systemd.unit(5) and systemctl(1) for units; a unit that is active has a link in /run/systemd/units, and its
processes are in a control group of its name.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, Unreadable, read_file
from kolide_kit.text import decode, printable
from osquery_sdk import Column, Query, Row, table

from ..reading.applications import application_version
from ..reading.tools import find_tool
from ..reading.unitfiles import Unit, UnitFiles
from ..reading.unitstates import unit_state

if TYPE_CHECKING:
    from .edr_agents import Agent

__all__ = ["EdrAgent", "agent_rows", "edr_health"]

_DPKG = "/var/lib/dpkg/status"
_STATUS_BYTES = 64 << 20
_RPM_DATABASES = ("/var/lib/rpm", "/usr/lib/sysimage/rpm")
_ACTIVE = "/run/systemd/units/invocation:"
_GROUPS = ("/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice")
_VERSION = r"""(?im)^[\s"{]*(?:PRODUCT_)?VERSION["\s]*[:=]\s*"?v?([0-9][\w.\-+]*)"""


class EdrAgent(Row):
    """An agent, or a unit of one."""

    name: str = Column("The agent: crowdstrike-falcon, sentinelone, wazuh-agent, ...", index=True, key=True)
    vendor: str = Column("Who makes it")
    kind: str = Column("edr, antivirus, monitor, audit, vulnerabilities or management")
    version: str | None = Column("Its version, from its package or its own files; empty if neither has one")
    installed: bool = Column("1 if its program is there; 0 if only a package's record or a unit is left")
    path: str | None = Column("The program or application")
    package: str | None = Column("Its package")
    unit: str | None = Column("Its unit of systemd; an agent with several has a row for each", key=True)
    unit_state: str | None = Column("As of `systemctl is-enabled`: enabled, disabled, static, masked, ...")
    running: bool | None = Column("1 if the unit is running; NULL without a unit")


@table(
    "kolide_edr_health",
    examples=(
        "select name, version, unit, unit_state from kolide_edr_health where kind = 'edr' and running = 0",
        (
            "select h.hostname, count(e.name) as agents from system_info h left join kolide_edr_health e "
            "on e.name = 'crowdstrike-falcon' and e.installed = 1 and e.running = 1"
        ),
    ),
    privilege="Without root: an agent whose folder is closed has installed 0, and may be missing altogether.",
)
def edr_health(query: Query) -> Iterator[EdrAgent]:
    """Security agents on this machine, with their versions, units, and whether they run."""
    return agent_rows(query)


def agent_rows(query: Query, root: str = "", platform: str = sys.platform) -> Iterator[EdrAgent]:
    """Yield a row for each agent that is there below a root folder, or one for each of its units."""
    from .edr_agents import AGENTS

    wanted = [agent for agent in AGENTS if query.matches("name", agent.name)]
    units = UnitFiles(root) if platform == "linux" and wanted else None
    packages = _packages(wanted, root, query) if platform == "linux" else {}
    for agent in wanted:
        query.check()
        programs = {"darwin": agent.macos, "win32": agent.windows}.get(platform, agent.linux)
        path = next((path for path in programs if os.path.exists(root + path)), None)  # noqa: PTH110
        package = next((name for name in agent.packages if name in packages), None)
        found = [] if units is None else [unit for unit in map(units.find, agent.units) if unit is not None]
        if path is None and package is None and not found:
            continue
        row = EdrAgent(
            name=agent.name,
            vendor=agent.vendor,
            kind=agent.kind,
            version=packages[package] if package else _own_version(agent, path, root, query),
            installed=path is not None,
            path=path,
            package=package,
            unit=None,
            unit_state=None,
            running=None,
        )
        if units is None or not found:
            yield row
            continue
        for unit in found:
            state, is_running = _state(units, unit, query), _is_running(unit.name, root)
            yield row._replace(unit=unit.name, unit_state=state, running=is_running)


def _state(units: UnitFiles, unit: Unit, query: Query) -> str | None:
    """Return whether a unit is enabled; None if its file cannot be read."""
    try:
        return unit_state(units, unit)
    except (Unreadable, LimitExceeded) as error:
        query.warn(str(error))
        return None


def _is_running(unit: str, root: str) -> bool:
    """Return whether a unit is active and has processes, as far as its control group can be seen."""
    if not os.path.lexists(f"{root}{_ACTIVE}{unit}"):
        return False
    for groups in _GROUPS:
        # The processes of a service may be in groups below its own.
        for folder, _, names in os.walk(f"{root}{groups}/{unit}"):
            if "cgroup.procs" in names and _has_content(f"{folder}/cgroup.procs"):
                return True
    return not any(os.path.isdir(f"{root}{groups}/{unit}") for groups in _GROUPS)  # noqa: PTH112


def _has_content(path: str) -> bool:
    try:
        return bool(read_file(path).strip())
    except (Unreadable, LimitExceeded):
        return False


def _packages(agents: Iterable["Agent"], root: str, query: Query) -> dict[str, str]:
    """Return the versions of the agents' packages that are installed."""
    names = [name for agent in agents for name in agent.packages]
    try:
        status = read_file(root + _DPKG, max_bytes=_STATUS_BYTES)
    except Missing:
        return {} if root else _rpm_packages(names, query)
    except (Unreadable, LimitExceeded) as error:
        query.warn(str(error))
        return {}
    return {name: version for name in names if (version := _dpkg_version(status, name)) is not None}


def _dpkg_version(status: bytes, name: str) -> str | None:
    """Return the version of a package that dpkg has installed; None of one whose settings alone are left."""
    start = (b"\n" + status).find(b"\nPackage: %b\n" % name.encode())
    if start < 0:
        return None
    stanza = status[start:].partition(b"\n\n")[0]
    fields = dict(line.split(b": ", 1) for line in stanza.split(b"\n") if b": " in line and line[:1] != b" ")
    is_installed = fields.get(b"Status", b"").endswith(b" installed")
    return decode(fields.get(b"Version", b"")) if is_installed else None


def _rpm_packages(names: list[str], query: Query) -> dict[str, str]:
    program = find_tool("rpm")
    if program is None or not any(map(os.path.isdir, _RPM_DATABASES)):
        return {}
    from kolide_kit.errors import ProgramFailed
    from kolide_kit.programs import run_program

    options = ("-q", "--qf", r"%{NAME}\t%{VERSION}-%{RELEASE}\n")
    try:
        # Its exit code counts the packages that are not installed; a line about each of them has no tab.
        done = run_program(program, *options, *names, codes=None, is_cancelled=lambda: query.cancelled)
    except (ProgramFailed, LimitExceeded) as error:
        query.warn(str(error))
        return {}
    pairs = (line.split("\t") for line in printable(done.text).splitlines() if "\t" in line)
    return {pair[0]: pair[1] for pair in pairs}


def _own_version(agent: "Agent", path: str | None, root: str, query: Query) -> str | None:
    """Return the version in an agent's own file, or in an application's property list."""
    if path is not None and path.endswith(".app"):
        return application_version(f"{root}{path}", query)
    if not agent.version:
        return None
    try:
        content = decode(read_file(root + agent.version, max_bytes=1 << 16))
    except (Unreadable, LimitExceeded):
        return None
    match = re.search(_VERSION, content)
    return None if match is None else match[1]
