"""Show results that are longer than the terminal in a pager: $PAGER, or `less -S`."""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING, NamedTuple

from kolide_kit.signals import stop_handler

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping
    from typing import TextIO

# Options of less: F ends at once if a screen holds all text, R shows colours, X leaves the text on the
# screen.
_LESS = "FRX"


class Pager(NamedTuple):
    """A program that shows text on a terminal one screen at a time."""

    command: tuple[str, ...]
    scrolls: bool
    """The program also scrolls sideways, so that lines may be wider than the terminal."""

    def show(self, text: str, terminal: TextIO) -> bool:
        """Show text, and wait until the person quits the pager; False if the program cannot be started."""
        import subprocess

        environment = {"LESS": _LESS, "LESSCHARSET": "utf-8", **os.environ}
        terminal.flush()
        try:
            # It stays in this process group, which owns the terminal.
            with stop_handler() as handler:
                process = subprocess.Popen(
                    self.command, stdin=subprocess.PIPE, stdout=terminal.fileno(), env=environment
                )
                handler.add_process(process)
        except OSError:
            return False
        assert process.stdin is not None
        data = text.encode("utf-8", "backslashreplace")
        while True:
            # Ctrl-C is the pager's: it reacts to it by itself.
            try:
                if data:
                    process.stdin.write(data)
                    data = b""
                process.stdin.close()
            except KeyboardInterrupt:
                data = b""
                continue
            except BrokenPipeError:
                pass  # the person quit before the end
            try:
                process.wait()
            except KeyboardInterrupt:
                continue
            return True


def find_pager(environment: Mapping[str, str]) -> Pager | None:
    """Return the pager that the environment names, or less; None if there is none, or PAGER turns it off."""
    if environment.get("TERM") == "dumb":
        return None
    wanted = environment.get("PAGER")
    if wanted is None:
        return Pager(("less", "-S"), scrolls=True) if shutil.which("less") else None
    try:
        command = tuple(shlex.split(wanted))
    except ValueError:  # a quote is missing
        return None
    if not command or command == ("cat",):
        return None
    return Pager(command, scrolls="-S" in command[1:])


def add_pager(parser: ArgumentParser) -> None:
    """Add the option that turns the pager off."""
    parser.add_argument(
        "--no-pager", action="store_true", help="on a terminal, do not show long results in $PAGER (less -S)"
    )


def chosen_pager(options: Namespace) -> Pager | None:
    """Return the pager for long results; None if the options or the environment turn it off."""
    return None if options.no_pager else find_pager(os.environ)
