"""An extension for osqueryd, of which every plugin calls `sys.exit`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from osquery_sdk import (
    Column,
    ConfigPlugin,
    DistributedPlugin,
    Extension,
    LogBatch,
    LoggerPlugin,
    Query,
    Row,
    SpooledLogger,
    SpoolOptions,
    StatusLog,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Number(Row):
    n: int = Column("a number")


@table("faulty", rows=Number)
def faulty(query: Query) -> list[Number]:
    """Ends the program."""
    sys.exit("no table")


@table("sound", rows=Number)
def sound(query: Query) -> list[Number]:
    """One row."""
    return [Number(n=os.getpid())]


class Configured(ConfigPlugin):
    times = 0

    def gen_config(self) -> Mapping[str, Any]:
        self.times += 1
        if self.times > 1:
            sys.exit("no configuration")
        sql = "select n, random() as r from sound"
        return {
            "main": {
                "schedule": {
                    "numbers": {"query": sql, "interval": 1},
                    "shot": {"query": sql, "interval": 1, "snapshot": True},
                }
            }
        }


class Logged(LoggerPlugin):
    """Fails at all there is."""

    def init(self, process: str) -> NoReturn:
        sys.exit("no beginning")

    def log_string(self, line: str, category: str) -> NoReturn:
        sys.exit("disk full")

    def log_status(self, lines: Sequence[StatusLog]) -> NoReturn:
        sys.exit("disk full")


class Undecided(LoggerPlugin):
    @property
    def features(self) -> int:
        sys.exit("no features")

    def log_string(self, line: str, category: str) -> NoReturn:
        raise KeyboardInterrupt


class Shipped(SpooledLogger):
    """Delivers when the file READY is there."""

    def deliver(self, batch: LogBatch) -> None:
        folder = Path(os.environ["FOLDER"])
        if not (folder / "ready").exists():
            sys.exit("not ready")
        with (folder / "shipped").open("a", encoding="utf-8") as file:
            file.writelines(f"{record.text}\n" for record in batch.records)


class Work(DistributedPlugin):
    def get_queries(self) -> NoReturn:
        sys.exit("no work")

    def write_results(self, results: Any) -> NoReturn:
        sys.exit("no results")


def main() -> int:
    options = SpoolOptions(batch_seconds=0.1, first_retry=0.1, last_retry=0.2)
    plugins = [
        faulty,
        sound,
        Configured("faulty"),
        Logged("faulty"),
        Undecided("undecided"),
        Shipped("shipped", spool=f"{os.environ['FOLDER']}/spool", options=options),
        Work("faulty"),
    ]
    return Extension("faulty", version="1", plugins=plugins).run()


if __name__ == "__main__":
    raise SystemExit(main())
