"""The flags of osqueryd that this engine uses, and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...wire.protocol import OptionInfo

if TYPE_CHECKING:
    from collections.abc import Mapping


class Flag(NamedTuple):
    """A flag: its type in osquery's words, its default, and its effect here."""

    type: str
    default: str
    description: str


_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_SECONDS = ("extensions_interval", "extensions_timeout")
_COUNTS = ("schedule_epoch",)
_SEVERITIES = ("0", "1", "2", "3", "4")
_LONGEST = 1e9

FLAGS: dict[str, Flag] = {
    "config_accelerated_refresh": Flag("uint64", "300", "Interval to wait if reading a configuration fails"),
    "config_path": Flag("string", "/etc/osquery/osquery.conf", "Path to JSON config file"),
    "config_plugin": Flag("string", "update", "Config plugin name; update waits for configs that are pushed"),
    "config_refresh": Flag("uint64", "0", "Optional interval in seconds to re-read configuration"),
    "database_path": Flag(
        "string",
        "/var/osquery/osquery.db",
        "File that keeps results and settings; nothing is kept without it",
    ),
    "decorations_top_level": Flag("bool", "false", "Add decorators as top level JSON objects"),
    "disable_distributed": Flag("bool", "true", "Disable distributed queries (default true)"),
    "disable_extensions": Flag("bool", "false", "Disable extension API"),
    "disable_logging": Flag("bool", "false", "Disable ERROR/INFO logging"),
    "distributed_denylist_duration": Flag(
        "uint64", "86400", "Seconds to denylist distributed queries (default 1 day)"
    ),
    "distributed_interval": Flag("uint64", "60", "Seconds between polling for new queries (default 60)"),
    "distributed_plugin": Flag("string", "", "Distributed plugin name"),
    "extensions_default_index": Flag(
        "bool", "true", "Enable INDEX on all extension table columns (default true)"
    ),
    "extensions_interval": Flag("string", "3", "Seconds delay between connectivity checks"),
    "extensions_socket": Flag("string", "", "Path to the extensions UNIX domain socket"),
    "extensions_timeout": Flag("string", "3", "Seconds to wait for autoloaded extensions"),
    "host_identifier": Flag("string", "hostname", "Field used to identify the host running osquery"),
    "logger_event_type": Flag("bool", "true", "Log scheduled results as events"),
    "logger_min_status": Flag("int32", "0", "Minimum level for status log recording"),
    "logger_plugin": Flag("string", "", "Logger plugin name; stdout prints results"),
    "logger_snapshot_event_type": Flag("bool", "false", "Log scheduled snapshot results as events"),
    "pack_delimiter": Flag("string", "_", "Delimiter for pack and query names"),
    "schedule_default_interval": Flag("uint64", "3600", "Query interval to use if none is provided"),
    "schedule_epoch": Flag("uint64", "0", "Epoch for scheduled queries"),
    "schedule_timeout": Flag("uint64", "0", "Limit the schedule to a duration in seconds, 0 for no limit"),
    "specified_identifier": Flag("string", "", "Host identifier with host_identifier=specified"),
    "nullvalue": Flag("string", "", "Set string for NULL values, default ''"),
    "thrift_timeout": Flag("uint32", "300", "Thrift socket timeout"),
    "verbose": Flag("bool", "false", "Enable verbose informational messages"),
}

_UNKNOWN = Flag("string", "", "Given to the engine, which makes no use of it")


def flag(name: str) -> Flag:
    """Return a flag; one that the engine does not know is a string."""
    return FLAGS.get(name, _UNKNOWN)


def problem(name: str, value: str) -> str:
    """Return the reason why a flag cannot have a value; "" if it can, or if the flag is not known here."""
    kind = flag(name).type
    if kind == "bool" and value.lower() not in (*_TRUE, *_FALSE):
        return f"--{name} {value!r} is neither true nor false"
    if kind in ("uint64", "uint32"):
        digits, unit = (19, "") if name in _COUNTS else (9, " of seconds")
        if not (value.isascii() and value.isdecimal() and len(value) <= digits):
            return f"--{name} {value!r} is not a whole number{unit}"
    if kind == "int32" and value not in _SEVERITIES:
        return f"--{name} {value!r} is not one of {', '.join(_SEVERITIES)}"
    if name in _SECONDS and _number(value) is None:
        return f"--{name} {value!r} is not a number of seconds"
    return ""


def _number(value: str) -> float | None:
    """Return a number of seconds that one can wait; None for any other text."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number <= _LONGEST else None


class Flags:
    """The values of the flags of one engine.

    Args:
        values: values that differ from the default. Names that the engine does not know are kept, as an
            extension may read them from `options`.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """Take the values."""
        self._values = dict(values or {})
        self._overrides: dict[str, str] = {}

    def override(self, options: Mapping[str, object]) -> None:
        """Set the options of a configuration. As with osqueryd, they count before the command line."""
        texts = {
            name: value if isinstance(value, str) else str(value).lower() for name, value in options.items()
        }
        # osqueryd, too, ignores values that a flag cannot have.
        self._overrides = {name: value for name, value in texts.items() if not problem(name, value)}

    def __getitem__(self, name: str) -> str:
        """Return the value of a flag; "" for an unknown one."""
        return {name: flag(name).default, **self._values, **self._overrides}[name]

    def seconds(self, name: str) -> float:
        """Return the value of a flag that is a number of seconds.

        Raises:
            ValueError: the value is not a number, or negative.
        """
        number = _number(self[name])
        if number is None:
            raise ValueError(f"--{name} must be a number of seconds, not {self[name]!r}")
        return number

    def truth(self, name: str) -> bool:
        """Return the value of a flag that is true or false."""
        return self[name].lower() in _TRUE

    def options(self) -> dict[str, OptionInfo]:
        """Return the flags in the form that a manager's `options` answers."""
        names = sorted({*FLAGS, *self._values, *self._overrides})
        return {name: OptionInfo(self[name], flag(name).default, flag(name).type) for name in names}
