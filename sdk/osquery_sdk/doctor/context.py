"""What the checks look at: osqueryd, its flags and where they come from, its load list, its socket."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from osquery_sdk.errors import ConnectionFailed, WireError
from osquery_sdk.leftovers import TemporaryFolder, run_process

from . import flags as osqueryd_flags
from . import loadlist
from .looking import is_file
from .processes import Process, environment_of, processes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from osquery_sdk.wire.protocol import ExtensionInfo

_PATIENCE = 5.0


class Settings(NamedTuple):
    """What the doctor was told; None where it is to find out."""

    flagfile: Path | None = None
    autoload: Path | None = None
    socket: str | None = None
    osqueryd: Path | None = None
    uid: int | None = None
    """The user that osqueryd runs as."""
    start: bool = True
    """Start each extension once, to see whether it does."""


class Manager(NamedTuple):
    """What a running osqueryd answered."""

    options: dict[str, str]
    extensions: dict[int, ExtensionInfo]
    tables: dict[str, int]
    """Name, in lower case, to the uuid of the extension that has it; 0 for osquery itself."""
    held: frozenset[str]
    """Names that no table has and that are not free either."""
    version: str


class Flags(NamedTuple):
    """osqueryd's flags."""

    values: dict[str, str]
    source: str
    """In words."""
    file: Path | None
    """The flag file to change, where there is one."""
    problems: list[osqueryd_flags.Problem]


