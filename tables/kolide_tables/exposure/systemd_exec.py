"""kolide_systemd_exec: the directives that confine services, from unit files and drop-ins.

Systemd need not run.

Source: systemd.exec(5), systemd.resource-control(5).
"""

from collections.abc import Iterator

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable
from osquery_sdk import Column, Query, Row, table

from ..reading.unitfiles import YES, Directive, UnitFiles

# fmt: off
_ONE_VALUE = frozenset((
    "User", "Group", "DynamicUser", "UMask", "NoNewPrivileges", "RootDirectory", "RootImage",
    "WorkingDirectory", "KeyringMode", "LockPersonality", "MemoryDenyWriteExecute", "MountAPIVFS",
    "PrivateDevices", "PrivateIPC", "PrivateMounts", "PrivateNetwork", "PrivatePIDs", "PrivateTmp",
    "PrivateUsers", "ProcSubset", "ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname",
    "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "ProtectSystem",
    "RemoveIPC", "RestrictRealtime", "RestrictSUIDSGID", "AppArmorProfile", "SELinuxContext",
    "SmackProcessLabel", "DevicePolicy", "Delegate", "NotifyAccess", "SystemCallErrorNumber",
))
_MANY_VALUES = frozenset((
    "AmbientCapabilities", "CapabilityBoundingSet", "SecureBits", "SupplementaryGroups", "SystemCallFilter",
    "SystemCallLog", "SystemCallArchitectures", "RestrictAddressFamilies", "RestrictFileSystems",
    "RestrictNamespaces", "RestrictNetworkInterfaces", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths",
    "ExecPaths", "NoExecPaths", "TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths", "DeviceAllow",
    "IPAddressAllow", "IPAddressDeny", "SocketBindAllow", "SocketBindDeny",
))
# fmt: on


class SystemdExec(Row):
    """A directive that applies to a service."""

    unit: str = Column("Service's name, with .service", index=True, key=True)
    directive: str = Column("NoNewPrivileges, ProtectSystem, SystemCallFilter, User, ...", key=True)
    value: str = Column("Its value; a directive that takes several has a row for each line of them", key=True)
    drop_in: str | None = Column("Drop-in that says so; empty if the unit's own file does", key=True)
    user: str = Column(
        "User that it runs as: root unless it says another one; (dynamic) if systemd makes one up"
    )
    path: str = Column("The unit's own file")


@table(
    "kolide_systemd_exec",
    platforms=("linux",),
    elsewhere="systemd is Linux's; osquery itself has launchd for macOS and services for Windows",
    examples=(
        "select unit, directive, value from kolide_systemd_exec where unit = 'ssh.service'",
        (
            "select id, fragment_path from systemd_units where id like '%.service' "
            "and active_state = 'active' and id not in (select unit from kolide_systemd_exec "
            "where directive = 'NoNewPrivileges' and value in ('yes', 'true', 'on', '1'))"
        ),
    ),
)
def systemd_exec(query: Query) -> Iterator[SystemdExec]:
    """Directives that confine systemd's services: users, capabilities, sandboxing, system call filters."""
    return exec_rows(query, UnitFiles())


def exec_rows(query: Query, files: UnitFiles) -> Iterator[SystemdExec]:
    """Yield the rows from unit files."""
    named = query.equals("unit")
    for name in files.names(".service") if named is None else named:
        query.check()
        if not name.endswith(".service") or not query.matches("unit", name):
            continue
        try:
            unit = files.find(name)
            if unit is None:
                continue
            directives = [directive for directive in files.directives(unit) if directive.section == "Service"]
        except (Unreadable, LimitExceeded) as error:
            query.warn(str(error))
            continue
        applying = list(effective(directives))
        own = files.shown(unit)
        for directive in applying:
            yield SystemdExec(
                unit=name,
                directive=directive.key,
                value=directive.value,
                drop_in=None if directive.path == own else directive.path,
                user=_user(applying),
                path=own,
            )


def effective(directives: list[Directive]) -> Iterator[Directive]:
    """Yield the directives that apply in the end: the last of a kind, or all since the last empty one where
    lines add up.
    """
    applying: dict[str, list[Directive]] = {}
    for directive in directives:
        if directive.key in _ONE_VALUE or (directive.key in _MANY_VALUES and not directive.value):
            applying[directive.key] = (
                [directive] if directive.value or directive.key == "CapabilityBoundingSet" else []
            )
        elif directive.key in _MANY_VALUES:
            applying.setdefault(directive.key, []).append(directive)
    for key in sorted(applying):
        yield from dict.fromkeys(applying[key])


def _user(directives: list[Directive]) -> str:
    values = {directive.key: directive.value for directive in directives}
    if values.get("DynamicUser", "").lower() in YES:
        return "(dynamic)"
    return values.get("User", "root")
