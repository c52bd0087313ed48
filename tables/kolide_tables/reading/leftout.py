"""Log the files that an answer leaves out: the first few by name, the others by their number."""

from osquery_sdk import Query

# A pattern such as /dev/% finds a hundred things that are no files.
_MOST_NAMED = 5


class LeftOut:
    """The files that one answer leaves out."""

    def __init__(self, query: Query) -> None:
        """Begin without any."""
        self._query = query
        self._count = 0

    def add(self, message: str) -> None:
        """Log a file with the reason, or count it if several are logged already."""
        self._count += 1
        if self._count <= _MOST_NAMED:
            self._query.warn(message)

    def finish(self) -> None:
        """Log how many files were counted."""
        more = self._count - _MOST_NAMED
        if more > 0:
            self._query.warn(f"{more:,} more files are left out, which cannot be read or parsed")
