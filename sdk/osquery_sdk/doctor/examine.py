"""Run all checks in order: those of osqueryd, and those of each extension."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..vocabulary import PROGRAM_SUFFIXES
from . import loadlist
from .checks_file import FILE_CHECKS
from .checks_running import RUNNING_CHECKS
from .checks_system import SYSTEM_CHECKS
from .cures import by_root
from .finding import skipped
from .looking import why
from .target import Target

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from .context import Context
    from .finding import Finding

EXTENSION_CHECKS = {**FILE_CHECKS, **RUNNING_CHECKS}
"""The checks of an extension: functions by name, in the order in which they run."""


class Check(NamedTuple):
    """A check that was run, and what it found."""

    extension: str
    """Path of the extension; empty for osqueryd itself."""
    name: str
    finding: Finding


def examine_system(context: Context) -> Iterator[Check]:
    """Run the checks of osqueryd."""
    for name, check in SYSTEM_CHECKS.items():
        yield Check("", name, _run(check, context))


def examine(context: Context, path: str | os.PathLike[str]) -> Iterator[Check]:
    """Run the checks of one extension."""
    target = Target(path, context)
    for name, check in EXTENSION_CHECKS.items():
        yield Check(str(target.path), name, _run(check, context, target))


def _run(check: Callable[..., Finding], *arguments: object) -> Finding:
    """Run a check. It is skipped if this user may not look at a file, or the file vanishes."""
    try:
        return check(*arguments)
    except PermissionError as error:
        return skipped(f"this user cannot look at {error.filename or 'it'}: {why(error)}", by_root())
    except OSError as error:
        return skipped(f"cannot look at {error.filename or 'it'}: {why(error)}")


def listed_extensions(context: Context) -> list[Path]:
    """Return the extensions of the load list: its lines, and files with their suffix below its folders."""
    lines = context.lines
    if isinstance(lines, OSError):
        return []
    named = {line.text for line in lines}
    return [Path(path) for path in loadlist.paths(lines) if path in named or path.endswith(PROGRAM_SUFFIXES)]


def failed(checks: Sequence[Check]) -> list[Check]:
    """Return the checks that keep osqueryd from loading an extension."""
    return [check for check in checks if check.finding.status == "failed"]
