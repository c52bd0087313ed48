r"""Find the files that a pattern of sshd_config's Include names, within a limit of folders.

Source: glob(7), and openbsd-compat/glob.c of OpenSSH 9.2 to 10.5: it compares bytes, so that `?` is half of a
letter such as é; a backslash takes the meaning of the character behind it; a wildcard does not find a dot at
the beginning of a name; a tilde means nothing.
"""

import fnmatch
import os
import re

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Budget

_WILD = re.compile(rb"[*?\[]")
# Sets of characters that Python's patterns have no names for.
_CLASSES = {
    b"alnum": b"A-Za-z0-9",
    b"alpha": b"A-Za-z",
    b"digit": b"0-9",
    b"lower": b"a-z",
    b"upper": b"A-Z",
}


class IncludedFiles:
    """Finds files for one configuration; the folders of all its patterns count together."""

    def __init__(self, budget: Budget) -> None:
        """Begin without a folder."""
        self._budget = budget
        self._folders = 0

    def named(self, pattern: str) -> list[str]:
        """Return the existing paths that match, in the order of their bytes.

        Raises LimitExceeded beyond the budget's folders.
        """
        data = os.fsencode(pattern)
        if data.endswith(b"/"):
            return []  # a folder, which has no lines
        paths = [b"/" if data.startswith(b"/") else b""]
        for part in filter(None, data.split(b"/")):
            whole = re.sub(rb"\[:(\w+):\]", lambda match: _CLASSES.get(match[1], match[0]), part)
            whole = re.sub(rb"\\(.)", lambda match: b"[%b]" % match[1], whole, flags=re.DOTALL)
            if _WILD.search(whole) is None:
                paths = [path + whole + b"/" for path in paths]
            else:
                paths = [path + name + b"/" for path in paths for name in self._matching(path, whole)]
        return [os.fsdecode(path[:-1]) for path in sorted(paths) if os.path.lexists(path[:-1])]

    def _matching(self, folder: bytes, pattern: bytes) -> list[bytes]:
        self._folders += 1
        most = self._budget.limits.max_folders
        if self._folders > most:
            raise LimitExceeded(
                f"the patterns of Include lead through more than {most:,} folders: narrow them, or raise "
                "max_folders"
            )
        self._budget.check()
        try:
            names = os.listdir(folder or b".")  # noqa: PTH208  names are all that is needed
        except OSError:
            return []
        return [name for name in fnmatch.filter(names, pattern) if pattern[:1] == b"." or name[:1] != b"."]
