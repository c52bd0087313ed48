"""Answers longer than the terminal, in a program that scrolls through them: $PAGER, or `less -S`."""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING, NamedTuple

from osquery_sdk.signals import stop_handler

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping
    from typing import TextIO

# Of less: end at once if all fits on a screen, and leave what was read on it.
_LESS = "FRX"


class Pager(NamedTuple):
    """A program that shows text on a terminal, a screen at a time."""

    command: tuple[str, ...]
    scrolls: bool
    """It scrolls to the side as well, so that lines may be wider than the terminal."""

    def show(self, text: str, terminal: TextIO) -> bool:
        """Show text, and wait until the person has done with it; False if the program is not there."""
        import subprocess

        environment = {"LESS": _LESS, "LESSCHARSET": "utf-8", **os.environ}
        terminal.flush()
        try:
            # In this process's group, which has the terminal.
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
            # Ctrl-C is for the program, which knows what to do with it.
            try:
                if data:
                    process.stdin.write(data)
                    data = b""
                process.stdin.close()
            except KeyboardInterrupt:
                data = b""
                continue
            except BrokenPipeError:
                pass  # the person has seen enough
            try:
                process.wait()
            except KeyboardInterrupt:
                continue
            return True


def find_pager(environment: Mapping[str, str]) -> Pager | None:
    """Return the program that the environment asks for, or less; None if there is none or none is wanted."""
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
    """Add the option that keeps long answers from being paged."""
    parser.add_argument(
        "--no-pager",
        action="store_true",
        help="on a terminal, do not show long answers in $PAGER (less -S)",
    )


def chosen_pager(options: Namespace) -> Pager | None:
    """The program that long answers are shown in; None if that is not wanted."""
    if options.no_pager:
        return None
    return find_pager(os.environ)


__all__ = ["Pager", "add_pager", "chosen_pager", "find_pager"]
