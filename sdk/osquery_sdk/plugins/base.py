"""Base of config, logger and distributed plugins: the name, one request after the other, and the end."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from kolide_kit.author_code import SameProcess, describe, pass_on_interrupt, trace
from kolide_kit.errors import KolideError

from ..errors import DefinitionError, ManagerUnavailable
from ..wire.protocol import Reply, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..wire.service import CallContext

    Link: TypeAlias = Callable[[str, str, Mapping[str, str]], Response]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Plugin:
    """A plugin of osquery other than a table. Extension authors derive from one of its three kinds.

    The requests of one plugin are answered one after the other, so an author needs no locks against
    osqueryd's threads.

    Args:
        name: the value of osqueryd's flag, as in `--logger_plugin=NAME`; letters, digits, and `_.-`.

    Raises:
        DefinitionError: the name does not fit osqueryd's flag.
    """

    registry: str = ""

    def __init__(self, name: str) -> None:
        """Check the name; nothing starts yet."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise DefinitionError(
                f"{self.registry} plugin {name!r}: use letters, digits and _.- in its name, for a flag of "
                f"osqueryd takes it"
            )
        self.name = name
        self._log: Callable[[str], None] = lambda _: None
        self._turn = threading.Lock()
        self._link: Link | None = None

    def routes(self) -> Sequence[Mapping[str, str]]:
        """Return the rows that describe the plugin to osqueryd: none."""
        return []

    def answer(self, request: Mapping[str, str]) -> Reply:
        """Answer one of osqueryd's requests; each kind of plugin has its own."""
        raise NotImplementedError

    def call(
        self, request: Mapping[str, str], context: CallContext, warn: Callable[[str], None], client: Any
    ) -> Reply:
        """Answer osqueryd; an error becomes the message of the status."""
        self._log = warn
        try:
            with SameProcess(), self._turn:
                return self.answer(request)
        except BaseException as error:  # noqa: BLE001  whatever a plugin raises fails this request alone
            pass_on_interrupt(error)
            return Reply.failure(self.complain(error))

    def warn(self, message: str) -> None:
        """Write a line to the extension's log, with the plugin's name before it."""
        self._log(message if message.startswith(self.name) else f"{self.name}: {message}")

    def complain(self, error: BaseException, *, unless: str = "") -> str:
        """Log an error, with its traceback unless it was raised on purpose; return its one-line message.

        Args:
            error: the exception.
            unless: the message of the last one; the same message is not logged again.
        """
        message = describe(error, KolideError)
        message = message if message.startswith(self.name) else f"{self.name}: {message}"
        if message == unless:
            return message
        if issubclass(type(error), (KolideError, OSError)):
            self._log(message)
        else:
            self._log(f"{message}\n{trace(error)}")
        return message

    # -- life

    def start(self, link: Link, log: Callable[[str], None]) -> None:
        """Begin: the extension is registered. Called again if osqueryd forgot it and it registered anew.

        Args:
            link: calls a plugin of osqueryd: registry, item, request.
            log: gets each line of the extension's log.
        """
        self._link = link
        self._log = log

    def stop(self) -> None:
        """End within two seconds everything that `start` began: the extension ends."""
        self._link = None

    def ask_osqueryd(self, registry: str, item: str, request: Mapping[str, str]) -> Response:
        """Call a plugin of osqueryd.

        Raises:
            ManagerUnavailable: the extension is not registered.
            WireError: the call failed.
        """
        link = self._link
        if link is None:
            raise ManagerUnavailable(f"{self.name}: the extension is not registered")
        return link(registry, item, request)


def attempt(plugin: Plugin, method: Callable[..., object], *arguments: object) -> None:
    """Call a method of a plugin; an error is logged, and fails nothing else."""
    try:
        with SameProcess():
            method(*arguments)
    except BaseException as error:  # noqa: BLE001  whatever an author's code raises
        pass_on_interrupt(error)
        plugin.complain(error)
