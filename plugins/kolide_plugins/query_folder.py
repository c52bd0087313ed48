"""Take queries from files in a folder, and write their answers beside them."""

import json
import os
import stat
import time
from collections.abc import Mapping, Sequence
from typing import Any

from osquery_sdk import (
    DefinitionError,
    DistributedPlugin,
    DistributedQueries,
    DistributedResult,
    PluginError,
    line_and_column,
)

_MAX_BYTES = 1 << 20
_ANSWER = ".answer.json"
_STILL_WRITTEN = 5.0
_KEYS = {"query", "discovery", "accelerate"}


class QueryFolder(DistributedPlugin):
    """Runs each JSON file in a folder as a query, and writes its answer beside it.

    `disk.json` holds `{"query": "select ..."}`; it may have a `discovery` statement, which has to have rows
    for the query to run, and `accelerate`, a number of seconds. Its answer is `disk.answer.json`: the rows,
    the status, osqueryd's message and the cost. A query runs again when its file is written again, or its
    answer removed.

    Anybody who may write to the folder may run statements as osqueryd. So the folder, and each file in it,
    has to belong to root or to the user who runs this, and may not be writable by others. Links are not
    followed. Answers, mode 0600, appear whole or not at all; a file that is not JSON yet has five seconds to
    become so.

    Args:
        name: the plugin's name.
        folder: an existing folder.
        again: seconds after which a query without an answer is given to osqueryd again.

    Raises:
        DefinitionError: this system cannot refuse links.
    """

    def __init__(self, name: str, folder: str | os.PathLike[str], *, again: float = 600.0) -> None:
        """Check the name; the folder is read when osqueryd asks."""
        super().__init__(name)
        if os.open not in os.supports_dir_fd:
            raise DefinitionError(f"distributed plugin {name}: folders of queries need a POSIX system")
        self._folder = os.fspath(folder)
        self._again = again
        self._given: dict[str, float] = {}

    def get_queries(self) -> DistributedQueries:
        """Return the queries without an answer."""
        queries: dict[str, str] = {}
        discovery: dict[str, str] = {}
        accelerate: list[int] = []
        folder = self._open_folder()
        try:
            for name in self._unanswered(folder):
                try:
                    query = _read(folder, name)
                except _Later:
                    continue
                except PluginError as error:
                    self.complain(error)
                    _answer(folder, name, {"name": name, "status": 1, "message": str(error), "rows": []})
                    continue
                queries[name] = query["query"]
                if "discovery" in query:
                    discovery[name] = query["discovery"]
                if "accelerate" in query:
                    accelerate.append(query["accelerate"])
                self._given[name] = time.monotonic()
        finally:
            os.close(folder)
        return DistributedQueries(queries, discovery, max(accelerate, default=None))

    def write_results(self, results: Sequence[DistributedResult]) -> None:
        """Write the answers."""
        folder = self._open_folder()
        try:
            for result in results:
                if not _is_name(result.name):
                    self.warn(f"an answer to {result.name!r}, which this folder has no query of")
                    continue
                content = result._asdict() | {"stats": result.stats._asdict()}
                _answer(folder, result.name, content)
                self._given.pop(result.name, None)
        finally:
            os.close(folder)

    def _open_folder(self) -> int:
        try:
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise PluginError(f"{self._folder}: {error.strerror}") from error
        if not _is_ours(os.fstat(folder)):
            os.close(folder)
            raise PluginError(
                f"{self._folder}: has to belong to root or to the user who runs this, and nobody else "
                "may write there"
            )
        return folder

    def _unanswered(self, folder: int) -> list[str]:
        """Return the names of the queries that osqueryd gets now."""
        times: dict[str, int] = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and not entry.name.startswith("."):
                    try:
                        times[entry.name] = entry.stat(follow_symlinks=False).st_mtime_ns
                    except FileNotFoundError:
                        continue
        now = time.monotonic()
        self._given = {name: given for name, given in self._given.items() if f"{name}.json" in times}
        names = []
        for file, written in sorted(times.items()):
            name = file.removesuffix(".json")
            if file.endswith(_ANSWER) or times.get(name + _ANSWER, 0) > written or not _is_name(name):
                continue
            if now - self._given.get(name, float("-inf")) >= self._again:
                names.append(name)
        return names


class _Later(Exception):
    """The file is still being written."""


def _is_name(name: str) -> bool:
    # A null character is not printable.
    return name != "" and "/" not in name and not name.startswith(".") and name.isprintable()


def _is_ours(facts: os.stat_result) -> bool:
    return facts.st_uid in (0, os.geteuid()) and not facts.st_mode & 0o022


def _read(folder: int, name: str) -> Mapping[str, Any]:
    """Return the content of a query's file.

    Raises:
        PluginError: the file is not a query.
        _Later: the file may become one.
    """
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(f"{name}.json", flags, dir_fd=folder)
    except FileNotFoundError as error:
        raise _Later from error
    except OSError as error:
        raise PluginError(f"{name}.json: {error.strerror}; a link is not followed") from error
    try:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode) or not _is_ours(facts):
            raise PluginError(
                f"{name}.json: has to be a file of root or of the user who runs this, which nobody "
                "else may write"
            )
        data = b""
        while len(data) <= _MAX_BYTES and (chunk := os.read(file, 65536)):
            data += chunk
    finally:
        os.close(file)
    if len(data) > _MAX_BYTES:
        raise PluginError(f"{name}.json: has more than {_MAX_BYTES:,} bytes")
    try:
        query = json.loads(data)
    except (ValueError, RecursionError) as error:
        if time.time() - facts.st_mtime < _STILL_WRITTEN:
            raise _Later from error
        raise PluginError(f"{name}.json: not JSON: {_problem(data, error)}") from error
    if not isinstance(query, dict) or not isinstance(query.get("query"), str) or not query["query"].strip():
        raise PluginError(f'{name}.json: has to be an object with a statement: {{"query": "select ..."}}')
    if unknown := query.keys() - _KEYS:
        raise PluginError(f"{name}.json: {', '.join(sorted(unknown))}: there are {', '.join(sorted(_KEYS))}")
    if not isinstance(query.get("discovery", "select 1"), str) or not query.get("discovery", "select 1"):
        raise PluginError(f"{name}.json: discovery has to be a statement")
    if type(query.get("accelerate", 0)) is not int or query.get("accelerate", 0) < 0:
        raise PluginError(f"{name}.json: accelerate has to be a number of seconds")
    return query


def _problem(data: bytes, error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8: {line_and_column(error.object, error.start)}"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}: line {error.lineno} column {error.colno}"
    return str(error)


def _answer(folder: int, name: str, content: Mapping[str, Any]) -> None:
    """Put an answer in place; readers see the whole answer or nothing."""
    data = json.dumps(content, indent=1).encode()
    temporary = f".{name}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        os.unlink(temporary, dir_fd=folder)
    except FileNotFoundError:
        pass
    descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.rename(temporary, name + _ANSWER, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        os.unlink(temporary, dir_fd=folder)
        raise PluginError(f"{name}{_ANSWER}: {error.strerror}") from error
