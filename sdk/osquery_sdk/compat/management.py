"""Registering plugins, starting an extension and spawning osquery, as PyPI's `osquery` package does it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar

from ..authors import describe, to_stderr
from ..errors import OsquerySdkError
from .client import DEFAULT_SOCKET_PATH, Client, ExtensionClient
from .extensions.ttypes import ExtensionException
from .plugins import BasePlugin, Singleton

if TYPE_CHECKING:
    from argparse import Namespace

    from osquery_sdk import Extension

__all__ = [
    "ExtensionManager",
    "SpawnInstance",
    "deregister_extension",
    "parse_cli_params",
    "register_plugin",
    "start_extension",
]

_Kind = TypeVar("_Kind", bound=type[Any])


class ExtensionManager(Singleton):
    """The plugins that were registered. There is one, as that package has it."""

    _plugins: dict[str, dict[str, BasePlugin]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """The one there is, or a first one without plugins."""
        made = super().__new__(cls)
        if "_plugins" not in vars(made):
            made._plugins = {}
        return made

    def add_plugin(self, plugin: type[BasePlugin]) -> None:
        """Have an object of the class served; the first one of a name counts."""
        made = plugin()
        self._plugins.setdefault(made.registry_name(), {}).setdefault(made.name(), made)

    def registry(self) -> dict[str, dict[str, list[dict[str, str]]]]:
        """What is sent to osquery: the routes by name by kind."""
        return {
            kind: {name: plugin.routes() for name, plugin in plugins.items()}
            for kind, plugins in self._plugins.items()
        }

    def plugins(self) -> list[BasePlugin]:
        """All of them."""
        return [plugin for plugins in self._plugins.values() for plugin in plugins.values()]

    def call(self, registry: str, item: str, request: dict[str, str]) -> Any:
        """Call one of them, without a server."""
        return self._plugins[registry][item].call(request)


def register_plugin(plugin: _Kind) -> _Kind:
    """Decorate a plugin class: `start_extension` serves it. Returns the class, which that package does not."""
    ExtensionManager().add_plugin(plugin)
    return plugin


def extension(name: str, version: str) -> Extension:
    """The registered plugins as an extension of this SDK.

    Raises:
        DefinitionError: osqueryd would refuse one of them.
    """
    from osquery_sdk import Extension

    from .adapters import adapted

    return Extension(name, version=version, plugins=[adapted(one) for one in ExtensionManager().plugins()])


def start_extension(
    name: str = "<unknown>",
    version: str = "0.0.0",
    sdk_version: str = "3.0.7",
    min_sdk_version: str = "1.8.0",
) -> None:
    """Serve the registered plugins as the command line says, and end the program.

    Without `--socket` it is osquery's usual one. `sdk_version` and `min_sdk_version` are that package's, and play no part.
    """
    arguments = sys.argv[1:]
    is_told = any(one.partition("=")[0] in ("--socket", "--help", "-h") for one in arguments)
    if not is_told and (not arguments or arguments[0].startswith("-")):
        arguments = [*arguments, "--socket", DEFAULT_SOCKET_PATH]
    try:
        sys.exit(extension(name, version).run(arguments))
    except OsquerySdkError as error:
        to_stderr(f"{name}: {describe(error, OsquerySdkError)}")
        sys.exit(1)


def parse_cli_params() -> Namespace:
    """The arguments with which osquery starts an extension."""
    import argparse

    parser = argparse.ArgumentParser(description="osquery python extension")
    parser.add_argument("--socket", default=DEFAULT_SOCKET_PATH, help="Path to the extensions socket")
    parser.add_argument("--timeout", type=int, default=1, help="Seconds to wait for osquery")
    parser.add_argument("--interval", type=int, default=1, help="Seconds between connectivity checks")
    parser.add_argument("--verbose", action="store_true", help="Enable verbose messages")
    return parser.parse_args()


def deregister_extension() -> None:
    """Deregister this extension: of those at the socket, each that serves one of the registered plugins."""
    client = ExtensionClient(parse_cli_params().socket).extension_manager_client()
    mine = {(kind, name) for kind, plugins in ExtensionManager().registry().items() for name in plugins}
    found = client.query(
        "select registry, name, owner_uuid from osquery_registry where owner_uuid <> 0"
    ).response
    uuids = {int(row["owner_uuid"]) for row in found or () if (row["registry"], row["name"]) in mine}
    if not uuids:
        raise ExtensionException(1, "Extension Manager does not have a valid UUID")
    for uuid in uuids:
        status = client.deregisterExtension(uuid)
        if status.code:
            raise ExtensionException(1, status.message)


class SpawnInstance:
    """An osqueryd of its own, which ends with this object.

    Args:
        path: of osqueryd; found on PATH, or at its usual place, unless given.
    """

    def __init__(self, path: str | None = None) -> None:
        """Nothing starts yet."""
        from ..leftovers import TemporaryFolder

        usual = (
            "/opt/osquery/lib/osquery.app/Contents/MacOS/osqueryd"
            if sys.platform == "darwin"
            else "/usr/bin/osqueryd"
        )
        self.path = path or shutil.which("osqueryd") or usual
        self._pid = os.getpid()
        self.instance: subprocess.Popen[bytes] | None = None
        self.connection: ExtensionClient | None = None
        self._folder = TemporaryFolder("osq-")

    def __del__(self) -> None:
        """End it."""
        self.close()

    def close(self) -> None:
        """End it now."""
        if getattr(self, "_pid", 0) != os.getpid():
            return  # this is a copy in a forked process, which has not started what is to be ended
        instance, self.instance, self.connection = getattr(self, "instance", None), None, None
        if instance is not None:
            instance.kill()
            instance.wait()
        folder = getattr(self, "_folder", None)
        if folder is not None:
            folder.cleanup()

    def open(self, timeout: float = 10, interval: float = 0.01) -> None:
        """Start it, and wait until it answers.

        Raises:
            Exception: it did not start, or did not answer in time.
        """
        from ..leftovers import start_process

        folder = self._folder.name
        socket = rf"\\.\pipe\osq-{id(self)}" if sys.platform == "win32" else f"{folder}/em"
        command = [self.path, "--ephemeral", "--disable_database", "--disable_watchdog", "--disable_logging"]
        command += [
            "--force",
            f"--pidfile={folder}/pid",
            "--config_path=/dev/null",
            f"--extensions_socket={socket}",
        ]
        try:
            self._pid = os.getpid()
            self.instance = start_process(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise Exception(f"Cannot start process from path: {self.path}") from error
        connection = ExtensionClient(socket)
        end = time.monotonic() + timeout
        while self.is_running() and time.monotonic() < end:
            if connection.open(timeout=interval, interval=interval):
                self.connection = connection
                return
            time.sleep(interval)
        self.instance.kill()
        self.instance.wait()
        self.instance = None
        raise Exception(f"Cannot open connection: {socket}")

    def is_running(self) -> bool:
        """Whether it runs."""
        return self.instance is not None and self.instance.poll() is None

    @property
    def client(self) -> Client:
        """What asks it."""
        if self.connection is None:
            raise ExtensionException(1, "open() it first")
        return self.connection.extension_manager_client()
