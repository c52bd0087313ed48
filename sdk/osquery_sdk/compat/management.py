"""Registers plugins, starts an extension and spawns osquery, by the functions of PyPI's `osquery` package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar

from kolide_kit.author_code import describe, to_stderr

from ..errors import OsquerySdkError
from .client import DEFAULT_SOCKET_PATH, Client, ExtensionClient
from .extensions.ttypes import ExtensionException
from .plugins import BasePlugin, Singleton

if TYPE_CHECKING:
    from argparse import Namespace

    from ..cli.extension import Extension

_Kind = TypeVar("_Kind", bound=type[Any])


class ExtensionManager(Singleton):
    """The registered plugins. There is one object, as in that package."""

    _plugins: dict[str, dict[str, BasePlugin]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Return the one object; the first call makes it, without plugins."""
        manager = super().__new__(cls)
        if "_plugins" not in vars(manager):
            manager._plugins = {}
        return manager

    def add_plugin(self, plugin: type[BasePlugin]) -> None:
        """Register an object of the class; the first one of a name is served."""
        instance = plugin()
        self._plugins.setdefault(instance.registry_name(), {}).setdefault(instance.name(), instance)

    def registry(self) -> dict[str, dict[str, list[dict[str, str]]]]:
        """Return the routes that are sent to osquery, by name by kind."""
        return {
            kind: {name: plugin.routes() for name, plugin in plugins.items()}
            for kind, plugins in self._plugins.items()
        }

    def plugins(self) -> list[BasePlugin]:
        """Return all registered plugins."""
        return [plugin for plugins in self._plugins.values() for plugin in plugins.values()]

    def call(self, registry: str, item: str, request: dict[str, str]) -> Any:
        """Call a plugin directly, without a server."""
        return self._plugins[registry][item].call(request)


def register_plugin(plugin: _Kind) -> _Kind:
    """Decorate a plugin class, so that `start_extension` serves it.

    Unlike in that package it returns the class.
    """
    ExtensionManager().add_plugin(plugin)
    return plugin


def extension(name: str, version: str) -> Extension:
    """Return an extension of this SDK with the registered plugins.

    Raises:
        DefinitionError: osqueryd would refuse a plugin.
    """
    from ..cli.extension import Extension
    from .adapters import adapted

    return Extension(
        name, version=version, plugins=[adapted(plugin) for plugin in ExtensionManager().plugins()]
    )


def start_extension(
    name: str = "<unknown>",
    version: str = "0.0.0",
    sdk_version: str = "3.0.7",
    min_sdk_version: str = "1.8.0",
) -> None:
    """Run the program's command line with the registered plugins, and end the program.

    Without `--socket` they are served at osquery's usual socket. `sdk_version` and `min_sdk_version` are
    accepted because that package has them, and ignored.
    """
    arguments = sys.argv[1:]
    has_socket = any(word.partition("=")[0] in ("--socket", "--help", "-h") for word in arguments)
    if not has_socket and (not arguments or arguments[0].startswith("-")):
        arguments = [*arguments, "--socket", DEFAULT_SOCKET_PATH]
    try:
        sys.exit(extension(name, version).run(arguments))
    except OsquerySdkError as error:
        to_stderr(f"{name}: {describe(error, OsquerySdkError)}")
        sys.exit(1)


def parse_cli_params() -> Namespace:
    """Read the arguments with which osquery starts an extension."""
    import argparse

    parser = argparse.ArgumentParser(description="osquery python extension")
    parser.add_argument("--socket", default=DEFAULT_SOCKET_PATH, help="Path to the extensions socket")
    parser.add_argument("--timeout", type=int, default=1, help="Seconds to wait for osquery")
    parser.add_argument("--interval", type=int, default=1, help="Seconds between connectivity checks")
    parser.add_argument("--verbose", action="store_true", help="Enable verbose messages")
    return parser.parse_args()


def deregister_extension() -> None:
    """Deregister each extension at the socket that serves one of the registered plugins."""
    client = ExtensionClient(parse_cli_params().socket).extension_manager_client()
    mine = {(kind, name) for kind, plugins in ExtensionManager().registry().items() for name in plugins}
    served = client.query(
        "select registry, name, owner_uuid from osquery_registry where owner_uuid <> 0"
    ).response
    uuids = {int(row["owner_uuid"]) for row in served or () if (row["registry"], row["name"]) in mine}
    if not uuids:
        raise ExtensionException(1, "Extension Manager does not have a valid UUID")
    for uuid in uuids:
        status = client.deregisterExtension(uuid)
        if status.code:
            raise ExtensionException(1, status.message)


class SpawnInstance:
    """A new osqueryd, which ends with this object.

    Args:
        path: the path of osqueryd; unless given, the one on PATH, or else in its usual place.
    """

    def __init__(self, path: str | None = None) -> None:
        """Find osqueryd; nothing starts yet."""
        from kolide_kit.processes import TemporaryFolder

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
        """End osqueryd."""
        self.close()

    def close(self) -> None:
        """End osqueryd now."""
        if getattr(self, "_pid", 0) != os.getpid():
            return  # a forked process has not started this osqueryd
        instance, self.instance, self.connection = getattr(self, "instance", None), None, None
        if instance is not None:
            instance.kill()
            instance.wait()
        folder = getattr(self, "_folder", None)
        if folder is not None:
            folder.cleanup()

    def open(self, timeout: float = 10, interval: float = 0.01) -> None:
        """Start osqueryd, and wait until it answers.

        Raises:
            Exception: osqueryd did not start, or did not answer in time.
        """
        from kolide_kit.processes import start_process

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
        """Return True while osqueryd runs."""
        return self.instance is not None and self.instance.poll() is None

    @property
    def client(self) -> Client:
        """A client of this osqueryd."""
        if self.connection is None:
            raise ExtensionException(1, "open() it first")
        return self.connection.extension_manager_client()
