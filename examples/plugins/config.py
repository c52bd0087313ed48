#!/usr/bin/env python3
# osquery-sdk engine --socket /tmp/osquery.em --extension ./config.py --config_plugin team_config \
#   --flag schedule_timeout=3
"""A config plugin: the schedule depends on the day of the week."""

import time
from collections.abc import Mapping
from typing import Any

from osquery_sdk import ConfigError, ConfigPlugin, Extension


class TeamConfig(ConfigPlugin):
    """Two sources, and a pack by its name."""

    def gen_config(self) -> Mapping[str, Mapping[str, Any] | str]:
        """Every source is a mapping, or the text of a JSON object."""
        workday = time.localtime().tm_wday < 5
        return {
            "base": {"schedule": {"clock": {"query": "select hour, minutes from time", "interval": 1}}},
            "team": {"packs": {"audit": "audit"}} if workday else "{}",
        }

    def gen_pack(self, name: str, value: str) -> Mapping[str, Any]:
        """Return a pack for which the configuration has only a value."""
        if value != "audit":
            raise ConfigError(f"no pack {value}")
        return {"queries": {"version": {"query": "select version from osquery_info", "interval": 1}}}


if __name__ == "__main__":
    raise SystemExit(Extension("team_config", version="1.0", plugins=[TeamConfig("team_config")]).run())
