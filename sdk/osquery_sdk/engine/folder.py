"""Where sockets of one's own are made."""

from __future__ import annotations

import os
import tempfile

# Of the 107 bytes that a socket's path may have, the folder's own name and the sockets in it need these.
_LONGEST = 60


def short_folder() -> str | None:
    """A folder for folders with sockets: None for the temporary folder, /tmp where the path of that is too long for them."""
    return "/tmp" if os.name == "posix" and len(os.fsencode(tempfile.gettempdir())) > _LONGEST else None  # noqa: S108


__all__ = ["short_folder"]
