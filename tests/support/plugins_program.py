"""An extension for tests; the variable PLUGINS lists its plugins in JSON, each a class and its arguments."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kolide_plugins
from osquery_sdk import Column, Extension, Query, Row, SpoolOptions, Table, table


class Number(Row):
    n: int = Column("a number", index=True)
    text: str = Column("a text with what JSON escapes, and what it does not")


@table("plugin_numbers")
def numbers(query: Query) -> Iterator[Number]:
    """Numbers; the file NUMBERS has their count."""
    for n in map(int, Path(os.environ["NUMBERS"]).read_text(encoding="ascii").split()):
        yield Number(n=n, text=f'é\u2028\x7f\t"\\{n}')


def plugin(kind: str, arguments: dict[str, Any]) -> Any:
    if "options" in arguments:
        arguments["options"] = SpoolOptions(**arguments["options"])
    return getattr(kolide_plugins, kind)(**arguments)


def main() -> int:
    tables: list[Table] = [numbers] if "NUMBERS" in os.environ else []
    others = [plugin(kind, arguments) for kind, arguments in json.loads(os.environ.get("PLUGINS", "[]"))]
    return Extension("plugins", version="1.0", plugins=[*tables, *others]).run()


if __name__ == "__main__":
    sys.exit(main())
