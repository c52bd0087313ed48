"""An SQL shell on the embedded engine: history, completion, a few dot commands, statements over several lines."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .output import FORMATS, render

if TYPE_CHECKING:
    from osquery_sdk.engine import Host

_HELP = """.tables            the tables
.schema [TABLE]    how tables are declared
.mode FORMAT       table, json, csv or line
.timer on|off      print how long a statement took
.exit              leave (or Ctrl-D)
Anything else is SQL, which ends with a semicolon."""


class Shell:
    """One session over a running host."""

    def __init__(self, host: Host, names: list[str]) -> None:
        """Take the host and the names that completion offers."""
        self._host = host
        self._names = names
        self._form = "table"
        self._timer = False

    def run(self) -> int:
        """Read and run until the end of the input."""
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory

        words = ["select", "from", "where", "join", "order by", "group by", "limit", *self._names]
        session: PromptSession[str] = PromptSession(
            history=FileHistory(str(Path.home() / ".osquery_sdk_history")),
            completer=WordCompleter(words, ignore_case=True),
        )
        print(
            "Embedded engine: for development and a first look; production has osqueryd. .help lists commands."
        )
        pending = ""
        while True:
            try:
                line = session.prompt("    ...> " if pending else "osquery> ")
            except KeyboardInterrupt:
                pending = ""
                continue
            except EOFError:
                return 0
            if not pending and line.strip().startswith("."):
                if not self._command(line.split()):
                    return 0
                continue
            pending = f"{pending}\n{line}" if pending else line
            if pending.rstrip().endswith(";"):
                self._sql(pending)
                pending = ""
            elif not pending.strip():
                pending = ""

    def _command(self, words: list[str]) -> bool:
        match words:
            case [".exit" | ".quit"]:
                return False
            case [".tables"]:
                print("\n".join(self._names))
            case [".schema"]:
                for name in self._names:
                    self._schema(name)
            case [".schema", name]:
                self._schema(name)
            case [".mode", form] if form in FORMATS:
                self._form = form
            case [".timer", ("on" | "off") as state]:
                self._timer = state == "on"
            case _:
                print(_HELP)
        return True

    def _schema(self, name: str) -> None:
        quoted = name.replace("'", "''")
        self._sql(f"select name, type from pragma_table_info('{quoted}')")  # noqa: S608  quoted

    def _sql(self, sql: str) -> None:
        from osquery_sdk.engine import SqlError

        started = time.monotonic()
        try:
            result = self._host.query(sql)
        except SqlError as error:
            print(f"Error: {error}", file=sys.stderr)
            return
        sys.stdout.write(render(result.columns, result.rows, self._form))
        if self._timer:
            print(f"{len(result.rows)} rows, {time.monotonic() - started:.3f} s")
