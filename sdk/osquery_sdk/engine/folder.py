"""Where sockets of one's own are made."""

from __future__ import annotations

import os
import tempfile

from ..signals import stop_handler

# Of the 107 bytes that a socket's path may have, the folder's own name and the sockets in it need these.
_LONGEST = 60


def short_folder() -> str | None:
    """A folder for folders with sockets: None for the temporary folder, /tmp where the path of that is too long for them."""
    with stop_handler():  # Python tries out with a file of its own whether it may write there
        usual = tempfile.gettempdir()
    return "/tmp" if os.name == "posix" and len(os.fsencode(usual)) > _LONGEST else None  # noqa: S108


__all__ = ["short_folder"]
