"""Distributed plugins: give osqueryd queries to run at once, and take their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit.author_code import shown

from ..errors import PluginError
from ..vocabulary import DISTRIBUTED
from ..wire.protocol import Reply, Status
from .base import Plugin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class DistributedQueries(NamedTuple):
    """Queries for osqueryd to run."""

    queries: Mapping[str, str]
    """Statement by the name under which its answer comes back."""
    discovery: Mapping[str, str] = {}
    """Statement by the name of a query, which runs only if this statement has rows.

    An error in one of them rejects all.
    """
    accelerate: int | None = None
    """Seconds for which osqueryd asks for more every 5 s, instead of each `--distributed_interval`."""


class QueryStats(NamedTuple):
    """The cost of a query in osqueryd; None if it does not say."""

    wall_time_ms: int | None = None
    user_time_ms: int | None = None
    system_time_ms: int | None = None
    memory: int | None = None
    """Bytes by which the process grew."""


class DistributedResult(NamedTuple):
    """The answer to one query."""

    name: str
    rows: list[dict[str, str]]
    status: int
    """0, or osqueryd's code of the error."""
    message: str
    """The error; empty without one."""
    stats: QueryStats


class DistributedPlugin(Plugin):
    """Queries for osqueryd (`--distributed_plugin=NAME --disable_distributed=false`), and their answers."""

    registry: str = DISTRIBUTED

    def get_queries(self) -> DistributedQueries | Mapping[str, str]:
        """Return the queries to run now. Return each one once: osqueryd does not notice repeats.

        osqueryd asks every `--distributed_interval` seconds, 60 unless set.
        """
        raise NotImplementedError

    def write_results(self, results: Sequence[DistributedResult]) -> None:
        """Take answers. If this raises, osqueryd keeps them and sends them again with the next ones."""
        raise NotImplementedError

    def answer(self, request: Mapping[str, str]) -> Reply:
        """Answer getQueries and writeResults."""
        action = request.get("action")
        if action == "getQueries":
            return Reply(Status(), [{"results": self._work()}])
        if action == "writeResults":
            self.write_results(read_results(request.get("results", "{}")))
            return Reply(Status())
        return Reply.failure(f"{self.name}: unknown action {action!r}")

    def _work(self) -> str:
        import json

        work = self.get_queries()
        if not isinstance(work, DistributedQueries):
            work = DistributedQueries(work)
        for what, statements in (("queries", work.queries), ("discovery", work.discovery)):
            for name, sql in statements.items():
                # osqueryd refuses all queries for one such pair.
                if not isinstance(name, str) or not isinstance(sql, str) or not name or not sql:
                    raise PluginError(
                        f"{what}: {shown(name)}: {shown(sql)} has to be a statement under a name, neither "
                        f"empty"
                    )
        message: dict[str, Any] = {"queries": dict(work.queries)}
        if work.discovery:
            message["discovery"] = dict(work.discovery)
        if work.accelerate is not None:
            message["accelerate"] = int(work.accelerate)
        return json.dumps(message)


def read_results(text: str) -> list[DistributedResult]:
    """Return the answers in a message from osqueryd.

    Raises:
        PluginError: the message is not understood.
    """
    import json

    try:
        message = json.loads(text)
        statuses, messages = message.get("statuses", {}), message.get("messages", {})
        stats = message.get("stats", {})
        return [
            DistributedResult(
                name,
                # An older osqueryd sends "" for a query without an answer.
                [dict(row) for row in rows or ()],
                int(statuses.get(name, 0)),
                str(messages.get(name, "")),
                _stats(stats.get(name, {})),
            )
            for name, rows in message.get("queries", {}).items()
        ]
    except (ValueError, TypeError, AttributeError) as error:
        raise PluginError(f"osqueryd's message of results is not understood: {error}") from error


def _stats(given: Mapping[str, Any]) -> QueryStats:
    return QueryStats(
        *(
            None if given.get(key) is None else int(given[key])
            for key in ("wall_time_ms", "user_time", "system_time", "memory")
        )
    )
