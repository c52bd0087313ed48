"""The config plugin my_ext: a schedule for every machine, and what a file of this one adds."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from osquery_sdk import ConfigError, ConfigPlugin

# Variable that names a file to use instead of the usual one.
VARIABLE = "MY_EXT_CONFIG"
USUAL = "/etc/osquery/my_ext.json"
MAX_BYTES = 1 << 20


def default_path() -> Path:
    """Return the file that the environment names, or else the usual one."""
    return Path(os.environ.get(VARIABLE) or USUAL)


class Config(ConfigPlugin):
    """The configuration of this machine.

    Args:
        name: as osqueryd's flag --config_plugin says it.
        path: a file of JSON in osqueryd's form; where there is none, nothing is added.
    """

    def __init__(self, name: str, path: Path) -> None:
        """Store the path; the file is read for each request."""
        super().__init__(name)
        self.path = path

    def gen_config(self) -> Mapping[str, Mapping[str, Any] | str]:
        """Return the configuration by source. It is checked; osqueryd merges the schedules of all sources.

        If this raises, or the file is wrong, osqueryd goes on with the last configuration that was right.
        """
        sources: dict[str, Mapping[str, Any] | str] = {"everywhere": everywhere(sys.platform)}
        try:
            with self.path.open(encoding="utf-8") as file:
                text = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return sources
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "no UTF-8"
            raise ConfigError(f"{self.path}: {reason}") from error
        if len(text) > MAX_BYTES:
            raise ConfigError(f"{self.path} is too large for a configuration")
        return {**sources, "machine": text}

    def gen_pack(self, name: str, value: str) -> Mapping[str, Any]:
        """Return the pack for which the configuration has only a text: `"packs": {"health": "hourly"}`."""
        intervals = {"hourly": 3600, "daily": 86_400}
        if name != "health" or value not in intervals:
            raise ConfigError(f"there is no pack {name} {value}, but health hourly and health daily")
        uptime = {"query": "select total_seconds from uptime", "interval": intervals[value]}
        return {"queries": {"uptime": uptime}}


def everywhere(platform: str) -> Mapping[str, Any]:
    """Return the schedule of every machine of a platform."""
    clock = {"query": "select hour, minutes from time", "interval": 5, "snapshot": True}
    schedule = {"clock": clock}
    if platform == "linux":
        schedule["extensions"] = {"query": "select name, version from osquery_extensions", "interval": 300}
    return {"schedule": schedule}
