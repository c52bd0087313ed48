"""Lay out a package: decide where a bundle's files go on each platform, and make a `Package` of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from .model import Entry, Package, Service

if TYPE_CHECKING:
    from pathlib import Path

    from .bundle import Bundle
    from .model import Kind
    from .version import Version


class Wanted(NamedTuple):
    """The checked settings of a package."""

    kind: Kind
    name: str
    version: Version
    release: int
    identifier: str
    root: str
    """The folder for the bundle, or for all programs of a full package; empty for the usual one."""
    load_list: str
    """The path of the load list; empty for osquery's own."""
    summary: str
    description: str
    maintainer: str
    homepage: str
    license: str
    depends: tuple[str, ...]
    conflicts: tuple[str, ...]
    build_time: int
    osqueryd: Path | None = None
    flags: Path | None = None
    secret: Path | None = None
    glibc: str = ""


class _Places(NamedTuple):
    extensions: str
    load_list: str
    full: str
    settings: str
    state: str


_PLACES = {
    "linux": _Places(
        "/usr/lib/osquery/extensions",
        "/etc/osquery/extensions.load",
        "/usr/local/{0}",
        "/etc/{0}",
        "/var/{0}",
    ),
    "darwin": _Places(
        "/usr/local/lib/osquery/extensions",
        "/private/var/osquery/extensions.load",
        "/usr/local/{0}",
        "/private/etc/{0}",
        "/private/var/{0}",
    ),
    "win32": _Places(
        "/Program Files/osquery/extensions",
        "/Program Files/osquery/extensions.load",
        "/Program Files/{0}",
        "/Program Files/{0}/conf",
        "/Program Files/{0}/data",
    ),
}
_UNITS = "/usr/lib/systemd/system"
_DAEMONS = "/Library/LaunchDaemons"


def lay_out(bundle: Bundle, wanted: Wanted) -> Package:
    """Return the package of a bundle with these settings."""
    places = _PLACES[bundle.platform]
    full = wanted.kind == "full"
    top = wanted.root.rstrip("/") or (places.full.format(wanted.identifier) if full else places.extensions)
    home = f"{top}/extensions/{bundle.name}" if full else f"{top}/{bundle.name}"
    program = f"{home}/{bundle.program}"
    settings = places.settings.format(wanted.identifier)
    load_list = wanted.load_list or (f"{settings}/extensions.load" if full else places.load_list)
    package = Package(
        name=wanted.name,
        version=wanted.version,
        release=wanted.release,
        kind=wanted.kind,
        identifier=wanted.identifier,
        platform=bundle.platform,
        machine=bundle.machine,
        summary=wanted.summary,
        description=wanted.description,
        maintainer=wanted.maintainer,
        homepage=wanted.homepage,
        license=wanted.license,
        entries=(*_parents(home, bundle.platform), *_bundled(bundle, home)),
        program=program,
        home=home,
        load_list=load_list,
        owns_load_list=full,
        depends=wanted.depends,
        recommends=() if full else ("osquery",),
        conflicts=wanted.conflicts,
        glibc=wanted.glibc,
        libc=bundle.libc,
        build_time=wanted.build_time,
    )
    return _with_osqueryd(package, wanted, top, settings, places) if full else package


def _parents(home: str, platform: str) -> list[Entry]:
    """Return the folders above the bundle that are not the system's: rpm sets modes of named ones only."""
    parts = home.strip("/").split("/")
    above = ["/" + "/".join(parts[: n + 1]) for n in range(len(parts) - 1)]
    return [_folder(path) for path in above if not _is_systems(path)]


def _is_systems(path: str) -> bool:
    return path in {
        "/usr",
        "/usr/lib",
        "/usr/lib64",
        "/usr/local",
        "/usr/local/lib",
        "/usr/local/bin",
        "/usr/share",
        "/opt",
        "/etc",
        "/var",
        "/srv",
        "/private",
        "/private/etc",
        "/private/var",
        "/Library",
        "/Program Files",
    }


