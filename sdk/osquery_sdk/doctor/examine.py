"""All checks in order, for what surrounds the extensions and for each of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import loadlist
from .checks_file import FILE_CHECKS
from .checks_running import RUNNING_CHECKS
from .checks_system import SYSTEM_CHECKS
from .finding import by_root, skipped
from .looking import why
from .target import Target

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from .context import Context
    from .finding import Finding

EXTENSION_CHECKS = {**FILE_CHECKS, **RUNNING_CHECKS}
"""Those of an extension, by name and in order."""


class Check(NamedTuple):
    """A check that was done."""

    extension: str
    """Path of the extension; empty for osqueryd itself."""
    name: str
    finding: Finding


def examine_system(context: Context) -> Iterator[Check]:
    """The checks of osqueryd."""
    for name, check in SYSTEM_CHECKS.items():
        yield Check("", name, _done(lambda check=check: check(context)))  # type: ignore[misc]


def examine(context: Context, path: str | os.PathLike[str]) -> Iterator[Check]:
    """The checks of one extension."""
    target = Target(path, context)
    for name, check in EXTENSION_CHECKS.items():
        yield Check(str(target.path), name, _done(lambda check=check: check(context, target)))  # type: ignore[misc]


def _done(check: Callable[[], Finding]) -> Finding:
    """What a check says; what this user may not look at, or what goes while it is looked at, it has not looked at."""
    try:
        return check()
    except OSError as error:
        if isinstance(error, PermissionError):
            return skipped(f"this user cannot look at {error.filename or 'it'}: {why(error)}", by_root())
        return skipped(f"cannot look at {error.filename or 'it'}: {why(error)}")


def listed_extensions(context: Context) -> list[Path]:
    """The extensions of the load list; those below a folder only if their names end as an extension's."""
    lines = context.lines
    if isinstance(lines, OSError):
        return []
    named = {line.text for line in lines}
    return [Path(one) for one in loadlist.paths(lines) if one in named or one.endswith((".ext", ".exe"))]


def failed(checks: Sequence[Check]) -> list[Check]:
    """Those because of which osqueryd does not load an extension."""
    return [check for check in checks if check.finding.status == "failed"]
