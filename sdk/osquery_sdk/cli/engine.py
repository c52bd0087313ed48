"""Run the embedded engine in place of osqueryd, with schedule and loggers: the command `engine`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kolide_kit.author_code import to_stderr

from .exit_codes import Misuse
from .parser import Command, add_options

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

# The names are those of osqueryd, so that its flags can be tried here unchanged.
_FLAGS = {
    "--config_path": ("PATH", "read this configuration file, in osqueryd's format"),
    "--config_plugin": ("NAME", "use this config plugin of an extension"),
    "--config_refresh": ("SECONDS", "ask the config plugin again this often"),
    "--logger_plugin": ("NAMES", "use these loggers of extensions, or stdout (stdout)"),
    "--distributed_plugin": ("NAME", "use this distributed plugin of an extension"),
    "--distributed_interval": ("SECONDS", "ask it for queries this often (60)"),
    "--database_path": ("FILE", "keep results and settings in this file"),
}


def engine_command(add_extensions: Callable[[ArgumentParser], None], source: str) -> Command:
    """Return the command `engine`.

    Args:
        add_extensions: adds the argument that names the extensions to load.
        source: that argument in an example.
    """
    return Command(
        "engine",
        "run a stand-in for osqueryd's extension manager, for any client",
        (
            "engine --socket /tmp/osquery.em",
            f"engine --socket /tmp/osquery.em {source}",
            f"engine --socket /tmp/osquery.em {source} --config_path ./osquery.conf",
        ),
        lambda parser: _add_arguments(parser, add_extensions),
        _run,
    )


def _add_arguments(parser: ArgumentParser, add_extensions: Callable[[ArgumentParser], None]) -> None:
    parser.add_argument("--socket", required=True, metavar="PATH", help="listen at this socket")
    add_extensions(parser)
    add_options(parser, _FLAGS)
    parser.add_argument(
        "--flag", action="append", default=[], metavar="NAME=VALUE", help="set any other flag of osqueryd"
    )


def _run(options: Namespace) -> int:
    """Run the engine until a signal, or until its daemon ends; return the exit code."""
    from kolide_kit.signals import stopping

    from ..engine import Daemon, Host

    flags = _flags(options)
    code = 0
    with (
        Host(
            options.extension,
            socket=options.socket,
            verbose=options.verbose,
            respawn=True,
            on_line=to_stderr,
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
            daemon = Daemon(host.manager, notice=to_stderr, ended=ended)
            daemon.start()
            stop.wait()
            daemon.stop()
        else:
            stop.wait()
    return code


def _flags(options: Namespace) -> dict[str, str]:
    from ..engine.manager.flags import problem

    flags = {n: value for n, value in vars(options).items() if f"--{n}" in _FLAGS and value is not None}
    for setting in options.flag:
        name, equals, value = setting.removeprefix("--").partition("=")
        if not equals or not name.isidentifier():
            raise Misuse(f"--flag {setting!r}: write NAME=VALUE")
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
