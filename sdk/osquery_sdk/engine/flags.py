"""The flags that mean something to this engine, under the names of osqueryd's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..wire.protocol import OptionInfo

if TYPE_CHECKING:
    from collections.abc import Mapping


class Flag(NamedTuple):
    """A flag: its type in osquery's words, its default, and what it does here."""

    type: str
    default: str
    description: str


FLAGS: dict[str, Flag] = {
    "config_plugin": Flag("string", "update", "Config plugin name; here configs come in by updates only"),
    "disable_extensions": Flag("bool", "false", "Disable extension API"),
    "distributed_plugin": Flag("string", "", "Distributed plugin name; the engine asks none"),
    "extensions_default_index": Flag(
        "bool", "true", "Enable INDEX on all extension table columns (default true)"
    ),
    "extensions_interval": Flag("string", "3", "Seconds delay between connectivity checks"),
    "extensions_socket": Flag("string", "", "Path to the extensions UNIX domain socket"),
    "extensions_timeout": Flag("string", "3", "Seconds to wait for autoloaded extensions"),
    "logger_plugin": Flag("string", "", "Logger plugin name; the engine logs to none"),
    "nullvalue": Flag("string", "", "Set string for NULL values, default ''"),
    "thrift_timeout": Flag("uint32", "300", "Thrift socket timeout"),
    "verbose": Flag("bool", "false", "Enable verbose informational messages"),
}


class Flags:
    """The values of the flags of one engine.

    Args:
        values: those that differ from the default. A name that the engine does not know is kept as a string, since an
            extension may read it from `options`.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """Take the values."""
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> str:
        """The value of a flag; "" for an unknown one."""
        if name in self._values:
            return self._values[name]
        return FLAGS[name].default if name in FLAGS else ""

    def seconds(self, name: str) -> float:
        """The value of a flag that is a number of seconds.

        Raises:
            ValueError: it is no number, or negative.
        """
        try:
            number = float(self[name])
        except ValueError:
            number = -1.0
        if not number >= 0:
            raise ValueError(f"--{name} must be a number of seconds, not {self[name]!r}")
        return number

    def truth(self, name: str) -> bool:
        """The value of a flag that is true or false."""
        return self[name].lower() in ("true", "t", "yes", "y", "1")

    def names(self) -> list[str]:
        """Every known name."""
        return sorted({*FLAGS, *self._values})

    def description(self, name: str) -> str:
        """What the flag does."""
        return FLAGS[name].description if name in FLAGS else "Given to the engine, which makes no use of it"

    def options(self) -> dict[str, OptionInfo]:
        """The flags as a manager's `options` answers."""
        return {
            name: OptionInfo(self[name], *((flag.default, flag.type) if flag else ("", "string")))
            for name in self.names()
            for flag in [FLAGS.get(name)]
        }
