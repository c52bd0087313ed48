"""Choose a folder for sockets whose path is short enough."""

from __future__ import annotations

import os
import tempfile

from kolide_kit.signals import stop_handler

# A socket's path has at most 107 bytes. The rest of them is for the name of a folder below, and for the
# sockets in it.
_LONGEST = 60


def short_folder() -> str | None:
    """Return the folder for temporary folders with sockets.

    None stands for the system's temporary folder; /tmp replaces it if its path is too long.
    """
    with stop_handler():  # Python writes a file there to try it, which must not stay if a signal comes
        usual = tempfile.gettempdir()
    return "/tmp" if os.name == "posix" and len(os.fsencode(usual)) > _LONGEST else None  # noqa: S108
