"""Tell what a container may do to its machine: by capabilities, shared namespaces, sockets, devices, mounts.

It is read from what docker's API says of a container, and from the OCI runtime configuration that every
engine hands to runc or crun. Sources: Docker Engine API, ContainerInspect; the OCI runtime specification,
config.md and config-linux.md; capabilities(7).
"""

from collections.abc import Iterable, Iterator
from posixpath import basename, normpath
from typing import Any, NamedTuple

from kolide_kit.text import printable

from ..reading.parsing import as_list, as_object, texts_in

# fmt: off
_ALL = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)
# What docker gives to a container that asks for nothing. Podman gives less, and lists the rest as dropped.
_USUAL = frozenset((
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
))
# With these root in the container reaches beyond it, or changes the machine for everybody.
_STRONG = frozenset((
    "AUDIT_CONTROL", "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH", "LINUX_IMMUTABLE", "MAC_ADMIN",
    "MAC_OVERRIDE", "NET_ADMIN", "PERFMON", "SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_PTRACE",
    "SYS_RAWIO", "SYS_TIME",
))
_SOCKETS = frozenset((
    "buildkitd.sock", "containerd.sock", "cri-dockerd.sock", "crio.sock", "docker.sock", "podman.sock",
))
# Folders of the machine by which a container learns its secrets or takes it over.
_FOLDERS = frozenset((
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin",
    "/sys",
    "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/sbin", "/var", "/var/lib",
    "/var/lib/containerd", "/var/lib/containers", "/var/lib/docker", "/var/lib/kubelet", "/var/run",
    "/run/containerd", "/run/crio", "/run/docker", "/run/podman", "/etc/kubernetes", "/var/spool/cron",
))
# fmt: on
# File systems that are made for the container.
_OWN_DEVICES = ("/dev/shm", "/dev/pts", "/dev/mqueue")  # noqa: S108  not a file to write
_SETTINGS = {
    "PidMode": "pid",
    "NetworkMode": "network",
    "IpcMode": "ipc",
    "UTSMode": "uts",
    "UsernsMode": "user",
    "CgroupnsMode": "cgroup",
}
# Namespaces that engines give to every container; a user namespace is not among them.
_NAMESPACES = ("pid", "network", "ipc", "uts")
_UNCONFINED = {
    "seccomp": ("unconfined",),
    "apparmor": ("unconfined",),
    "label": ("disable",),
    "systempaths": ("unconfined",),
}


class Privileges(NamedTuple):
    """The privileges of a container, and its connection to the network.

    Attributes:
        privileged: 1 if it runs with all capabilities, all devices and without confinement.
        network_mode: host, none, bridge, a network's name, container:ID or ns:PATH.
        capabilities: names of the capabilities that a program in it can have.
        privileges: KIND=VALUE for each way in which it reaches beyond itself.
    """

    privileged: int | None
    network_mode: str | None
    capabilities: list[str] | None
    privileges: list[str] | None


UNKNOWN = Privileges(None, None, None, None)


def of_engine(details: dict[str, Any], *, podman: bool) -> Privileges:
    """Return the privileges in docker's details of a container."""
    host = as_object(details.get("HostConfig"))
    if not host:
        return UNKNOWN
    privileged = host.get("Privileged") is True
    capabilities = _granted(host, privileged=privileged, podman=podman)
    shared = [kind for setting, kind in _SETTINGS.items() if host.get(setting) == "host"]
    sources = [mount.get("Source") for mount in _objects(details.get("Mounts"))]
    sources += [mount.get("Source") for mount in _objects(host.get("Mounts"))]
    sources += [bind.partition(":")[0] for bind in texts_in(host.get("Binds"))]
    devices = [device.get("PathOnHost") for device in _objects(host.get("Devices"))]
    return Privileges(
        int(privileged),
        printable(host["NetworkMode"]) if isinstance(host.get("NetworkMode"), str) else None,
        _names(capabilities),
        _listed(
            privileged=privileged,
            capabilities=capabilities,
            shared=shared,
            sources=sources,
            devices=[] if privileged else devices,
            unconfined=_switched_off(host.get("SecurityOpt")),
        ),
    )


