"""Find out about one extension: its file, its line in the load list, and the result of starting it."""

from __future__ import annotations

import os
import stat
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..vocabulary import PROGRAM_SUFFIX
from . import loadlist
from .flags import number
from .looking import is_file, is_folder, real, same_file, status_of
from .processes import Process, processes

if TYPE_CHECKING:
    from .context import Context
    from .trial import Trial

_LEAST_PATIENCE = 10.0
_SOURCES = (".py", ".pyw", ".pyz", ".sh", ".rb", ".pl", ".js", ".php", ".lua")


class Target:
    """An extension under examination. Each property is found out once, when it is first read.

    Args:
        path: of its file, or of the folder that freezing makes; made absolute.
        context: its surroundings.
    """

    def __init__(self, path: str | os.PathLike[str], context: Context) -> None:
        """Only keep the path."""
        self.named = Path(path).absolute()
        self._context = context

    @cached_property
    def given(self) -> Path:
        """The path that was named; if that is a folder made by freezing, the program in it."""
        if not is_folder(self.named):
            return self.named
        program = self.named / f"{self.named.name.removesuffix('.bundle')}{PROGRAM_SUFFIX}"
        if is_file(program) or not is_folder(self.named / "_internal"):
            return program if is_file(program) else self.named
        # The folder was renamed, and the program in it was not.
        programs = [path for path in self.named.glob(f"*{PROGRAM_SUFFIX}") if is_file(path)]
        return programs[0] if len(programs) == 1 else self.named

    @cached_property
    def match(self) -> loadlist.Match | None:
        """The line of the load list that leads to the extension."""
        lines = self._context.lines
        return None if isinstance(lines, OSError) else loadlist.find(lines, self.given)

    @cached_property
    def path(self) -> Path:
        """The extension's file under the name that osqueryd sees, which is the load list's if it is there."""
        if self.match is not None and self.match.how in ("folder", "same file", "copy"):
            return Path(self.match.path)
        # Somebody made a link whose name ends as osqueryd wants it.
        if self.match is None and self.proper != self.given and same_file(self.proper, self.given):
            return self.proper
        return self.given

    @property
    def proper(self) -> Path:
        """The path of the file with a name that osqueryd takes; perhaps nothing is there."""
        path = self.given
        if path.suffix == PROGRAM_SUFFIX or not path.name:
            return path
        is_source = path.suffix.lower() in (PROGRAM_SUFFIX, *_SOURCES)
        return path.with_name(f"{path.stem if is_source else path.name}{PROGRAM_SUFFIX}")

    @cached_property
    def status(self) -> os.stat_result | OSError:
        """The status of the file, following links, or the error that looking at it gave."""
        return status_of(self.path)

    @property
    def file(self) -> os.stat_result | None:
        """The status of the file, following links; None if it is not a regular file."""
        status = self.status
        return None if isinstance(status, OSError) or not stat.S_ISREG(status.st_mode) else status

    @property
    def bundle(self) -> Path | None:
        """The folder of a program that is frozen into a folder; None for other programs."""
        folder = real(self.path).parent
        return folder if is_folder(folder / "_internal") else None

    @property
    def absence(self) -> str:
        """The reason for skipping checks of the file; empty if there is a file."""
        if self.file is not None:
            return ""
        is_hidden = isinstance(self.status, PermissionError)
        return "this user cannot look at it" if is_hidden else "there is no file"

    @cached_property
    def distrust(self) -> str:
        """The reason why the doctor does not run the file; empty if it does."""
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
        """The result of starting the extension; None if it was not started."""
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
        """The process in which the extension serves the socket; None if none can be seen."""
        names = {str(self.path), str(self.given), str(real(self.path))}
        for process in processes():
            arguments = process.arguments
            served = self._context.socket in arguments[1:] and "--socket" in arguments
            if served and names & set(arguments[:3]):
                return process
        return None
