#!/usr/bin/env python3
# osquery-sdk engine --socket /tmp/osquery.em --extension ./logger.py --config_path ./osquery.conf \
#   --logger_plugin counting --flag schedule_timeout=3
"""Two loggers: one writes at once, the other delivers in batches, from a spool that outlives it."""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from osquery_sdk import Extension, LogBatch, LoggerPlugin, SpooledLogger, SpoolOptions, StatusLog

FOLDER = Path(os.environ.get("LOG_FOLDER") or tempfile.gettempdir())


class Counting(LoggerPlugin):
    """Print all records to standard error. As `log_status` is overridden, osqueryd sends its status log."""

    def log_string(self, line: str, category: str) -> None:
        """A result."""
        print(f"result: {line}", file=sys.stderr)

    def log_status(self, lines: Sequence[StatusLog]) -> None:
        """osqueryd's own log."""
        print(f"status: {len(lines)} lines, the last one: {lines[-1].message}", file=sys.stderr)


class ToFile(SpooledLogger):
    """Delivers batches; if this raises, the same batch comes again."""

    def deliver(self, batch: LogBatch) -> None:
        """Append the lines."""
        with (FOLDER / "batches.log").open("a", encoding="utf-8") as file:
            file.writelines(f"{record.text}\n" for record in batch.records)


if __name__ == "__main__":
    plugins = [
        Counting("counting"),
        ToFile("to_file", spool=FOLDER / "spool", options=SpoolOptions(batch_seconds=0.1)),
    ]
    raise SystemExit(Extension("loggers", version="1.0", plugins=plugins).run())
