"""The command `engine`: the embedded engine in osqueryd's place, with schedule, loggers and distributed queries if asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osquery_sdk.authors import to_stderr

from .outcome import Misuse
from .parser import Command, completes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

# osqueryd's own names, so that its flags can be tried here as they are.
_FLAGS = {
    "config_path": ("PATH", "a configuration file in osqueryd's form"),
    "config_plugin": ("NAME", "the config plugin of an extension"),
    "config_refresh": ("SECONDS", "ask the config plugin again so often"),
    "logger_plugin": ("NAMES", "the loggers of extensions, or stdout (stdout)"),
    "distributed_plugin": ("NAME", "the distributed plugin of an extension"),
    "distributed_interval": ("SECONDS", "ask it for queries so often (60)"),
    "database_path": ("FILE", "keep results and settings in this file"),
}


def engine_command(
    add_extensions: Callable[[ArgumentParser], None], source: str, log: Callable[[str], None]
) -> Command:
    """The command.

    Args:
        add_extensions: adds the argument that says which extensions are loaded.
        source: how that is written in an example.
        log: gets each line for whoever watches.
    """

    def add_arguments(parser: ArgumentParser) -> None:
        action = parser.add_argument("--socket", required=True, metavar="PATH", help="where to listen")
        completes(action, "file")
        add_extensions(parser)
        for name, (metavar, text) in _FLAGS.items():
            action = parser.add_argument(f"--{name}", metavar=metavar, help=text)
            if metavar in ("PATH", "FILE"):
                completes(action, "file")
        parser.add_argument(
            "--flag", action="append", default=[], metavar="NAME=VALUE", help="any other flag of osqueryd"
        )

    def run(options: Namespace) -> int:
        from osquery_sdk.engine import Daemon, Host
        from osquery_sdk.signals import stopping

        flags = _flags(options)
        code = 0
        with (
            Host(
                options.extension,
                socket=options.socket,
                verbose=options.verbose,
                respawn=True,
                on_line=log,
                options=flags,
            ) as host,
            stopping() as stop,
        ):

            def ended(status: int) -> None:
                nonlocal code
                code = status
                stop.set()

            to_stderr(f"embedded engine at {options.socket}; Ctrl-C stops it")
            if any(f"{kind}_plugin" in flags for kind in ("config", "logger", "distributed")):
                daemon = Daemon(host.manager, notice=log, ended=ended)
                daemon.start()
                stop.wait()
                daemon.stop()
            else:
                stop.wait()
        return code

    return Command(
        "engine",
        "a stand-in for osqueryd's extension manager, for any client",
        (
            "engine --socket /tmp/osquery.em",
            f"engine --socket /tmp/osquery.em {source}",
            f"engine --socket /tmp/osquery.em {source} --config_path ./osquery.conf",
        ),
        add_arguments,
        run,
    )


def _flags(options: Namespace) -> dict[str, str]:
    from osquery_sdk.engine.flags import problem

    flags = {name: getattr(options, name) for name in _FLAGS if getattr(options, name) is not None}
    for given in options.flag:
        name, equals, value = given.removeprefix("--").partition("=")
        if not equals or not name.isidentifier():
            raise Misuse(f"--flag {given!r}: write NAME=VALUE")
        flags[name] = value
    for name, value in flags.items():
        if why := problem(name, value):
            raise Misuse(why)
    if "config_path" in flags:
        flags.setdefault("config_plugin", "filesystem")
    if flags.get("config_plugin"):
        flags.setdefault("logger_plugin", "stdout")
    if flags.get("distributed_plugin"):
        flags.setdefault("disable_distributed", "false")
    if options.verbose:
        flags.setdefault("verbose", "true")
    return flags