class Context:
    """What the checks look at; each thing is looked at once, when it is asked for.

    Args:
        settings: what the user said.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """Look at nothing yet."""
        self.settings = settings or Settings()

    # -- osqueryd

    @cached_property
    def osqueryd(self) -> Path | None:
        """The program."""
        import shutil

        if self.settings.osqueryd is not None:
            return self.settings.osqueryd
        found = shutil.which("osqueryd")
        places = [Path(found)] if found else _places()
        return next((place for place in places if is_file(place)), None)

    @cached_property
    def daemons(self) -> list[Process]:
        """The osqueryds that run: of each its watcher, or the process itself without one."""
        return [
            process
            for process in processes()
            if Path(process.arguments[0]).name == "osqueryd" and len(process.arguments) > 1
        ]

    @cached_property
    def daemon(self) -> Process | None:
        """The one that is meant: that of the socket or the flag file, or the only one that there is."""
        told = self.settings
        if told.socket is None and told.flagfile is None:
            return self.daemons[0] if len(self.daemons) == 1 else None
        for process in self.daemons:
            parsed = osqueryd_flags.parse_arguments(process.arguments[1:])
            usual = osqueryd_flags.defaults()["extensions_socket"]
            socket = parsed.values.get("extensions_socket", usual)
            if told.socket == socket or (told.socket is None and told.flagfile in parsed.files):
                return process
        return None

    @cached_property
    def uid(self) -> int:
        """The user that osqueryd runs as; root where it does not run."""
        if self.settings.uid is not None:
            return self.settings.uid
        if self.daemon is not None:
            return self.daemon.uid
        try:
            return Path(self.socket).lstat().st_uid
        except OSError:
            return 0

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The variables that extensions get: those of the osqueryd that runs, where they can be read, or else one's own."""
        found = None if self.daemon is None else environment_of(self.daemon.pid)
        return os.environ if found is None else found

    # -- flags

    @cached_property
    def configured(self) -> Flags:
        """The flags that osqueryd would be started with."""
        told = self.settings
        values = osqueryd_flags.defaults()
        if told.flagfile is None and self.daemon is not None:
            parsed = osqueryd_flags.parse_arguments(self.daemon.arguments[1:])
            source, file = "the command line of the osqueryd that runs", parsed.files
        else:
            path = told.flagfile or osqueryd_flags.default_flagfile()
            try:
                parsed = osqueryd_flags.parse_file(path)
                source, file = str(path), [path]
            except FileNotFoundError as error:
                fatal = told.flagfile is not None
                problems = [osqueryd_flags.Problem(path, 0, "does not exist", fatal)] if fatal else []
                parsed = osqueryd_flags.Parsed({}, problems, [])
                source, file = f"osqueryd's defaults, as there is no {error.filename}", []
            except OSError as error:
                parsed = osqueryd_flags.Parsed({}, [osqueryd_flags.unreadable(path, error)], [])
                source, file = "osqueryd's defaults", []
        values.update(parsed.values)
        if told.autoload is not None:
            values["extensions_autoload"] = str(told.autoload)
        return Flags(values, source, file[0] if file else None, parsed.problems)

    @cached_property
    def flags(self) -> Flags:
        """The flags: those of the osqueryd that answers at the socket, or else those that it would be started with."""
        if self.manager is None:
            return self.configured
        options = {
            name: value for name, value in self.manager.options.items() if name in osqueryd_flags.KNOWN
        }
        values = {**self.configured.values, **options}
        if self.settings.autoload is not None:
            values["extensions_autoload"] = str(self.settings.autoload)
        source = f"the osqueryd that answers at {self.socket}"
        return Flags(values, source, self.configured.file, self.configured.problems)

    def flag(self, name: str) -> str:
        """The value of one of `flags.KNOWN`."""
        return self.flags.values[name]

    @property
    def unsafe(self) -> bool:
        """Whether osqueryd was told not to look at owners and modes."""
        return osqueryd_flags.truth(self.flag("allow_unsafe"))

    # -- load list

    @property
    def load_list(self) -> Path:
        """The file that lists the extensions."""
        return Path(self.flag("extensions_autoload"))

    @cached_property
    def lines(self) -> list[loadlist.Line] | OSError:
        """Its lines, or why it cannot be read."""
        try:
            return loadlist.read(self.load_list)
        except OSError as error:
            return error

    # -- the socket

    @property
    def socket(self) -> str:
        """Where osqueryd listens for extensions."""
        return self.settings.socket or self.configured.values["extensions_socket"]

    @cached_property
    def _asked(self) -> Manager | Exception:
        from osquery_sdk.wire.client import ManagerConnection

        try:
            with ManagerConnection(self.socket, timeout=_PATIENCE) as manager:
                options = {name: option.value for name, option in manager.options().items()}
                extensions = manager.extensions()

                def column(sql: str, *names: str) -> list[tuple[str, ...]]:
                    rows = manager.query(sql).rows
                    assert isinstance(rows, (list, tuple))
                    return [tuple(row.get(name, "") for name in names) for row in rows]

                registered = column(
                    "select name, owner_uuid from osquery_registry where registry = 'table'",
                    "name",
                    "owner_uuid",
                )
                tables = {name.lower(): int(uuid or 0) for name, uuid in registered}
                attached = {name.lower() for (name,) in column("select name from sqlite_temp_master", "name")}
                version = column("select version from osquery_info", "version")
        except WireError as error:
            return error
        held = frozenset(attached - tables.keys())
        return Manager(options, extensions, tables, held, version[0][0] if version else "")

    @property
    def manager(self) -> Manager | None:
        """What the osqueryd at the socket answered; None if nobody did."""
        return self._asked if isinstance(self._asked, Manager) else None

    @property
    def silence(self) -> BaseException | None:
        """Why nobody answered."""
        asked = self._asked
        if isinstance(asked, Manager):
            return None
        return asked.__cause__ if isinstance(asked, ConnectionFailed) and asked.__cause__ else asked

    @cached_property
    def core_tables(self) -> frozenset[str]:
        """The names of osquery's own tables, asked of the program where no daemon answers; empty if it does not tell."""
        if self.manager is not None:
            return frozenset(name for name, uuid in self.manager.tables.items() if uuid == 0)
        if self.osqueryd is None:
            return frozenset()
        sql = "select name from osquery_registry where registry = 'table'"
        rows = _ask_shell(self.osqueryd, sql)
        return frozenset(row.get("name", "").lower() for row in rows)

    @cached_property
    def version(self) -> str:
        """osqueryd's version; empty if it does not tell."""
        import subprocess

        if self.manager is not None and self.manager.version:
            return self.manager.version
        if self.osqueryd is None:
            return ""
        try:
            done = run_process([self.osqueryd, "--version"], timeout=_PATIENCE)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        said = done.stdout.decode(errors="replace").strip()
        return said.removeprefix("osqueryd version ") if done.returncode == 0 else ""


def _places() -> list[Path]:
    """Where osquery's own packages put osqueryd."""
    if sys.platform == "win32":
        return [Path(os.environ.get("PROGRAMFILES", "C:\\Program Files"), "osquery\\osqueryd\\osqueryd.exe")]
    if sys.platform == "darwin":
        return [Path("/opt/osquery/lib/osquery.app/Contents/MacOS/osqueryd"), Path("/usr/local/bin/osqueryd")]
    return [Path("/opt/osquery/bin/osqueryd"), Path("/usr/bin/osqueryd"), Path("/usr/local/bin/osqueryd")]


def _ask_shell(osqueryd: Path, sql: str) -> list[dict[str, str]]:
    """Rows of a statement, from osqueryd as a shell: without its flags, files and extensions, and with a home that goes again."""
    import json
    import subprocess

    with TemporaryFolder("osq-") as home:
        quiet = [
            "--disable_extensions",
            "--disable_database",
            "--config_path=/nonexistent",
            "--flagfile=/dev/null",
        ]
        try:
            done = run_process(
                [osqueryd, "-S", *quiet, "--json", sql],
                timeout=2 * _PATIENCE,
                env={**os.environ, "HOME": home},
            )
            rows = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return []
    return rows if isinstance(rows, list) else []


__all__ = ["Context", "Flags", "Manager", "Settings"]
