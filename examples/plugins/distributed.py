#!/usr/bin/env python3
# osquery-sdk engine --socket /tmp/osquery.em --extension ./distributed.py --config_path ./osquery.conf \
#   --distributed_plugin ask --flag schedule_timeout=3
"""A distributed plugin: two queries, one of which runs only where a discovery statement has rows."""

import sys
from collections.abc import Sequence

from osquery_sdk import DistributedPlugin, DistributedQueries, DistributedResult, Extension


class Ask(DistributedPlugin):
    """Asks once, and says what came back."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        super().__init__("ask")
        self.is_asked = False

    def get_queries(self) -> DistributedQueries:
        """Return the queries that osqueryd is to run now."""
        if self.is_asked:
            return DistributedQueries({})
        self.is_asked = True
        return DistributedQueries(
            queries={
                "version": "select version from osquery_info",
                "never": "select 1",
                "wrong": "select * from no",
            },
            discovery={"never": "select 1 where 0"},
            accelerate=60,
        )

    def write_results(self, results: Sequence[DistributedResult]) -> None:
        """The answers."""
        for result in results:
            print(f"{result.name}: {result.status} {result.message or result.rows}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(Extension("ask", version="1.0", plugins=[Ask()]).run())
