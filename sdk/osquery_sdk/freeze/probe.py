"""Find out which tables an extension serves, and which modules it has loaded by the time it would serve.

This file runs in an interpreter of its own, as ``python probe.py SCRIPT NAME FOLDER...``, and prints JSON. It
runs the extension's script up to the point where the extension would begin to serve.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osquery_sdk.cli.extension import Extension


class Found(BaseException):
    """Carries the extension out of the code that starts it, past any `except Exception` there."""


def look(script: str, name: str) -> dict[str, Any]:
    """Run the script and describe the extension that it starts."""
    from osquery_sdk.cli.extension import Extension

    def run(self: Extension, arguments: Sequence[str] | None = None) -> int:
        raise Found(self)

    def serve(self: Extension, socket: str, **options: Any) -> None:
        raise Found(self)

    Extension.run = run  # type: ignore[method-assign]
    Extension.serve = serve  # type: ignore[method-assign, assignment]
    before = set(sys.modules)
    sys.argv = [name]
    # This file imports no pathlib: the modules loaded afterwards have to be those of the extension.
    with open(script, "rb") as file:  # noqa: PTH123
        code = compile(file.read(), script, "exec")
    main = type(sys)("__main__")
    vars(main).update(__file__=script, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    try:
        exec(code, vars(main))  # noqa: S102  running it is the purpose
    except Found as stop:
        return {**_facts(stop.args[0]), "modules": _loaded(before)}
    except SystemExit as stop:
        raise SystemExit(f"it ended with {stop.code!r} before it served") from stop
    raise SystemExit("it ended without running an Extension")


def _facts(extension: Extension) -> dict[str, Any]:
    from osquery_sdk.tables.deferred import TableFacts
    from osquery_sdk.tables.table import Table
    from osquery_sdk.vocabulary import REQUIRED

    tables = [plugin for plugin in extension.all_plugins if isinstance(plugin, Table)]
    here = [
        {
            "name": plugin.name,
            "required": [c.name for c in plugin.columns if c.options & REQUIRED],
            "examples": list(plugin.definition.examples),
        }
        for plugin in tables
        if plugin.is_here
    ]
    return {
        "name": extension.name,
        "version": extension.version,
        "plugins": len(extension.all_plugins),
        "tables": here,
        "record": {table.definition.declared_as: TableFacts.of(table) for table in tables},
    }


def _loaded(before: set[str]) -> list[str]:
    """Return the modules that were imported since, by whatever means."""
    return sorted(
        name
        for name, module in list(sys.modules.items())
        if name not in before and name != "__main__" and getattr(module, "__spec__", None) is not None
    )


def main(arguments: list[str]) -> int:
    """Print the facts as JSON. If the extension fails, the last line of standard error says why."""
    script, name, *folders = arguments
    # Standard output is for the JSON alone. Anything that the extension prints goes to standard error.
    answer = os.dup(1)
    os.dup2(2, 1)
    sys.path[:0] = folders
    facts = look(script, name)
    with open(answer, "w", encoding="utf-8") as out:  # noqa: PTH123  a descriptor, not a path
        print(json.dumps(facts), file=out)
    return 0


if __name__ == "__main__":
    # Python has put this file's folder first. The extension's own start would not have it.
    sys.path.pop(0)
    raise SystemExit(main(sys.argv[1:]))
