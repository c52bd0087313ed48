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
from .looking import is_file, is_folder, real, same_file, status_of

if TYPE_CHECKING:
    from .context import Context
    from .processes import Process
    from .trial import Trial

_LEAST_PATIENCE = 10.0
SUFFIX = ".exe" if sys.platform == "win32" else ".ext"
"""What osqueryd takes for an extension."""
_SOURCES = (".py", ".pyw", ".pyz", ".sh", ".rb", ".pl", ".js", ".php", ".lua")


class Target:
    """An extension that is looked at.

    Args:
        path: of its file, or of the folder that freezing makes; made absolute.
        context: what surrounds it.
    """

    def __init__(self, path: str | os.PathLike[str], context: Context) -> None:
        """Look at nothing yet."""
        self.named = Path(path).absolute()
        self._context = context

    @cached_property
    def given(self) -> Path:
        """What was named; of the folder that freezing makes, the program in it."""
        if not is_folder(self.named):
            return self.named
        program = self.named / f"{self.named.name.removesuffix('.bundle')}{SUFFIX}"
        if is_file(program) or not is_folder(self.named / "_internal"):
            return program if is_file(program) else self.named
        # The folder was given another name.
        found = [one for one in self.named.glob(f"*{SUFFIX}") if is_file(one)]
        return found[0] if len(found) == 1 else self.named

    @cached_property
    def match(self) -> loadlist.Match | None:
        """The line of the load list that leads to it."""
        lines = self._context.lines
        return None if isinstance(lines, OSError) else loadlist.find(lines, self.given)

    @cached_property
    def path(self) -> Path:
        """Its file, under the name that osqueryd gets to see: that of the load list, if it is there."""
        if self.match is not None and self.match.how in ("folder", "same file", "copy"):
            return Path(self.match.path)
        # A link that was made so that osqueryd takes it.
        if self.match is None and self.proper != self.given and same_file(self.proper, self.given):
            return self.proper
        return self.given

    @property
    def proper(self) -> Path:
        """Its file under a name that osqueryd takes."""
        path = self.given
        if path.suffix == SUFFIX or not path.name:
            return path
        is_source = path.suffix.lower() in (SUFFIX, *_SOURCES)
        return path.with_name(f"{path.stem if is_source else path.name}{SUFFIX}")

    @cached_property
    def status(self) -> os.stat_result | OSError:
        """Of the file, behind links; or why there is none."""
        return status_of(self.path)

    @property
    def file(self) -> os.stat_result | None:
        """Of the file, behind links; None if there is no regular file."""
        status = self.status
        return None if isinstance(status, OSError) or not stat.S_ISREG(status.st_mode) else status

    @property
    def bundle(self) -> Path | None:
        """The folder of a program that is frozen into one."""
        folder = real(self.path).parent
        return folder if is_folder(folder / "_internal") else None

    @property
    def absence(self) -> str:
        """Why there is nothing to look at; empty if there is."""
        if self.file is not None:
            return ""
        return (
            "this user cannot look at it" if isinstance(self.status, PermissionError) else "there is no file"
        )

    @cached_property
    def distrust(self) -> str:
        """Why the doctor does not run this file; empty if it does."""
        file = self.file
        if file is None:
            return self.absence
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
            self.path,
            options=self._context.flags.values,
            patience=max(patience, _LEAST_PATIENCE),
            search=self._context.environment.get("PATH", ""),
        )

    @cached_property
    def process(self) -> Process | None:
        """The process in which it serves the socket, if there is one that can be seen."""
        from .processes import processes

        names = {str(self.path), str(self.given), str(real(self.path))}
        for process in processes():
            arguments = process.arguments
            served = self._context.socket in arguments[1:] and "--socket" in arguments
            if served and names & set(arguments[:3]):
                return process
        return None


__all__ = ["SUFFIX", "Target"]
