"""One extension: its file, how the load list leads to it, and what it does when it is started."""

from __future__ import annotations

import os
import stat
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from . import loadlist
from .flags import number

if TYPE_CHECKING:
    from .context import Context
    from .processes import Process
    from .trial import Trial

_LEAST_PATIENCE = 10.0


class Target:
    """An extension that is looked at.

    Args:
        path: of its file; made absolute.
        context: what surrounds it.
    """

    def __init__(self, path: str | os.PathLike[str], context: Context) -> None:
        """Look at nothing yet."""
        self.given = Path(path).absolute()
        self._context = context

    @cached_property
    def match(self) -> loadlist.Match | None:
        """The line of the load list that leads to it."""
        lines = self._context.lines
        return None if isinstance(lines, OSError) else loadlist.find(lines, self.given)

    @cached_property
    def path(self) -> Path:
        """Its file, under the name that osqueryd gets to see: that of the load list, if it is there."""
        if self.match is not None and self.match.how in ("folder", "same file"):
            return Path(self.match.path)
        return self.given

    @cached_property
    def status(self) -> os.stat_result | OSError:
        """Of the file, behind links; or why there is none."""
        try:
            return self.path.stat()
        except OSError as error:
            return error

    @property
    def file(self) -> os.stat_result | None:
        """Of the file, behind links; None if there is no regular file."""
        status = self.status
        return None if isinstance(status, OSError) or not stat.S_ISREG(status.st_mode) else status

    @property
    def bundle(self) -> Path | None:
        """The folder of a program that is frozen into one."""
        folder = self.path.resolve().parent
        return folder if (folder / "_internal").is_dir() else None

    @cached_property
    def distrust(self) -> str:
        """Why the doctor does not run this file; empty if it does."""
        file = self.file
        if file is None:
            return "there is no file"
        if not self._context.settings.start:
            return "not to be started, by --no-start"
        if sys.platform != "win32":
            if file.st_mode & stat.S_IWOTH:
                return "not started: anybody may have written this file"
            if file.st_uid not in (0, os.geteuid()):
                return "not started: it is another user's file"
        if not os.access(self.path, os.X_OK):
            return "not started: this user may not execute it"
        return ""

    @cached_property
    def trial(self) -> Trial | None:
        """What it does when it is started; None if that was not done."""
        from .trial import start_once

        if self.distrust:
            return None
        patience = 2 * number(self._context.flag("extensions_timeout"), 3.0)
        return start_once(
            self.path, options=self._context.flags.values, patience=max(patience, _LEAST_PATIENCE)
        )

    @cached_property
    def process(self) -> Process | None:
        """The process in which it serves the socket, if there is one that can be seen."""
        from .processes import processes

        names = {str(self.path), str(self.given), str(self.path.resolve())}
        for process in processes():
            arguments = process.arguments
            served = self._context.socket in arguments[1:] and "--socket" in arguments
            if served and names & set(arguments[:3]):
                return process
        return None


__all__ = ["Target"]
