"""The config plugin my_ext: what it serves, and that a mistake in the file takes no schedule away."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from osquery_sdk import ConfigError, Extension, check_config
from osquery_sdk.engine import Daemon, Host

from my_ext.config import Config, everywhere

MORE = {"schedule": {"more": {"query": "select 1", "interval": 10}}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "my_ext.json"


@contextmanager
def configured(plugin: Config) -> Iterator[Host]:
    """Run an engine that asks the plugin for its configuration, as osqueryd does."""
    extension = Extension("under_test", version="0", plugins=[plugin], log=lambda line: None)
    options = {"config_plugin": "my_ext", "logger_plugin": "stdout"}
    with Host([extension.start], options=options) as host:
        daemon = Daemon(host.manager, notice=lambda line: None, ended=lambda status: None)
        daemon.start()
        end = time.monotonic() + 30
        while not scheduled(host):
            assert time.monotonic() < end
            time.sleep(0.05)
        yield host
        daemon.stop()


def scheduled(host: Host) -> set[str]:
    """Return the names of the queries that are run."""
    return {row["name"] for row in host.query("select name from osquery_schedule").rows}


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_osqueryd_would_take_it(platform: str) -> None:
    assert "clock" in check_config(everywhere(platform))["schedule"]


def test_every_machine_has_a_schedule(path: Path) -> None:
    with configured(Config("my_ext", path)) as host:
        assert "clock" in scheduled(host)
        assert "more" not in scheduled(host)


def test_a_file_adds_to_it(path: Path) -> None:
    path.write_text(f"# a comment\n{json.dumps(MORE)}")
    with configured(Config("my_ext", path)) as host:
        assert scheduled(host) >= {"clock", "more"}


def test_a_change_is_taken_in(path: Path) -> None:
    plugin = Config("my_ext", path)
    with configured(plugin) as host:
        path.write_text(json.dumps(MORE))
        assert plugin.push() == ["machine"]
        assert scheduled(host) >= {"clock", "more"}


@pytest.mark.parametrize("content", [b"{", b'{"schedule": []}', b"\xff", b" " * (2 << 20)])
def test_a_mistake_is_told_and_takes_nothing_away(path: Path, content: bytes) -> None:
    path.write_text(json.dumps(MORE))
    plugin = Config("my_ext", path)
    with configured(plugin) as host:
        path.write_bytes(content)
        with pytest.raises(ConfigError):
            plugin.push()
        assert scheduled(host) >= {"clock", "more"}


def test_packs(path: Path) -> None:
    plugin = Config("my_ext", path)
    assert plugin.gen_pack("health", "daily")["queries"]["uptime"]["interval"] == 86_400
    with pytest.raises(ConfigError, match="there is no pack health weekly"):
        plugin.gen_pack("health", "weekly")
