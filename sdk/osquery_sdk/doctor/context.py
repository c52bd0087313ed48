"""Find what surrounds extensions: osqueryd, its flags and where they come from, its load list, its socket."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kolide_kit.processes import TemporaryFolder, run_process

from ..errors import ConnectionFailed, WireError
from . import flags as osqueryd_flags
from . import loadlist
from .looking import is_file
from .processes import Process, environment_of, processes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.protocol import ExtensionInfo

_PATIENCE = 5.0


class Settings(NamedTuple):
    """The user's settings for the doctor; None has it find the value itself."""

    flagfile: Path | None = None
    autoload: Path | None = None
    socket: str | None = None
    osqueryd: Path | None = None
    uid: int | None = None
    """The user that osqueryd runs as."""
    start: bool = True
    """Start each extension once, to see whether that works."""


class Manager(NamedTuple):
    """The answers of a running osqueryd."""

    options: dict[str, str]
    extensions: dict[int, ExtensionInfo]
    tables: dict[str, int]
    """The uuid of each table's extension, by the table's name in lower case; 0 for osquery itself."""
    held: frozenset[str]
    """Names that osqueryd keeps attached although no registered table has them: they are not free."""
    version: str


class Flags(NamedTuple):
    """osqueryd's flags."""

    values: dict[str, str]
    source: str
    """The place that they come from, in words."""
    file: Path | None
    """The flag file to change, if there is one."""
    problems: list[osqueryd_flags.Problem]


