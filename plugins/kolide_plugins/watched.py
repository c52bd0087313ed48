"""A config plugin that notices changes itself and pushes them to a running osqueryd."""

import random
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Any

from osquery_sdk import ConfigPlugin, DefinitionError, ManagerUnavailable


class WatchedConfig(ConfigPlugin):
    """Looks every `poll` seconds whether the configuration has changed; 0: never."""

    def __init__(self, name: str, *, poll: float) -> None:
        """Check the name and the number."""
        super().__init__(name)
        if not 0 <= poll < float("inf"):
            raise DefinitionError(f"config plugin {name}: poll has to be a number of seconds, not {poll!r}")
        self._poll = poll
        self._ended = Event()
        self._thread: Thread | None = None

    def start(self, link: Callable[[str, str, Mapping[str, str]], Any], log: Callable[[str], None]) -> None:
        """Start looking."""
        super().start(link, log)
        if self._poll and self._thread is None:
            self._ended = Event()
            self._thread = Thread(target=self._watch, args=(self._ended,), name=self.name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        super().stop()
        self._ended.set()
        self._thread = None

    def _watch(self, ended: Event) -> None:
        complaint = ""
        # Random, so that not all machines of a fleet look at the same moment.
        while not ended.wait(self._poll * random.uniform(0.9, 1.1)):  # noqa: S311
            try:
                if self.is_served and (changed := self.push()):
                    self.warn(f"pushed to osqueryd: {', '.join(changed)}")
                complaint = ""
            except ManagerUnavailable:
                continue
            # The next look may succeed, and osqueryd keeps what it has.
            except BaseException as error:  # noqa: BLE001
                complaint = self.complain(error, unless=complaint)  # once, not at every look