def of_runtime(spec: dict[str, Any]) -> Privileges:
    """Return the privileges in an OCI runtime configuration."""
    linux = as_object(spec.get("linux"))
    if not linux:
        return UNKNOWN
    process = as_object(spec.get("process"))
    bounding = texts_in(as_object(process.get("capabilities")).get("bounding"))
    capabilities = {name.upper().removeprefix("CAP_") for name in bounding}
    spaces = {str(space.get("type")): space.get("path") for space in _objects(linux.get("namespaces"))}
    # Only podman marks it. Engines take all the confinement away at once.
    confined = linux.get("seccomp") or linux.get("maskedPaths")
    marked = as_object(spec.get("annotations")).get("io.podman.annotations.privileged")
    privileged = marked == "TRUE" or ("SYS_ADMIN" in capabilities and not confined)
    binds = [mount for mount in _objects(spec.get("mounts")) if _is_bind(mount)]
    devices = [device.get("path") for device in _objects(linux.get("devices"))]
    return Privileges(
        int(privileged),
        _network(spaces),
        _names(capabilities),
        _listed(
            privileged=privileged,
            capabilities=capabilities,
            shared=[
                kind for kind in _NAMESPACES if kind not in spaces or spaces[kind] == f"/proc/1/ns/{kind}"
            ],
            sources=[mount.get("source") for mount in binds],
            devices=[] if privileged else devices,
            unconfined=[] if linux.get("seccomp") else ["seccomp=unconfined"],
        ),
    )


def _network(spaces: dict[str, Any]) -> str:
    if "network" not in spaces:
        return "host"
    path = spaces["network"]
    return f"ns:{printable(path)}" if isinstance(path, str) and path else "private"


def _listed(
    *,
    privileged: bool,
    capabilities: Iterable[str],
    shared: list[str],
    sources: Iterable[object],
    devices: Iterable[object],
    unconfined: list[str],
) -> list[str]:
    listed = ["privileged"] if privileged else []
    listed += [f"capability=CAP_{name}" for name in _ALL if name in capabilities and name in _STRONG]
    listed += [f"{kind}=host" for kind in shared]
    listed += dict.fromkeys(_mounts(sources))
    listed += dict.fromkeys(f"device={printable(path)}" for path in devices if isinstance(path, str) and path)
    return listed + unconfined


def _mounts(sources: Iterable[object]) -> Iterator[str]:
    for source in sources:
        if isinstance(source, str) and source.startswith("/"):
            path = normpath(source)
            path = "/" + path.lstrip("/")
            if basename(path) in _SOCKETS:
                yield f"socket={printable(path)}"
            elif path in _FOLDERS:
                yield f"mount={printable(path)}"
            elif path.startswith("/dev/") and not path.startswith(_OWN_DEVICES):
                yield f"device={printable(path)}"


def _granted(host: dict[str, Any], *, privileged: bool, podman: bool) -> frozenset[str]:
    add, drop = (
        {name.upper().removeprefix("CAP_") for name in texts_in(host.get(kind))}
        for kind in ("CapAdd", "CapDrop")
    )
    if privileged:
        # Docker does not heed them then; podman lists what the machine does not have itself.
        return frozenset(_ALL) - drop if podman else frozenset(_ALL)
    if "ALL" in add:
        return frozenset(_ALL) - drop
    return (frozenset() if "ALL" in drop else _USUAL - drop) | add


def _names(capabilities: Iterable[str]) -> list[str]:
    known = [name for name in _ALL if name in capabilities]
    return [f"CAP_{printable(name)}" for name in (*known, *sorted(set(capabilities) - set(known)))]


def _switched_off(options: object) -> list[str]:
    """Return the confinement that options such as `seccomp=unconfined` or `label:disable` switch off."""
    pairs = (option.replace(":", "=", 1).partition("=") for option in texts_in(options))
    return [f"{name}={value}" for name, _, value in pairs if value in _UNCONFINED.get(name, ())]


def _is_bind(mount: dict[str, Any]) -> bool:
    return mount.get("type") == "bind" or not {"bind", "rbind"}.isdisjoint(texts_in(mount.get("options")))


def _objects(value: object) -> list[dict[str, Any]]:
    return [as_object(item) for item in as_list(value)]
