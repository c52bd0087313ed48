"""Read an administrator's settings: the tables' limits, their prefix, and which of them are left out.

The settings are a TOML file beside osquery's own files, and environment variables, which count before the
file::

    prefix = "kolide_"                # KOLIDE_EXT_PREFIX
    disabled = ["plist", "xml"]       # KOLIDE_EXT_DISABLED=plist,xml
    enabled = ["file_lines"]          # KOLIDE_EXT_ENABLED=file_lines
    notes = ""                        # KOLIDE_EXT_NOTES; the whole path of a file, or no table of notes

    [limits]
    max_file_bytes = 16777216         # KOLIDE_EXT_MAX_FILE_BYTES
    max_rows = 100000                 # KOLIDE_EXT_MAX_ROWS
    max_seconds = 20                  # KOLIDE_EXT_MAX_SECONDS
    max_folders = 4000                # KOLIDE_EXT_MAX_FOLDERS

KOLIDE_EXT_SETTINGS names another file, which has to be there; the usual one need not. A setting that is not
understood is an error, never passed over: a table that somebody meant to disable must not be served.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kolide_tables import Limits
from osquery_sdk import OsquerySdkError

__all__ = ["Settings", "SettingsError", "default_path", "read_settings", "settings_path"]

_VARIABLES = "KOLIDE_EXT_"
_FILE_VARIABLE = "KOLIDE_EXT_SETTINGS"
_LIMITS = "limits."
_KEYS = ("prefix", "disabled", *(_LIMITS + name for name in Limits._fields), "notes", "enabled")
_MAX_FILE_BYTES = 1 << 20
# osqueryd waits 300 s for the answer to a call.
_MAX_SECONDS = 300


class SettingsError(OsquerySdkError):
    """The settings cannot be used.

    The text, one line, names the file or variable, the setting, and the error.
    """


class Settings(NamedTuple):
    """The program's settings; the defaults are those of a machine without any."""

    prefix: str = "kolide_"
    disabled: tuple[str, ...] = ()
    limits: Limits = Limits()
    notes: str = ""
    enabled: tuple[str, ...] = ()


def default_path() -> str:
    """Return the path of the settings file, beside osquery's own files."""
    platform: str = sys.platform
    if platform == "win32":
        return os.environ.get("PROGRAMFILES", r"C:\Program Files") + r"\osquery\kolide_ext.toml"
    return "/var/osquery/kolide_ext.toml" if platform == "darwin" else "/etc/osquery/kolide_ext.toml"


def settings_path(environment: Mapping[str, str]) -> str:
    """Return the file that the environment names, or else the usual one."""
    return environment.get(_FILE_VARIABLE) or default_path()


def read_settings(environment: Mapping[str, str], usual: str | None = None) -> Settings:
    """Return the settings in the file and in the environment.

    Args:
        environment: the process's variables; those that begin with KOLIDE_EXT_ are settings.
        usual: the file to read if the environment names none; `default_path()` unless given.

    Raises:
        SettingsError: a setting cannot be read, is unknown, or has a wrong value.
    """
    named = environment.get(_FILE_VARIABLE)
    path = named or usual or default_path()
    settings = _from_file(path) if named or os.path.lexists(path) else Settings()
    known = {_VARIABLES + key.removeprefix(_LIMITS).upper(): key for key in _KEYS}
    for variable in sorted(environment):
        if not variable.startswith(_VARIABLES) or variable == _FILE_VARIABLE:
            continue
        if variable not in known:
            raise SettingsError(_no_such_setting(variable, variable, (_FILE_VARIABLE, *known)))
        key = known[variable]
        settings = _with(settings, key, _parsed(key, environment[variable]), variable)
    return settings


