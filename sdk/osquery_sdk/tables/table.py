"""Tables: an author's function and its definition, as a plugin of osquery's `table` registry."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import SameProcess, describe, end_if_forked, log_fault, pass_on_interrupt

from ..errors import TableError, WriteError
from ..vocabulary import TABLE
from ..wire.protocol import Reply, Status
from .counters import MAX_AT_ONCE, Counters
from .options import this_platform
from .query import Query
from .request import Requests
from .run import ON_PURPOSE, Run
from .writable import WritableTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kolide_kit.limits import Limits

    from ..wire.service import CallContext
    from .client import QueryClient
    from .definition import Definition
    from .encoding import ColumnInfo
    from .snapshot import Generations
    from .writer import Writer


class Table:
    """A table; `table` makes it, an `Extension` registers it.

    Attributes:
        definition: the table as it was declared; `name`, `row`, `columns`, `options`, `description` and
            `required` are those of the definition.
        function: the author's function.
        counters: numbers about its calls.
    """

    registry = TABLE

    def __init__(self, definition: Definition, source: Callable[[Query], Any] | WritableTable[Any]) -> None:
        """Take the definition and the function or object; raise DefinitionError as `table` does."""
        self._writer: Writer | None = None
        if isinstance(source, WritableTable):
            from .writer import Writer

            self._writer = Writer(definition, source)
            source = self._writer.scan
        self.definition = definition
        self.name = definition.name
        self.row = definition.row
        self.columns = definition.columns
        self.options = definition.options
        self.description = definition.description
        self.required = definition.required
        self.function = source
        self.counters = Counters()
        self._requests = Requests(definition)
        self._generations: Generations | None = None
        if self.is_cached:
            from .snapshot import Generations

            self._generations = Generations(definition)
        seconds = self.options.deadline
        self._late = Reply.failure(
            f"{self.name}: no answer within {seconds:g} s; the table's deadline is over"
        )

    def __call__(self, query: Query) -> Any:
        """Run the author's function."""
        return self.function(query)

    def configured(
        self, *, name: str | None = None, limits: Limits | None = None, family: str | None = None
    ) -> Table:
        """Return a new `Table` with the same function, other settings, and counters of its own.

        Args:
            name: the new table's name; its examples use it too.
            limits: what the author's function reads as `query.limits`. `max_seconds` becomes the deadline and
                `max_rows` the most rows.
            family: the group that the new table is listed under.

        Raises:
            DefinitionError: a value is refused, as by `table`.
        """
        definition = self.definition.configured(name=name, limits=limits, family=family)
        return Table(definition, self.function if self._writer is None else self._writer.store)

    @property
    def platforms(self) -> tuple[str, ...]:
        """Return the platforms that the table is made for."""
        return self.options.platforms

    @property
    def aliases(self) -> tuple[str, ...]:
        """Return the table's other names."""
        return self.options.aliases

    @property
    def is_here(self) -> bool:
        """Return whether the table is made for the platform that this program runs on."""
        return this_platform() in self.platforms

    @property
    def is_cached(self) -> bool:
        """Return whether the table may answer with rows that it kept from an earlier request."""
        return self.options.is_cached

    @property
    def is_writable(self) -> bool:
        """Return whether the table takes INSERT, UPDATE or DELETE."""
        return self._writer is not None

    @property
    def writes(self) -> tuple[str, ...]:
        """Return the statements that the table takes: INSERT, UPDATE, DELETE."""
        kind = type(self._writer.store) if self._writer is not None else WritableTable
        names = ("insert", "update", "delete")
        return tuple(n.upper() for n in names if getattr(kind, n) is not getattr(WritableTable, n))

    def column(self, name: str) -> ColumnInfo:
        """Return the column of a name; raises DefinitionError if the table has none."""
        return self.definition.column(name)

    def missing(self, query: Query) -> list[str]:
        """Return the required columns without a value in the query, if the table needs a value for each."""
        return self.definition.missing(query.narrows)

    def routes(self) -> list[dict[str, str]]:
        """Return the rows that describe the table to osqueryd."""
        routes = [
            {"id": "column", "name": c.name, "type": c.type.value, "op": str(c.options)} for c in self.columns
        ]
        routes += [{"id": "alias", "alias": alias} for alias in self.aliases]
        routes += [
            {"id": "columnAlias", "name": alias, "target": name}
            for alias, name in self.definition.aliases.items()
        ]
        routes.append({"id": "attributes", "attributes": str(self.options.attributes)})
        return routes

    def rows(self, query: Query | None = None, /, **equals: Any) -> list[Any]:
        """Return the rows for a query, or for columns that equal values, unfiltered; for tests."""
        with SameProcess():
            run = Run(self.definition, self.function)
            return list(self._rows(query or Query.of(self, equals=equals), run))

    def call(
        self,
        request: Mapping[str, str],
        context: CallContext,
        warn: Callable[[str], None],
        client: QueryClient | None,
    ) -> Reply:
        """Answer osqueryd."""
        action = request.get("action")
        if action == "columns":
            return Reply(Status(), self.routes())
        if action == "examples":  # osqueryd never asks for them; the command line does, for its errors
            return Reply(Status(), [{"sql": example} for example in self.definition.examples])
        if action == "describe":  # osqueryd never asks for it; the shell does
            columns = ({"name": c.name, "description": c.definition.description} for c in self.columns)
            return Reply(Status(), [{"name": "", "description": self.description}, *columns])
        if action in ("insert", "update", "delete"):
            return self._write(action, request, context, warn)
        if action != "generate":
            return Reply.failure(f"{self.name}: unknown action {action!r}")
        return self._generate(request.get("context", ""), context, warn, client)

    def _generate(
        self, text: str, context: CallContext, warn: Callable[[str], None], client: QueryClient | None
    ) -> Reply:
        definition, counters = self.definition, self.counters
        if not counters.begin():
            message = f"{self.name}: {MAX_AT_ONCE} queries of it are running; try again later"
            counters.refuse(message)
            return Reply.failure(message)
        started = time.monotonic()
        message = ""
        count = 0
        run = Run(definition, self.function)
        try:
            constraints, used, layout = self._requests.read(text)
            deadline = context.limit(self.options.deadline, self._late)
            query = Query(
                definition, constraints, used, deadline=deadline, call=context, warn=warn, client=client
            )
            answer = layout.build(iter(self._rows(query, run)), self.options.max_rows)
            end_if_forked(run.pid)  # SameProcess would take too long for a small answer
            count = answer.count
            return Reply(Status(), answer)
        except BaseException as error:  # noqa: BLE001  whatever a table raises fails its own statement alone
            end_if_forked(run.pid, error)
            pass_on_interrupt(error)
            message = self._complain(error, warn, *ON_PURPOSE)
            run.close(lambda error: self._complain(error, warn))
            return Reply.failure(message)
        finally:
            took = time.monotonic() - started
            if not message and took > self.options.deadline:
                message = self._late.status.message  # that answer was sent when the deadline was over
            counters.end(took, message, count)

    def _rows(self, query: Query, run: Run) -> Iterable[Sequence[Any]]:
        """Return the rows of a query: generated, of a fresh snapshot, or shared with an identical request."""
        if self.options.all_required and (missing := self.missing(query)):
            from ..sql.required import refusal

            raise TableError(refusal(self.name, missing, self.required, self.definition.examples))
        return run.rows(query) if self._generations is None else self._generations.rows(query, run.rows)

    def _write(
        self, action: str, request: Mapping[str, str], context: CallContext, warn: Callable[[str], None]
    ) -> Reply:
        """Answer a write. osqueryd reads only the row of the reply and ignores its status."""
        writer = self._writer
        if writer is None:
            return Reply(Status(), [{"status": "readonly"}])
        from .writer import refusal

        seconds = self.options.deadline
        late = f"{self.name}: no answer within {seconds:g} s; whether it was written is not known"
        deadline = context.limit(seconds, Reply(Status(), [{"status": "failure", "message": late}]))
        if not self.counters.begin():
            message = f"{self.name}: {MAX_AT_ONCE} statements use it; try again later"
            self.counters.refuse(message)
            return Reply(Status(), [{"status": "failure", "message": message}])
        started = time.monotonic()
        message = ""
        try:
            with SameProcess():
                reply = writer.write(action, request, deadline)
        except BaseException as error:  # noqa: BLE001  whatever a table raises fails its own statement alone
            pass_on_interrupt(error)
            message = self._complain(error, warn, *ON_PURPOSE, WriteError)
            reply, message = refusal(self.name, error, message)
        took = time.monotonic() - started
        self.counters.end(took, message or (late if took > seconds else ""))
        return Reply(Status(), [reply])

    def _complain(
        self, error: BaseException, warn: Callable[[str], None], *plain: type[BaseException]
    ) -> str:
        """Return the one-line message of an error; log it too, unless somebody raised it on purpose."""
        lacks = _lacks(error)
        message = lacks or describe(error, *plain)
        message = message if message.startswith(self.name) else f"{self.name}: {message}"
        if not lacks and not issubclass(type(error), plain):
            log_fault(warn, message, error, is_answer=bool(plain))
        return message


def _lacks(error: BaseException) -> str:
    """Return how to install a module that an ImportError names; "" if it is unknown.

    In a frozen program it is "": the build looks for Python's own words there.
    """
    if not issubclass(type(error), ImportError) or getattr(sys, "frozen", False):
        return ""
    from kolide_kit.installed import missing_module

    return missing_module(error)