class Context:
    """The surroundings of the extensions. Each property is found out once, when it is first read.

    Args:
        settings: the user's choices.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """Only keep the settings."""
        self.settings = settings or Settings()

    # -- osqueryd

    @cached_property
    def osqueryd(self) -> Path | None:
        """The program: the one of the settings, on PATH, or where osquery's packages put it."""
        import shutil

        if self.settings.osqueryd is not None:
            return self.settings.osqueryd
        on_path = shutil.which("osqueryd")
        places = [Path(on_path)] if on_path else _places()
        return next((place for place in places if is_file(place)), None)

    @cached_property
    def daemons(self) -> list[Process]:
        """The osqueryds that run: the watcher of each, or the process itself if it has no watcher."""
        started = (process for process in processes() if len(process.arguments) > 1)
        return [process for process in started if Path(process.arguments[0]).name == "osqueryd"]

    @cached_property
    def daemon(self) -> Process | None:
        """The osqueryd of the settings' socket or flag file; without these, the only one that runs."""
        settings = self.settings
        if settings.socket is None and settings.flagfile is None:
            return self.daemons[0] if len(self.daemons) == 1 else None
        for process in self.daemons:
            parsed = osqueryd_flags.parse_arguments(process.arguments[1:])
            usual = osqueryd_flags.defaults()["extensions_socket"]
            socket = parsed.values.get("extensions_socket", usual)
            if settings.socket == socket or (settings.socket is None and settings.flagfile in parsed.files):
                return process
        return None

    @cached_property
    def uid(self) -> int:
        """The user that osqueryd runs as; root if it does not run."""
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
        """The variables that extensions get: osqueryd's if they can be read, else this process's."""
        variables = None if self.daemon is None else environment_of(self.daemon.pid)
        return os.environ if variables is None else variables

    # -- flags

    @cached_property
    def configured(self) -> Flags:
        """The flags of osqueryd's command line if it runs, else those that it would be started with."""
        settings = self.settings
        values = osqueryd_flags.defaults()
        if settings.flagfile is None and self.daemon is not None:
            parsed = osqueryd_flags.parse_arguments(self.daemon.arguments[1:])
            source, files = "the command line of the osqueryd that runs", parsed.files
        else:
            path = settings.flagfile or osqueryd_flags.default_flagfile()
            try:
                parsed = osqueryd_flags.parse_file(path)
                source, files = str(path), [path]
            except FileNotFoundError as error:
                fatal = settings.flagfile is not None
                problems = [osqueryd_flags.Problem(path, 0, "does not exist", fatal)] if fatal else []
                parsed = osqueryd_flags.Parsed({}, problems, [])
                source, files = f"osqueryd's defaults, as there is no {error.filename}", []
            except OSError as error:
                parsed = osqueryd_flags.Parsed({}, [osqueryd_flags.unreadable(path, error)], [])
                source, files = "osqueryd's defaults", []
        values.update(parsed.values)
        if settings.autoload is not None:
            values["extensions_autoload"] = str(settings.autoload)
        return Flags(values, source, files[0] if files else None, parsed.problems)

    @cached_property
    def flags(self) -> Flags:
        """The flags that the osqueryd at the socket reports; without an answer, `configured`."""
        if self.manager is None:
            return self.configured
        known = osqueryd_flags.KNOWN
        reported = {name: value for name, value in self.manager.options.items() if name in known}
        values = {**self.configured.values, **reported}
        if self.settings.autoload is not None:
            values["extensions_autoload"] = str(self.settings.autoload)
        source = f"the osqueryd that answers at {self.socket}"
        return Flags(values, source, self.configured.file, self.configured.problems)

    def flag(self, name: str) -> str:
        """The value of one of `flags.KNOWN`."""
        return self.flags.values[name]

    @property
    def unsafe(self) -> bool:
        """True if --allow_unsafe keeps osqueryd from looking at owners and modes."""
        return osqueryd_flags.truth(self.flag("allow_unsafe"))

    # -- load list

    @property
    def load_list(self) -> Path:
        """The file that lists the extensions."""
        return Path(self.flag("extensions_autoload"))

    @cached_property
    def lines(self) -> list[loadlist.Line] | OSError:
        """The lines of the load list, or the error that reading it gave."""
        try:
            return loadlist.read(self.load_list)
        except OSError as error:
            return error

    # -- the socket

    @property
    def socket(self) -> str:
        """The path at which osqueryd listens for extensions."""
        return self.settings.socket or self.configured.values["extensions_socket"]

    @cached_property
    def _answer(self) -> Manager | Exception:
        from ..wire.client import ManagerConnection

        try:
            with ManagerConnection(self.socket, timeout=_PATIENCE) as manager:
                options = {name: option.value for name, option in manager.options().items()}
                extensions = manager.extensions()

                sql = "select name, owner_uuid from osquery_registry where registry = 'table'"
                registered = manager.query(sql).rows
                attached = manager.query("select name from sqlite_temp_master").rows
                versions = manager.query("select version from osquery_info").rows
        except WireError as error:
            return error
        tables = {row.get("name", "").lower(): int(row.get("owner_uuid") or 0) for row in registered}
        held = frozenset(row.get("name", "").lower() for row in attached) - tables.keys()
        return Manager(options, extensions, tables, held, versions[0].get("version", "") if versions else "")

    @property
    def manager(self) -> Manager | None:
        """The answers of the osqueryd at the socket; None if there was no answer."""
        return self._answer if isinstance(self._answer, Manager) else None

    @property
    def silence(self) -> BaseException | None:
        """The error that asking the osqueryd at the socket gave; None if it answered."""
        error = self._answer
        if isinstance(error, Manager):
            return None
        return error.__cause__ if isinstance(error, ConnectionFailed) and error.__cause__ else error

    @cached_property
    def core_tables(self) -> frozenset[str]:
        """The names of osquery's own tables, asked of the daemon or else the program; empty if unknown."""
        if self.manager is not None:
            return frozenset(name for name, uuid in self.manager.tables.items() if uuid == 0)
        if self.osqueryd is None:
            return frozenset()
        rows = _ask_shell(self.osqueryd, "select name from osquery_registry where registry = 'table'")
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
        text = done.stdout.decode(errors="replace").strip()
        return text.removeprefix("osqueryd version ") if done.returncode == 0 else ""


def _places() -> list[Path]:
    """Return the paths at which osquery's own packages put osqueryd."""
    if sys.platform == "win32":
        return [Path(os.environ.get("PROGRAMFILES", "C:\\Program Files"), "osquery\\osqueryd\\osqueryd.exe")]
    if sys.platform == "darwin":
        return [Path("/opt/osquery/lib/osquery.app/Contents/MacOS/osqueryd"), Path("/usr/local/bin/osqueryd")]
    return [Path("/opt/osquery/bin/osqueryd"), Path("/usr/bin/osqueryd"), Path("/usr/local/bin/osqueryd")]


def _ask_shell(osqueryd: Path, sql: str) -> list[dict[str, str]]:
    """Return the rows of a statement that osqueryd runs as a shell, or none if that fails.

    It gets no flag file, database, configuration or extensions, and a temporary home folder.
    """
    import json
    import subprocess

    with TemporaryFolder("osq-") as home:
        command = [str(osqueryd), "-S", "--disable_extensions", "--disable_database"]
        command += ["--config_path=/nonexistent", "--flagfile=/dev/null", "--json", sql]
        try:
            done = run_process(command, timeout=2 * _PATIENCE, env={**os.environ, "HOME": home})
            rows = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return []
    return rows if isinstance(rows, list) else []