def _from_file(path: str) -> Settings:
    # Most machines have no settings file, and starting must be fast: import these only for a file.
    import tomllib

    from kolide_kit.files import Unreadable, open_file

    try:
        with open_file(_target(path)) as file:
            _require_trusted(path, os.fstat(file.fileno()))
            data = file.read(_MAX_FILE_BYTES + 1) or b""
    except (Unreadable, OSError) as error:
        raise SettingsError(f"settings: {error}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise SettingsError(
            f"settings: {path} has more than {_MAX_FILE_BYTES:,} bytes: it is not a settings file"
        )
    try:
        content = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or arrays in arrays without end
        raise SettingsError(f"settings: {path} is not TOML: {_problem(data, error)}") from error
    limits = content.pop("limits", {})
    if not isinstance(limits, dict):
        raise SettingsError(f"{path}: limits has to be a table of settings, [limits]")
    content.update({_LIMITS + name: value for name, value in limits.items()})
    settings = Settings()
    for key, value in content.items():
        settings = _with(settings, key, value, f"{path}: {key}")
    return settings


def _problem(data: bytes, error: Exception) -> str:
    from osquery_sdk import line_and_column

    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 (at {line_and_column(error.object, error.start)})"
    return str(error).replace("end of document", line_and_column(data, len(data))) or "nested too deep"


def _target(path: str) -> str:
    """Return the target of a link that an administrator made: what counts is who may write there."""
    from pathlib import Path

    return os.path.realpath(path) if Path(path).is_symlink() else path


def _require_trusted(path: str, facts: os.stat_result) -> None:
    """Refuse a file that another user could have written, who could disable the table that would have seen
    him.
    """
    if os.name != "posix":  # elsewhere mode and owner say nothing
        return
    if facts.st_uid not in (0, os.geteuid()):
        raise SettingsError(
            f"settings: {path} belongs to user {facts.st_uid}: it has to be root's, or of the user who "
            "runs this"
        )
    if facts.st_mode & 0o002:
        raise SettingsError(f"settings: {path} can be written by everybody: chmod o-w it")


def _parsed(key: str, text: str) -> Any:
    """Return a variable's value in the type that TOML would give it.

    A text that does not fit stays a text, which `_with` then refuses.
    """
    if key in ("disabled", "enabled"):
        return [name.strip() for name in text.split(",") if name.strip()]
    if key.startswith(_LIMITS):
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    return text


def _no_such_setting(where: str, key: str, known: Sequence[str]) -> str:
    from osquery_sdk import did_you_mean

    meant = did_you_mean(key, known)
    if not meant:
        # A limit outside of its section.
        meant = did_you_mean(f"{_LIMITS}{key}", known, cutoff=0.8)
    return f"{where}: no such setting; there are {', '.join(known)}" + (f"; {meant}" if meant else "")


def _with(settings: Settings, key: str, value: Any, where: str) -> Settings:
    """Return the settings with one more; `where` is its place, for errors."""
    if key not in _KEYS:
        raise SettingsError(_no_such_setting(where, key, _KEYS))
    if key == "prefix":
        if not isinstance(value, str) or not (value.isascii() and f"{value}x".isidentifier()):
            raise SettingsError(
                f"{where} = {value!r}: has to be letters, digits and underscores, not beginning with a digit"
            )
        return settings._replace(prefix=value)
    if key == "notes":
        # Not pathlib: starting must be fast.
        if not isinstance(value, str) or not (value == "" or os.path.isabs(value)):  # noqa: PTH117
            raise SettingsError(f"{where} = {value!r}: has to be the whole path of a file")
        return settings._replace(notes=value)
    if key in ("disabled", "enabled"):
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise SettingsError(f"{where} = {value!r}: has to be a list of tables' names")
        names = tuple(value)
        return settings._replace(disabled=names) if key == "disabled" else settings._replace(enabled=names)
    name = key.removeprefix(_LIMITS)
    # The exact type counts: True is an int for isinstance.
    if name == "max_seconds":
        if type(value) not in (int, float) or not 0 < value <= _MAX_SECONDS:
            raise SettingsError(f"{where} = {value!r}: has to be a number over 0 and at most {_MAX_SECONDS}")
    elif type(value) is not int or value < 1:
        raise SettingsError(f"{where} = {value!r}: has to be a whole number over 0")
    return settings._replace(limits=settings.limits._replace(**{name: value}))
