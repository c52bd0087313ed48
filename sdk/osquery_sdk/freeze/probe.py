"""A look into an extension before it is frozen: what it serves, and what it has loaded by then.

It runs in an interpreter of its own, as ``python probe.py SCRIPT FOLDER...``, and prints JSON. The script is run as it
would be, up to the point where the extension would begin to serve.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osquery_sdk import Extension


class Found(BaseException):
    """Carries the extension out of whatever code has started it, past its `except Exception`."""


def look(script: str, name: str) -> dict[str, Any]:
    """Run the script and describe the extension that it starts."""
    import osquery_sdk

    def run(self: Extension, arguments: Sequence[str] | None = None) -> int:
        raise Found(self)

    def serve(self: Extension, socket: str, **options: Any) -> None:
        raise Found(self)

    osquery_sdk.Extension.run = run  # type: ignore[method-assign]
    osquery_sdk.Extension.serve = serve  # type: ignore[method-assign, assignment]
    before = set(sys.modules)
    sys.argv = [name]
    with open(script, "rb") as file:  # noqa: PTH123  nothing is imported that the extension does not import itself
        code = compile(file.read(), script, "exec")
    main = type(sys)("__main__")
    vars(main).update(__file__=script, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    try:
        exec(code, vars(main))  # noqa: S102  running it is the purpose
    except Found as found:
        made = found.args[0]
        return {**_facts(made), "modules": _loaded(before)}
    except SystemExit as stop:
        raise SystemExit(f"it ended with {stop.code!r} before it served") from stop
    raise SystemExit("it ended without running an Extension")


def _facts(made: Extension) -> dict[str, Any]:
    from osquery_sdk.tables import Table, this_platform
    from osquery_sdk.vocabulary import REQUIRED

    tables = [
        {
            "name": plugin.name,
            "required": [c.name for c in plugin.columns if c.options & REQUIRED],
            "examples": list(plugin.options.examples),
        }
        for plugin in made.all_plugins
        if isinstance(plugin, Table) and this_platform() in plugin.options.platforms
    ]
    return {
        "name": made.name,
        "version": made.version,
        "plugins": len(made.all_plugins),
        "tables": tables,
    }


def _loaded(before: set[str]) -> list[str]:
    """What it imported, by whatever means."""
    return sorted(
        name
        for name, module in list(sys.modules.items())
        if name not in before and name != "__main__" and getattr(module, "__spec__", None) is not None
    )


def main(arguments: list[str]) -> int:
    """Print what there is to know; an extension that does not get that far says why, in its last line."""
    script, name, *folders = arguments
    # What the extension prints, by whatever means, is not the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    sys.path[:0] = folders
    found = look(script, name)
    with open(answer, "w", encoding="utf-8") as out:  # noqa: PTH123  it is no path
        print(json.dumps(found), file=out)
    return 0


if __name__ == "__main__":
    # Not the folder of this file, but what the extension's own start would have.
    sys.path.pop(0)
    raise SystemExit(main(sys.argv[1:]))
