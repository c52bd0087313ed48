"""Drive plugins as osqueryd does: load a configuration, run its schedule, log, and run distributed queries.

Facts from `osquery/dispatcher/scheduler.cpp` and `config/config.cpp`.
"""

from __future__ import annotations

import glob
import json
import os
import socket
from threading import Event, Thread
from typing import TYPE_CHECKING

from kolide_kit.atomic import read_text
from kolide_kit.json_text import read_json

from ...errors import OsquerySdkError
from ...wire.protocol import Status
from ..answer import Answer, to_bytes
from .distributed import Distributed
from .logs import ERROR, WARNING, Loggers, StdoutLogger
from .schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..manager.flags import Flags
    from ..manager.manager import Manager


class FilesystemConfig:
    """The config plugin `filesystem`.

    Its sources are the file of `--config_path`, and the files `*.conf` in the folder with that name and `.d`
    after it.
    """

    def __init__(self, flags: Flags) -> None:
        """Take the flags; each request reads `--config_path` anew."""
        self._flags = flags

    def call(self, request: Mapping[str, str]) -> Answer:
        """Answer genConfig and genPack."""
        path = self._flags["config_path"]
        try:
            if request.get("action") == "genConfig":
                pattern = f"{glob.escape(path)}.d/*.conf"
                sources = [path, *sorted(glob.glob(pattern))]  # noqa: PTH207  a flag's text
                return Answer(rows=to_bytes([{source: read_text(source) for source in sources}]))
            if request.get("action") == "genPack":
                name, value = request.get("name", ""), request.get("value", "")
                text = _packs(value) if name == "*" else read_text(value)
                return Answer(rows=to_bytes([{name: text}]))
        except OSError as exc:
            return Answer(Status(1, f"{exc.filename or path}: {exc.strerror or exc}"))
        except ValueError as exc:
            return Answer(Status(1, str(exc)))
        return Answer(Status(1, "Config plugin action unknown"))


def _packs(pattern: str) -> str:
    """Return the packs of the files that match a pattern, as JSON: file name without suffix -> pack."""
    packs: dict[str, object] = {}
    for path in sorted(glob.glob(pattern)):  # noqa: PTH207
        name = os.path.splitext(os.path.basename(path))[0]  # noqa: PTH119, PTH122
        try:
            packs[name] = read_json(read_text(path))
        except ValueError as exc:
            raise ValueError(f"{path}: {exc}") from exc
    return json.dumps(packs)


class Daemon:
    """Drives the plugins that the flags name, in threads of its own.

    Args:
        manager: has the plugins; its flags say which are active.
        notice: gets lines for the person who watches.
        ended: called with osqueryd's exit status when the daemon ends by itself.
    """

    def __init__(
        self, manager: Manager, *, notice: Callable[[str], None], ended: Callable[[int], None]
    ) -> None:
        """Set up, and add the engine's own plugins."""
        self._manager = manager
        self._flags = manager.flags
        self._notice = notice
        self._ended = ended
        self._stopping = Event()
        self._threads: list[Thread] = []
        registries = manager.registries
        registries.add_core("config", "filesystem", FilesystemConfig(self._flags))
        registries.add_core("logger", "stdout", StdoutLogger())
        self._names = {kind: self._flags[f"{kind}_plugin"] for kind in ("config", "logger", "distributed")}
        for kind, name in self._names.items():
            if name:
                registries.activate(kind, name)
        names = [] if self._flags.truth("disable_logging") else _split(self._names["logger"])
        min_status = int(self._flags["logger_min_status"])
        self._loggers = Loggers(registries, names, host=self.host, notice=notice, min_status=min_status)
        self._schedule = Schedule(manager, self._loggers, self._stopping, ended)
        self._distributed = Distributed(manager, self._loggers.say)
        manager.config.gen_pack = self._gen_pack
        manager.config.warn = lambda line: self._loggers.tell(WARNING, "packs.py", line)

    def start(self) -> None:
        """Begin to wait for the plugins; once they are registered, drive them."""
        self._begin("daemon", self._run)

    def stop(self) -> None:
        """Stop the threads, and send the status lines that wait."""
        self._stopping.set()
        self._manager.engine.interrupt()
        for thread in self._threads:
            thread.join(5)
        self._loggers.relay()

    def host(self) -> str:
        """Return the identifier that `--host_identifier` asks for: the specified one, or the host's name."""
        if self._flags["host_identifier"] == "specified" and self._flags["specified_identifier"]:
            return self._flags["specified_identifier"]
        return socket.gethostname()

    def _run(self) -> None:
        if not self._wait_for_plugins():
            return
        self._load()
        self._schedule.deny_failed()
        self._loggers.init()
        self._begin("config-refresh", self._refresh)
        if self._names["distributed"] and not self._flags.truth("disable_distributed"):
            self._begin("distributed", lambda: self._distributed.run(self._stopping))
        self._schedule.run()

    def _begin(self, name: str, run: Callable[[], None]) -> None:
        thread = Thread(target=self._run_until_error, args=(run,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run_until_error(self, run: Callable[[], None]) -> None:
        try:
            run()
        except OsquerySdkError as exc:
            self._notice(f"the engine's schedule ends: {exc}")
            self._ended(1)

    def _wait_for_plugins(self) -> bool:
        """Wait until the plugins are registered. Returns False if the daemon was stopped before.

        osqueryd gives up after a while. Here an author may start the plugin by hand, which takes longer.
        """
        has_noticed = False
        while not self._stopping.is_set():
            missing = [
                f"{kind} plugin {name}"
                for kind, names in self._names.items()
                for name in _split(names)
                if not self._manager.registries.has(kind, name)
            ]
            if not missing:
                return True
            if not has_noticed:
                has_noticed = True
                self._notice(f"waits for {', '.join(missing)}")
            self._stopping.wait(0.05)
        return False

    # -- configuration

    def _load(self) -> bool:
        """Ask the config plugin for the configuration.

        Returns False if it failed, or gave one that is not valid.
        """
        if self._names["config"] == "update":
            return True
        answer = self._manager.registries.call("config", "", {"action": "genConfig"})
        if answer.failed:
            self._loggers.tell(ERROR, "config.py", f"Error reading config: {answer.status.message}")
            return False
        config = self._manager.config
        texts = config.configuration.texts()
        for source, data in (answer.rows[0] if answer.rows else {}).items():
            text = data.decode(errors="surrogateescape")
            if texts.get(source) != text and config.update(source, text).failed:
                problem = f"updateSource failed to parse config, of source: {source}: {config.problem}"
                self._loggers.tell(ERROR, "config.py", problem)
                return False
        self._schedule.decorate("load")
        return True

    def _gen_pack(self, name: str, value: str) -> str | None:
        """Ask the config plugin for a pack of which the configuration has only a name and a value."""
        request = {"action": "genPack", "name": name, "value": value}
        answer = self._manager.registries.call("config", "", request)
        if answer.failed or not answer.rows or name not in answer.rows[0]:
            problem = f"Error reading the query pack named: {name}: {answer.status.message}"
            self._loggers.tell(WARNING, "config.py", problem)
            return None
        return answer.rows[0][name].decode(errors="surrogateescape")

    def _refresh(self) -> None:
        is_fine = True
        while True:
            normal = self._flags.seconds("config_refresh")
            pause = normal if is_fine else self._flags.seconds("config_accelerated_refresh")
            if not normal:
                if self._stopping.wait(1.0):  # the configuration itself may set the flag
                    return
                continue
            if self._stopping.wait(pause):
                return
            is_fine = self._load()


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
