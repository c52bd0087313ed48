"""The files and folders that a statement names in a column: by `=`, IN or LIKE."""

from collections.abc import Iterator

from kolide_tables.limits import Budget
from kolide_tables.patterns import expand_like
from osquery_sdk import Query, TableError

__all__ = ["asked_paths"]


def asked_paths(query: Query, column: str, budget: Budget) -> Iterator[str]:
    """Paths that the terms on `column` name, each once; those of a LIKE pattern are of what exists.

    Raises TableError for a statement that names none, and LimitExceeded beyond the budget's folders.
    """
    named = query.equals(column)
    if named is not None:
        return iter(dict.fromkeys(named))
    patterns = query.like(column)
    if not patterns:
        raise TableError(f"name a {column} with =, IN or LIKE")
    # All of the patterns have to match: the files of one are enough, those that the others do not match left out.
    found = expand_like(patterns[0], max_folders=budget.limits.max_folders, on_folder=budget.check)
    return (path for path in found if query.matches(column, path))