def _bundled(bundle: Bundle, home: str) -> list[Entry]:
    """Return the bundle's entries. Only root may write them, as osqueryd runs or loads all of them."""
    entries = [_folder(home)]
    for item in bundle.items:
        path = f"{home}/{item.path}"
        if item.kind == "folder":
            entries.append(_folder(path))
        elif item.kind == "link":
            entries.append(Entry(path, "link", 0o777, target=item.target))
        else:
            entries.append(Entry(path, "file", 0o755 if item.runs else 0o644, item.source))
    return entries


def _folder(path: str, mode: int = 0o755) -> Entry:
    return Entry(path, "folder", mode)


def _with_osqueryd(package: Package, wanted: Wanted, top: str, settings: str, places: _Places) -> Package:
    """Return the package with an osqueryd, its settings and the service that keeps it running."""
    assert wanted.osqueryd is not None
    state = places.state.format(package.identifier)
    osqueryd = f"{top}/bin/osqueryd{'.exe' if package.platform == 'win32' else ''}"
    flags, secret = f"{settings}/osquery.flags", f"{settings}/secret"
    # If a flag is set twice, osqueryd takes the later one: the operator's flag file comes last and wins.
    written = (
        f"--database_path={_native(state, package)}/osquery.db",
        f"--logger_path={_native(state, package)}/log",
        f"--pidfile={_native(state, package)}/osqueryd.pid",
        f"--extensions_autoload={_native(package.load_list, package)}",
        f"--extensions_socket={_socket(package, state)}",
        *((f"--enroll_secret_path={_native(secret, package)}",) if wanted.secret else ()),
        f"--flagfile={_native(flags, package)}",
    )
    service = Service(
        f"com.{package.identifier}.osqueryd" if package.platform == "darwin" else package.identifier,
        f"osqueryd of {package.identifier}, with {package.program.rpartition('/')[2]}",
        _native(osqueryd, package),
        written,
    )
    entries = [
        _folder(f"{top}/bin"),
        Entry(osqueryd, "file", 0o755, wanted.osqueryd),
        _folder(settings, 0o755),
        Entry(flags, "config", 0o644, wanted.flags or b"# Flags of osqueryd, one a line.\n"),
        Entry(package.load_list, "config", 0o644, f"{_native(package.program, package)}\n".encode()),
        _folder(state, 0o700),
        _folder(f"{state}/log", 0o700),
    ]
    if wanted.secret:
        entries.append(Entry(secret, "config", 0o600, wanted.secret, secret=True))
    if package.platform == "linux":
        entries.append(Entry(f"{_UNITS}/{service.name}.service", "file", 0o644, _unit(service)))
    elif package.platform == "darwin":
        entries.append(Entry(f"{_DAEMONS}/{service.name}.plist", "file", 0o644, _plist(service)))
    known = {entry.path for entry in package.entries}
    more = [entry for entry in entries if entry.path not in known]
    return package._replace(entries=(*package.entries, *more), services=(service,), state=state)


def _native(path: str, package: Package) -> str:
    return "C:" + path.replace("/", "\\") if package.platform == "win32" else path


def _socket(package: Package, state: str) -> str:
    return f"\\\\.\\pipe\\{package.identifier}.em" if package.platform == "win32" else f"{state}/osquery.em"


def _unit(service: Service) -> bytes:
    """Return the systemd unit: a service that fails is started again after some seconds."""
    command = " ".join(_quoted(word) for word in (service.program, *service.arguments))
    return f"""[Unit]
Description={service.description}
After=network.target syslog.target

[Service]
ExecStart={command}
Restart=on-failure
RestartSec=3
TimeoutStartSec=0
KillMode=control-group
KillSignal=SIGTERM
UMask=0077

[Install]
WantedBy=multi-user.target
""".encode()


def _quoted(word: str) -> str:
    """Quote a word of a unit's command line, where `%` begins a specifier and `$` a variable."""
    escaped = word.replace("%", "%%").replace("$", "$$")
    return json.dumps(escaped) if any(c in escaped for c in " \"'\\;") else escaped


def _plist(service: Service) -> bytes:
    import plistlib

    return plistlib.dumps(
        {
            "Label": service.name,
            "ProgramArguments": [service.program, *service.arguments],
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 60,
        }
    )
