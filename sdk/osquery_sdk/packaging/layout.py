"""Lay out a package: decide where a bundle's files go on each platform, and make a `Package` of them."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from .model import Entry, Service

if TYPE_CHECKING:
    from pathlib import Path

    from .bundle import Bundle
    from .model import Package


class Added(NamedTuple):
    """The files that a full package adds to a bundle."""

    osqueryd: Path | None
    flags: Path | None
    secret: Path | None


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
_SYSTEM_FOLDERS = (
    frozenset(("/", "/usr", "/usr/lib", "/usr/lib64", "/usr/local", "/usr/local/lib", "/usr/local/bin"))
    | frozenset(("/usr/share", "/opt", "/etc", "/var", "/srv", "/private", "/private/etc", "/private/var"))
    | frozenset(("/Library", "/Program Files"))
)


def lay_out(draft: Package, bundle: Bundle, root: str, added: Added) -> Package:
    """Return the package of a bundle: a draft with its entries and their places.

    Args:
        draft: the settings; an empty `load_list` stands for osquery's own.
        bundle: the bundle.
        root: the folder for the bundle, or for all programs of a full package; empty for the usual one.
        added: the files that a full package adds.
    """
    places = _PLACES[bundle.platform]
    full = draft.kind == "full"
    top = root.rstrip("/") or (places.full.format(draft.identifier) if full else places.extensions)
    home = f"{top}/extensions/{bundle.name}" if full else f"{top}/{bundle.name}"
    settings = places.settings.format(draft.identifier)
    package = draft._replace(
        entries=(*_parents(home), *_bundled(bundle, home)),
        program=f"{home}/{bundle.program}",
        home=home,
        load_list=draft.load_list or (f"{settings}/extensions.load" if full else places.load_list),
        owns_load_list=full,
    )
    return _with_osqueryd(package, added, top, settings, places) if full else package


def _parents(home: str) -> list[Entry]:
    """Return the folders above the bundle that are not the system's: rpm sets modes of named ones only."""
    above = map(str, reversed(PurePosixPath(home).parents))
    return [_folder(path) for path in above if path not in _SYSTEM_FOLDERS]


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


def _with_osqueryd(package: Package, added: Added, top: str, settings: str, places: _Places) -> Package:
    """Return the package with an osqueryd, its settings and the service that keeps it running."""
    assert added.osqueryd is not None
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
        *((f"--enroll_secret_path={_native(secret, package)}",) if added.secret else ()),
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
        Entry(osqueryd, "file", 0o755, added.osqueryd),
        _folder(settings),
        Entry(flags, "config", 0o644, added.flags or b"# Flags of osqueryd, one a line.\n"),
        Entry(package.load_list, "config", 0o644, f"{_native(package.program, package)}\n".encode()),
        _folder(state, 0o700),
        _folder(f"{state}/log", 0o700),
    ]
    if added.secret:
        entries.append(Entry(secret, "config", 0o600, added.secret, secret=True))
    if package.platform == "linux":
        entries.append(Entry(f"{_UNITS}/{service.name}.service", "file", 0o644, _unit(service)))
    elif package.platform == "darwin":
        entries.append(Entry(f"{_DAEMONS}/{service.name}.plist", "file", 0o644, _plist(service)))
    known = {entry.path for entry in package.entries}
    more = (entry for entry in entries if entry.path not in known)
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
