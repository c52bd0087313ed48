"""Find the assignments of a service that apply in the end, as systemd does for directives that confine it.

Source: systemd.exec(5), systemd.resource-control(5), and systemd's src/core/load-fragment.c for what an empty
or a wrong value does.
"""

import re
from collections.abc import Iterator

from ..reading.unitfiles import Directive
from ..reading.unittext import NO, YES

# fmt: off
# One value: the last one that systemd knows. Here with the words that are no booleans.
_WORDS: dict[str, frozenset[str]] = dict.fromkeys((
    "DynamicUser", "NoNewPrivileges", "LockPersonality", "MemoryDenyWriteExecute", "PrivateDevices",
    "PrivateBPF", "PrivateIPC", "PrivateMounts", "PrivateNetwork", "PrivatePIDs", "ProtectClock",
    "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "RemoveIPC", "RestrictRealtime",
    "RestrictSUIDSGID",
), frozenset())
_WORDS |= {
    "KeyringMode": frozenset(("inherit", "private", "shared")),
    "PrivateTmp": frozenset(("disconnected",)),
    "PrivateUsers": frozenset(("self", "identity", "full", "managed")),
    "ProcSubset": frozenset(("all", "pid")),
    "ProtectControlGroups": frozenset(("private", "strict")),
    "ProtectHome": frozenset(("read-only", "tmpfs")),
    "ProtectHostname": frozenset(("private",)),
    "ProtectProc": frozenset(("noaccess", "invisible", "ptraceable", "default")),
    "ProtectSystem": frozenset(("full", "strict")),
    "DevicePolicy": frozenset(("auto", "closed", "strict")),
    "NotifyAccess": frozenset(("none", "main", "exec", "all")),
    "UMask": frozenset(),
}
_NO_SWITCHES = frozenset(("KeyringMode", "ProcSubset", "ProtectProc", "DevicePolicy", "NotifyAccess"))
# One value too: the last one, and an empty one takes it back.
_TEXTS = frozenset((
    "User", "Group", "RootDirectory", "RootImage", "WorkingDirectory", "AppArmorProfile", "SELinuxContext",
    "SmackProcessLabel", "SystemCallErrorNumber", "SecureBits", "MountAPIVFS", "NetworkNamespacePath",
    "IPCNamespacePath", "UserNamespacePath", "LandlockConfig",
))
# Lines add up, and an empty one takes back all before it.
_LISTS = frozenset((
    "AmbientCapabilities", "CapabilityBoundingSet", "SupplementaryGroups", "SystemCallFilter",
    "SystemCallLog", "SystemCallArchitectures", "RestrictAddressFamilies", "RestrictFileSystems",
    "RestrictNamespaces", "RestrictNetworkInterfaces", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths",
    "ExecPaths", "NoExecPaths", "TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths", "DeviceAllow",
    "IPAddressAllow", "IPAddressDeny", "SocketBindAllow", "SocketBindDeny", "Delegate", "DelegateNamespaces",
    "IPIngressFilterPath", "IPEgressFilterPath",
))
_HAVE_SPECIFIERS = frozenset((
    "User", "Group", "SupplementaryGroups", "RootDirectory", "RootImage", "WorkingDirectory",
    "AppArmorProfile", "SELinuxContext", "SmackProcessLabel", "ReadWritePaths", "ReadOnlyPaths",
    "InaccessiblePaths", "ExecPaths", "NoExecPaths", "TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths",
    "DeviceAllow", "NetworkNamespacePath", "IPCNamespacePath", "UserNamespacePath", "LandlockConfig",
    "IPIngressFilterPath", "IPEgressFilterPath",
))
# fmt: on
# Values of lists that mean something by being empty: no capability at all, and all of delegation's defaults.
_KEPT_EMPTY = frozenset(("CapabilityBoundingSet", "Delegate"))
_OLD_NAMES = {f"{kind}Directories": f"{kind}Paths" for kind in ("ReadWrite", "ReadOnly", "Inaccessible")}


def has_specifiers(key: str) -> bool:
    """Return whether systemd replaces the specifiers, such as %i, in the values of a directive."""
    return key in _HAVE_SPECIFIERS


def effective(directives: list[Directive]) -> Iterator[Directive]:
    """Yield the assignments that apply in the end, by directive."""
    applying: dict[str, list[Directive]] = {}
    for assignment in directives:
        key = _OLD_NAMES.get(assignment.key, assignment.key)
        directive = assignment._replace(key=key)
        if (key in _WORDS and _is_known(key, directive.value)) or key in _TEXTS:
            applying[key] = [directive] if directive.value else []
        elif key in _LISTS:
            applying[key] = _added(applying.get(key, []), directive)
    for key in sorted(applying):
        lines = applying[key]
        # Where lines take away what others add, their order counts, and one may be there twice.
        yield from lines if any(line.value.startswith("~") for line in lines) else dict.fromkeys(lines)


def _is_known(key: str, value: str) -> bool:
    """Return whether systemd takes a value; it passes over others, and what was said before stays."""
    if key == "UMask":
        return re.fullmatch("[0-7]{1,5}", value) is not None
    if key == "ProtectHostname":
        value = value.partition(":")[0]  # in newer versions, a name may follow
    return value in _WORDS[key] or (key not in _NO_SWITCHES and value.lower() in YES | NO)


def _added(before: list[Directive], directive: Directive) -> list[Directive]:
    """Return the lines of a list after one more."""
    key, value = directive.key, directive.value
    if not value:
        return [directive] if key in _KEPT_EMPTY else []
    if _replaces(key, value) or (before and _is_start(key, before[-1].value)):
        return [directive]
    return [*before, directive]


def _replaces(key: str, value: str) -> bool:
    """Return whether a line says all by itself, and not in addition to those before."""
    if key in ("RestrictNamespaces", "DelegateNamespaces", "Delegate"):
        return value.lower() in YES | NO
    if key in ("CapabilityBoundingSet", "AmbientCapabilities"):
        return value == "~"
    return key == "RestrictAddressFamilies" and value == "none"


def _is_start(key: str, value: str) -> bool:
    """Return whether a line is as good as none for the line after it."""
    if key == "CapabilityBoundingSet":
        return value == "~"
    return key == "RestrictAddressFamilies" and value == "none"
